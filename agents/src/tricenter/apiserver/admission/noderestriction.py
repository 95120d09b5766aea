"""NodeRestriction: what a kubelet writes is about its own node (plugin/pkg/admission/noderestriction)."""

from __future__ import annotations

from typing import Any

from tricenter.apimachinery import mirrorpods, signing
from tricenter.apiserver import errors
from tricenter.apiserver.admission.chain import CREATE, DELETE, UPDATE, Attributes, Plugin
from tricenter.apiserver.auth import references
from tricenter.apiserver.cache.resource import ResourceCache
from tricenter.apiserver.resources import Resources

Object = dict[str, Any]

_PRIVATE_LABELS = "node-restriction.kubernetes.io"
_LEASES = "kube-node-lease"
_OWN_LABELS = frozenset((
    "kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch", "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region", "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type", "beta.kubernetes.io/os", "beta.kubernetes.io/arch",
))  # fmt: skip
"""Labels below kubernetes.io that a kubelet may set on its node (kubelet/apis/well_known_labels.go)."""
_OWN_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
_CSR_SIGNERS = ("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet")


class NodeRestriction(Plugin):
    """Refuses what the Node authoriser cannot see: the contents of objects."""

    def __init__(self, resources: Resources) -> None:
        self._nodes: ResourceCache = resources["", "nodes"].objects
        self._pods: ResourceCache = resources["", "pods"].objects

    async def validate(self, attributes: Attributes) -> None:
        """Look at writes of kubelets. Raises Forbidden."""
        node = attributes.call.user.node
        if not node:
            return
        match attributes.resource:
            case ("", "nodes"):
                _check_node(attributes, node)
            case ("", "pods"):
                self._check_pod(attributes, node)
            case ("", "persistentvolumeclaims"):
                _check_claim(attributes, node)
            case ("coordination.k8s.io", "leases"):
                _check_lease(attributes, node)
            case ("storage.k8s.io", "csinodes") if _name(attributes) != node:
                raise _refused(attributes, "can only access CSINode with the same name as the requesting node")
            case ("certificates.k8s.io", "certificatesigningrequests") if attributes.operation == CREATE:
                _check_request(attributes)

    def _check_pod(self, attributes: Attributes, node: str) -> None:
        subresource, pod = attributes.subresource, attributes.obj
        if attributes.operation == CREATE and not subresource:
            _check_mirror(attributes, node)
            self._check_owner(attributes, node)
            return
        if subresource not in ("", "status", "eviction"):
            text = f"unexpected pod subresource \"{subresource}\", only 'status' and 'eviction' are allowed"
            raise _refused(attributes, text)
        if attributes.operation == UPDATE and not subresource:
            text = f'unexpected operation "{UPDATE}", node "{node}" can only create and delete mirror pods'
            raise _refused(attributes, text)
        if subresource == "eviction":
            self._check_eviction(attributes, node)
        elif (pod.get("spec") or {}).get("nodeName", "") != node and attributes.operation in (UPDATE, DELETE):
            what = "delete pods" if attributes.operation == DELETE else "update pod status for pods"
            raise _refused(attributes, f'node "{node}" can only {what} with spec.nodeName set to itself')
        if subresource == "status" and attributes.old is not None:
            before, after = (item["metadata"].get("labels") or {} for item in (attributes.old, pod))
            if before != after:
                raise _refused(attributes, f'node "{node}" cannot update labels through pod status')

    def _check_eviction(self, attributes: Attributes, node: str) -> None:
        entry = self._pods.get(attributes.call.info.namespace, attributes.call.info.name)
        if entry is not None and entry.fields.get("spec.nodeName") != node:
            raise _refused(attributes, f"node {node} can only evict pods with spec.nodeName set to itself")

    def _check_owner(self, attributes: Attributes, node: str) -> None:
        """A mirror pod that has an owner has its node as the only one, so that it goes with it."""
        owners = attributes.obj["metadata"].get("ownerReferences") or []
        entry = self._nodes.get("", node)
        for owner in owners:
            if len(owners) > 1:
                text = f'node "{node}" can only create pods with a single owner reference set to itself'
                raise _refused(attributes, text)
            uid = entry.load()["metadata"].get("uid") if entry is not None else ""
            named = (owner.get("apiVersion"), owner.get("kind"), owner.get("name"), owner.get("uid"))
            if named != ("v1", "Node", node, uid):
                raise _refused(attributes, f'node "{node}" can only create pods with an owner reference set to itself')
            if not owner.get("controller"):
                text = f'node "{node}" can only create pods with a controller owner reference set to itself'
                raise _refused(attributes, text)
            if owner.get("blockOwnerDeletion"):
                raise _refused(attributes, f'node "{node}" must not set blockOwnerDeletion on an owner reference')


