"""The decisions of a DaemonSet: which nodes need a pod, which pods go, and in which order an update replaces them.

Upstream's rules (pkg/controller/daemon). Pure functions over objects; `daemonsets` writes what they say.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from tricenter.apimachinery import placement
from tricenter.client.resources import DAEMONSETS
from tricenter.controllers import podcontrol, podstate, rollout
from tricenter.controllers.history import POD_LABEL

Object = dict[str, Any]
ByNode = Mapping[str, list[Object]]

_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
_TOLERATED_ON_HOST = (("node.kubernetes.io/network-unavailable", "NoSchedule"),)
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


@dataclasses.dataclass
class Actions:
    """What to do next: nodes to make a pod for, pods to delete."""

    create: list[str] = dataclasses.field(default_factory=list)
    delete: list[Object] = dataclasses.field(default_factory=list)
    failed: list[Object] = dataclasses.field(default_factory=list)
    """Pods to delete because they failed: not too often on one node."""

    def __bool__(self) -> bool:
        return bool(self.create or self.delete or self.failed)


# --- pods and nodes ---


def pod_for(daemon_set: Object, node: str, hashed: str) -> Object:
    """The pod of a node: bound to it by affinity, so that the scheduler places it."""
    made = podcontrol.from_template(daemon_set, DAEMONSETS, daemon_set["spec"]["template"])
    made["metadata"]["labels"] = {**(made["metadata"].get("labels") or {}), POD_LABEL: hashed}
    spec = made["spec"]
    spec["tolerations"] = tolerations(spec)
    affinity = copy.deepcopy(spec.get("affinity") or {})
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    affinity.setdefault("nodeAffinity", {})[_REQUIRED] = {"nodeSelectorTerms": [term]}
    spec["affinity"] = affinity
    return made


def tolerations(spec: Object) -> list[Object]:
    """A template's tolerations and those that every daemon has (AddOrUpdateDaemonPodTolerations)."""
    wanted = (*_TOLERATED, *(_TOLERATED_ON_HOST if spec.get("hostNetwork") else ()))
    own = list(spec.get("tolerations") or ())
    added = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in wanted]
    return [*own, *(item for item in added if item not in own)]


def node_of(pod: Object) -> str:
    """The node of a pod, also before it is placed."""
    if node := pod["spec"].get("nodeName"):
        return str(node)
    required = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED) or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field["key"] == "metadata.name" and field["operator"] == "In" and len(field["values"]) == 1:
                return str(field["values"][0])
    return ""


def group_by_node(pods: Iterable[Object]) -> dict[str, list[Object]]:
    """Pods by their node, the oldest first."""
    found: dict[str, list[Object]] = {}
    for pod in sorted(pods, key=_age):
        found.setdefault(node_of(pod), []).append(pod)
    return found


def _age(pod: Object) -> tuple[Any, ...]:
    metadata = pod["metadata"]
    return (not pod["spec"].get("nodeName"), metadata.get("creationTimestamp") or "", metadata["name"])


def belongs(daemon_set: Object, node: Object) -> tuple[bool, bool]:
    """Whether a node should get a pod, and whether it may keep one (NodeShouldRunDaemonPod)."""
    spec, name = daemon_set["spec"]["template"]["spec"], node["metadata"]["name"]
    labels = node["metadata"].get("labels") or {}
    affinity = (spec.get("affinity") or {}).get("nodeAffinity")
    if spec.get("nodeName") not in (None, "", name):
        return False, False
    if not placement.matches_node(spec.get("nodeSelector"), affinity, labels, name):
        return False, False
    taints, tolerated = (node.get("spec") or {}).get("taints") or (), tolerations(spec)
    if placement.untolerated(tolerated, taints) is None:
        return True, True
    return False, placement.untolerated(tolerated, taints, ("NoExecute",)) is None


# --- one pod a node ---


def manage(daemon_set: Object, nodes: Iterable[Object], pods: ByNode, hashed: str, now: dt.datetime) -> Actions:
    """Pods that are missing, superfluous or failed."""
    actions = Actions()
    names = set()
    for node in nodes:
        name = node["metadata"]["name"]
        names.add(name)
        should_run, may_stay = belongs(daemon_set, node)
        found = pods.get(name, [])
        if should_run and not found:
            actions.create.append(name)
        elif may_stay:
            _tidy(daemon_set, found, hashed, now, actions)
        else:
            actions.delete += _going(found)
    for name, found in pods.items():
        if name not in names:
            # Those that are placed go with their node (podgc); those that wait for one that has gone would for ever.
            actions.delete += [pod for pod in _going(found) if not pod["spec"].get("nodeName")]
    return actions


def _going(pods: list[Object]) -> list[Object]:
    return [pod for pod in pods if not podstate.terminating(pod)]


def _tidy(daemon_set: Object, pods: list[Object], hashed: str, now: dt.datetime, actions: Actions) -> None:
    alive = _going(pods)
    actions.failed += [pod for pod in alive if podstate.finished(pod)]
    running = [pod for pod in alive if not podstate.finished(pod)]
    if not surges(daemon_set):
        actions.delete += running[1:]
        return
    new, old = _split(running, hashed)
    actions.delete += [*new[1:], *old[1:]]
    if new and old and (not podstate.ready(old[0]) or _available(daemon_set, new[0], now)):
        actions.delete.append(old[0])


