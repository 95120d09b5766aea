"""What a write left behind: bytes that are sent as they are stored, decoded only where somebody looks into them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from tricenter.apiserver.registry import conversion
from tricenter.apiserver.resources import Resource
from tricenter.apiserver.rest import answers, shapes
from tricenter.apiserver.rest.call import Call
from tricenter.apiserver.storage import encoding
from tricenter.apiserver.storage.store import Stored

Object = dict[str, Any]


@dataclass(frozen=True)
class Written:
    """The outcome of a write: what is stored now, or of a rehearsal (dry run) the object as it would be."""

    resource: Resource
    outcome: Stored | Object

    def load(self) -> Object:
        """The object in the version of the request."""
        if isinstance(self.outcome, Stored):
            return conversion.to_served(self.resource, self.outcome.load())
        return self.outcome

    def body(self) -> bytes:
        """The same as JSON."""
        as_stored = not self.resource.converted and self.resource.kind.structural is None
        if as_stored and isinstance(self.outcome, Stored):
            return encoding.served(self.outcome.value, self.outcome.revision)
        return orjson.dumps(self.load())


def answer(call: Call, written: Written, code: int = 200) -> web.Response:
    """The object in the form the client accepts. Raises BadRequest."""
    wanted = shapes.include(call.query.get("includeObject", ""))
    if call.form.table or call.form.partial:
        shown = shapes.one(call.resource, written.load(), call.form, wanted)
        return answers.json(shown, code=code, media=call.form.media)
    return answers.raw(written.body(), code=code, media=call.form.media)


def known(resource: Resource, key: str) -> Stored | None:
    """What the cache knows of a key, as the first guess of a write: it may lag, and the write finds that out."""
    entry = resource.objects.entries.get(key)
    return None if entry is None else Stored(entry.stored(), entry.revision)
