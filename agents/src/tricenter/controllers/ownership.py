"""Who owns what: owner references, adoption and release (kubernetes.io/docs, "Owners and Dependents")."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from tricenter.apimachinery.selectors import LabelSelector
from tricenter.client import Client, Informer, Resource, errors

Object = dict[str, Any]

OWNER_INDEX = "controller"


def references(obj: Object) -> list[Object]:
    """All owner references."""
    return list(obj["metadata"].get("ownerReferences") or ())


def controller_of(obj: Object) -> Object | None:
    """The reference to the one owner that manages `obj`."""
    return next((reference for reference in references(obj) if reference.get("controller")), None)


def reference_to(owner: Object, res: Resource) -> Object:
    """The reference by which `owner` manages something."""
    return {
        "apiVersion": res.api_version,
        "kind": res.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def index_by_controller(informer: Informer) -> None:
    """Let `informer.by_index(OWNER_INDEX, uid)` find what is managed by an owner, and "" what is by nobody."""

    def of(obj: Object) -> Iterable[str]:
        reference = controller_of(obj)
        return (reference["uid"],) if reference else (f"{obj['metadata'].get('namespace', '')}/",)

    informer.add_index(OWNER_INDEX, of)


@dataclasses.dataclass(frozen=True)
class Claim:
    """What an owner has, should take and should let go."""

    owned: list[Object]
    adopt: list[Object]
    release: list[Object]


def claim(owner: Object, selector: LabelSelector, managed: Iterable[Object], orphans: Iterable[Object]) -> Claim:
    """Decide over `managed` (by the owner's uid) and `orphans` of its namespace.

    An owner that is being deleted takes nothing; an orphan that is being deleted is not worth taking.
    """
    owned: list[Object] = []
    release: list[Object] = []
    for obj in managed:
        (owned if selector.matches(obj["metadata"].get("labels")) else release).append(obj)
    adopt: list[Object] = []
    if "deletionTimestamp" not in owner["metadata"] and not selector.empty:
        adopt = [
            obj
            for obj in orphans
            if "deletionTimestamp" not in obj["metadata"] and selector.matches(obj["metadata"].get("labels"))
        ]
    return Claim(owned, adopt, release)


async def claimed(
    api: Client, owner: Object, owner_res: Resource, selector: LabelSelector, informer: Informer
) -> list[Object]:
    """What `owner` manages of the informer's resource, after adoption and release were written."""
    namespace, uid = owner["metadata"]["namespace"], owner["metadata"]["uid"]
    decision = claim(
        owner, selector, informer.by_index(OWNER_INDEX, uid), informer.by_index(OWNER_INDEX, f"{namespace}/")
    )
    for obj in decision.release:
        await _write(api, informer.resource, obj, without(obj, {uid}))
    if decision.adopt and not await still_there(api, owner, owner_res):
        return decision.owned
    adopted = [
        await _write(api, informer.resource, obj, [*references(obj), reference_to(owner, owner_res)])
        for obj in decision.adopt
    ]
    return decision.owned + [obj for obj in adopted if obj is not None]


async def still_there(api: Client, owner: Object, res: Resource) -> bool:
    """Ask the API itself: a cached owner may have been deleted with its dependents orphaned a moment ago."""
    try:
        live = await api.get(res, owner["metadata"]["name"], owner["metadata"].get("namespace"))
    except errors.NotFound:
        return False
    return live["metadata"]["uid"] == owner["metadata"]["uid"] and "deletionTimestamp" not in live["metadata"]


def without(obj: Object, uids: set[str]) -> list[Object]:
    """The references of `obj` but those to `uids`."""
    return [reference for reference in references(obj) if reference["uid"] not in uids]


async def _write(api: Client, res: Resource, obj: Object, owners: list[Object]) -> Object | None:
    metadata = obj["metadata"]
    patch = {
        "metadata": {
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "ownerReferences": owners or None,
        }
    }
    try:
        return await api.patch(res, metadata["name"], patch, metadata.get("namespace"))
    except errors.NotFound:
        return None
