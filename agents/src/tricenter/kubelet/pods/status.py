"""The status of a pod: a pure function of its object, what runs and what the probes found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from tricenter.apimachinery import times
from tricenter.kubelet.cri.records import ContainerRecord, PodRecord
from tricenter.kubelet.pods import actions, resources, spec

Object = dict[str, Any]

_INIT, _MAIN, _EPHEMERAL = "initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"
"""The sections of a status."""

OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


class Verdicts(Protocol):
    """What the probes found, by container id."""

    def started(self, container: str) -> bool:
        """Whether the startup probe succeeded, or there is none."""

    def ready(self, container: str) -> bool:
        """Whether the readiness probe succeeded, or there is none."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Everything a status is made from besides the pod's object."""

    record: PodRecord
    verdicts: Verdicts
    waiting: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    messages: Mapping[str, str] = field(default_factory=dict)
    host_addresses: tuple[str, ...] = ()
    started: datetime
    now: datetime
    failure: tuple[str, str] | None = None
    """Reason and message where the node ended the pod (DeadlineExceeded, Evicted)."""
    terminated: bool = False
    """The pod was told to stop and nothing of it runs any more."""


def generate(pod: Object, view: View) -> Object:
    """The status as the API stores it."""
    init = [_container_status(pod, item, view, _INIT) for item in spec.init_containers(pod)]
    main = [_container_status(pod, item, view, _MAIN) for item in spec.containers(pod)]
    looking = [_container_status(pod, item, view, _EPHEMERAL) for item in spec.ephemeral_containers(pod)]
    addresses = view.host_addresses if spec.host_network(pod) and view.record.sandbox else view.record.addresses
    current_phase = "Failed" if view.failure else phase(pod, view, main)
    status: Object = {
        "phase": current_phase,
        "startTime": times.rfc3339(view.started),
        "qosClass": resources.qos_class(pod),
        "hostIP": next(iter(view.host_addresses), ""),
        "hostIPs": [{"ip": address} for address in view.host_addresses],
        _MAIN: main,
    }
    if pod["metadata"].get("generation"):
        status["observedGeneration"] = pod["metadata"]["generation"]
    if init:
        status[_INIT] = init
    if looking:
        # they never count for the pod's readiness
        status[_EPHEMERAL] = [{**item, "ready": False} for item in looking]
    if addresses and current_phase not in ("Succeeded", "Failed"):
        status |= {"podIP": addresses[0], "podIPs": [{"ip": address} for address in addresses]}
    elif (old := pod.get("status") or {}).get("podIP"):
        status |= {"podIP": old["podIP"], "podIPs": old.get("podIPs") or []}
    if view.failure:
        status |= {"reason": view.failure[0], "message": view.failure[1]}
    status["conditions"] = conditions(pod, view, current_phase, init, main)
    return status


def phase(pod: Object, view: View, main: list[Object]) -> str:
    """Pending, Running, Succeeded or Failed; what has ended does not come back."""
    old = (pod.get("status") or {}).get("phase")
    if old in ("Succeeded", "Failed") and not view.record.running:
        return str(old)
    policy = spec.restart_policy(pod)
    init_pending, init_failed = _init_progress(pod, view.record, policy)
    if init_failed:
        return "Failed"
    if init_pending and not actions.initialized(pod, view.record):
        return "Failed" if view.terminated else "Pending"
    return _main_phase([_state_of(item) for item in main], policy, terminated=view.terminated)


def _main_phase(states: list[str], policy: str, *, terminated: bool) -> str:
    """The phase of a pod whose init containers are done, from the states of its main containers."""
    ended = "Succeeded" if all(state == "succeeded" for state in states) else "Failed"
    if terminated and "running" not in states:
        return ended
    if "waiting" in states:
        return "Pending"
    if "running" in states or policy == "Always":
        return "Running"
    return ended if ended == "Succeeded" or policy == "Never" else "Running"


def conditions(pod: Object, view: View, current_phase: str, init: list[Object], main: list[Object]) -> list[Object]:
    """Our conditions, with the time of their last change, and those of others as they are."""
    sidecars = [
        item for item, container in zip(init, spec.init_containers(pod), strict=True) if spec.is_sidecar(container)
    ]
    unready = [item["name"] for item in (*sidecars, *main) if not item["ready"]]
    done = current_phase in ("Succeeded", "Failed")
    init_pending, _ = _init_progress(pod, view.record, spec.restart_policy(pod))
    is_initialized = not init_pending or actions.initialized(pod, view.record) or current_phase == "Succeeded"
    containers_ready = not unready and not done
    why, text = _unready(current_phase, unready)
    gates_open, gate_text = _gates(pod)
    sandbox = view.record.sandbox
    has_network = bool(sandbox and sandbox.ready and (sandbox.addresses or spec.host_network(pod)))
    uninitialized = "" if is_initialized else "ContainersNotInitialized"
    found = [
        _condition("PodReadyToStartContainers", has_network),
        _condition("Initialized", is_initialized, uninitialized, _incomplete(pod, view.record)),
        _condition("Ready", containers_ready and gates_open, why or ("" if gates_open else "ReadinessGatesNotReady"),
                   text or gate_text),
        _condition("ContainersReady", containers_ready, why, text),
        _condition("PodScheduled", True),
    ]  # fmt: skip
    old = {item["type"]: item for item in (pod.get("status") or {}).get("conditions") or []}
    now = times.rfc3339(view.now)
    for item in found:
        before = old.get(item["type"])
        same = before and before["status"] == item["status"]
        item["lastTransitionTime"] = before["lastTransitionTime"] if before and same else now
        item["lastProbeTime"] = None
    return [*found, *(item for name, item in old.items() if name not in OWN_CONDITIONS)]


