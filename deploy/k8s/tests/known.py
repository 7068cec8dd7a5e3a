"""Whether our programs know what manifests tell them: flags, variables, keys of the configuration; and whether what the
configuration names is there and may be reached."""

import os
import re
import subprocess
import tempfile
import tomllib
from pathlib import Path

import yaml

from lint import OURS, Rendered, as_pod, every_container, image_name, pod, ports_of, who
from network import Pod, allowed

# Variables of the OpenTelemetry specification that we obey, and those that only others expand.
STANDARD = {
    "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME",
    "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "RUST_LOG",
}  # fmt: skip
FROM_ABOVE = {"POD_NAME", "POD_NAMESPACE", "NODE_NAME"}
ADDRESS = re.compile(r"([a-z0-9-]+(?:\.[a-z0-9-]+)*\.svc):(\d+)")


class Programs:
    """Our binaries, asked."""

    def __init__(self, folder):
        self.folder, self.helps = Path(folder), {}
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("TAMIS_", "OTEL_", "RUST_"))}

    def run(self, name, *arguments, **environment):
        return subprocess.run(
            [self.folder / name, *arguments], capture_output=True, text=True, env={**self.environment, **environment}
        )

    def help(self, name, command):
        key = (name, command)
        if key not in self.helps:
            done = self.run(name, *command, "--help")
            self.helps[key] = done.stdout if done.returncode == 0 else None
        return self.helps[key]


def subcommands(arguments):
    """The words before the first flag, as far as they choose a subcommand."""
    words = []
    for argument in arguments:
        if argument.startswith("-"):
            break
        words.append(argument)
    return tuple(words)


def unknown_arguments(programs, where, name, arguments):
    words = subcommands(arguments)
    # The last word of `probe live` is a value, which the help of `probe` names.
    for length in range(len(words), -1, -1):
        text = programs.help(name, words[:length])
        if text is not None:
            break
    else:
        yield f"{where}: {name} cannot be asked"
        return
    for word in words[length:]:
        if not re.search(rf"\b{re.escape(word)}\b", text):
            yield f"{where}: {name} does not know {word}"
    for argument in arguments:
        if argument.startswith("--") and not re.search(rf"(^|\s){re.escape(argument.split('=')[0])}\b", text):
            yield f"{where}: {name} {' '.join(words[:length])} does not know {argument}"


def commands(container):
    if container.get("args"):
        yield container["args"]
    probes = [container.get(kind, {}) for kind in ("startupProbe", "livenessProbe", "readinessProbe")]
    hooks = [container.get("lifecycle", {}).get(kind, {}) for kind in ("preStop", "postStart")]
    for it in probes + hooks:
        command = it.get("exec", {}).get("command")
        if command:
            yield command[1:]


def flags(r, programs, external=()):
    del external
    for it in r.workloads():
        for c in every_container(it):
            if image_name(c) in OURS:
                for arguments in commands(c):
                    yield from unknown_arguments(programs, f"{who(it)}/{c['name']}", image_name(c), list(arguments))


def certificates(folder):
    """Any certificate at all: the files of [tls] must be there to be checked."""
    key, certificate = Path(folder) / "any.key", Path(folder) / "any.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2",
         "-subj", "/CN=any", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return {"tls.crt": certificate, "tls.key": key, "ca.crt": certificate}


def config_of(r, workload, container):
    """The text of the configuration that a container is started with, wherever it is mounted."""
    arguments = container.get("args", [])
    if "--config" not in arguments:
        return None
    path = arguments[arguments.index("--config") + 1]
    for mount in container.get("volumeMounts", []):
        volume = next((v for v in pod(workload)["volumes"] if v["name"] == mount["name"]), {})
        if mount["mountPath"] == path and "configMap" in volume:
            found = r.named("ConfigMap", volume["configMap"]["name"], workload["metadata"]["namespace"])
            return found and found["data"].get(mount.get("subPath", ""))
    return None


