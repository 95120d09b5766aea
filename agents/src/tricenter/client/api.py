"""The verbs of the Kubernetes API over plain dictionaries (API concepts: kubernetes.io/docs/reference/using-api)."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

from tricenter.client import errors, resources, transport
from tricenter.client.resources import Discovery, Resource
from tricenter.runtime.config import ApiConfig

Object = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclasses.dataclass(frozen=True)
class ObjectList:
    """The answer to a list: the objects and the revision from which a watch continues."""

    items: list[Object]
    resource_version: str


class Client:
    """One identity's connection to the API; use as `async with Client(config.api) as api`.

    Every method raises errors.ClientError (see its tree) and nothing else for what can go wrong with a request.
    """

    JSON_PATCH = JSON_PATCH
    MERGE_PATCH = MERGE_PATCH
    STRATEGIC_PATCH = STRATEGIC_PATCH
    APPLY = APPLY

    def __init__(self, api: ApiConfig) -> None:
        self._config = api
        self._transport: transport.Transport | None = None

    async def __aenter__(self) -> Self:
        self._transport = transport.Transport(self._config)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transport is not None:
            await self._transport.close()

    @property
    def wire(self) -> transport.Transport:
        """The transport, for what is no object: `await api.wire.request("GET", "/readyz")`."""
        if self._transport is None:
            raise RuntimeError("the client is not open: use `async with`")
        return self._transport

    async def get(self, res: Resource, name: str, namespace: str | None = None) -> Object:
        """The object of that name."""
        return await self._call("GET", res.path(namespace, name))

    async def list(
        self,
        res: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
    ) -> ObjectList:
        """All objects that match; resource_version "0" allows any state the server has in memory."""
        params = _selection(label_selector, field_selector)
        if resource_version:
            params["resourceVersion"] = resource_version
        answer = await self._call("GET", res.path(namespace), params)
        items = answer.get("items") or []
        for item in items:  # a list names kind and version once; an object that travels on its own needs them
            item.setdefault("apiVersion", res.api_version)
            item.setdefault("kind", res.kind)
        return ObjectList(items, answer.get("metadata", {}).get("resourceVersion", ""))

    async def create(self, res: Resource, obj: Object, *, field_manager: str | None = None) -> Object:
        """Create `obj` in the namespace it names; returns it as stored."""
        path = res.path(obj.get("metadata", {}).get("namespace"))
        return await self._call("POST", path, _manager(field_manager), _complete(res, obj))

    async def create_subresource(
        self, res: Resource, name: str, namespace: str | None, subresource: str, obj: Object
    ) -> Object:
        """POST to a subresource such as `binding`, `eviction` or `token`."""
        return await self._call("POST", res.path(namespace, name, subresource), None, obj)

    async def update(self, res: Resource, obj: Object, *, field_manager: str | None = None) -> Object:
        """Replace the object; its resourceVersion, if present, must be the stored one."""
        return await self._put(res, obj, None, field_manager)

    async def update_status(self, res: Resource, obj: Object, *, field_manager: str | None = None) -> Object:
        """Replace the object's status."""
        return await self._put(res, obj, "status", field_manager)

    async def update_subresource(self, res: Resource, obj: Object, subresource: str) -> Object:
        """Replace through a subresource such as `finalize` or `scale`."""
        return await self._put(res, obj, subresource, None)

    async def patch(
        self,
        res: Resource,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        content_type: str = MERGE_PATCH,
        field_manager: str | None = None,
        force: bool = False,
    ) -> Object:
        """Change the object by a patch; with APPLY the patch is the whole intent of `field_manager`."""
        params = _manager(field_manager)
        if force:
            params["force"] = "true"
        path = res.path(namespace, name, subresource)
        return await self._call("PATCH", path, params, patch, content_type=content_type)

    async def delete(
        self,
        res: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
        propagation: str | None = None,
    ) -> Object:
        """Delete; `uid` guards against a namesake, `propagation` is Background, Foreground or Orphan."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        if any(preconditions.values()):
            options["preconditions"] = {key: value for key, value in preconditions.items() if value}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if propagation is not None:
            options["propagationPolicy"] = propagation
        return await self._call("DELETE", res.path(namespace, name), None, options)

    async def watch(
        self,
        res: Resource,
        namespace: str | None = None,
        resource_version: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        silence: float = transport.WATCH_SILENCE_SECONDS,
    ) -> AsyncIterator[tuple[str, Object]]:
        """Events ADDED, MODIFIED, DELETED and BOOKMARK after `resource_version`, until the server ends the watch.

        Raises errors.Gone when the revision is no longer in the history.
        """
        params = _selection(label_selector, field_selector) | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            # different per watch, so that a server's watchers do not all come back at once
            "timeoutSeconds": str(random.randint(300, 600)),  # noqa: S311
        }
        if resource_version:
            params["resourceVersion"] = resource_version
        response = await self.wire.stream(res.path(namespace), params, silence=silence)
        try:
            async for line in _lines(response):
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise errors.from_status(event["object"])
                yield event["type"], event["object"]
        finally:
            response.close()

    async def discover(self) -> Discovery:
        """All resources, each in the version its group prefers or, where that has it not, the next one."""
        core = resources.from_discovery("", "v1", await self._call("GET", "/api/v1"))
        groups = (await self._call("GET", "/apis")).get("groups") or []
        answers = await asyncio.gather(*(self._group(group) for group in groups))
        failed = frozenset(group["name"] for group, found in zip(groups, answers, strict=True) if found is None)
        return Discovery([*core, *(resource for found in answers for resource in found or ())], failed)

    async def _group(self, group: Object) -> Sequence[Resource] | None:
        """The resources of a group; None when a version of it does not answer, or nothing that could be one."""
        versions = [item["version"] for item in group.get("versions") or ()]
        found: dict[str, Resource] = {}
        for version in dict.fromkeys((group["preferredVersion"]["version"], *versions)):
            try:
                document = await self._call("GET", f"/apis/{group['name']}/{version}")
                listed = resources.from_discovery(group["name"], version, document)
            except errors.NotFound:  # it has gone since the group was listed
                continue
            except (errors.ApiError, KeyError, TypeError, AttributeError):  # what others serve spoils only itself
                return None
            for resource in listed:
                found.setdefault(resource.plural, resource)
        return list(found.values())

    async def _put(self, res: Resource, obj: Object, subresource: str | None, manager: str | None) -> Object:
        metadata = obj["metadata"]
        path = res.path(metadata.get("namespace"), metadata["name"], subresource)
        return await self._call("PUT", path, _manager(manager), _complete(res, obj))

    async def _call(
        self,
        method: str,
        path: str,
        params: dict[str, str] | None = None,
        body: Any = None,
        *,
        content_type: str = "application/json",
    ) -> Object:
        answer: Object = await self.wire.request(method, path, params=params, body=body, content_type=content_type)
        return answer


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The lines of a response; aiohttp's own line reader refuses long ones, and objects may be a megabyte."""
    rest = b""
    try:
        async for chunk in response.content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line:
                    yield line
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise transport.unreachable(error) from error


def _selection(label_selector: str, field_selector: str) -> dict[str, str]:
    params = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {key: value for key, value in params.items() if value}


def _manager(field_manager: str | None) -> dict[str, str]:
    return {"fieldManager": field_manager} if field_manager else {}


def _complete(res: Resource, obj: Object) -> Object:
    return {"apiVersion": res.api_version, "kind": res.kind} | obj
