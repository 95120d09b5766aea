"""The scale subresource of any kind of workload, built in or custom."""

from __future__ import annotations

from typing import Any

from tricenter.client import Client, Resource, errors

Object = dict[str, Any]


class NoScale(Exception):  # noqa: N818 - an answer of the cluster, not a fault of ours
    """Nobody serves a scale of that kind or name."""


class Scales:
    """Reads and writes scales; kinds are looked up by discovery."""

    def __init__(self, api: Client) -> None:
        self._api = api
        self._resources: dict[tuple[str, str], Resource] = {}

    async def get(self, reference: Object, namespace: str) -> Object:
        """The Scale of what `reference` (apiVersion, kind, name) names. Raises NoScale."""
        resource = await self._resource(reference)
        path = resource.path(namespace if resource.namespaced else None, reference["name"], "scale")
        try:
            scale: Object = await self._api.wire.request("GET", path)
        except errors.NotFound as error:
            raise NoScale(str(error)) from None
        return scale

    async def resize(self, reference: Object, scale: Object, replicas: int) -> None:
        """Write another size."""
        resource = await self._resource(reference)
        await self._api.update_subresource(resource, scale | {"spec": {"replicas": replicas}}, "scale")

    async def _resource(self, reference: Object) -> Resource:
        group = str(reference.get("apiVersion", "")).rpartition("/")[0]
        if (group, reference["kind"]) not in self._resources:
            self._resources = {(item.group, item.kind): item for item in (await self._api.discover()).resources}
        resource = self._resources.get((group, reference["kind"]))
        if resource is None:
            wanted = f'no matches for kind "{reference["kind"]}" in group "{group}"'
            raise NoScale(wanted)
        return resource