def configurations(r, programs, external=()):
    del external
    with tempfile.TemporaryDirectory() as folder:
        files = certificates(folder)
        for it in r.workloads():
            for c in every_container(it):
                if image_name(c) not in OURS:
                    continue
                where, text = f"{who(it)}/{c['name']}", config_of(r, it, c)
                if text is None:
                    yield f"{where}: its configuration is not mounted where it is read"
                    continue
                for mount in c["volumeMounts"]:
                    for name, file in files.items():
                        text = text.replace(f'"{mount["mountPath"]}/{name}"', f'"{file}"')
                path = Path(folder) / "tamis.toml"
                path.write_text(text)
                own = {e["name"]: e.get("value", "") for e in c.get("env", [])}
                for name in set(own) - STANDARD - FROM_ABOVE:
                    if not name.startswith("TAMIS_"):
                        yield f"{where}: nobody knows the variable {name}"
                ours = {k: re.sub(r"\$\(\w+\)", "reputation-0", v) for k, v in own.items() if k.startswith("TAMIS_")}
                done = programs.run("tamis", "check-config", str(path), **ours)
                if done.returncode:
                    yield f"{where}: {done.stderr.strip()}"


def reachable(r, programs, external=()):
    """What a configuration names exists and may be talked to. `external` are names that another overlay has."""
    del programs
    namespaces = {n["metadata"]["name"]: n["metadata"]["labels"] for n in r.of("Namespace")}
    every = r.of("NetworkPolicy")
    for it in r.workloads():
        for c in every_container(it):
            text = config_of(r, it, c) if image_name(c) in OURS else None
            for host, port in ADDRESS.findall(text or ""):
                if host in external:
                    continue
                where, names, port = f"{who(it)}/{c['name']}", host.split("."), int(port)
                service = r.named("Service", names[-3], names[-2])
                if service is None:
                    yield f"{where}: there is no service {names[-3]} in {names[-2]}"
                    continue
                listed = [p for p in service["spec"]["ports"] if p["port"] == port]
                if not listed:
                    yield f"{where}: service {names[-3]} has no port {port}"
                    continue
                for target in r.selected({"matchLabels": service["spec"]["selector"]}, names[-2]):
                    if len(names) == 4:
                        if target["spec"].get("serviceName") != names[-3]:
                            yield f"{where}: {host} is no name of a pod"
                        ordinal = names[0].removeprefix(target["metadata"]["name"] + "-")
                        if not ordinal.isdigit() or int(ordinal) >= target["spec"].get("replicas", 1):
                            yield f"{where}: {host} is not among the replicas"
                    for entry in listed:
                        protocol = entry.get("protocol", "TCP")
                        number = ports_of(target)[(entry["targetPort"], protocol)]
                        ends = as_pod(it, namespaces), as_pod(target, namespaces)
                        if not allowed(every, *ends, protocol, number):
                            yield f"{where}: the policies do not let it talk to {host}:{port}/{protocol}"


def settings(text):
    """`name = value` lines of a main.cf."""
    lines = [line for line in text.splitlines() if line[:1].isalpha() and "=" in line]
    return {name.strip(): value.strip() for name, value in (line.split("=", 1) for line in lines)}


def mounted(container, path):
    """Volume and path in it of a file as a container sees it: the longest mount that holds it."""
    holds = [m for m in container.get("volumeMounts", []) if path.startswith(m["mountPath"].rstrip("/") + "/")]
    best = max(holds, key=lambda m: len(m["mountPath"]), default=None)
    return best and (best["name"], path[len(best["mountPath"].rstrip("/")) :])


