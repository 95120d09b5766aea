"""The decisions of a StatefulSet: which replica is made, removed or replaced next.

Upstream's rules (pkg/controller/statefulset): replicas have ordinals and come, go and change one by one in their order,
unless the set is managed in parallel. Pure functions over objects; `statefulsets` writes what they say.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import re
from collections.abc import Iterable
from typing import Any

from tricenter.client.resources import STATEFULSETS
from tricenter.controllers import history, podcontrol, podstate
from tricenter.controllers.history import POD_LABEL

Object = dict[str, Any]

BURST = 500
"""Most pods made for one set, of those that are made together, before looking again."""
NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"
_NAME = re.compile(r"(.*)-([0-9]+)")


@dataclasses.dataclass(frozen=True)
class Revisions:
    """What pods are made from: the revision that is rolled out, and the one that is being rolled out."""

    current: Object
    update: Object

    @property
    def current_name(self) -> str:
        """The name of the one that is rolled out."""
        return str(self.current["metadata"]["name"])

    @property
    def update_name(self) -> str:
        """The name of the one that is being rolled out."""
        return str(self.update["metadata"]["name"])


@dataclasses.dataclass
class Plan:
    """What to do next."""

    create: list[Object] = dataclasses.field(default_factory=list)
    delete: list[Object] = dataclasses.field(default_factory=list)
    pending: list[Object] = dataclasses.field(default_factory=list)
    """Pods that wait; their claims may be missing."""
    condemned: list[Object] = dataclasses.field(default_factory=list)
    """Pods beyond the wanted number."""


# --- ordinals ---


def ordinal(stateful_set: Object, pod: Object) -> int | None:
    """The ordinal of a pod of the set; None for a pod that only looks like one."""
    match = _NAME.fullmatch(pod["metadata"]["name"])
    return int(match[2]) if match and match[1] == stateful_set["metadata"]["name"] else None


def ordinals(stateful_set: Object) -> range:
    """The ordinals that there should be."""
    spec = stateful_set["spec"]
    start = (spec.get("ordinals") or {}).get("start") or 0
    return range(start, start + int(spec.get("replicas", 1)))


def in_order(stateful_set: Object) -> bool:
    """Whether replicas wait for one another."""
    return bool(stateful_set["spec"].get("podManagementPolicy") != "Parallel")


def revision_of(pod: Object) -> str:
    """The name of the revision that a pod was made from."""
    return str((pod["metadata"].get("labels") or {}).get(POD_LABEL, ""))


# --- pods ---


def pod_for(stateful_set: Object, number: int, revisions: Revisions) -> Object:
    """The pod of an ordinal, from the revision that it should have."""
    revision = revisions.current if _stays_behind(stateful_set, number) else revisions.update
    set_name, metadata = stateful_set["metadata"]["name"], stateful_set["metadata"]
    made = podcontrol.from_template(stateful_set, STATEFULSETS, history.template_of(revision))
    name = f"{set_name}-{number}"
    made["metadata"].pop("generateName")
    own = {NAME_LABEL: name, INDEX_LABEL: str(number), POD_LABEL: revision["metadata"]["name"]}
    made["metadata"] |= {"name": name, "namespace": metadata["namespace"]}
    made["metadata"]["labels"] = {**(made["metadata"].get("labels") or {}), **own}
    made["spec"] |= {"hostname": name, "subdomain": stateful_set["spec"].get("serviceName") or ""}
    claims = {
        item["metadata"]["name"]: claim_name(stateful_set, item, number) for item in claim_templates(stateful_set)
    }
    volumes = [item for item in made["spec"].get("volumes") or () if item["name"] not in claims]
    mine = [{"name": name, "persistentVolumeClaim": {"claimName": claim}} for name, claim in claims.items()]
    if mine or volumes:
        made["spec"]["volumes"] = [*mine, *volumes]
    return made


def _stays_behind(stateful_set: Object, number: int) -> bool:
    """Whether a replica is below the partition of a rolling update."""
    if not rolls(stateful_set):
        return False
    rolling = stateful_set["spec"].get("updateStrategy", {}).get("rollingUpdate")
    if rolling is None:
        done = (stateful_set.get("status") or {}).get("currentReplicas") or 0
        return number < ordinals(stateful_set).start + int(done)
    return number < ordinals(stateful_set).start + int(rolling.get("partition") or 0)


def rolls(stateful_set: Object) -> bool:
    """Whether pods are replaced when the template changes."""
    return (stateful_set["spec"].get("updateStrategy") or {}).get("type") != "OnDelete"


def available(stateful_set: Object, pod: Object, now: dt.datetime) -> bool:
    """Whether a pod runs, is ready and was so for long enough."""
    seconds = stateful_set["spec"].get("minReadySeconds") or 0
    return _running(pod) and podstate.available_in(pod, seconds, now) == 0.0


def _running(pod: Object) -> bool:
    return podstate.phase(pod) == "Running" and podstate.ready(pod)


def _healthy(stateful_set: Object, pod: Object, now: dt.datetime) -> bool:
    return available(stateful_set, pod, now) and not podstate.terminating(pod)


# --- claims ---


def claim_templates(stateful_set: Object) -> list[Object]:
    """The claims that each replica gets."""
    return list(stateful_set["spec"].get("volumeClaimTemplates") or ())


def claim_name(stateful_set: Object, template: Object, number: int) -> str:
    """`data-web-0`."""
    return f"{template['metadata']['name']}-{stateful_set['metadata']['name']}-{number}"


def claims_for(stateful_set: Object, number: int) -> list[Object]:
    """The claims of an ordinal."""
    made = []
    for template in claim_templates(stateful_set):
        claim = copy.deepcopy(template)
        metadata = claim["metadata"]
        selected = stateful_set["spec"]["selector"].get("matchLabels") or {}
        claim["metadata"] = {
            **{key: metadata[key] for key in ("annotations",) if metadata.get(key)},
            "name": claim_name(stateful_set, template, number),
            "namespace": stateful_set["metadata"]["namespace"],
            "labels": {**(metadata.get("labels") or {}), **selected},
        }
        claim.pop("status", None)
        made.append(claim)
    return made


def claim_owners(stateful_set: Object, pod: Object | None, claim: Object, *, condemned: bool) -> list[Object]:
    """Who a claim goes with by the set's retention policy (KEP-1847); references of others stay."""
    policy = stateful_set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    ours = {stateful_set["metadata"]["uid"]} | ({pod["metadata"]["uid"]} if pod else set())
    kept = [item for item in claim["metadata"].get("ownerReferences") or () if item["uid"] not in ours]
    if condemned and pod is not None and policy.get("whenScaled") == "Delete":
        return [*kept, _owned_by(pod, "v1", "Pod")]
    if policy.get("whenDeleted") == "Delete":
        return [*kept, _owned_by(stateful_set, STATEFULSETS.api_version, STATEFULSETS.kind)]
    return kept


