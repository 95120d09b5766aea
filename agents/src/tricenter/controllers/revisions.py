"""The ReplicaSets of a Deployment as its history: which is new, names, annotations.

`kubectl rollout history` and `undo` read the annotations that are written here.
"""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import orjson

from tricenter.client.resources import DEPLOYMENTS
from tricenter.controllers import ownership, rollout

Object = dict[str, Any]

HASH_LABEL = "pod-template-hash"

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # as upstream: no vowels, so that no words come about
_HASH_LENGTH = 10
_NOT_COPIED = {
    "kubectl.kubernetes.io/last-applied-configuration",
    rollout.REVISION,
    rollout.HISTORY,
    rollout.DESIRED,
    rollout.MAXIMUM,
    "deprecated.deployment.rollback.to",
}


def template_hash(template: Object, collisions: int) -> str:
    """A short name for a pod template; `collisions` gives another one after a clash."""
    encoded = orjson.dumps([template, collisions], option=orjson.OPT_SORT_KEYS)
    number = int.from_bytes(hashlib.sha256(encoded).digest()[:8], "big")
    digits = []
    for _ in range(_HASH_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)


def find_new(deployment: Object, replica_sets: list[Object]) -> Object | None:
    """The ReplicaSet whose template is the Deployment's; the oldest if there are several."""
    wanted = _comparable(deployment["spec"]["template"])
    same = [item for item in replica_sets if _comparable(item["spec"]["template"]) == wanted]
    return min(same, key=lambda item: item["metadata"].get("creationTimestamp") or "", default=None)


def make(deployment: Object, old: list[Object]) -> Object:
    """The new ReplicaSet, with the size that the strategy allows now."""
    spec = deployment["spec"]
    template = copy.deepcopy(spec["template"])
    hashed = template_hash(template, (deployment.get("status") or {}).get("collisionCount") or 0)
    template.setdefault("metadata", {})["labels"] = {**(template["metadata"].get("labels") or {}), HASH_LABEL: hashed}
    selector = copy.deepcopy(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: hashed}
    made: Object = {
        "metadata": {
            "name": f"{deployment['metadata']['name']}-{hashed}",
            "namespace": deployment["metadata"]["namespace"],
            "labels": template["metadata"]["labels"],
            "ownerReferences": [ownership.reference_to(deployment, DEPLOYMENTS)],
        },
        "spec": {
            "replicas": 0,
            "minReadySeconds": spec.get("minReadySeconds") or 0,
            "selector": selector,
            "template": template,
        },
    }
    bound = rollout.limits(deployment)
    if rollout.recreates(deployment):
        made["spec"]["replicas"] = bound.replicas
    else:
        made["spec"]["replicas"] = rollout.grow_new(deployment, made, old)
    made["metadata"]["annotations"] = noted(deployment, made, next_revision(old))
    return made


def next_revision(old: list[Object]) -> int:
    """One more than the highest revision so far."""
    return max((rollout.revision(item) for item in old), default=0) + 1


def noted(deployment: Object, replica_set: Object, revision: int) -> dict[str, str]:
    """What the new ReplicaSet's annotations have to be: the Deployment's own, revision, history, sizes.

    A ReplicaSet that becomes new again (an undo) moves to a new revision and remembers the old ones.
    """
    current = dict(replica_set["metadata"].get("annotations") or {})
    before = rollout.revision(replica_set)
    own = deployment["metadata"].get("annotations") or {}
    current |= {key: value for key, value in own.items() if key not in _NOT_COPIED}
    if before < revision:
        current[rollout.REVISION] = str(revision)
        if before:
            history = [item for item in current.get(rollout.HISTORY, "").split(",") if item]
            current[rollout.HISTORY] = ",".join([*history, str(before)])
    return current | size_annotations(deployment)


def size_annotations(deployment: Object) -> dict[str, str]:
    """What a ReplicaSet notes of the Deployment's size when it is sized itself."""
    bound = rollout.limits(deployment)
    return {rollout.DESIRED: str(bound.replicas), rollout.MAXIMUM: str(bound.most)}


def _comparable(template: Object) -> Object:
    metadata = dict(template.get("metadata") or {})
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH_LABEL}
    metadata.pop("creationTimestamp", None)
    return {**template, "metadata": {**metadata, "labels": labels}}
