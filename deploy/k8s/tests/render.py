"""Renders overlays with kustomize and reads what comes out."""

import subprocess
import tempfile
from pathlib import Path

import yaml

TOP = Path(__file__).resolve().parent.parent
OVERLAYS = ["single-node", "cluster", "edge-sidecar"]


def text(overlay, kubectl="kubectl"):
    done = subprocess.run([kubectl, "kustomize", str(overlay)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{overlay}: {done.stderr}")
    return done.stdout


def objects(overlay, kubectl="kubectl"):
    return [it for it in yaml.safe_load_all(text(TOP / "overlays" / overlay, kubectl)) if it]


# Components that an administrator may add to the overlay cluster, and kinds of others whose schemas are not at hand.
COMPONENTS = ["user-namespaces", "tracing", "pod-monitors", "monitoring", "cert-manager"]
FOREIGN = {"PodMonitor", "PrometheusRule", "Certificate"}


def with_component(component, kubectl="kubectl"):
    """The overlay cluster with one component."""
    with tempfile.TemporaryDirectory(dir=TOP) as folder:
        wanted = {"resources": ["../overlays/cluster"], "components": [f"../components/{component}"]}
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(wanted))
        return [it for it in yaml.safe_load_all(text(folder, kubectl)) if it]
