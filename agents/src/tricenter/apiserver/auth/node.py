"""The Node authoriser: a kubelet reads and writes what concerns its own node (KEP-279).

A secret or config map is a kubelet's business when a pod on its node refers to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
    _rule(["create", "update", "patch"], "", "events"),
    _rule(["create", "update", "patch"], "events.k8s.io", "events"),
    _rule(_READ, "discovery.k8s.io", "endpointslices"),
    _rule(["create", "get", "list", "watch"], "certificates.k8s.io", "certificatesigningrequests"),
    _rule(_READ, "node.k8s.io", "runtimeclasses"),
    _rule(_READ, "storage.k8s.io", "csidrivers"),
)
"""What every node may do without its pods being looked at (bootstrappolicy.NodeRules)."""

_BY_POD = ("secrets", "configmaps", "persistentvolumeclaims", "serviceaccounts")
_OWN_VERBS = ("get", "create", "update", "patch", "delete")
_LEASES = "kube-node-lease"

Answer = tuple[bool, str]
"""Whether something is allowed, and why not."""


class NodeAuthorizer:
    """Follows the pods to know what each node refers to."""

    def __init__(self, resources: Resources) -> None:
        self._pods = resources["", "pods"].objects
        self._volumes = resources["", "persistentvolumes"].objects
        self._pods.listeners.append(self._changed)
        self._rules: Mapping[tuple[str, str], Callable[[str, Request], Answer]] = {
            **dict.fromkeys((("", plural) for plural in _BY_POD), self._by_pod),
            ("", "persistentvolumes"): self._volume,
            ("", "nodes"): _node,
            ("", "pods"): self._pod,
            ("coordination.k8s.io", "leases"): _lease,
            ("storage.k8s.io", "csinodes"): _csi_node,
        }
        """What has rules of its own; for all else RULES hold."""
        self._on_node: dict[str, set[str]] | None = None
        self._references: dict[str, tuple[int, frozenset[Reference]]] = {}

    def reset(self) -> None:
        """Forget everything: the caches were read anew."""
        self._on_node = None
        self._references.clear()

    def allows(self, request: Request) -> Answer:
        """Whether a kubelet may do this (plugin/pkg/auth/authorizer/node/node_authorizer.go)."""
        rule = self._rules.get((request.group, request.resource))
        if rule is not None:
            return rule(request.user.node, request)
        return any(rule.allows(request) for rule in RULES), ""

    def _by_pod(self, node: str, request: Request) -> Answer:
        """What pods refer to; a service account is read by nobody, but pods get its tokens."""
        if request.resource == "serviceaccounts":
            if (request.verb, request.subresource) != ("create", "token"):
                return False, "can only create tokens for individual service accounts"
        elif request.subresource:
            return False, "cannot read subresource"
        elif request.verb not in _READ:
            return False, "can only read resources of this type"
        if not request.name:
            return False, "No Object name found"
        return self._refers(node, request), _unrelated(node)

    def _volume(self, node: str, request: Request) -> Answer:
        """The volume of a claim of a pod."""
        if request.verb != "get" or request.subresource:
            return False, "can only get individual resources of this type"
        entry = self._volumes.get("", request.name)
        claim = (entry.load().get("spec") or {}).get("claimRef") or {} if entry is not None else {}
        wanted = ("persistentvolumeclaims", claim.get("namespace", ""), claim.get("name", ""))
        return self._known(node, wanted), _unrelated(node)

    def _pod(self, node: str, request: Request) -> Answer:
        """Pods of the node; what is written about others, NodeRestriction refuses."""
        match request.subresource, request.verb:
            case "", ("list" | "watch") if ("spec.nodeName", node) in request.selected:
                return True, ""
            case "", ("list" | "watch") if not request.name:
                return False, "can only list/watch pods with spec.nodeName field selector"
            case "", ("get" | "list" | "watch"):
                return self._own_pod(node, request), _unrelated(node)
            case ("", "create") | ("eviction", "create"):
                return True, ""
            case ("", "delete") | ("status", "update" | "patch"):
                return self._own_pod(node, request), f"node '{node}' can only change its own pods"
        return False, ""

    def _own_pod(self, node: str, request: Request) -> bool:
        """Whether a pod is on the node; one that is not known will not be found either."""
        entry = self._pods.get(request.namespace, request.name)
        return entry is None or entry.fields.get("spec.nodeName") == node

    def _refers(self, node: str, request: Request) -> bool:
        return self._known(node, (request.resource, request.namespace, request.name))

    def _known(self, node: str, wanted: Reference) -> bool:
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


def _unrelated(node: str) -> str:
    return f"no relationship found between node '{node}' and this object"


def _node(node: str, request: Request) -> Answer:
    """A kubelet's own Node; whose a new one is, NodeRestriction sees."""
    match request.subresource, request.verb:
        case "", ("get" | "list" | "watch"):
            if not request.name:
                return False, f"node '{node}' cannot read all nodes, only its own Node object"
            return request.name == node, f"node '{node}' cannot read '{request.name}', only its own Node object"
        case "", "create":
            return True, ""
        case (("" | "status"), ("update" | "patch")):
            return request.name == node, f"node '{node}' can only change its own"
    return False, ""


def _lease(node: str, request: Request) -> Answer:
    if request.namespace != _LEASES:
        return False, f'can only access leases in the "{_LEASES}" system namespace'
    return _own(node, request, "node lease")


def _csi_node(node: str, request: Request) -> Answer:
    return _own(node, request, "CSINode")


def _own(node: str, request: Request, what: str) -> Answer:
    """What has the node's name; that of a new one NodeRestriction sees."""
    if request.verb not in _OWN_VERBS or request.subresource:
        return False, f"can only get, create, update, patch, or delete a {what}"
    own = request.verb == "create" or request.name == node
    return own, f"can only access {what} with the same name as the requesting node"


def references(pod: dict[str, Any]) -> Iterator[Reference]:
    """The secrets, config maps, claims and service account that a pod refers to."""
    namespace, spec = pod["metadata"].get("namespace", ""), pod.get("spec") or {}
    if spec.get("serviceAccountName"):
        yield ("serviceaccounts", namespace, spec["serviceAccountName"])
    for secret in spec.get("imagePullSecrets") or ():
        yield ("secrets", namespace, secret.get("name", ""))
    for volume in spec.get("volumes") or ():
        if "ephemeral" in volume:
            yield ("persistentvolumeclaims", namespace, f"{pod['metadata'].get('name', '')}-{volume.get('name', '')}")
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
    for source in volume.values():
        for key in ("secretRef", "nodePublishSecretRef"):
            if isinstance(source, dict) and (reference := source.get(key)):
                yield ("secrets", reference.get("name", ""))
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
