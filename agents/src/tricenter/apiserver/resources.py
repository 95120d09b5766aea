"""The resources that this server serves: each kind with the cache its objects are read from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tricenter.apimachinery import kinds
from tricenter.apiserver.cache import selectable
from tricenter.apiserver.cache.resource import ResourceCache
from tricenter.apiserver.errors import Target


@dataclass(frozen=True)
class Resource:
    """A served kind. `storage` is the version that is written to etcd; `cache` is None for what is never stored."""

    kind: kinds.Kind
    storage: kinds.Kind
    cache: ResourceCache | None

    @property
    def objects(self) -> ResourceCache:
        """The cache of a stored kind."""
        assert self.cache is not None  # noqa: S101  # verbs of unstored kinds never come here
        return self.cache

    @property
    def converted(self) -> bool:
        """Whether objects have to be converted between what is stored and what is served."""
        return self.kind is not self.storage

    def key(self, namespace: str, name: str) -> str:
        """The etcd key of an object."""
        return self.kind.key(name, namespace)

    def target(self, name: str = "", uid: str = "") -> Target:
        """What errors about an object name."""
        return Target(group=self.kind.group, resource=self.kind.plural, kind=self.kind.kind, name=name, uid=uid)


class Resources:
    """All served resources; grows when custom resources are defined."""

    def __init__(self, history: int) -> None:
        self._served: dict[tuple[str, str, str], Resource] = {}
        self._stored: dict[str, tuple[kinds.Kind, ResourceCache]] = {}
        for kind in kinds.BUILTIN:
            self._add(kind, history)

    def _add(self, kind: kinds.Kind, history: int) -> None:
        if kind.storage_prefix is None:
            resource = Resource(kind, kind, None)
        else:
            stored = self._stored.get(kind.storage_prefix)
            if stored is None:
                extract = selectable.extractor(kind.group, kind.plural)
                stored = (kind, ResourceCache(kind.storage_prefix, extract, history=history))
                self._stored[kind.storage_prefix] = stored
            resource = Resource(kind, *stored)
        self._served[kind.group, kind.version, kind.plural] = resource

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource served at a path, or None."""
        return self._served.get((group, version, plural))

    def __getitem__(self, name: tuple[str, str]) -> Resource:
        """The resource of a group and plural in its storage version; it must exist."""
        group, plural = name
        return next(item for key, item in self._served.items() if key[0] == group and key[2] == plural)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._served.values())

    def caches(self) -> list[ResourceCache]:
        """One cache for each place in etcd."""
        return [cache for _, cache in self._stored.values()]
