"""The Node authoriser: a kubelet reads and writes what concerns its own node (KEP-279).

A secret or config map is a kubelet's business when a pod on its node refers to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tricenter.apiserver.auth.rbac import Request, Rule
from tricenter.apiserver.cache.history import Change
from tricenter.apiserver.resources import Resources

Reference = tuple[str, str, str]
"""Resource, namespace and name of an object that a pod refers to."""

_READ = ["get", "list", "watch"]


def _rule(verbs: list[str], group: str, *resources: str) -> Rule:
    return Rule.of({"verbs": verbs, "apiGroups": [group], "resources": list(resources)})


RULES = (
    _rule(["create"], "authentication.k8s.io", "tokenreviews"),
    _rule(["create"], "authorization.k8s.io", "subjectaccessreviews", "localsubjectaccessreviews"),
    _rule(_READ, "", "services", "namespaces"),
    _rule(["create", "get", "list", "watch"], "", "nodes"),
    _rule(["update", "patch"], "", "nodes", "nodes/status"),
    _rule(["create", "update", "patch"], "", "events"),
    _rule(["create", "update", "patch"], "events.k8s.io", "events"),
    _rule(_READ, "", "pods"),
    _rule(["create", "delete"], "", "pods"),
    _rule(["update", "patch"], "", "pods/status"),
    _rule(["create"], "", "pods/eviction"),
    _rule(_READ, "discovery.k8s.io", "endpointslices"),
    _rule(["create", "get", "list", "watch"], "certificates.k8s.io", "certificatesigningrequests"),
    _rule(_READ, "node.k8s.io", "runtimeclasses"),
    _rule(_READ, "storage.k8s.io", "csidrivers"),
    _rule(["get", "create", "update", "patch", "delete"], "storage.k8s.io", "csinodes"),
    _rule(["get", "create", "update", "patch", "delete"], "coordination.k8s.io", "leases"),
)
"""What every node may do without its pods being looked at (bootstrappolicy.NodeRules)."""

_BY_POD = {"secrets", "configmaps", "persistentvolumeclaims", "serviceaccounts"}
_OWN_NAME = {("", "nodes"), ("coordination.k8s.io", "leases"), ("storage.k8s.io", "csinodes")}
_WRITES = ("update", "patch", "delete")


class NodeAuthorizer:
    """Follows the pods to know what each node refers to."""

    def __init__(self, resources: Resources) -> None:
        self._pods = resources["", "pods"].objects
        self._pods.listeners.append(self._changed)
        self._on_node: dict[str, set[str]] | None = None
        self._references: dict[str, tuple[int, frozenset[Reference]]] = {}

    def reset(self) -> None:
        """Forget everything: the caches were read anew."""
        self._on_node = None
        self._references.clear()

    def allows(self, request: Request) -> tuple[bool, str]:
        """Whether a kubelet may do this, and why (not)."""
        node = request.user.node
        if (request.group, request.resource) == ("", "serviceaccounts") and request.subresource == "token":
            return self._refers(node, request), "node requested token not bound to a pod scheduled on it"
        if request.group == "" and request.resource in _BY_POD and not request.subresource:
            if request.verb not in ("get", "list", "watch") or not request.name:
                return False, f"can only read {request.resource} by name"
            return self._refers(node, request), f"no relationship found between node '{node}' and this object"
        if (request.group, request.resource) in _OWN_NAME and request.verb in _WRITES and request.name != node:
            return False, f"node '{node}' can only change its own"
        if request.resource == "pods" and request.group == "" and request.name and request.verb in _WRITES:
            return self._own_pod(node, request), f"node '{node}' can only change its own pods"
        return any(rule.allows(request) for rule in RULES), ""

    def _own_pod(self, node: str, request: Request) -> bool:
        entry = self._pods.get(request.namespace, request.name)
        own = entry is None or entry.fields.get("spec.nodeName") == node
        return own and any(rule.allows(request) for rule in RULES)

    def _refers(self, node: str, request: Request) -> bool:
        wanted = (request.resource, request.namespace, request.name)
        return any(wanted in self._of_pod(key) for key in self._node_pods().get(node, ()))

    # --- the index ---

    def _node_pods(self) -> dict[str, set[str]]:
        if self._on_node is None:
            self._on_node = {}
            for key, entry in self._pods.entries.items():
                self._on_node.setdefault(entry.fields.get("spec.nodeName", ""), set()).add(key)
        return self._on_node

    def _changed(self, change: Change) -> None:
        if self._on_node is None:
            return
        for entry, present in ((change.previous, False), (change.current, True)):
            if entry is None:
                continue
            pods = self._on_node.setdefault(entry.fields.get("spec.nodeName", ""), set())
            (pods.add if present else pods.discard)(entry.key)
        if change.current is None and change.previous is not None:
            self._references.pop(change.previous.key, None)

    def _of_pod(self, key: str) -> frozenset[Reference]:
        entry = self._pods.entries.get(key)
        if entry is None:
            return frozenset()
        known = self._references.get(key)
        if known is None or known[0] != entry.revision:
            known = self._references[key] = (entry.revision, frozenset(references(entry.load())))
        return known[1]


def references(pod: dict[str, Any]) -> Iterator[Reference]:
    """The secrets, config maps, claims and service account that a pod refers to."""
    namespace, spec = pod["metadata"].get("namespace", ""), pod.get("spec") or {}
    if spec.get("serviceAccountName"):
        yield ("serviceaccounts", namespace, spec["serviceAccountName"])
    for secret in spec.get("imagePullSecrets") or ():
        yield ("secrets", namespace, secret.get("name", ""))
    for volume in spec.get("volumes") or ():
        for resource, name in _of_volume(volume):
            yield (resource, namespace, name)
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(kind) or ():
            for resource, name in _of_container(container):
                yield (resource, namespace, name)


def _of_volume(volume: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if secret := volume.get("secret"):
        yield ("secrets", secret.get("secretName", ""))
    if config := volume.get("configMap"):
        yield ("configmaps", config.get("name", ""))
    if claim := volume.get("persistentVolumeClaim"):
        yield ("persistentvolumeclaims", claim.get("claimName", ""))
    for source in (volume.get("projected") or {}).get("sources") or ():
        if "secret" in source:
            yield ("secrets", source["secret"].get("name", ""))
        if "configMap" in source:
            yield ("configmaps", source["configMap"].get("name", ""))


def _of_container(container: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        if "secretKeyRef" in source:
            yield ("secrets", source["secretKeyRef"].get("name", ""))
        if "configMapKeyRef" in source:
            yield ("configmaps", source["configMapKeyRef"].get("name", ""))
    for source in container.get("envFrom") or ():
        if "secretRef" in source:
            yield ("secrets", source["secretRef"].get("name", ""))
        if "configMapRef" in source:
            yield ("configmaps", source["configMapRef"].get("name", ""))
