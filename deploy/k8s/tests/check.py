"""Checks everything under deploy/k8s: `check.py BINARIES METRICS`.

BINARIES is the folder of tamis and tamis-edge. METRICS is a folder of expositions, one file for each role that has worked.
kubectl and kubernetes-validate are looked for beside this interpreter first."""

import copy
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import yaml

import known
import lint
import render
from mutations import MUTATIONS

OWN = Path(sys.executable).parent
FLOOR = "1.33"
# Names that the overlay leaves to another one.
EXTERNAL = {"edge-sidecar": {"scanner.tamis.svc"}}
M, T, W = "mta", "TCP", "world"
MTA = [
    (W, M, T, 25, True),
    ("stranger", M, T, 25, True),
    (M, W, T, 25, True),
    (M, W, T, 443, False),
    (M, W, T, 53, False),
    (M, "dns", "UDP", 53, True),
    (M, "dns", T, 53, True),
    (M, "kube-system", "UDP", 53, False),
    ("newcomer@tamis-mta", W, T, 25, False),
    ("newcomer@tamis-mta", "dns", "UDP", 53, True),
    (M, "monitoring", T, 4317, True),
    (M, "monitoring", T, 9090, False),
]
TABLES = {
    "single-node": MTA + [("monitoring", M, T, 9070, True), (W, M, T, 9070, False), ("stranger", M, T, 7062, False)],
    "edge-sidecar": MTA + [("monitoring", M, T, 9071, True), (W, M, T, 9071, False), (W, M, T, 7065, False)],
    "cluster": MTA
    + [
        (M, "scanner", T, 7062, True),
        (M, "scanner", T, 9072, False),
        (M, "reputation", "UDP", 7060, False),
        (M, "reputation", T, 7063, False),
        (M, "redis-facts", T, 6379, False),
        (M, "redis-order", T, 6379, False),
        ("scanner", "reputation", "UDP", 7060, True),
        ("scanner", "reputation", T, 7060, False),
        ("scanner", "reputation", T, 7063, False),
        ("scanner", "redis-facts", T, 6379, True),
        ("scanner", "redis-facts", T, 26379, True),
        ("scanner", "redis-order", T, 6379, False),
        ("scanner", "scanner", T, 7062, False),
        ("scanner", W, T, 443, False),
        ("scanner", "dns", "UDP", 53, True),
        ("scanner", "monitoring", T, 4317, True),
        ("reputation", "reputation", T, 7063, True),
        ("reputation", "reputation", "UDP", 7060, False),
        ("reputation", "redis-order", T, 6379, True),
        ("reputation", "redis-order", T, 26379, True),
        ("reputation", "redis-facts", T, 6379, False),
        ("reputation", "scanner", T, 7062, False),
        ("reputation", W, T, 443, False),
        ("redis-facts", "redis-facts", T, 6379, True),
        ("redis-facts", "redis-facts", T, 26379, True),
        ("redis-facts", "redis-order", T, 6379, False),
        ("redis-order", "redis-order", T, 26379, True),
        ("redis-order", "redis-facts", T, 26379, False),
        ("redis-facts", W, T, 443, False),
        ("stranger", "scanner", T, 7062, False),
        ("stranger", "reputation", "UDP", 7060, False),
        ("stranger", "redis-facts", T, 6379, False),
        (W, "scanner", T, 7062, False),
        (W, "reputation", "UDP", 7060, False),
        (W, "redis-order", T, 6379, False),
        ("newcomer@tamis", "scanner", T, 7062, False),
        ("newcomer@tamis", "reputation", "UDP", 7060, False),
        ("newcomer@tamis", "redis-order", T, 6379, False),
        ("newcomer@tamis", W, T, 443, False),
        ("monitoring", "scanner", T, 9072, True),
        ("monitoring", "scanner", T, 7062, False),
        ("monitoring", "reputation", T, 9073, True),
        ("monitoring", M, T, 9071, True),
    ],
}


def tool(name):
    return str(OWN / name) if (OWN / name).exists() else name


