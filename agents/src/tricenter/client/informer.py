"""A local copy of a collection, kept current by list and watch.

The way of client-go's reflector: list what the server has in memory, watch from that revision, resume after a broken
connection, list again only when the server says that the history is gone (410). While the API is away the last copy
stays, so an agent goes on with what it knew.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from tricenter.client import errors
from tricenter.client.api import Client
from tricenter.client.backoff import Backoff
from tricenter.client.resources import Resource

Object = dict[str, Any]
Handler = Callable[[str, Object | None, Object], None]
"""Called with ADDED, MODIFIED or DELETED, the object before (None if ADDED) and now (the last one if DELETED)."""

_LONGEST_PAUSE = 4.0
_WORKED_SECONDS = 5.0

_log = logging.getLogger(__name__)


def key_of(obj: Object) -> str:
    """`namespace/name`, or `name` for an object without a namespace."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


class Informer:
    """Keeps `store` equal to a collection and tells handlers of changes.

    Objects in the store are shared by all readers and must not be changed. Handlers are plain functions, called in
    the event loop in the order of the changes; they put keys into work queues and leave.
    """

    def __init__(
        self,
        api: Client,
        res: Resource,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
    ) -> None:
        self.resource = res
        self.store: dict[str, Object] = {}
        self._api = api
        self._namespace = namespace
        self._selection: dict[str, Any] = {"label_selector": label_selector, "field_selector": field_selector}
        self._handlers: list[Handler] = []
        self._indexes: dict[str, _Index] = {}
        self._synced = asyncio.Event()
        self._revision = ""
        self._listed = False
        self._compacted = False

    @property
    def synced(self) -> bool:
        """Whether the first list has arrived."""
        return self._synced.is_set()

    @property
    def resource_version(self) -> str:
        """The revision up to which the store is current."""
        return self._revision

    async def wait_synced(self) -> None:
        """Wait for the first list."""
        await self._synced.wait()

    def add_handler(self, handler: Handler) -> None:
        """Have `handler` called for every change, and at once (ADDED) for what is already known."""
        self._handlers.append(handler)
        for obj in list(self.store.values()):
            _call(handler, "ADDED", None, obj)

    def add_index(self, name: str, function: Callable[[Object], Iterable[str]]) -> None:
        """Keep objects findable by the strings that `function` gives for each."""
        index = _Index(function)
        for key, obj in self.store.items():
            index.add(key, obj)
        self._indexes[name] = index

    def by_index(self, name: str, key: str) -> list[Object]:
        """The objects for which the index `name` gave `key`."""
        return [self.store[found] for found in self._indexes[name].find(key)]

    async def run(self) -> NoReturn:
        """Follow the collection until cancelled."""
        backoff = Backoff(limit=_LONGEST_PAUSE)
        while True:
            started = time.monotonic()
            try:
                if not self._listed:
                    await self._list()
                await self._watch()
                backoff.reset()
            except errors.Gone:
                self._listed, self._compacted = False, True
            except errors.ClientError as error:
                if time.monotonic() - started > _WORKED_SECONDS:
                    backoff.reset()
                # one line for an outage, however long it lasts
                level = logging.DEBUG if backoff.failures else logging.WARNING
                _log.log(level, "cannot follow %s, will try again and again: %s", self.resource, error)
                await asyncio.sleep(backoff.next())

    async def _list(self) -> None:
        # Never older than what we have seen, although each connection may reach another server; after a 410 the
        # newest, because the server's memory may not reach back to our revision.
        revision = "" if self._compacted else self._revision or "0"
        answer = await self._api.list(self.resource, self._namespace, **self._selection, resource_version=revision)
        self._replace({key_of(obj): obj for obj in answer.items})
        self._revision = answer.resource_version
        self._listed, self._compacted = True, False
        self._synced.set()

    async def _watch(self) -> None:
        events = self._api.watch(self.resource, self._namespace, self._revision, **self._selection)
        async for kind, obj in events:
            self._revision = obj["metadata"]["resourceVersion"]
            if kind == "DELETED":
                self._remove(key_of(obj), obj)
            elif kind != "BOOKMARK":
                self._put(key_of(obj), obj)

    def _replace(self, new: dict[str, Object]) -> None:
        for key in [key for key in self.store if key not in new]:
            self._remove(key, self.store[key])
        for key, obj in new.items():
            old = self.store.get(key)
            if old is None or old["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]:
                self._put(key, obj)

    def _put(self, key: str, obj: Object) -> None:
        old = self.store.get(key)
        if old is not None and old["metadata"].get("uid") != obj["metadata"].get("uid"):
            self._remove(key, old)  # deleted and made anew while we did not look
            old = None
        self.store[key] = obj
        for index in self._indexes.values():
            index.add(key, obj)
        self._tell("ADDED" if old is None else "MODIFIED", old, obj)

    def _remove(self, key: str, last: Object) -> None:
        old = self.store.pop(key, None)
        if old is None:
            return
        for index in self._indexes.values():
            index.remove(key)
        self._tell("DELETED", old, last)

    def _tell(self, event: str, old: Object | None, new: Object) -> None:
        for handler in self._handlers:
            _call(handler, event, old, new)


def _call(handler: Handler, event: str, old: Object | None, new: Object) -> None:
    try:
        handler(event, old, new)
    except Exception:  # noqa: BLE001 - one object that a handler cannot digest must not stop the others
        _log.exception("handler failed", extra={"object": key_of(new)})


class _Index:
    """Values to keys of the store."""

    def __init__(self, function: Callable[[Object], Iterable[str]]) -> None:
        self._function = function
        self._keys: dict[str, dict[str, None]] = {}
        self._values: dict[str, tuple[str, ...]] = {}

    def add(self, key: str, obj: Object) -> None:
        values = tuple(self._function(obj))
        if self._values.get(key) == values:
            return
        self.remove(key)
        self._values[key] = values
        for value in values:
            self._keys.setdefault(value, {})[key] = None

    def remove(self, key: str) -> None:
        for value in self._values.pop(key, ()):
            keys = self._keys[value]
            keys.pop(key, None)
            if not keys:
                del self._keys[value]

    def find(self, value: str) -> list[str]:
        return list(self._keys.get(value, ()))
