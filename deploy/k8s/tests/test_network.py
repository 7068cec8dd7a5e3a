"""The evaluator against small cases, each with what a plug-in would do; the last ones are mistakes that people make."""

import unittest

from network import Pod, allowed


def policy(spec, namespace="a"):
    return {"metadata": {"namespace": namespace}, "spec": {"podSelector": {}, **spec}}


WEB = Pod("a", {"app": "web"}, {("http", "TCP"): 8080})
DESK = Pod("a", {"app": "desk"})
OTHER = Pod("b", {"app": "desk"}, namespace_labels={"team": "b"})
WORLD = Pod(ip="192.0.2.7")
DENY = policy({"policyTypes": ["Ingress", "Egress"]})


def ingress(*rules, **more):
    return policy({"policyTypes": ["Ingress"], "podSelector": {"matchLabels": {"app": "web"}}, "ingress": list(rules), **more})


HERE = {"podSelector": {"matchLabels": {"app": "desk"}}}
THERE = {"namespaceSelector": {"matchLabels": {"team": "b"}}}
CASES = [
    ("nothing is said, everything may", [], DESK, WEB, 1, True),
    ("default deny stops who sends", [DENY], DESK, WORLD, 1, False),
    ("default deny stops who takes", [DENY], WORLD, WEB, 1, False),
    ("a policy of another namespace does not count", [policy({"policyTypes": ["Ingress"]}, "b")], WORLD, WEB, 1, True),
    ("a pod selector means the same namespace", [ingress({"from": [HERE]})], DESK, WEB, 1, True),
    ("and no other", [ingress({"from": [HERE]})], OTHER, WEB, 1, False),
    ("a namespace selector alone means all of its pods", [ingress({"from": [THERE]})], OTHER, WEB, 1, True),
    ("both in one item must hold", [ingress({"from": [{**HERE, **THERE}]})], OTHER, WEB, 1, True),
    ("both in one item keep others out", [ingress({"from": [{**HERE, **THERE}]})], DESK, WEB, 1, False),
    ("as two items one suffices", [ingress({"from": [HERE, THERE]})], DESK, WEB, 1, True),
    ("a port by number", [ingress({"ports": [{"port": 8080}]})], WORLD, WEB, 8080, True),
    ("another port", [ingress({"ports": [{"port": 8080}]})], WORLD, WEB, 8081, False),
    ("a port by name", [ingress({"ports": [{"port": "http"}]})], WORLD, WEB, 8080, True),
    ("a name that the pod has not", [ingress({"ports": [{"port": "grpc"}]})], WORLD, WEB, 8080, False),
    ("a range", [ingress({"ports": [{"port": 1, "endPort": 9}]})], WORLD, WEB, 9, True),
    ("past the range", [ingress({"ports": [{"port": 1, "endPort": 9}]})], WORLD, WEB, 10, False),
    ("a block", [ingress({"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]})], WORLD, WEB, 1, True),
    ("a hole in it", [ingress({"from": [{"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.7/32"]}}]})], WORLD, WEB, 1, False),
    ("policies add up", [DENY, ingress({"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]})], WORLD, WEB, 1, True),
    ("TCP is not UDP", [ingress({"ports": [{"port": 8080, "protocol": "UDP"}]})], WORLD, WEB, 8080, False),
    ("an empty list of rules lets nobody in", [ingress()], DESK, WEB, 1, False),
    ("an empty rule lets everybody in", [ingress({})], DESK, WEB, 1, True),
    ("the mistake: egress is written and its type is not", [ingress({}, egress=[])], WEB, WORLD, 1, True),
    ("without types egress counts where it is written", [policy({"egress": []})], WEB, WORLD, 1, False),
    ("the mistake: a pod of another namespace without its namespace", [ingress({"from": [{"podSelector": {}}]})], OTHER, WEB, 1, False),
]


class Evaluator(unittest.TestCase):
    def test_cases(self):
        for what, policies, source, target, port, expected in CASES:
            with self.subTest(what):
                self.assertEqual(allowed(policies, source, target, "TCP", port), expected)


if __name__ == "__main__":
    unittest.main()
