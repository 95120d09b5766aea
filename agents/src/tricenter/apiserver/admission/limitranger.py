"""LimitRanger: pods and claims keep to the limit ranges of their namespace (plugin/pkg/admission/limitranger)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tricenter.apimachinery import limitranges
from tricenter.apiserver import errors
from tricenter.apiserver.admission.chain import CREATE, UPDATE, Attributes, Plugin
from tricenter.apiserver.resources import Resources

Object = dict[str, Any]

_POD, _CLAIM = ("", "pods"), ("", "persistentvolumeclaims")


class LimitRanger(Plugin):
    """Defaults of containers, and the bounds of containers, pods and claims."""

    def __init__(self, resources: Resources) -> None:
        self._ranges = resources["", "limitranges"].objects

    async def mutate(self, attributes: Attributes) -> None:
        """Fill in what a new pod does not say."""
        if attributes.creates(*_POD):
            for limit_range in self._of(attributes.call.info.namespace):
                limitranges.set_defaults(limit_range, attributes.obj)

    async def validate(self, attributes: Attributes) -> None:
        """Refuse what breaks a bound. Raises Forbidden."""
        if not _concerned(attributes):
            return
        check = limitranges.problems if attributes.resource == _POD else limitranges.claim_problems
        for limit_range in self._of(attributes.call.info.namespace):
            found = check(limit_range, attributes.obj)
            if found:
                text = found[0] if len(found) == 1 else f"[{', '.join(found)}]"
                raise errors.forbidden(attributes.target, text)

    def _of(self, namespace: str) -> Iterator[Object]:
        return (self._ranges.entries[key].load() for key in self._ranges.keys(namespace))


def _concerned(attributes: Attributes) -> bool:
    """New pods, resized pods and claims; what is being deleted may stay as it is."""
    if attributes.operation == UPDATE and attributes.obj["metadata"].get("deletionTimestamp"):
        return False
    if attributes.resource == _POD:
        return attributes.creates(*_POD) or attributes.subresource == "resize"
    return attributes.resource == _CLAIM and attributes.operation in (CREATE, UPDATE) and not attributes.subresource
