"""OpenAPI documents of the built-in API, made on demand and cached as bytes; and of custom resources.

Version 3 has one document a group-version (KEP-2896), version 2 is one document for everything.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson

from tricenter.apimachinery import kinds
from tricenter.apimachinery.openapi import paths
from tricenter.apimachinery.openapi.schemas import V2, V3, Components, custom_name
from tricenter.apimachinery.records import Kind
from tricenter.apimachinery.schema import definitions

__all__ = ["v2", "v2_bytes", "v2_custom", "v3", "v3_bytes", "v3_document", "v3_entry", "v3_index"]

_INFO = {"title": "Kubernetes", "version": f"v{definitions.LEVEL}.0"}
_TOKEN = {"type": "apiKey", "description": "Bearer Token authentication", "name": "authorization", "in": "header"}
_SECURITY = {"securityDefinitions": {"BearerToken": _TOKEN}, "security": [{"BearerToken": []}]}


def v3_document(served: Sequence[Kind]) -> dict[str, Any]:
    """The version 3 document of some kinds of one group-version, built-in or custom."""
    components = Components(V3)
    found = paths.build(served, components)
    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": found,
        "components": {"schemas": components.schemas, "securitySchemes": {"BearerToken": _TOKEN}},
    }


def v3(group: str, version: str) -> dict[str, Any]:
    """The version 3 document of a built-in group-version. Raises KeyError for one that is not served."""
    served = [kind for kind in kinds.BUILTIN if (kind.group, kind.version) == (group, version)]
    if not served:
        raise KeyError(f"{group}/{version}")
    return v3_document(served)


@lru_cache(maxsize=64)
def v3_bytes(group: str, version: str) -> bytes:
    """The same as JSON, made once."""
    return orjson.dumps(v3(group, version))


def v3_entry(group: str, version: str, document: bytes) -> dict[str, str]:
    """One entry of the index: the hash makes the document cacheable for ever."""
    path = paths.base(group, version)
    digest = hashlib.sha512(document).hexdigest().upper()
    return {"serverRelativeURL": f"/openapi/v3{path}?hash={digest}"}


@lru_cache(maxsize=1)
def v3_index() -> dict[str, Any]:
    """`GET /openapi/v3` for the built-in group-versions; the server adds those of custom resources to a copy."""
    entries = {
        paths.base(group, version).removeprefix("/"): v3_entry(group, version, v3_bytes(group, version))
        for group, version in paths.group_versions(kinds.BUILTIN)
    }
    return {"paths": entries}


def v2() -> dict[str, Any]:
    """The version 2 document of everything built in."""
    components = Components(V2)
    found = paths.build(kinds.BUILTIN, components)
    return {"swagger": "2.0", "info": _INFO, "paths": found, "definitions": components.schemas, **_SECURITY}


def v2_custom(custom: Sequence[Kind]) -> dict[str, Any]:
    """What custom resources add to it; what their definitions refer to is built in."""
    components = Components(V2)
    found = paths.build(custom, components)
    own = {name for kind in custom for name in (custom_name(kind), f"{custom_name(kind)}List")}
    return {"paths": found, "definitions": {name: components.schemas[name] for name in sorted(own)}}


def v2_bytes(custom: Sequence[Kind] = ()) -> bytes:
    """The version 2 document of everything as JSON; the large part of it is made once."""
    more = v2_custom(custom)
    parts = (
        b",".join(filter(None, (built_in, orjson.dumps(more[key])[1:-1])))
        for built_in, key in zip(_v2_parts(), ("paths", "definitions"), strict=True)
    )
    head = orjson.dumps({"swagger": "2.0", "info": _INFO})[:-1]
    return b'%b,"paths":{%b},"definitions":{%b},%b' % (head, *parts, orjson.dumps(_SECURITY)[1:])


@lru_cache(maxsize=1)
def _v2_parts() -> tuple[bytes, bytes]:
    """Paths and definitions of the built-in API as JSON, without their braces."""
    document = v2()
    return orjson.dumps(document["paths"])[1:-1], orjson.dumps(document["definitions"])[1:-1]