def _split(pods: list[Object], hashed: str) -> tuple[list[Object], list[Object]]:
    new = [pod for pod in pods if updated(pod, hashed)]
    return new, [pod for pod in pods if not updated(pod, hashed)]


def updated(pod: Object, hashed: str) -> bool:
    """Whether a pod was made from the present template."""
    return (pod["metadata"].get("labels") or {}).get(POD_LABEL) == hashed


def _available(daemon_set: Object, pod: Object, now: dt.datetime) -> bool:
    return podstate.available_in(pod, daemon_set["spec"].get("minReadySeconds") or 0, now) == 0.0


# --- updates ---


def surges(daemon_set: Object) -> bool:
    """Whether an update makes the new pod before the old one goes."""
    return (_rolling(daemon_set).get("maxSurge") or 0) not in (0, "0%")


def _rolling(daemon_set: Object) -> Object:
    strategy = daemon_set["spec"].get("updateStrategy") or {}
    return (strategy.get("rollingUpdate") or {}) if strategy.get("type") != "OnDelete" else {}


def rolls(daemon_set: Object) -> bool:
    """Whether pods are replaced when the template changes."""
    return (daemon_set["spec"].get("updateStrategy") or {}).get("type") != "OnDelete"


def roll(daemon_set: Object, nodes: Iterable[Object], pods: ByNode, hashed: str, now: dt.datetime) -> Actions:
    """The next step of a rolling update, when every node has its pod."""
    wanted = [node["metadata"]["name"] for node in nodes if belongs(daemon_set, node)[0]]
    rolling = _rolling(daemon_set)
    surge = rollout.absolute(rolling.get("maxSurge", 0), len(wanted), up=True)
    unavailable = rollout.absolute(rolling.get("maxUnavailable", 1), len(wanted), up=True)
    by_node = {name: _going(pods.get(name, [])) for name in wanted}
    if surge:
        return _surge(daemon_set, by_node, hashed, now, surge)
    return _replace(daemon_set, by_node, hashed, now, max(1, unavailable))


def _replace(daemon_set: Object, pods: ByNode, hashed: str, now: dt.datetime, limit: int) -> Actions:
    """Delete old pods; those that are not available cost nothing."""
    unavailable = 0
    free: list[Object] = []
    candidates: list[Object] = []
    for found in pods.values():
        new, old = _split(found, hashed)
        if len(new) + len(old) != 1:
            unavailable += 1
        elif new:
            unavailable += not _available(daemon_set, new[0], now)
        else:
            (candidates if _available(daemon_set, old[0], now) else free).append(old[0])
    return Actions(delete=[*free, *candidates[: max(0, limit - unavailable - len(free))]])


def _surge(daemon_set: Object, pods: ByNode, hashed: str, now: dt.datetime, limit: int) -> Actions:
    """Make new pods beside old ones; an old one goes when its successor is available."""
    surging = 0
    free: list[str] = []
    candidates: list[str] = []
    done: list[Object] = []
    for name, found in pods.items():
        new, old = _split(found, hashed)
        if len(new) > 1 or len(old) != 1:
            continue
        if not new:
            (candidates if _available(daemon_set, old[0], now) else free).append(name)
        elif _available(daemon_set, new[0], now):
            done.append(old[0])
        else:
            surging += 1
    return Actions(create=[*free, *candidates[: max(0, limit - surging)]], delete=done)


# --- status ---


def status(
    daemon_set: Object, nodes: Iterable[Object], pods: ByNode, hashed: str, now: dt.datetime
) -> tuple[Object, float | None]:
    """The counts of nodes, and seconds until another pod becomes available."""
    keys = ("desiredNumberScheduled", "currentNumberScheduled", "numberMisscheduled", "numberReady",
            "numberAvailable", "updatedNumberScheduled")  # fmt: skip
    counts = dict.fromkeys(keys, 0)
    waits = []
    for node in nodes:
        found = pods.get(node["metadata"]["name"], [])
        if not belongs(daemon_set, node)[0]:
            counts["numberMisscheduled"] += bool(found)
            continue
        counts["desiredNumberScheduled"] += 1
        counts["currentNumberScheduled"] += bool(found)
        if not found:
            continue
        # While both are there the old pod still serves: it is the first.
        wait = podstate.available_in(found[0], daemon_set["spec"].get("minReadySeconds") or 0, now)
        counts["numberReady"] += wait is not None
        counts["numberAvailable"] += wait == 0.0
        counts["updatedNumberScheduled"] += any(updated(pod, hashed) for pod in found)
        waits += [wait] if wait else []
    missing = counts["desiredNumberScheduled"] - counts["numberAvailable"]
    optional = {"numberUnavailable": missing, **{key: counts.pop(key) for key in keys[4:]}}
    made = {**counts, **{key: count for key, count in optional.items() if count}}
    made["observedGeneration"] = daemon_set["metadata"].get("generation", 0)
    known = daemon_set.get("status") or {}
    kept = {key: known[key] for key in ("collisionCount", "conditions") if known.get(key)}
    return made | kept, min(waits, default=None)