def _refused(attributes: Attributes, why: str) -> errors.Forbidden:
    return errors.forbidden(attributes.call.resource.target(_name(attributes)), why)


def _name(attributes: Attributes) -> str:
    return attributes.call.info.name or str(attributes.obj["metadata"].get("name", ""))


def _check_mirror(attributes: Attributes, node: str) -> None:
    pod, who = attributes.obj, f'node "{node}"'
    if not mirrorpods.is_mirror(pod):
        raise _refused(
            attributes, f'pod does not have "{mirrorpods.MIRROR}" annotation, {who} can only create mirror pods'
        )
    spec = pod.get("spec") or {}
    if spec.get("nodeName", "") != node:
        raise _refused(attributes, f"{who} can only create pods with spec.nodeName set to itself")
    if spec.get("serviceAccountName"):
        raise _refused(attributes, f"{who} can not create pods that reference a service account")
    for plural, _, _ in references.of_pod(pod):
        if plural != "serviceaccounts":
            raise _refused(attributes, f"{who} can not create pods that reference {plural}")
    if spec.get("resourceClaims"):
        raise _refused(attributes, f"{who} can not create pods that reference resourceclaims")


def _check_node(attributes: Attributes, node: str) -> None:
    obj, old = attributes.obj, attributes.old
    if _name(attributes) != node:
        raise _refused(attributes, f'node "{node}" is not allowed to modify node "{_name(attributes)}"')
    before = (old or {}).get("metadata", {}).get("labels") or {}
    after = obj["metadata"].get("labels") or {}
    changed = {label for label in {*before, *after} if before.get(label) != after.get(label)}
    refused = sorted(filter(_is_protected, changed))
    if refused:
        verb = "modify labels" if old is not None else "set the following labels"
        raise _refused(attributes, f"is not allowed to {verb}: {', '.join(refused)}")
    if attributes.operation == UPDATE and old is not None and not attributes.subresource:
        if (old.get("spec") or {}).get("taints") != (obj.get("spec") or {}).get("taints"):
            raise _refused(attributes, f'node "{node}" is not allowed to modify taints')
        if old["metadata"].get("ownerReferences") != obj["metadata"].get("ownerReferences"):
            raise _refused(attributes, f'node "{node}" is not allowed to modify ownerReferences')


def _is_protected(label: str) -> bool:
    """Whether a kubelet may not touch this label of its node."""
    domain = label.partition("/")[0] if "/" in label else ""
    if domain == _PRIVATE_LABELS or domain.endswith(f".{_PRIVATE_LABELS}"):
        return True
    if not any(domain == own or domain.endswith(f".{own}") for own in ("kubernetes.io", "k8s.io")):
        return False
    if label in _OWN_LABELS:
        return False
    return not any(domain == own or domain.endswith(f".{own}") for own in _OWN_DOMAINS)


_OF_RESIZE = ("capacity", "conditions", "allocatedResourceStatuses", "allocatedResources")
_WRITTEN = ("resourceVersion", "managedFields")
"""What differs after every write."""


def _check_claim(attributes: Attributes, node: str) -> None:
    """A kubelet says how far the resize of a volume is, and nothing else."""
    if attributes.subresource != "status":
        raise _refused(attributes, "may only update PVC status")
    if attributes.old is not None and _fixed(attributes.old) != _fixed(attributes.obj):
        text = f'node "{node}" is not allowed to update fields other than status.quantity and status.conditions'
        raise _refused(attributes, text)


def _fixed(claim: Object) -> Object:
    """What of a claim a kubelet may not change."""
    status = {key: value for key, value in (claim.get("status") or {}).items() if key not in _OF_RESIZE}
    metadata = {key: value for key, value in claim["metadata"].items() if key not in _WRITTEN}
    return {**claim, "metadata": metadata, "status": status}


def _check_lease(attributes: Attributes, node: str) -> None:
    if attributes.call.info.namespace != _LEASES:
        raise _refused(attributes, f'can only access leases in the "{_LEASES}" system namespace')
    if _name(attributes) != node:
        raise _refused(attributes, "can only access node lease with the same name as the requesting node")


def _check_request(attributes: Attributes) -> None:
    """A kubelet asks for certificates in its own name only."""
    spec, user = attributes.obj.get("spec") or {}, attributes.call.user.name
    if spec.get("signerName") not in _CSR_SIGNERS:
        return
    parsed = signing.parse(spec.get("request", ""))
    if parsed is None or parsed.common_name != user:
        raise _refused(attributes, f"can only create a node CSR with CommonName={user}")
