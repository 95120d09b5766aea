"""NodeRestriction: what a kubelet writes is about its own node (plugin/pkg/admission/noderestriction)."""

from __future__ import annotations

from tricenter.apiserver import errors
from tricenter.apiserver.admission.chain import CREATE, DELETE, UPDATE, Attributes

_PRIVATE_LABELS = "node-restriction.kubernetes.io/"
_MIRROR = "kubernetes.io/config.mirror"


class NodeRestriction:
    """Refuses what the Node authoriser cannot see: the contents of objects."""

    async def mutate(self, attributes: Attributes) -> None:
        """Nothing."""

    async def validate(self, attributes: Attributes) -> None:
        """Look at writes of kubelets."""
        node = attributes.call.user.node
        if not node:
            return
        if attributes.resource == ("", "nodes"):
            _check_node(attributes, node)
        elif attributes.resource == ("", "pods"):
            _check_pod(attributes, node)


def _check_node(attributes: Attributes, node: str) -> None:
    obj, old = attributes.obj, attributes.old
    if obj["metadata"].get("name") != node:
        raise errors.forbidden(
            attributes.call.target, f'node "{node}" is not allowed to modify node "{obj["metadata"].get("name")}"'
        )
    before = (old or {}).get("metadata", {}).get("labels") or {}
    after = obj["metadata"].get("labels") or {}
    for label in set(before) | set(after):
        if label.partition("/")[0].endswith(_PRIVATE_LABELS.rstrip("/")) and before.get(label) != after.get(label):
            raise errors.forbidden(attributes.call.target, f"is not allowed to modify labels: {label}")
    if attributes.operation == UPDATE and old is not None and not attributes.subresource:
        before, after = (old.get("spec") or {}).get("taints"), (obj.get("spec") or {}).get("taints")
        if before != after:
            raise errors.forbidden(attributes.call.target, f'node "{node}" is not allowed to modify taints')


def _check_pod(attributes: Attributes, node: str) -> None:
    pod, target = attributes.obj, attributes.call.target
    if attributes.operation == CREATE and not attributes.subresource:
        if _MIRROR not in (pod["metadata"].get("annotations") or {}):
            raise errors.forbidden(
                target, f'pod does not have "{_MIRROR}" annotation, node "{node}" can only create mirror pods'
            )
    elif attributes.operation not in (UPDATE, DELETE):
        return
    have = (pod.get("spec") or {}).get("nodeName", "")
    if have != node:
        raise errors.forbidden(target, f'node "{node}" can only change pods with spec.nodeName set to itself')
