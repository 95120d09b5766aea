"""Kinds that are served in more than one version: from the stored version to the served one and back."""

from __future__ import annotations

from typing import Any

from tricenter.apimachinery import conversion
from tricenter.apimachinery.structural import coercing
from tricenter.apiserver.resources import Resource


def to_served(resource: Resource, obj: dict[str, Any]) -> dict[str, Any]:
    """A stored object in the version that the request asks for."""
    if resource.kind.structural is not None:
        return coercing.coerced(resource.kind, obj)
    return conversion.convert(obj, resource.kind.api_version) if resource.converted else obj


def to_stored(resource: Resource, obj: dict[str, Any]) -> dict[str, Any]:
    """An object of the request in the version that is stored."""
    if resource.kind.structural is not None:
        return coercing.converted(resource.storage, obj) if resource.converted else obj
    return conversion.convert(obj, resource.storage.api_version) if resource.converted else obj
