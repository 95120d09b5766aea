"""The watch cache of one resource: its objects in key order, its recent history and its watchers."""

from __future__ import annotations

import logging
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator

from tricenter.apiserver import errors
from tricenter.apiserver.cache import selectable
from tricenter.apiserver.cache.entry import Coerce, Entry, make
from tricenter.apiserver.cache.history import Change, History
from tricenter.apiserver.cache.index import Index
from tricenter.apiserver.cache.predicate import Predicate
from tricenter.apiserver.cache.watcher import Watcher

log = logging.getLogger(__name__)

Listener = Callable[[Change], None]
Bucket = tuple[str, str]

_ALL: Bucket = ("", "")
_INDEXED_FROM = 500
"""Objects from which on an index is worth its upkeep."""


class ResourceCache:
    """Objects by key. Everything happens in one thread, so a reader sees one revision between two awaits."""

    def __init__(self, prefix: str, extract: selectable.Extract, *, history: int, coerce: Coerce | None = None) -> None:
        self.prefix = prefix
        self.entries: dict[str, Entry] = {}
        self.unreadable: dict[str, str] = {}
        """Keys whose present value is no object, and why. What was there before stays in `entries`, unseen."""
        self.listeners: list[Listener] = []
        self._keys: list[str] = []
        self._extract = extract
        self._coerce = coerce
        self._limit = history
        self._watchers: dict[Bucket, dict[Watcher, None]] = {}
        self._index = Index()
        self.changed = 0
        """The revision of the last change: since then the objects are what they are now."""
        self.history = History(0, history)
        self.received = self.loaded = self.begun = self.reads = self.overrun = 0
        """For metrics: changes that came, objects with which it began, how often, lists read past it, watches cut."""

    def key(self, namespace: str, name: str) -> str:
        """The etcd key of an object."""
        return f"{self.prefix}{namespace}/{name}" if namespace else f"{self.prefix}{name}"

    def entry(self, key: str, stored: bytes, revision: int) -> Entry:
        """The entry of a stored value of this resource."""
        return make(key, stored, revision, self._extract, self._coerce)

    def get(self, namespace: str, name: str) -> Entry | None:
        """The object, or None."""
        return self.entries.get(self.key(namespace, name))

    def require(self, *, namespace: str = "", key: str = "") -> None:
        """That a key, or all of a namespace (or everything), can be read. Raises StoreRead, Internal."""
        if not self.unreadable:
            return
        if key:
            if key in self.unreadable:
                raise errors.unreadable(key, self.unreadable[key])
            return
        prefix = f"{self.prefix}{namespace}/" if namespace else self.prefix
        found = {key: why for key, why in sorted(self.unreadable.items()) if key.startswith(prefix)}
        if found:
            raise errors.unreadable_list(found)

    def select(self, predicate: Predicate, start: str = "") -> Iterator[Entry]:
        """Matching objects in key order, from the key `start` on."""
        if predicate.name and (predicate.namespace or not self._namespaced):
            entry = self.get(predicate.namespace, predicate.name)
            wanted = entry is not None and entry.key >= start and predicate.matches(entry)
            return iter((entry,) if entry is not None and wanted else ())
        if predicate.term is not None and len(self._keys) >= _INDEXED_FROM:
            keys = sorted(key for key in self._index.find(predicate.term, self.entries.values()) if key >= start)
            return filter(predicate.matches, [self.entries[key] for key in keys])
        found = (self.entries[key] for key in self.keys(predicate.namespace, start))
        return found if predicate.everything else filter(predicate.matches, found)

    @property
    def _namespaced(self) -> bool:
        return bool(self._keys) and self._keys[0].count("/", len(self.prefix)) > 0

    def keys(self, namespace: str = "", first: str = "") -> list[str]:
        """Keys in order: of a namespace or all; from the key `first` on."""
        begin = f"{self.prefix}{namespace}/" if namespace else self.prefix
        start = bisect_left(self._keys, begin)
        if first:
            start = max(start, bisect_left(self._keys, first))
        return self._keys[start : bisect_left(self._keys, begin[:-1] + "0")]

    # --- writing, only by the mirror ---

    def replace(self, entries: dict[str, Entry], revision: int, gone: bytes) -> None:
        """Start anew from a full read at `revision`; watches end with a Status, for they may have missed something."""
        self.entries = entries
        self.unreadable = {}
        self._keys = sorted(entries)
        self._index.clear()
        self.changed = revision
        self.begun += 1
        self.reads += 1
        self.loaded += len(entries)
        self.history = History(revision, self._limit)
        for watcher in list(self.watchers()):
            watcher.fail(gone)
        self._watchers.clear()

    def remember(self, floor: int, changes: Iterable[Change]) -> None:
        """What happened after `floor` and before the full read, so that watches can begin there too."""
        self.history = History(floor, self._limit)
        for change in changes:
            self.history.append(change)

    def end(self) -> None:
        """Nothing is served from here any more: watches end, and clients begin anew."""
        for watcher in list(self.watchers()):
            watcher.end()

    def apply(self, change: Change) -> None:
        """Take in one change and tell everybody who is concerned."""
        entry = change.current
        self.received += 1
        if entry is not None:
            if entry.key not in self.entries:
                insort(self._keys, entry.key)
            self.entries[entry.key] = entry
        elif change.previous is not None:
            del self.entries[change.previous.key]
            del self._keys[bisect_left(self._keys, change.previous.key)]
        self._index.apply(change)
        self.changed = change.revision
        self.history.append(change)
        for bucket in self._buckets(change):
            for watcher in self._watchers.get(bucket, ()):
                watcher.offer(change)
        change.encoded.clear()
        for listener in self.listeners:
            try:
                listener(change)
            except Exception:  # one strange object must not stop all that follow
                log.exception(
                    "what depends on %s could not take in a change at revision %d", self.prefix, change.revision
                )

    # --- watching ---

    def watchers(self) -> Iterator[Watcher]:
        """All watchers."""
        for bucket in self._watchers.values():
            yield from bucket

    def attach(self, watcher: Watcher, since: int | None) -> None:
        """Add a watcher; with `since` it first gets what happened after that revision (which history must cover)."""
        if since is not None:
            for change in self.history.since(since):
                watcher.offer(change)
                change.encoded.clear()
        self._watchers.setdefault(_bucket(watcher.predicate), {})[watcher] = None

    def detach(self, watcher: Watcher) -> None:
        """Remove a watcher."""
        name = _bucket(watcher.predicate)
        bucket = self._watchers.get(name)
        if bucket is not None:
            bucket.pop(watcher, None)
            if not bucket:
                del self._watchers[name]

    def _buckets(self, change: Change) -> set[Bucket]:
        found = {_ALL}
        for entry in (change.previous, change.current):
            if entry is not None:
                found.add(("namespace", entry.namespace))
                found.add(("name", f"{entry.namespace}/{entry.name}"))
                found.add(("node", entry.fields.get("spec.nodeName", "")))
        return found


def _bucket(predicate: Predicate) -> Bucket:
    """Where a watcher is kept: the narrowest condition of its predicate that a change can be looked up by."""
    if predicate.name and predicate.namespace:
        return ("name", f"{predicate.namespace}/{predicate.name}")
    if predicate.node is not None:
        return ("node", predicate.node)
    if predicate.namespace:
        return ("namespace", predicate.namespace)
    return _ALL