def _owned_by(obj: Object, api_version: str, kind: str) -> Object:
    metadata = obj["metadata"]
    return {"apiVersion": api_version, "kind": kind, "name": metadata["name"], "uid": metadata["uid"]}


# --- the plan ---


def plan(stateful_set: Object, revisions: Revisions, pods: Iterable[Object], now: dt.datetime) -> Plan:
    """The next step of a set; in order there is at most one pod made or removed at a time."""
    by_ordinal = {number: pod for pod in pods if (number := ordinal(stateful_set, pod)) is not None}
    wanted = ordinals(stateful_set)
    found = Plan(condemned=[by_ordinal[number] for number in sorted(by_ordinal, reverse=True) if number not in wanted])
    found.pending = [pod for number, pod in by_ordinal.items() if number in wanted and podstate.phase(pod) == "Pending"]
    if _replicas(stateful_set, revisions, by_ordinal, now, found) and in_order(stateful_set):
        return found
    if _remove_condemned(stateful_set, by_ordinal, now, found) and in_order(stateful_set):
        return found
    if not found.create and not found.delete and rolls(stateful_set):
        replicas = [by_ordinal[number] for number in wanted if number in by_ordinal]
        if len(replicas) == len(wanted):
            found.delete = _replace(stateful_set, revisions, replicas, now)
    return found


