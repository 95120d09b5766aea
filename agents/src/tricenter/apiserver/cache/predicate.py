"""Which objects a list or a watch asks for: a namespace, a label selector and a field selector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tricenter.apiserver.cache.entry import Entry
from tricenter.apiserver.cache.index import Term


class Selector(Protocol):
    """What `apimachinery.selectors` parses labels and fields into."""

    def matches(self, values: Mapping[str, str], /) -> bool: ...


@dataclass(frozen=True)
class Predicate:
    """None means that there is no such condition."""

    namespace: str = ""
    name: str = ""
    """Set when the field selector demands exactly one `metadata.name`."""
    node: str | None = None
    """Set when the field selector demands exactly one `spec.nodeName`: kubelets' watches are found by it."""
    labels: Selector | None = None
    fields: Selector | None = None
    term: Term | None = None
    """A label or field that must have one value, where the selectors have such a condition."""

    @property
    def everything(self) -> bool:
        """Whether each object of the namespace (or of all) is meant."""
        return not self.name and self.labels is None and self.fields is None

    def matches(self, entry: Entry) -> bool:
        """Whether the object is one of those asked for."""
        if self.namespace and entry.namespace != self.namespace:
            return False
        if self.name and entry.name != self.name:
            return False
        if self.labels is not None and not self.labels.matches(entry.labels):
            return False
        return self.fields is None or self.fields.matches(entry.fields)
