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
from tricenter.apimachinery.openapi.schemas import V2, V3, Components
from tricenter.apimachinery.records import Kind
from tricenter.apimachinery.schema import definitions

__all__ = ["v2", "v2_bytes", "v3", "v3_bytes", "v3_document", "v3_entry", "v3_index"]

_INFO = {"title": "Kubernetes", "version": f"v{definitions.LEVEL}.0"}
_TOKEN = {"type": "apiKey", "description": "Bearer Token authentication", "name": "authorization", "in": "header"}


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


def v2(custom: Sequence[Kind] = ()) -> dict[str, Any]:
    """The version 2 document of everything built in and of the given custom resources."""
    components = Components(V2)
    found = paths.build([*kinds.BUILTIN, *custom], components)
    token = {"BearerToken": _TOKEN}
    return {
        "swagger": "2.0",
        "info": _INFO,
        "paths": found,
        "definitions": components.schemas,
        "securityDefinitions": token,
        "security": [{"BearerToken": []}],
    }


@lru_cache(maxsize=1)
def v2_bytes() -> bytes:
    """The version 2 document of the built-in API as JSON, made once."""
    return orjson.dumps(v2())
