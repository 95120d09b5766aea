"""The resources that this server serves: each kind with the cache its objects are read from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tricenter.apimachinery import kinds
from tricenter.apiserver.cache import selectable
from tricenter.apiserver.cache.resource import ResourceCache
from tricenter.apiserver.errors import Target

Path = tuple[str, str, str]
"""Group, version and plural."""

CRDS = ("apiextensions.k8s.io", "customresourcedefinitions")


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
    """All served resources; changes when custom resources are defined."""

    def __init__(self, history: int) -> None:
        self.generation = 0
        """Counts changes of what is served, for documents that are made of it."""
        self._built_in: dict[Path, Resource] = {}
        self._custom: dict[str, dict[Path, Resource]] = {}
        self._served: Mapping[Path, Resource] = self._built_in
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
        self._built_in[kind.group, kind.version, kind.plural] = resource

    # --- custom resources ---

    def built_in(self, kind: kinds.Kind) -> bool:
        """Whether the group and plural of a kind, or its place in etcd, belong to a built-in one."""
        taken = {(group, plural) for group, _, plural in self._built_in}
        return (kind.group, kind.plural) in taken or kind.storage_prefix in self._built_in_prefixes()

    def _built_in_prefixes(self) -> set[str | None]:
        return {resource.kind.storage_prefix for resource in self._built_in.values()}

    def define(self, name: str, served: Iterable[kinds.Kind], storage: kinds.Kind, cache: ResourceCache) -> None:
        """Serve the kinds of a definition from now on, in the place of what it defined before."""
        self._custom[name] = {
            (kind.group, kind.version, kind.plural): Resource(kind, storage, cache) for kind in served
        }
        self._stored[cache.prefix] = (storage, cache)
        self._merge()

    def forget(self, name: str) -> None:
        """Serve the kinds of a definition no longer."""
        for resource in self._custom.pop(name, {}).values():
            self._stored.pop(resource.objects.prefix, None)
        self._merge()

    def _merge(self) -> None:
        custom = {
            path: item for found in self._custom.values() for path, item in found.items() if path not in self._built_in
        }
        self._served = {**self._built_in, **dict(sorted(custom.items()))}
        self.generation += 1

    def custom(self) -> list[kinds.Kind]:
        """Kinds of custom resources, by group and plural."""
        found = (item.kind for resources in self._custom.values() for item in resources.values())
        return sorted(found, key=lambda kind: (kind.group, kind.plural, kind.version))

    def cache(self, prefix: str) -> ResourceCache:
        """The cache of a place in etcd; it must exist."""
        return self._stored[prefix][1]

    # --- all resources ---

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