def milters(r, programs, external=()):
    """Postfix and its filter mean the same socket, in a directory that both have; what happens without a filter or a
    verdict is said; and Postfix waits for longer than the filter takes."""
    del programs, external
    for it in r.workloads():
        postfix = next((c for c in pod(it)["containers"] if image_name(c) == "postfix"), None)
        ours = next((c for c in every_container(it) if image_name(c) in OURS), None)
        if postfix is None or ours is None:
            continue
        volume = next((v for v in pod(it)["volumes"] if v["name"] == "postfix-config"), {})
        found = r.named("ConfigMap", volume.get("configMap", {}).get("name"), it["metadata"]["namespace"])
        said, text = settings(found["data"]["main.cf"] if found else ""), config_of(r, it, ours) or ""
        edge = tomllib.loads(text).get("edge", {})
        for name in ("smtpd_milters", "non_smtpd_milters"):
            socket = said.get(name, "").removeprefix("unix:")
            seen = mounted(postfix, f"{said.get('queue_directory')}/{socket}")
            own = mounted(ours, edge.get("milter", "").removeprefix("unix:").split(",")[0])
            if not said.get(name, "").startswith("unix:") or seen is None or seen != own:
                yield f"{who(it)}: {name} is not the socket of {ours['name']}"
        if said.get("milter_default_action") not in ("tempfail", "accept", "reject", "quarantine"):
            yield f"{who(it)}: nobody says what Postfix does without its filter"
        if ours["name"] == "edge" and "unscanned" not in edge:
            yield f"{who(it)}: nobody says what happens to mail that nobody judged"
        waits = said.get("milter_content_timeout", "0s")
        if not waits.endswith("s") or int(waits[:-1]) * 1000 <= edge.get("deadline_ms", 20_000):
            yield f"{who(it)}: Postfix waits {waits}, and the filter takes longer"
        for door in ("lmtp", "smtp"):
            if edge.get(door) != "":
                yield f"{who(it)}: the door {door} is open, and nobody uses it"


RULES = {it.__name__: it for it in (flags, configurations, reachable, milters)}


def complaints(objects, programs, external=()):
    r = Rendered(objects)
    return [(name, text) for name, rule in RULES.items() for text in rule(r, programs, external)]


# --- metrics ---------------------------------------------------------------------------------------------------------

METRIC = re.compile(r"\b(tamis_[a-z0-9]+(?:_[a-z0-9]+)+)\b")


def metrics_named(folder):
    """Every name of a metric of ours under a folder, with the files that have it; code of tests left out."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and path.suffix in (".yaml", ".yml", ".json", ".toml", ".md", ".rules"):
            for name in METRIC.findall(path.read_text()):
                found.setdefault(name, path)
    return found


def metrics_exposed(texts):
    """Names of series in expositions: with the endings of histograms, and bare."""
    exposed = set()
    for text in texts:
        for kind in re.findall(r"^# TYPE (\S+) (\S+)", text, re.M):
            exposed.add(kind[0])
            if kind[1] == "histogram":
                exposed |= {kind[0] + end for end in ("_bucket", "_sum", "_count")}
        exposed |= set(re.findall(r"^([a-z]\w*)[{ ]", text, re.M))
    return exposed


def unknown_metrics(folder, texts, recorded=()):
    exposed = metrics_exposed(texts)
    for name, path in metrics_named(folder).items():
        if name not in exposed and name not in recorded:
            yield ("metrics", f"{path}: nobody exposes {name}")


def pods(r):
    """The pods of an overlay by short names, and who else there is."""
    namespaces = {n["metadata"]["name"]: n["metadata"]["labels"] for n in r.of("Namespace")}
    found = {w["metadata"]["name"]: as_pod(w, namespaces) for w in r.workloads()}
    found["dns"] = Pod("kube-system", {"k8s-app": "kube-dns"})
    found["kube-system"] = Pod("kube-system", {"k8s-app": "other"})
    found["monitoring"] = Pod("monitoring", {"app": "prometheus"})
    found["stranger"] = Pod("elsewhere", {"app.kubernetes.io/name": "scanner"})
    found["world"] = Pod(ip="198.51.100.7")
    for namespace in namespaces:
        found[f"newcomer@{namespace}"] = Pod(namespace, {}, {}, namespaces[namespace])
    return found


def table(r, rows):
    """Rows of (source, target, protocol, port, allowed?) against the policies of an overlay."""
    known, every = pods(r), r.of("NetworkPolicy")
    for source, target, protocol, port, expected in rows:
        if allowed(every, known[source], known[target], protocol, port) != expected:
            yield ("table", f"{source} to {target}:{port}/{protocol} is {'not ' if expected else ''}allowed")


def read(path):
    return [it for it in yaml.safe_load_all(Path(path).read_text()) if it]