def _unready(current_phase: str, unready: list[str]) -> tuple[str, str]:
    if current_phase == "Succeeded":
        return "PodCompleted", ""
    if current_phase == "Failed":
        return "PodFailed", ""
    return ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]") if unready else ("", "")


def _gates(pod: Object) -> tuple[bool, str]:
    """Whether others have set the conditions that the pod's readiness waits for."""
    present = {item["type"]: item["status"] for item in (pod.get("status") or {}).get("conditions") or []}
    for gate in pod["spec"].get("readinessGates") or []:
        if present.get(gate["conditionType"]) != "True":
            return False, f'corresponding condition of pod readiness gate "{gate["conditionType"]}" is not True'
    return True, ""


def _incomplete(pod: Object, record: PodRecord) -> str:
    names = [item["name"] for item in spec.init_containers(pod) if not _init_done(item, record)]
    return f"containers with incomplete status: [{' '.join(names)}]"


def _condition(kind: str, value: bool, reason: str = "", message: str = "") -> Object:
    found: Object = {"type": kind, "status": "True" if value else "False"}
    if reason and not value:
        found["reason"] = reason
    if message and not value:
        found["message"] = message
    return found


def _init_progress(pod: Object, record: PodRecord, policy: str) -> tuple[bool, bool]:
    """Whether init containers are still to do, and whether one failed for good."""
    pending = failed = False
    for container in spec.init_containers(pod):
        found = record.latest(container["name"])
        if not spec.is_sidecar(container) and found and found.failed and policy == "Never":
            failed = True
        pending = pending or not _init_done(container, record)
    return pending, failed


def _init_done(container: Object, record: PodRecord) -> bool:
    found = record.latest(container["name"])
    if spec.is_sidecar(container):
        return found is not None and found.started > 0
    return found is not None and found.state == "exited" and found.exit_code == 0


def _state_of(status: Object) -> str:
    """running, waiting (never ran), stopped, or succeeded."""
    if "running" in status["state"]:
        return "running"
    ended = status["state"].get("terminated") or (status.get("lastState") or {}).get("terminated")
    if ended is None:
        return "waiting"
    return "succeeded" if ended["exitCode"] == 0 and "terminated" in status["state"] else "stopped"


def _container_status(pod: Object, container: Object, view: View, section: str) -> Object:
    name = container["name"]
    record, previous = view.record.latest(name), view.record.previous(name)
    old = _old_status(pod, name, section)
    status: Object = {
        "name": name,
        "image": container.get("image", ""),
        "imageID": "",
        "ready": False,
        "started": False,
        "restartCount": max(record.attempt if record else 0, old.get("restartCount", 0)),
        "state": {},
        "lastState": {},
    }
    if record is None:
        status["state"] = {"waiting": _waiting(pod, name, view)}
        return status
    status |= {
        "containerID": f"containerd://{record.id}",
        "image": record.image or status["image"],
        "imageID": record.image_id,
    }
    if record.running:
        status["state"] = {"running": {"startedAt": _time(record.started)}}
        status["started"] = view.verdicts.started(record.id)
        status["ready"] = status["started"] and view.verdicts.ready(record.id)
    elif record.exited and name in view.waiting:
        status["state"] = {"waiting": _waiting(pod, name, view)}
        status["lastState"] = {"terminated": _terminated(record, view)}
        return status
    elif record.exited:
        status["state"] = {"terminated": _terminated(record, view)}
        # an init container that did its work is ready for good
        status["ready"] = section == _INIT and not spec.is_sidecar(container) and not record.failed
    else:
        status["state"] = {"waiting": _waiting(pod, name, view)}
    if previous is not None and previous.exited:
        status["lastState"] = {"terminated": _terminated(previous, view)}
    return status


def _old_status(pod: Object, name: str, section: str) -> Object:
    known = (pod.get("status") or {}).get(section) or []
    return next((item for item in known if item["name"] == name), {})


def _waiting(pod: Object, name: str, view: View) -> Object:
    default = "PodInitializing" if spec.init_containers(pod) and view.record.sandbox else "ContainerCreating"
    reason, message = view.waiting.get(name, (default, ""))
    return {"reason": reason, "message": message} if message else {"reason": reason}


def _terminated(record: ContainerRecord, view: View) -> Object:
    if record.state == "unknown":
        return {
            "exitCode": 137,
            "reason": "ContainerStatusUnknown",
            "message": "The container could not be located when the pod was terminated",
            "startedAt": None,
            "finishedAt": None,
        }
    found = {
        "containerID": f"containerd://{record.id}",
        "exitCode": record.exit_code,
        "reason": record.reason or ("Completed" if record.exit_code == 0 else "Error"),
        "startedAt": _time(record.started),
        "finishedAt": _time(record.finished),
    }
    if message := view.messages.get(record.id) or record.message:
        found["message"] = message
    return found


def _time(nanoseconds: int) -> str | None:
    return times.rfc3339(datetime.fromtimestamp(nanoseconds / 1e9, UTC)) if nanoseconds > 0 else None
