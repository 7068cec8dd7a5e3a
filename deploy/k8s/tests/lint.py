"""Rules for rendered manifests. Each yields sentences; none is silence. The names of the rules are those of the table in
docs/kubernetes.md."""

import re

from network import Pod, selects

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job")
OURS = {"tamis", "tamis-edge"}
# What is known about other people's programs: Postfix' master is root, and needs to become others.
ROOT_ALLOWED = {
    "postfix": {"CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID", "SYS_CHROOT"}
}
# Longest time that a mail in hand may take once our process is asked to end, and room to flush what is told of it.
DRAIN_S = 30
SELECTOR_KEYS = {"app.kubernetes.io/name", "app.kubernetes.io/instance"}
SECRET_WORDS = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|PRIVATE|CREDENTIAL", re.I)


class Rendered:
    """The objects of one overlay."""

    def __init__(self, objects):
        self.objects = [it for it in objects if it]

    def of(self, *kinds):
        return [it for it in self.objects if it["kind"] in kinds]

    def named(self, kind, name, namespace):
        for it in self.of(kind):
            if it["metadata"]["name"] == name and it["metadata"].get("namespace") == namespace:
                return it
        return None

    def workloads(self):
        return self.of(*WORKLOADS)

    def selected(self, selector, namespace):
        """Workloads whose pods a selector of that namespace chooses."""
        fits = lambda it: it["metadata"].get("namespace") == namespace and selects(selector, labels(it))
        return [it for it in self.workloads() if fits(it)]


def who(it):
    return f"{it['kind']} {it['metadata'].get('namespace', '-')}/{it['metadata']['name']}"


def pod(workload):
    return workload["spec"]["template"]["spec"]


def labels(workload):
    return workload["spec"]["template"]["metadata"].get("labels", {})


def containers(workload):
    """All that run as long as the pod does: native sidecars too."""
    spec = pod(workload)
    sidecars = [it for it in spec.get("initContainers", []) if it.get("restartPolicy") == "Always"]
    return sidecars + spec["containers"]


def every_container(workload):
    return pod(workload).get("initContainers", []) + pod(workload)["containers"]


def image_name(container):
    return container["image"].split("@")[0].rsplit("/", 1)[-1].split(":")[0]


def ports_of(workload):
    ports = [port for container in every_container(workload) for port in container.get("ports", [])]
    return {(it["name"], it.get("protocol", "TCP")): it["containerPort"] for it in ports}


def as_pod(workload, namespaces):
    namespace = workload["metadata"]["namespace"]
    return Pod(namespace, labels(workload), ports_of(workload), namespaces.get(namespace, {}))


# --- rules -----------------------------------------------------------------------------------------------------------


def recommended_labels(r):
    for it in r.objects:
        own = it["metadata"].get("labels", {})
        for key in ("app.kubernetes.io/name", "app.kubernetes.io/part-of"):
            if key not in own:
                yield f"{who(it)}: no label {key}"


def selectors(r):
    for it in r.workloads():
        selector = it["spec"]["selector"]
        if not selects(selector, labels(it)):
            yield f"{who(it)}: its selector does not choose its own pods"
        for key in set(selector["matchLabels"]) - SELECTOR_KEYS:
            yield f"{who(it)}: the selector has {key}, which cannot be changed later"
        if len(r.selected(selector, it["metadata"]["namespace"])) > 1:
            yield f"{who(it)}: its selector chooses pods of others"


def namespaces(r):
    known = {it["metadata"]["name"] for it in r.of("Namespace")}
    for it in r.of("Namespace"):
        own = it["metadata"]["labels"]
        level = own.get("pod-security.kubernetes.io/enforce")
        needs_root = any(
            image_name(c) in ROOT_ALLOWED
            for w in r.workloads()
            if w["metadata"]["namespace"] == it["metadata"]["name"]
            for c in every_container(w)
        )
        if level not in (("baseline", "restricted") if needs_root else ("restricted",)):
            yield f"{who(it)}: pod security {level} is enforced"
        if own.get("pod-security.kubernetes.io/warn") != "restricted":
            yield f"{who(it)}: nobody is warned of what is not restricted"
        for key in ("enforce", "warn"):
            if not re.fullmatch(r"v1\.\d+", own.get(f"pod-security.kubernetes.io/{key}-version", "")):
                yield f"{who(it)}: the version of pod security ({key}) is not pinned"
    for it in r.objects:
        if it["kind"] != "Namespace" and it["metadata"].get("namespace") not in known:
            yield f"{who(it)}: its namespace is not here"


