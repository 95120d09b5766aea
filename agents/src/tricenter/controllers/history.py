"""ControllerRevisions: the history of DaemonSets and StatefulSets (upstream's pkg/controller/history).

A revision keeps a template as a patch that `kubectl rollout undo` applies. Going back to an old template gives its
revision the next number instead of making another one.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

from tricenter.apimachinery.selectors import LabelSelector
from tricenter.client import Client, Informer, Resource, errors
from tricenter.client.resources import CONTROLLERREVISIONS
from tricenter.controllers import ownership, revisions

Object = dict[str, Any]

POD_LABEL = "controller-revision-hash"
"""On pods: the revision they were made from."""


class Collision(Exception):  # noqa: N818 - two templates may have one hash: upstream counts, we count
    """Another template's revision has the name; the owner's collisionCount gives another one."""


def data_of(owner: Object) -> Object:
    """The patch that brings the owner back to its present template."""
    return {"spec": {"template": {**owner["spec"]["template"], "$patch": "replace"}}}


def template_of(revision: Object) -> Object:
    """The template that a revision keeps."""
    template = copy.deepcopy(revision["data"]["spec"]["template"])
    template.pop("$patch", None)
    return dict(template)


def number(revision: Object) -> int:
    """The number of a revision."""
    return int(revision.get("revision") or 0)


def find_equal(owner: Object, known: list[Object]) -> Object | None:
    """The newest revision with the owner's present template."""
    wanted = template_of({"data": data_of(owner)})
    same = [item for item in known if _plain(template_of(item)) == _plain(wanted)]
    return max(same, key=number, default=None)


def _plain(template: Object) -> Object:
    metadata = {key: value for key, value in (template.get("metadata") or {}).items() if value is not None}
    return {**template, "metadata": metadata}


def surplus(known: list[Object], live: Collection[str], limit: int) -> list[Object]:
    """The oldest revisions that nothing uses, beyond `limit`."""
    idle = sorted((item for item in known if item["metadata"]["name"] not in live), key=number)
    return idle[: max(0, len(idle) - limit)]


class History:
    """The revisions of one kind of owner."""

    def __init__(self, api: Client, informer: Informer, res: Resource, label: str) -> None:
        self._api = api
        self._informer = informer
        self._res = res
        self._label = label
        ownership.index_by_controller(informer)

    async def known(self, owner: Object, selector: LabelSelector) -> list[Object]:
        """The owner's revisions, oldest first."""
        found = await ownership.claimed(self._api, owner, self._res, selector, self._informer)
        return sorted(found, key=number)

    async def present(self, owner: Object, known: list[Object]) -> Object:
        """The revision of the owner's present template, made or renumbered if need be. Raises Collision."""
        latest = max((number(item) for item in known), default=0)
        same = find_equal(owner, known)
        if same is None:
            return await self._create(owner, latest + 1)
        if number(same) == latest:
            return same
        metadata = same["metadata"]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "revision": latest + 1}
        return await self._api.patch(CONTROLLERREVISIONS, metadata["name"], patch, metadata["namespace"])

    async def _create(self, owner: Object, revision: int) -> Object:
        metadata, template = owner["metadata"], owner["spec"]["template"]
        hashed = revisions.template_hash(template, (owner.get("status") or {}).get("collisionCount") or 0)
        made: Object = {
            "metadata": {
                "name": f"{metadata['name']}-{hashed}",
                "namespace": metadata["namespace"],
                "labels": {**((template.get("metadata") or {}).get("labels") or {}), self._label: hashed},
                "annotations": metadata.get("annotations") or {},
                "ownerReferences": [ownership.reference_to(owner, self._res)],
            },
            "data": data_of(owner),
            "revision": revision,
        }
        try:
            return await self._api.create(CONTROLLERREVISIONS, made)
        except errors.AlreadyExists:
            live = await self._api.get(CONTROLLERREVISIONS, made["metadata"]["name"], metadata["namespace"])
            if find_equal(owner, [live]) is None:
                raise Collision(made["metadata"]["name"]) from None
            return live

    async def forget(self, owner: Object, known: list[Object], live: Collection[str]) -> None:
        """Delete what is beyond the owner's limit."""
        for revision in surplus(known, live, owner["spec"].get("revisionHistoryLimit", 10)):
            metadata = revision["metadata"]
            try:
                await self._api.delete(
                    CONTROLLERREVISIONS, metadata["name"], metadata["namespace"], uid=metadata["uid"]
                )
            except errors.NotFound:
                continue
