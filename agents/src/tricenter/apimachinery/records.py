"""The records that describe a served kind; `kinds` looks them up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Subresource:
    """One subresource: its own kind may be of another group (`scale` is autoscaling/v1 Scale)."""

    name: str
    group: str
    version: str
    kind: str
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One served kind."""

    group: str
    """API group; empty for the core group."""
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    verbs: tuple[str, ...]
    """Verbs of the resource itself in alphabetical order, as discovery lists them."""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    definition: str = ""
    """Key into the OpenAPI definitions; empty for custom resources."""
    storage_prefix: str | None = None
    """Where objects live in etcd, with the final slash; None for kinds that are never stored (reviews)."""
    structural: Mapping[str, Any] | None = field(default=None, compare=False, repr=False, hash=False)
    """`openAPIV3Schema` of a custom resource; None for built-in kinds."""
    columns: Sequence[Mapping[str, Any]] = field(default=(), compare=False, repr=False, hash=False)
    """`additionalPrinterColumns` of a custom resource."""
    selectable: tuple[str, ...] = ()
    """JSON paths of the `selectableFields` of a custom resource, without the leading dot."""
    scale: Mapping[str, str] | None = field(default=None, compare=False, repr=False, hash=False)
    """Where the scale subresource of a custom resource finds its values."""
    list_name: str = ""
    """The kind of lists, where it is another than that of the objects with `List`."""
    warning: str = ""
    """What clients of a deprecated resource are told."""
    closing: bool = False
    """A custom resource whose definition is being deleted: nothing new is made of it."""

    def __hash__(self) -> int:
        """Of what tells kinds apart: to go through all members takes many times as long, several times a request."""
        return hash((self.group, self.version, self.kind))

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def list_kind(self) -> str:
        """`PodList`."""
        return self.list_name or f"{self.kind}List"

    @property
    def stored(self) -> bool:
        """Whether objects of this kind exist beyond a request."""
        return self.storage_prefix is not None

    @property
    def resource(self) -> str:
        """`deployments.apps`, `pods`: the name in messages."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def subresource(self, name: str) -> Subresource | None:
        """The subresource of that name, or None."""
        return next((sub for sub in self.subresources if sub.name == name), None)

    def key(self, name: str, namespace: str | None = None) -> str:
        """The etcd key of an object."""
        if self.storage_prefix is None:
            raise ValueError(f"{self.resource} is not stored")
        return f"{self.storage_prefix}{namespace}/{name}" if self.namespaced else f"{self.storage_prefix}{name}"
