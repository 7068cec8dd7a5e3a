"""Planted mistakes: overlay, the rule that must find it, what it is, and how it is made."""

from lint import every_container, pod


def workload(name):
    return lambda r: next(it for it in r.workloads() if it["metadata"]["name"] == name)


def spec(name, change):
    return lambda r: change(pod(workload(name)(r)))


def container(name, change):
    return lambda r: change(every_container(workload(name)(r))[0])


def kind(kind_, name, change):
    return lambda r: change(next(it for it in r.of(kind_) if it["metadata"]["name"] == name))


def config(name, old, new):
    def change(r):
        for it in r.of("ConfigMap"):
            if it["metadata"]["name"].startswith(name):
                it["data"]["tamis.toml"] = it["data"]["tamis.toml"].replace(old, new)

    return change


def postfix(old, new):
    def change(r):
        for it in r.of("ConfigMap"):
            if "main.cf" in it["data"]:
                it["data"]["main.cf"] = it["data"]["main.cf"].replace(old, new)

    return change


def put(path, value):
    def change(it):
        for key in path[:-1]:
            it = it[key]
        it[path[-1]] = value

    return change


def cut(*path):
    def change(it):
        for key in path[:-1]:
            it = it[key]
        del it[path[-1]]

    return change


C, S, E = "cluster", "single-node", "edge-sidecar"
SAFE = ["securityContext"]
MUTATIONS = [
    (C, "schemas", "a misspelt field", container("scanner", put(["readinesProbe"], {}))),
    (C, "schemas", "a number for a text", kind("StatefulSet", "reputation", put(["spec", "serviceName"], 7))),
    (C, "schemas", "a Service without ports that is a list", kind("Service", "scanner", put(["spec", "ports"], "x"))),
    (C, "recommended_labels", "no name", kind("Service", "scanner", cut("metadata", "labels", "app.kubernetes.io/name"))),
    (C, "selectors", "a selector of others", kind("Deployment", "scanner", put(["spec", "selector", "matchLabels"], {"app.kubernetes.io/name": "scaner"}))),
    (C, "selectors", "the version in a selector", kind("Deployment", "scanner", put(["spec", "selector", "matchLabels", "app.kubernetes.io/part-of"], "tamis"))),
    (C, "namespaces", "no pod security", kind("Namespace", "tamis", cut("metadata", "labels", "pod-security.kubernetes.io/enforce"))),
    (C, "namespaces", "baseline without need", kind("Namespace", "tamis", put(["metadata", "labels", "pod-security.kubernetes.io/enforce"], "baseline"))),
    (C, "namespaces", "a version that floats", kind("Namespace", "tamis", put(["metadata", "labels", "pod-security.kubernetes.io/enforce-version"], "latest"))),
    (C, "namespaces", "an object astray", kind("Service", "scanner", put(["metadata", "namespace"], "default"))),
    (C, "hardened", "root", spec("scanner", put(["securityContext", "runAsUser"], 0))),
    (C, "hardened", "a root that can be written to", container("reputation", put(SAFE + ["readOnlyRootFilesystem"], False))),
    (C, "hardened", "escalation", container("scanner", cut(*SAFE, "allowPrivilegeEscalation"))),
    (C, "hardened", "capabilities", container("scanner", put(SAFE + ["capabilities"], {"drop": ["ALL"], "add": ["NET_ADMIN"]}))),
    (E, "hardened", "more capabilities for Postfix", lambda r: pod(workload("mta")(r))["containers"][0]["securityContext"]["capabilities"]["add"].append("NET_ADMIN")),
    (E, "hardened", "root for the sidecar", container("mta", put(SAFE + ["runAsUser"], 0))),
    (C, "hardened", "no seccomp", spec("scanner", cut("securityContext", "seccompProfile"))),
    (E, "hardened", "a spool without an end", spec("mta", lambda s: [v.update(emptyDir={}) for v in s["volumes"] if v["name"] == "spool"])),
    (C, "hardened", "the host's network", spec("reputation", put(["hostNetwork"], True))),
    (C, "accounts", "the account of everybody", spec("scanner", cut("serviceAccountName"))),
    (C, "accounts", "a token", spec("scanner", put(["automountServiceAccountToken"], True))),
    (C, "resources", "no limit of memory", container("scanner", cut("resources", "limits", "memory"))),
    (C, "resources", "a limit of CPU", container("scanner", put(["resources", "limits", "cpu"], "2"))),
    (C, "resources", "no request", container("reputation", cut("resources", "requests", "cpu"))),
    (C, "probes", "no startup probe", container("scanner", cut("startupProbe"))),
    (C, "probes", "liveness that asks whether it is ready", container("scanner", lambda c: c["livenessProbe"]["exec"]["command"].__setitem__(2, "ready"))),
    (C, "probes", "the same probe twice", container("scanner", lambda c: c.update(livenessProbe=c["readinessProbe"]))),
    (C, "probes", "nobody asks over UDP", container("reputation", lambda c: c["readinessProbe"]["exec"].update(command=["/tamis", "probe", "ready", "--at", "127.0.0.1:9073"]))),
    (E, "probes", "a probe of a port that is not there", lambda r: pod(workload("mta")(r))["containers"][0]["readinessProbe"]["tcpSocket"].update(port="lmtp")),
    (C, "ending", "no pause before the end", container("scanner", cut("lifecycle"))),
    (C, "ending", "no time for the end", spec("scanner", put(["terminationGracePeriodSeconds"], 30))),
    (C, "ending", "an update that takes away first", kind("Deployment", "scanner", put(["spec", "strategy", "rollingUpdate", "maxUnavailable"], 1))),
    (C, "budgets", "a budget of nothing", kind("PodDisruptionBudget", "scanner", put(["spec", "selector", "matchLabels"], {"app": "x"}))),
    (C, "budgets", "a budget that allows nothing", kind("PodDisruptionBudget", "scanner", put(["spec", "maxUnavailable"], 0))),
    (C, "budgets", "a broken pod that stays", kind("PodDisruptionBudget", "redis-facts", cut("spec", "unhealthyPodEvictionPolicy"))),
    (C, "autoscalers", "replicas beside it", kind("Deployment", "scanner", put(["spec", "replicas"], 3))),
    (C, "autoscalers", "it scales nothing", kind("HorizontalPodAutoscaler", "scanner", put(["spec", "scaleTargetRef", "name"], "scaner"))),
    (C, "autoscalers", "CPU first", kind("HorizontalPodAutoscaler", "scanner", lambda h: h["spec"]["metrics"].reverse())),
    (C, "autoscalers", "down in a hurry", kind("HorizontalPodAutoscaler", "scanner", cut("spec", "behavior", "scaleDown"))),
    (C, "spread", "all in one zone", spec("scanner", lambda s: s["topologySpreadConstraints"].pop(0))),
    (C, "spread", "old and new counted together", spec("scanner", lambda s: s["topologySpreadConstraints"][0].pop("matchLabelKeys"))),
    (C, "services", "UDP behind one address", kind("Service", "reputation", cut("spec", "clusterIP"))),
    (C, "services", "gRPC behind one address", kind("Service", "scanner", cut("spec", "clusterIP"))),
    (C, "services", "a port by another name", kind("Service", "scanner", lambda s: s["spec"]["ports"][0].update(targetPort="http"))),
    (C, "services", "UDP called TCP", kind("Service", "reputation", lambda s: s["spec"]["ports"][0].update(protocol="TCP"))),
    (C, "services", "nobody behind it", kind("Service", "scanner", put(["spec", "selector"], {"app": "scanner"}))),
    (C, "services", "a first pod that is ready alone or never", kind("StatefulSet", "redis-order", cut("spec", "podManagementPolicy"))),
    (C, "services", "no names for the pods", kind("StatefulSet", "reputation", put(["spec", "serviceName"], "reputations"))),
    (E, "services", "the client's address is lost", kind("Service", "mta", cut("spec", "externalTrafficPolicy"))),
    (C, "policies", "no default", kind("NetworkPolicy", "default-deny", put(["spec", "policyTypes"], ["Ingress"]))),
    (C, "policies", "a policy of nothing", kind("NetworkPolicy", "scanner", put(["spec", "podSelector", "matchLabels"], {"app": "x"}))),
    (C, "policies", "a port that is not there", kind("NetworkPolicy", "scanner", lambda p: p["spec"]["ingress"][0]["ports"][0].update(port="http2"))),
    (C, "volumes", "a volume that is not there", spec("scanner", lambda s: s["volumes"].pop(0))),
    (C, "volumes", "certificates that are never renewed", container("scanner", lambda c: c["volumeMounts"][1].update(subPath="tls.crt"))),
    (C, "volumes", "a ConfigMap by a name that stays", spec("scanner", lambda s: s["volumes"][0]["configMap"].update(name="scanner-config"))),
    (C, "secrets", "a password in the environment", container("scanner", lambda c: c["env"].append({"name": "REDIS_PASSWORD", "value": "x"}))),
    (C, "secrets", "a key by reference", container("scanner", lambda c: c["env"].append({"name": "X", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}))),
    (C, "secrets", "a variable twice", container("scanner", lambda c: c["env"].append(dict(c["env"][0])))),
    (C, "images", "latest", container("scanner", put(["image"], "tamis:latest"))),
    (C, "images", "no tag", container("scanner", put(["image"], "registry.example:5000/tamis"))),
    (E, "sidecars", "a sidecar that ends like an init container", container("mta", cut("restartPolicy"))),
    (E, "sidecars", "a sidecar beside Postfix, in no order", spec("mta", lambda s: s["containers"].append(s["initContainers"].pop()))),
    (E, "sidecars", "a queue that a group may write to", spec("mta", lambda s: s["securityContext"].update(fsGroup=65532))),
    (E, "sidecars", "a socket that Postfix does not see", spec("mta", lambda s: s["containers"][0]["volumeMounts"].pop(2))),
    (E, "sidecars", "a door on the network", container("mta", lambda c: c["ports"].append({"name": "milter", "containerPort": 7065}))),
    (C, "flags", "a flag that nobody knows", container("scanner", lambda c: c["args"].append("--workers=4"))),
    (C, "flags", "a role that nobody knows", container("scanner", put(["args"], ["scaner", "--config", "/etc/tamis/tamis.toml"]))),
    (C, "flags", "a probe that nobody knows", container("scanner", lambda c: c["livenessProbe"]["exec"]["command"].__setitem__(2, "healthy"))),
    (C, "flags", "a flag of another subcommand", container("scanner", lambda c: c["startupProbe"]["exec"]["command"].append("--config"))),
    (C, "configurations", "a variable that sets nothing", container("reputation", lambda c: c["env"].append({"name": "TAMIS_REPUTATION__NODES", "value": "3"}))),
    (C, "configurations", "a variable that nobody reads", container("scanner", lambda c: c["env"].append({"name": "WORKERS", "value": "4"}))),
    (C, "configurations", "a key that nobody knows", config("scanner-config", "mails_max", "mail_max")),
    (C, "configurations", "a value that makes no sense", config("reputation-config", "redis_acks = 1", "redis_acks = 99")),
    (E, "configurations", "a section that nobody knows", config("edge-config", "[edge]", "[edges]")),
    (C, "configurations", "a file that is mounted elsewhere", container("scanner", lambda c: c["volumeMounts"][0].update(mountPath="/etc/tamis.toml"))),
    (C, "reachable", "a server that is not there", config("scanner-config", "reputation.tamis.svc", "reputations.tamis.svc")),
    (C, "reachable", "a port that is not there", config("scanner-config", "reputation.tamis.svc:7060", "reputation.tamis.svc:7064")),
    (C, "reachable", "a fourth Redis of three", config("scanner-config", "redis-facts-2", "redis-facts-3")),
    (C, "reachable", "a peer too many for the replicas", kind("StatefulSet", "reputation", put(["spec", "replicas"], 2))),
    (C, "reachable", "the Redis of others", config("scanner-config", "redis-facts", "redis-order")),
    (E, "milters", "a socket that Postfix does not find", config("edge-config", "/run/tamis/milter.sock", "/run/tamis/filter.sock")),
    (S, "milters", "a port for a socket", postfix("unix:tamis/milter.sock", "inet:127.0.0.1:7065")),
    (E, "milters", "Postfix gives up first", postfix("milter_content_timeout = 60s", "milter_content_timeout = 20s")),
    (E, "milters", "what happens without a filter is left to chance", postfix("milter_default_action", "#milter_default_action")),
    (E, "milters", "what happens without a verdict is left to chance", config("edge-config", "unscanned", "# unscanned")),
    (S, "milters", "a door that nobody uses", config("tamis-config", 'smtp = ""', 'smtp = "0.0.0.0:25"')),
    (C, "table", "monitoring that sees all", kind("NetworkPolicy", "scanner", lambda p: p["spec"]["ingress"][1].pop("ports"))),
    (C, "table", "a namespace without its pods", kind("NetworkPolicy", "scanner", lambda p: p["spec"]["ingress"][0]["from"][0].pop("namespaceSelector"))),
    (C, "table", "scanners of anybody", kind("NetworkPolicy", "reputation", lambda p: p["spec"]["ingress"][0]["from"][0].update(namespaceSelector={}))),
    (C, "table", "a way out", kind("NetworkPolicy", "scanner", lambda p: p["spec"]["egress"].append({}))),
    (C, "table", "DNS of anybody", kind("NetworkPolicy", "allow-dns", lambda p: p["spec"]["egress"][0].pop("to"))),
]
