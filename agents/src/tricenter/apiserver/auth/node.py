"""The Node authoriser: a kubelet reads and writes what concerns its own node (KEP-279).

A secret or config map is a kubelet's business when a pod on its node refers to it, or the volume of such a pod's claim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tricenter.apimachinery import mirrorpods
from tricenter.apiserver.auth import references
from tricenter.apiserver.auth.rbac import Request, Rule
from tricenter.apiserver.auth.references import Reference
from tricenter.apiserver.cache.history import Change
from tricenter.apiserver.resources import Resources

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

_OWN_VERBS = ("get", "create", "update", "patch", "delete")
_LEASES = "kube-node-lease"

Answer = tuple[bool, str]
"""Whether something is allowed, and why not."""


class NodeAuthorizer:
    """Follows the pods to know what each node refers to."""

    def __init__(self, resources: Resources) -> None:
        self._pods = resources["", "pods"].objects
        self._claims = resources["", "persistentvolumeclaims"].objects
        self._volumes = resources["", "persistentvolumes"].objects
        self._attachments = resources["storage.k8s.io", "volumeattachments"].objects
        self._pods.listeners.append(self._changed)
        self._rules: Mapping[tuple[str, str], Callable[[str, Request], Answer]] = {
            ("", "secrets"): self._read,
            ("", "configmaps"): self._read,
            ("", "serviceaccounts"): self._token,
            ("", "persistentvolumeclaims"): self._claim,
            ("", "persistentvolumes"): self._volume,
            ("storage.k8s.io", "volumeattachments"): self._attachment,
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

    def _read(self, node: str, request: Request) -> Answer:
        """Secrets and config maps, one by one."""
        if request.verb not in _READ:
            return False, "can only read resources of this type"
        if request.subresource:
            return False, "cannot read subresource"
        if not request.namespace:
            return False, "can only read namespaced object of this type"
        return self._refers(node, request)

    def _token(self, node: str, request: Request) -> Answer:
        """A service account is read by nobody, but pods get its tokens."""
        if request.verb != "create" or not request.name:
            return False, "can only create tokens for individual service accounts"
        if request.subresource != "token":
            return False, "can only create token subresource of serviceaccount"
        return self._refers(node, request)

    def _claim(self, node: str, request: Request) -> Answer:
        """Claims of pods; of their status, which tells of a resize, NodeRestriction sees what is written."""
        if request.subresource == "status":
            if request.verb not in ("update", "patch"):
                return False, "can only get/update/patch this type"
        elif refusal := _not_get(request):
            return False, refusal
        return self._refers(node, request)

    def _volume(self, node: str, request: Request) -> Answer:
        """The volume of a claim of a pod."""
        if refusal := _not_get(request):
            return False, refusal
        entry = self._volumes.get("", request.name)
        claim = _claimed(entry.load()) if entry is not None else None
        return claim is not None and self._known(node, claim), _unrelated(node)

    def _attachment(self, node: str, request: Request) -> Answer:
        """The attachment of a volume to the node."""
        if refusal := _not_get(request):
            return False, refusal
        entry = self._attachments.get("", request.name)
        own = entry is not None and (entry.load().get("spec") or {}).get("nodeName") == node
        return own, _unrelated(node)

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

    def _refers(self, node: str, request: Request) -> Answer:
        if not request.name:
            return False, "No Object name found"
        wanted = (request.resource, request.namespace, request.name)
        if self._known(node, wanted):
            return True, ""
        by_volume = request.resource == "secrets" and any(wanted in found for found in self._of_volumes(node))
        return by_volume, _unrelated(node)

    def _known(self, node: str, wanted: Reference) -> bool:
        return any(wanted in self._of_pod(key) for key in self._node_pods().get(node, ()))

    def _of_volumes(self, node: str) -> Iterator[frozenset[Reference]]:
        """What the volumes of the claims of the node's pods refer to."""
        for key in self._node_pods().get(node, ()):
            for claim in self._of_pod(key):
                if claim[0] == "persistentvolumeclaims":
                    yield self._of_claim(claim)

    def _of_claim(self, claim: Reference) -> frozenset[Reference]:
        """What the volume refers to that is bound to a claim, and says so itself."""
        entry = self._claims.get(claim[1], claim[2])
        name = (entry.load().get("spec") or {}).get("volumeName") if entry is not None else None
        found = self._volumes.get("", name) if name else None
        volume = found.load() if found is not None else {}
        return frozenset(references.of_persistent_volume(volume)) if _claimed(volume) == claim else frozenset()

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
            known = self._references[key] = (entry.revision, _granted(entry.load()))
        return known[1]


def _granted(pod: dict[str, Any]) -> frozenset[Reference]:
    """What a pod gives its node access to: nothing where the node itself made it."""
    return frozenset() if mirrorpods.is_mirror(pod) else frozenset(references.of_pod(pod))


def _claimed(volume: dict[str, Any]) -> Reference | None:
    """The claim that a volume is for."""
    claim = (volume.get("spec") or {}).get("claimRef")
    return ("persistentvolumeclaims", claim.get("namespace", ""), claim.get("name", "")) if claim else None


def _not_get(request: Request) -> str:
    """Why a request is none to read one object; empty if it is."""
    if request.verb != "get":
        return "can only get individual resources of this type"
    return "cannot get subresource" if request.subresource else ""


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