def _replicas(
    stateful_set: Object, revisions: Revisions, pods: dict[int, Object], now: dt.datetime, found: Plan
) -> bool:
    """Make missing replicas and remove ended ones; True when something is not as it should be yet."""
    waits = False
    for number in ordinals(stateful_set):
        pod = pods.get(number)
        if pod is None:
            found.create.append(pod_for(stateful_set, number, revisions))
        elif podstate.finished(pod):
            found.delete += [] if podstate.terminating(pod) else [pod]
        elif _healthy(stateful_set, pod, now):
            continue
        waits = True
        if in_order(stateful_set) or len(found.create) >= BURST:
            return True
    return waits


def _remove_condemned(stateful_set: Object, pods: dict[int, Object], now: dt.datetime, found: Plan) -> bool:
    """Remove replicas beyond the wanted number from the highest on; True while there are any."""
    if not in_order(stateful_set):
        found.delete += [pod for pod in found.condemned if not podstate.terminating(pod)]
        return bool(found.condemned)
    unhealthy = [number for number in sorted(pods) if not _healthy(stateful_set, pods[number], now)]
    for pod in found.condemned:
        if podstate.terminating(pod):
            return True
        if not available(stateful_set, pod, now) and pod is not pods[unhealthy[0]]:
            return True
        found.delete.append(pod)
        return True
    return False


def _replace(stateful_set: Object, revisions: Revisions, replicas: list[Object], now: dt.datetime) -> list[Object]:
    """The replica to replace by a new one: the highest ordinal first, none below the partition.

    Before one goes all above it must be available.
    """
    rolling = stateful_set["spec"].get("updateStrategy", {}).get("rollingUpdate") or {}
    for pod in reversed(replicas[rolling.get("partition") or 0 :]):
        if revision_of(pod) != revisions.update_name and not podstate.terminating(pod):
            return [pod]
        if not _healthy(stateful_set, pod, now):
            return []
    return []


# --- status ---


def status(
    stateful_set: Object, revisions: Revisions, pods: list[Object], now: dt.datetime
) -> tuple[Object, float | None]:
    """The counts of replicas, and seconds until another one becomes available."""
    running = [pod for pod in pods if _running(pod)]
    staying = [revision_of(pod) for pod in pods if not podstate.terminating(pod)]
    seconds = stateful_set["spec"].get("minReadySeconds") or 0
    waits = [podstate.available_in(pod, seconds, now) for pod in running]
    counts = {
        "readyReplicas": len(running),
        "currentReplicas": staying.count(revisions.current_name),
        "updatedReplicas": staying.count(revisions.update_name),
    }
    current, wanted = revisions.current_name, stateful_set["spec"].get("replicas", 1)
    if rolls(stateful_set) and counts["updatedReplicas"] == counts["readyReplicas"] == len(pods) == wanted:
        counts["currentReplicas"], current = counts["updatedReplicas"], revisions.update_name
    made: Object = {
        "observedGeneration": stateful_set["metadata"].get("generation", 0),
        "replicas": len(pods),
        "availableReplicas": sum(wait == 0.0 for wait in waits),
        "currentRevision": current,
        "updateRevision": revisions.update_name,
        "collisionCount": (stateful_set.get("status") or {}).get("collisionCount") or 0,
        **{key: count for key, count in counts.items() if count},
    }
    return made, min((wait for wait in waits if wait), default=None)
