"""The objects that parameterize a policy (plugin/policy/generic/policy_dispatcher.go CollectParams)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tricenter.apimachinery import selectors
from tricenter.apiserver.cache.freshness import Freshness
from tricenter.apiserver.registry import conversion
from tricenter.apiserver.resources import Resource, Resources

Object = dict[str, Any]


class ConfigurationError(Exception):
    """The policy cannot be evaluated as it is bound."""


class Parameters:
    """Finds parameters in the caches."""

    def __init__(self, resources: Resources, fresh: Freshness) -> None:
        self._resources = resources
        self._fresh = fresh

    async def collect(
        self, kind: Mapping[str, str] | None, reference: Mapping[str, Any] | None, namespace: str
    ) -> list[Object | None]:
        """The parameters, each of which is to be evaluated; None for a policy without. Raises ConfigurationError."""
        if kind is None or reference is None:
            return [None]
        resource = self._resource(kind)
        if resource.kind.namespaced:
            namespace = reference.get("namespace") or namespace
            if not namespace:
                text = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
                raise ConfigurationError(text)
        elif reference.get("namespace"):
            raise ConfigurationError("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        else:
            namespace = ""
        found = await self._find(resource, reference, namespace)
        if not found and reference.get("parameterNotFoundAction") == "Deny":
            raise ConfigurationError("no params found for policy binding with `Deny` parameterNotFoundAction")
        return [*found]

    def _resource(self, kind: Mapping[str, str]) -> Resource:
        wanted = (kind.get("apiVersion"), kind.get("kind"))
        for resource in self._resources:
            if (resource.kind.api_version, resource.kind.kind) == wanted and resource.cache is not None:
                return resource
        shown = f"&ParamKind{{APIVersion:{kind.get('apiVersion', '')},Kind:{kind.get('kind', '')},}}"
        raise ConfigurationError(f"paramKind kind `{shown}` not known")

    async def _find(self, resource: Resource, reference: Mapping[str, Any], namespace: str) -> list[Object]:
        cache, name = resource.objects, reference.get("name")
        if name:
            entry = cache.get(namespace, name)
            if entry is None:
                await self._fresh.wait()
                entry = cache.get(namespace, name)
            return [] if entry is None else [conversion.to_served(resource, entry.load())]
        selector = selectors.from_object(reference.get("selector") or {})
        entries = (cache.entries[key] for key in cache.keys(namespace))
        return [conversion.to_served(resource, entry.load()) for entry in entries if selector.matches(entry.labels)]