def hardened(r):
    for it in r.workloads():
        shared = pod(it).get("securityContext", {})
        for c in every_container(it):
            own = {**{k: v for k, v in shared.items() if k.startswith(("run", "sec"))}, **c.get("securityContext", {})}
            where = f"{who(it)}/{c['name']}"
            may_be_root = ROOT_ALLOWED.get(image_name(c))
            if may_be_root is None and (not own.get("runAsNonRoot") or not own.get("runAsUser")):
                yield f"{where}: runs as root, or as nobody knows whom"
            if not own.get("readOnlyRootFilesystem"):
                yield f"{where}: its root can be written to"
            if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
                yield f"{where}: privileges can be gained"
            if own.get("capabilities", {}).get("drop") != ["ALL"]:
                yield f"{where}: capabilities are not dropped"
            if set(own.get("capabilities", {}).get("add", [])) - (may_be_root or set()):
                yield f"{where}: capabilities are added"
            if own.get("seccompProfile", {}).get("type") != "RuntimeDefault":
                yield f"{where}: no seccomp profile"
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if pod(it).get(key):
                yield f"{who(it)}: {key}"
        for volume in pod(it).get("volumes", []):
            if "emptyDir" in volume and not volume["emptyDir"].get("sizeLimit"):
                yield f"{who(it)}: volume {volume['name']} has no sizeLimit"
            if "hostPath" in volume:
                yield f"{who(it)}: volume {volume['name']} is of the host"


def accounts(r):
    for it in r.workloads():
        account = r.named("ServiceAccount", pod(it).get("serviceAccountName"), it["metadata"]["namespace"])
        if account is None:
            yield f"{who(it)}: no service account of its own"
        elif account.get("automountServiceAccountToken") is not False:
            yield f"{who(account)}: its token is mounted"
        if pod(it).get("automountServiceAccountToken") is not False:
            yield f"{who(it)}: a token is mounted"
    for it in r.of("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"):
        yield f"{who(it)}: no program of ours calls the API"


def resources(r):
    for it in r.workloads():
        for c in every_container(it):
            wanted, limits = c.get("resources", {}).get("requests", {}), c.get("resources", {}).get("limits", {})
            for key in ("cpu", "memory", "ephemeral-storage"):
                if key not in wanted:
                    yield f"{who(it)}/{c['name']}: no request of {key}"
            for key in ("memory", "ephemeral-storage"):
                if key not in limits:
                    yield f"{who(it)}/{c['name']}: no limit of {key}"
            if "cpu" in limits:
                yield f"{who(it)}/{c['name']}: a limit of CPU only adds waiting"


def probes(r):
    for it in r.workloads():
        for c in containers(it):
            where = f"{who(it)}/{c['name']}"
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                if kind not in c:
                    yield f"{where}: no {kind}"
            if "livenessProbe" not in c or "readinessProbe" not in c:
                continue
            what = lambda probe: {k: v for k, v in probe.items() if k in ("exec", "tcpSocket", "httpGet", "grpc")}
            if what(c["livenessProbe"]) == what(c["readinessProbe"]):
                yield f"{where}: readiness and liveness ask the same"
            if image_name(c) in OURS:
                for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                    command = c.get(kind, {}).get("exec", {}).get("command", [])
                    if command[:2] != [f"/{image_name(c)}", "probe"]:
                        yield f"{where}: {kind} is no subcommand of the program"
                if c["livenessProbe"].get("exec", {}).get("command", [""] * 3)[2] != "live":
                    yield f"{where}: liveness depends on others"
                if c["readinessProbe"].get("exec", {}).get("command", [""] * 3)[2] != "ready":
                    yield f"{where}: readiness does not ask whether it is ready"
            udp = [p for p in c.get("ports", []) if p.get("protocol") == "UDP"]
            if udp and "--udp" not in c["readinessProbe"].get("exec", {}).get("command", []):
                yield f"{where}: nobody asks over UDP"
            names = {p["name"] for p in c.get("ports", [])}
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                port = c.get(kind, {}).get("tcpSocket", {}).get("port")
                if isinstance(port, str) and port not in names:
                    yield f"{where}: {kind} asks the port {port}, which it has not"


def ending(r):
    for it in r.workloads():
        pause = max(
            [c.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0) for c in pod(it)["containers"]]
        )
        is_ours = any(image_name(c) in OURS for c in every_container(it))
        if is_ours and pause < 10:
            yield f"{who(it)}: it ends before others know that it does"
        if is_ours and pod(it).get("terminationGracePeriodSeconds", 30) < pause + DRAIN_S:
            yield f"{who(it)}: no time for the work in hand"
        if "minReadySeconds" not in it["spec"]:
            yield f"{who(it)}: no minReadySeconds"
        if it["kind"] == "Deployment":
            rolling = it["spec"].get("strategy", {}).get("rollingUpdate", {})
            if rolling.get("maxUnavailable") != 0 or not rolling.get("maxSurge"):
                yield f"{who(it)}: an update takes pods away before there are others"


