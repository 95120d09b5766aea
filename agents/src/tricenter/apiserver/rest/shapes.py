"""Objects in the form a client accepts: as they are, as rows of a Table, or as metadata only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import orjson

from tricenter.apimachinery import tables, times
from tricenter.apiserver import errors
from tricenter.apiserver.cache.entry import Entry
from tricenter.apiserver.cache.history import BOOKMARK, ERROR
from tricenter.apiserver.cache.watcher import Encode, json_event
from tricenter.apiserver.negotiation import Form
from tricenter.apiserver.protobuf.encode import framed
from tricenter.apiserver.registry import conversion
from tricenter.apiserver.resources import Resource

_INCLUDE = ("Metadata", "Object", "None")


def body(resource: Resource, encoded: bytes) -> bytes:
    """A cached object in the served version."""
    if not resource.converted:
        return encoded
    return orjson.dumps(conversion.to_served(resource, orjson.loads(encoded)))


def loaded(resource: Resource, encoded: bytes) -> dict[str, Any]:
    """The same, decoded."""
    return conversion.to_served(resource, orjson.loads(encoded))


def include(text: str) -> str:
    """The `includeObject` parameter of a Table request. Raises BadRequest."""
    value = text or "Metadata"
    if value not in _INCLUDE:
        raise errors.BadRequest(f'unrecognized includeObject value: "{value}"')
    return value


def partial(obj: dict[str, Any], version: str = "v1") -> dict[str, Any]:
    """Only the metadata of an object."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": obj.get("metadata", {}),
    }


def rows(resource: Resource, objects: Iterable[dict[str, Any]], wanted: str, version: str) -> list[dict[str, Any]]:
    """One row per object."""
    now = times.now()
    found = []
    for obj in objects:
        row: dict[str, Any] = {"cells": tables.cells(resource.kind, obj, now)}
        if wanted == "Metadata":
            row["object"] = partial(obj, version)
        elif wanted == "Object":
            row["object"] = obj
        found.append(row)
    return found


def table(
    resource: Resource, objects: Iterable[dict[str, Any]], metadata: dict[str, Any], form: Form, wanted: str
) -> dict[str, Any]:
    """A meta.k8s.io Table."""
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{form.version}",
        "metadata": metadata,
        "columnDefinitions": tables.columns(resource.kind),
        "rows": rows(resource, objects, wanted, form.version),
    }


def one(resource: Resource, obj: dict[str, Any], form: Form, wanted: str) -> dict[str, Any]:
    """A single object in the accepted form."""
    if form.table:
        version = obj.get("metadata", {}).get("resourceVersion", "")
        return table(resource, [obj], {"resourceVersion": version}, form, wanted)
    if form.partial:
        return partial(obj, form.version)
    return obj


def entries(resource: Resource, found: Iterable[Entry]) -> Iterable[dict[str, Any]]:
    """Decoded objects of cache entries."""
    return (loaded(resource, entry.body) for entry in found)


def event_encoder(resource: Resource, form: Form, wanted: str) -> tuple[str, Encode]:
    """The name of the form of watch events, equal for watchers that can share encoded events, and the encoding."""
    if form.protobuf:
        name, encode = event_encoder(resource, replace(form, protobuf=False), wanted)
        return f"protobuf/{name}/{resource.kind.api_version}", framed(encode)
    if form.table:
        return f"table/{form.version}/{wanted}/{resource.kind.api_version}", _table_encoder(resource, form, wanted)
    if form.partial:
        return f"partial/{form.version}/{resource.kind.api_version}", _partial_encoder(resource, form)
    if resource.converted:
        return f"json/{resource.kind.api_version}", _converting_encoder(resource)
    return "json", json_event


def _converting_encoder(resource: Resource) -> Encode:
    def encode(kind: str, encoded: bytes) -> bytes:
        if kind == ERROR:
            return json_event(kind, encoded)
        if kind == BOOKMARK:
            return json_event(kind, orjson.dumps({**orjson.loads(encoded), "apiVersion": resource.kind.api_version}))
        return json_event(kind, body(resource, encoded))

    return encode


def _table_encoder(resource: Resource, form: Form, wanted: str) -> Encode:
    def encode(kind: str, encoded: bytes) -> bytes:
        if kind == ERROR:
            return json_event(kind, encoded)
        obj = loaded(resource, encoded)
        metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        shown = [] if kind == BOOKMARK else [obj]
        return json_event(kind, orjson.dumps(table(resource, shown, metadata, form, wanted)))

    return encode


def _partial_encoder(resource: Resource, form: Form) -> Encode:
    def encode(kind: str, encoded: bytes) -> bytes:
        if kind == ERROR:
            return json_event(kind, encoded)
        return json_event(kind, orjson.dumps(partial(loaded(resource, encoded), form.version)))

    return encode
