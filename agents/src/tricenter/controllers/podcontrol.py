"""Making and removing pods for an owner: from a template, with expectations, in growing batches."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from tricenter.apimachinery import selectors
from tricenter.apimachinery.selectors import LabelSelector
from tricenter.client import Client, Informer, Resource, errors
from tricenter.client.events import NORMAL, WARNING, Recorder
from tricenter.client.informer import key_of
from tricenter.client.resources import PODS
from tricenter.controllers.expectations import Expectations
from tricenter.controllers.ownership import controller_of, reference_to

Object = dict[str, Any]


def from_template(owner: Object, res: Resource, template: Object) -> Object:
    """The pod that `template` describes, managed by `owner`."""
    metadata = template.get("metadata") or {}
    copied = {key: copy.deepcopy(metadata[key]) for key in ("labels", "annotations", "finalizers") if metadata.get(key)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{owner['metadata']['name']}-",
            "namespace": owner["metadata"]["namespace"],
            "ownerReferences": [reference_to(owner, res)],
            **copied,
        },
        "spec": copy.deepcopy(template["spec"]),
    }


async def slow_start(count: int, action: Callable[[int], Awaitable[None]]) -> int:
    """Call `action` with 0 to count-1 in batches of 1, 2, 4, …; stop after a batch with a failure.

    Returns how many succeeded, so that a quota or an admission refusal costs one request and not hundreds; raises the
    first failure if none did.
    """
    done, batch = 0, 1
    while done < count:
        numbers = range(done, min(count, done + batch))
        results = await asyncio.gather(*(action(number) for number in numbers), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        done += len(results) - len(failures)
        if failures:
            if not done or not isinstance(failures[0], errors.ClientError):
                raise failures[0]
            return done
        batch *= 2
    return done


@dataclasses.dataclass(frozen=True)
class Phrases:
    """How events about pods are worded: `{pod}`, `{owner}` and `{error}` are filled in."""

    created: str = "Created pod: {pod}"
    not_created: str = "Error creating: {error}"
    deleted: str = "Deleted pod: {pod}"
    not_deleted: str = "Error deleting: {error}"


class PodControl:
    """Creates and deletes pods of one kind of owner."""

    def __init__(self, api: Client, recorder: Recorder, res: Resource, phrases: Phrases | None = None) -> None:
        self._phrases = phrases or Phrases()
        self._api = api
        self._recorder = recorder
        self._res = res
        self.expectations = Expectations()

    def observe(self, informer: Informer, key_of_owner: Callable[[Object], str | None]) -> None:
        """Meet expectations by what the pods' informer shows."""

        def changed(event: str, _old: Object | None, new: Object) -> None:
            key = key_of_owner(new)
            if key is None:
                return
            if event == "ADDED":
                self.expectations.created(key)
            if event == "DELETED" or "deletionTimestamp" in new["metadata"]:
                self.expectations.deleted(key, new["metadata"]["uid"])

        informer.add_handler(changed)

    async def create(self, key: str, owner: Object, count: int, pod: Callable[[int], Object]) -> None:
        """Create `count` pods for `owner`; raises the first failure if none could be created."""
        self.expectations.expect(key, creations=count)
        done = 0
        try:
            done = await slow_start(count, lambda number: self._create(owner, pod(number)))
        finally:
            self.expectations.created(key, count - done)

    async def delete(self, key: str, owner: Object, pods: list[Object]) -> None:
        """Delete `pods` of `owner`; raises the first failure."""
        self.expectations.expect(key, deletions=[pod["metadata"]["uid"] for pod in pods])
        results = await asyncio.gather(*(self._delete(key, owner, pod) for pod in pods), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _create(self, owner: Object, pod: Object) -> None:
        try:
            made = await self._api.create(PODS, pod)
        except errors.AlreadyExists:
            raise  # of that name there is one that the informer will show
        except errors.ClientError as error:
            self._tell(owner, "FailedCreate", self._phrases.not_created, pod, error)
            raise
        self._tell(owner, "SuccessfulCreate", self._phrases.created, made)

    async def _delete(self, key: str, owner: Object, pod: Object) -> None:
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        try:
            await self._api.delete(PODS, name, pod["metadata"]["namespace"], uid=uid)
        except errors.ClientError as error:
            self.expectations.deleted(key, uid)
            if isinstance(error, errors.NotFound):
                return
            self._tell(owner, "FailedDelete", self._phrases.not_deleted, pod, error)
            raise
        self._tell(owner, "SuccessfulDelete", self._phrases.deleted, pod)

    def _tell(self, owner: Object, reason: str, phrase: str, pod: Object, error: Exception | None = None) -> None:
        metadata = pod["metadata"]
        name = metadata.get("name") or metadata.get("generateName", "")
        text = phrase.format(pod=name, owner=owner["metadata"]["name"], error=error)
        self._recorder.event(owner, NORMAL if error is None else WARNING, reason, text)


def owner_key(kind: str) -> Callable[[Object], str | None]:
    """For a dependent: the key of the `kind` that manages it, or None."""

    def of(obj: Object) -> str | None:
        reference = controller_of(obj)
        if reference is None or reference["kind"] != kind:
            return None
        return f"{obj['metadata']['namespace']}/{reference['name']}"

    return of


def selector_of(owner: Object) -> LabelSelector:
    """Which pods an owner takes; a ReplicationController's selector is a plain map."""
    selector = owner["spec"].get("selector")
    plain = owner.get("kind") == "ReplicationController"
    return selectors.from_map(selector) if plain else selectors.from_object(selector)


def keys_of_pod(owners: Informer, owner_key: Callable[[Object], str | None]) -> Callable[[Object], list[str]]:
    """For a pod: the key of its owner, or of all `owners` that would take it if it has none."""

    def of(pod: Object) -> list[str]:
        key = owner_key(pod)
        if key is not None:
            return [key]
        namespace, labels = pod["metadata"]["namespace"], pod["metadata"].get("labels")
        if controller_of(pod) is not None or not labels:
            return []
        return [
            key_of(item)
            for item in owners.store.values()
            if item["metadata"]["namespace"] == namespace and selector_of(item).matches(labels)
        ]

    return of