def schemas(text, version=None):
    """What the strict schemas say, without a version at the newest."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        command = [tool("kubernetes-validate"), "--strict", "--quiet", *(["-k", version] if version else []), file.name]
        done = subprocess.run(command, capture_output=True, text=True)
        return [("schemas", done.stdout + done.stderr)] if done.returncode else []


def all_of(overlay, objects, programs):
    found = lint.complaints(objects) + known.complaints(objects, programs, EXTERNAL.get(overlay, ()))
    return found + list(known.table(lint.Rendered(objects), TABLES[overlay]))


def monitoring(objects):
    """The alerts and every dashboard are there, as they stand in their own files."""
    files = {path.name: path.read_text() for path in (render.TOP.parent / "grafana/dashboards").glob("*.json")}
    rules = yaml.safe_load((render.TOP.parent / "prometheus/rules.yaml").read_text())
    found = {}
    for it in objects:
        if it["kind"] == "ConfigMap" and it["metadata"].get("labels", {}).get("grafana_dashboard") == "1":
            found |= it["data"]
    if not files or found != files:
        yield "the dashboards are not those of deploy/grafana"
    if [it["spec"] for it in objects if it["kind"] == "PrometheusRule"] != [rules]:
        yield "the alerts are not those of deploy/prometheus"


def mutated(rendered, programs):
    """Each planted mistake must be found, by the rule that is about it."""
    caught = set()
    for overlay, rule, what, plant in MUTATIONS:
        objects = copy.deepcopy(rendered[overlay])
        plant(lint.Rendered(objects))
        if objects == rendered[overlay]:
            yield ("mutations", f"{what}: it changes nothing")
            continue
        if rule == "schemas":
            found = schemas(yaml.safe_dump_all(objects), FLOOR)
        elif rule == "table":
            found = list(known.table(lint.Rendered(objects), TABLES[overlay]))
        elif rule in known.RULES:
            r, external = lint.Rendered(objects), EXTERNAL.get(overlay, ())
            found = [(rule, text) for text in known.RULES[rule](r, programs, external)]
        else:
            found = lint.complaints(objects)
        if rule not in [name for name, _ in found]:
            yield ("mutations", f"{what}: nobody minds; {rule} should")
        caught.add(rule)
    every = {it.__name__ for it in lint.RULES} | set(known.RULES) | {"schemas", "table"}
    for rule in every - caught:
        yield ("mutations", f"no planted mistake tries the rule {rule}")


def main(binaries, metrics):
    programs = known.Programs(binaries)
    found, rendered = [], {}
    for overlay in render.OVERLAYS:
        text = render.text(render.TOP / "overlays" / overlay, tool("kubectl"))
        rendered[overlay] = render.objects(overlay, tool("kubectl"))
        for version in (FLOOR, None):
            found += schemas(text, version)
        found += [(overlay, *it) for it in all_of(overlay, rendered[overlay], programs)]
        print(f"{overlay}: {len(rendered[overlay])} objects, {len(TABLES[overlay])} pairs")
    for component in render.COMPONENTS:
        objects = render.with_component(component, tool("kubectl"))
        if objects == rendered["cluster"]:
            found.append((component, "it changes nothing"))
        ours = [it for it in objects if it["kind"] not in render.FOREIGN]
        found += schemas(yaml.safe_dump_all(ours), FLOOR)
        found += [(component, *it) for it in all_of("cluster", objects, programs)]
        if component == "monitoring":
            found += [(component, it) for it in monitoring(objects)]
            if len(list(monitoring([it for it in objects if it["kind"] not in ("PrometheusRule", "ConfigMap")]))) != 2:
                found.append((component, "nobody minds when dashboards and alerts are missing"))
    texts = [path.read_text() for path in sorted(Path(metrics).iterdir())]
    found += known.unknown_metrics(render.TOP.parent, texts)
    found += mutated(rendered, programs)
    print(f"{len(MUTATIONS)} planted mistakes")
    for it in found:
        print(*it, sep=": ", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    os.environ["PATH"] = f"{OWN}:{os.environ.get('PATH', '')}"
    sys.exit(main(*sys.argv[1:]))