def budgets(r):
    covered = []
    for it in r.of("PodDisruptionBudget"):
        found = r.selected(it["spec"]["selector"], it["metadata"]["namespace"])
        covered += [id(w) for w in found]
        if not found:
            yield f"{who(it)}: it is about nothing"
        if it["spec"].get("maxUnavailable") != 1:
            yield f"{who(it)}: not one at a time"
        if it["spec"].get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"{who(it)}: a broken pod stops a node from being emptied"
    for it in r.workloads():
        if covered.count(id(it)) != 1:
            yield f"{who(it)}: {covered.count(id(it))} disruption budgets"


def autoscalers(r):
    for it in r.of("HorizontalPodAutoscaler"):
        spec, namespace = it["spec"], it["metadata"]["namespace"]
        target = r.named(spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"], namespace)
        if target is None:
            yield f"{who(it)}: it scales nothing"
            continue
        if "replicas" in target["spec"]:
            yield f"{who(target)}: replicas beside an autoscaler"
        kinds = [metric["type"] for metric in spec["metrics"]]
        if kinds[:1] != ["Pods"] or "Resource" not in kinds:
            yield f"{who(it)}: saturation first, CPU second"
        if spec.get("behavior", {}).get("scaleDown", {}).get("stabilizationWindowSeconds", 0) < 300:
            yield f"{who(it)}: it scales down in a hurry"
        if spec.get("minReplicas", 1) < 2:
            yield f"{who(it)}: one may be too few"
    scaled = {(h["metadata"]["namespace"], h["spec"]["scaleTargetRef"]["name"]) for h in r.of("HorizontalPodAutoscaler")}
    for it in r.of("Deployment"):
        if (it["metadata"]["namespace"], it["metadata"]["name"]) not in scaled:
            yield f"{who(it)}: nobody scales it"


def spread(r):
    for it in r.workloads():
        rules = {rule["topologyKey"]: rule for rule in pod(it).get("topologySpreadConstraints", [])}
        revision = "pod-template-hash" if it["kind"] == "Deployment" else "controller-revision-hash"
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname"):
            rule = rules.get(key)
            if rule is None:
                yield f"{who(it)}: not spread by {key}"
            elif not selects(rule["labelSelector"], labels(it)) or rule.get("matchLabelKeys") != [revision]:
                yield f"{who(it)}: spread by {key} counts other pods"


def services(r):
    for it in r.of("Service"):
        spec = it["spec"]
        found = r.selected({"matchLabels": spec["selector"]}, it["metadata"]["namespace"])
        if not found:
            yield f"{who(it)}: no pod behind it"
        is_headless = spec.get("clusterIP") == "None"
        for port in spec["ports"]:
            protocol = port.get("protocol", "TCP")
            if any((port.get("targetPort"), protocol) not in ports_of(w) for w in found):
                yield f"{who(it)}: a pod has no port {port.get('targetPort')}/{protocol}"
            if protocol == "UDP" and not is_headless:
                yield f"{who(it)}: UDP behind one address reaches one server"
            if port["name"] == "grpc" and not is_headless:
                yield f"{who(it)}: gRPC behind one address reaches one server"
        if spec.get("type") in ("LoadBalancer", "NodePort") and spec.get("externalTrafficPolicy") != "Local":
            yield f"{who(it)}: the client's address is lost"
    for it in r.of("StatefulSet"):
        service = r.named("Service", it["spec"].get("serviceName"), it["metadata"]["namespace"])
        if service is None or service["spec"].get("clusterIP") != "None":
            yield f"{who(it)}: no headless service gives its pods names"
        # One after the other, the first would have to be ready alone: who is ready only among others never is.
        if it["spec"].get("replicas", 1) > 1 and it["spec"].get("podManagementPolicy") != "Parallel":
            yield f"{who(it)}: its first pod waits to be ready without the others"


def policies(r):
    for namespace in {w["metadata"]["namespace"] for w in r.workloads()}:
        inside = [p for p in r.of("NetworkPolicy") if p["metadata"]["namespace"] == namespace]
        closed = [p for p in inside if p["spec"]["podSelector"] == {} and not p["spec"].get("ingress")]
        if not any(set(p["spec"]["policyTypes"]) == {"Ingress", "Egress"} and not p["spec"].get("egress") for p in closed):
            yield f"Namespace {namespace}: it is open unless something closes it"
    for it in r.of("NetworkPolicy"):
        selector, namespace = it["spec"]["podSelector"], it["metadata"]["namespace"]
        found = r.selected(selector, namespace)
        if not found:
            yield f"{who(it)}: it is about nothing"
        for rule in it["spec"].get("ingress") or []:
            for port in rule.get("ports", []):
                named = (port.get("port"), port.get("protocol", "TCP"))
                if isinstance(named[0], str) and any(named not in ports_of(w) for w in found):
                    yield f"{who(it)}: its pods have no port {named[0]}/{named[1]}"
    for it in r.workloads():
        own = [
            p
            for p in r.of("NetworkPolicy")
            if p["spec"]["podSelector"] and it in r.selected(p["spec"]["podSelector"], p["metadata"]["namespace"])
        ]
        if not own:
            yield f"{who(it)}: no policy says whom it talks to"


def volumes(r):
    for it in r.workloads():
        claims = [c["metadata"]["name"] for c in it["spec"].get("volumeClaimTemplates", [])]
        known = {v["name"]: v for v in pod(it).get("volumes", [])}
        used = set()
        for c in every_container(it):
            for mount in c.get("volumeMounts", []):
                used.add(mount["name"])
                if mount["name"] not in known and mount["name"] not in claims:
                    yield f"{who(it)}/{c['name']}: volume {mount['name']} is not there"
                if "secret" in known.get(mount["name"], {}) and "subPath" in mount:
                    yield f"{who(it)}/{c['name']}: of a subPath no renewal is seen"
        for name in set(known) - used:
            yield f"{who(it)}: nobody mounts {name}"
        for name, volume in known.items():
            if "configMap" in volume:
                target = volume["configMap"]["name"]
                if r.named("ConfigMap", target, it["metadata"]["namespace"]) is None:
                    yield f"{who(it)}: no ConfigMap {target}"
                elif not re.search(r"-[a-z0-9]{10}$", target):
                    yield f"{who(it)}: ConfigMap {target} is not named by its content"


def secrets(r):
    for it in r.of("Secret"):
        yield f"{who(it)}: a secret in the manifests"
    for it in r.workloads():
        for c in every_container(it):
            names = [env["name"] for env in c.get("env", [])]
            for name in {name for name in names if names.count(name) > 1}:
                yield f"{who(it)}/{c['name']}: {name} is set twice"
            for env in c.get("env", []):
                if "secretKeyRef" in env.get("valueFrom", {}) or SECRET_WORDS.search(env["name"]):
                    yield f"{who(it)}/{c['name']}: {env['name']} is a secret in the environment"
            if any("secretRef" in source for source in c.get("envFrom", [])):
                yield f"{who(it)}/{c['name']}: secrets in the environment"


def images(r):
    for it in r.workloads():
        for c in every_container(it):
            tag = c["image"].split("@")[0].rsplit("/", 1)[-1].partition(":")[2]
            if not tag or tag == "latest":
                yield f"{who(it)}/{c['name']}: image {c['image']} is not pinned"
            if c.get("imagePullPolicy") != "IfNotPresent":
                yield f"{who(it)}/{c['name']}: what is pinned need not be pulled again"


def sidecars(r):
    for it in r.workloads():
        if not any(image_name(c) == "postfix" for c in pod(it)["containers"]):
            continue
        ours = [c for c in pod(it).get("initContainers", []) if image_name(c) in OURS]
        if len(ours) != 1 or ours[0].get("restartPolicy") != "Always" or "startupProbe" not in ours[0]:
            yield f"{who(it)}: Postfix may start before its filter"
            continue
        mounts = lambda c: {m["name"]: m["mountPath"] for m in c.get("volumeMounts", [])}
        empty = {v["name"] for v in pod(it)["volumes"] if "emptyDir" in v}
        postfix = next(c for c in pod(it)["containers"] if image_name(c) == "postfix")
        shared = set(mounts(ours[0])) & set(mounts(postfix)) & empty
        if "fsGroup" in pod(it).get("securityContext", {}):
            yield f"{who(it)}: fsGroup opens the queue to a group"
        if len(shared) != 1:
            yield f"{who(it)}: filter and Postfix share {len(shared)} directories, not one"
        if any(p["name"] not in ("admin",) for p in ours[0].get("ports", [])):
            yield f"{who(it)}: a door of the filter is on the network of pods"


RULES = [
    recommended_labels, selectors, namespaces, hardened, accounts, resources, probes, ending, budgets, autoscalers, spread,
    services, policies, volumes, secrets, images, sidecars,
]  # fmt: skip


def complaints(objects):
    rendered = Rendered(objects)
    return [(rule.__name__, text) for rule in RULES for text in rule(rendered)]
