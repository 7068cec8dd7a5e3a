"""Who may talk to whom, by the network policies: what a plug-in that enforces them would do (networking.k8s.io/v1)."""

import ipaddress


class Pod:
    """An end of a connection: a pod of a namespace with labels and named ports, or an address outside."""

    def __init__(self, namespace=None, labels=None, ports=None, namespace_labels=None, ip=None):
        self.namespace, self.labels, self.ports = namespace, labels or {}, ports or {}
        self.namespace_labels = {"kubernetes.io/metadata.name": namespace, **(namespace_labels or {})}
        self.ip = ip


def selects(selector, labels):
    """Whether a label selector, empty for all, chooses these labels."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions") or []:
        key, values, has = rule["key"], rule.get("values", []), rule["key"] in labels
        fits = {
            "In": has and labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": has,
            "DoesNotExist": not has,
        }[rule["operator"]]
        if not fits:
            return False
    return True


def peer_fits(peer, policy_namespace, pod):
    if "ipBlock" in peer:
        if pod.ip is None:
            return False
        address = ipaddress.ip_address(pod.ip)
        inside = lambda network: address in ipaddress.ip_network(network)
        return inside(peer["ipBlock"]["cidr"]) and not any(map(inside, peer["ipBlock"].get("except", [])))
    if pod.namespace is None:
        return False
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], pod.namespace_labels):
            return False
    elif pod.namespace != policy_namespace:
        return False
    return selects(peer.get("podSelector", {}), pod.labels)


def port_fits(ports, target, protocol, port):
    if not ports:
        return True
    for wanted in ports:
        if wanted.get("protocol", "TCP") != protocol:
            continue
        number = wanted.get("port")
        if number is None:
            return True
        if isinstance(number, str):
            # A name means what the pod that is connected to calls so, in the same protocol.
            if target.ports.get((number, protocol)) == port:
                return True
        elif number <= port <= wanted.get("endPort", number):
            return True
    return False


def one_way(policies, direction, here, there, target, protocol, port):
    """Whether the policies of `here` let the connection through; without a policy about it everything may."""
    if here.namespace is None:
        return True
    key, end = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    is_isolated = False
    for policy in policies:
        spec, namespace = policy["spec"], policy["metadata"].get("namespace", "default")
        types = spec.get("policyTypes") or ["Ingress"] + (["Egress"] if "egress" in spec else [])
        if namespace != here.namespace or direction not in types or not selects(spec["podSelector"], here.labels):
            continue
        is_isolated = True
        for rule in spec.get(key) or []:
            peers = rule.get(end)
            if (not peers or any(peer_fits(peer, namespace, there) for peer in peers)) and port_fits(
                rule.get("ports"), target, protocol, port
            ):
                return True
    return not is_isolated


def allowed(policies, source, target, protocol, port):
    """Whether a connection comes about: the source may send it and the target may take it."""
    return one_way(policies, "Egress", source, target, target, protocol, port) and one_way(
        policies, "Ingress", target, source, target, protocol, port
    )
