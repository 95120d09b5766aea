"""The row of a pod: what `kubectl get pods` makes of its phase, conditions and container statuses."""

from datetime import datetime
from typing import Any

from tricenter.apimachinery import times
from tricenter.apimachinery.tables import text
from tricenter.apimachinery.tables.text import NONE, Object, Printer

_NODE_LOST = "NodeLost"


class _Restarts:
    """Counts restarts and remembers the last one."""

    def __init__(self) -> None:
        self.count = 0
        self.last: str = ""

    def add(self, container: Object) -> None:
        self.count += int(container.get("restartCount") or 0)
        finished = ((container.get("lastState") or {}).get("terminated") or {}).get("finishedAt") or ""
        self.last = max(self.last, finished)

    def show(self, now: datetime) -> str:
        if self.count and self.last and times.since(self.last, now) is not None:
            return f"{self.count} ({text.since(self.last, now)} ago)"
        return str(self.count)


class _Summary:
    """Readiness, reason and restarts of one pod."""

    def __init__(self, pod: Object) -> None:
        self.pod = pod
        self.spec, self.status = text.spec(pod), text.status(pod)
        self.restarts = _Restarts()
        self.ready = 0
        self.sidecars = {
            container.get("name")
            for container in self.spec.get("initContainers") or ()
            if container.get("restartPolicy") == "Always"
        }
        self.total = len(self.spec.get("containers") or ()) + len(self.sidecars)
        self.reason: str = self.status.get("reason") or self.status.get("phase") or ""
        for item in self.status.get("conditions") or ():
            if item.get("type") == "PodScheduled" and item.get("reason") == "SchedulingGated":
                self.reason = "SchedulingGated"
        initialized = self._init_containers()
        if initialized or text.condition(pod, "Initialized") == "True":
            self._containers()
        self._deletion()

    def _init_containers(self) -> bool:
        """Walk the init containers; False when one of them is not done."""
        sidecar_restarts = _Restarts()
        for index, container in enumerate(self.status.get("initContainerStatuses") or ()):
            self.restarts.add(container)
            sidecar = container.get("name") in self.sidecars
            if sidecar:
                sidecar_restarts.add(container)
            state = container.get("state") or {}
            terminated = state.get("terminated")
            if terminated and not terminated.get("exitCode"):
                continue
            if sidecar and container.get("started"):
                self.ready += bool(container.get("ready"))
                continue
            waiting = (state.get("waiting") or {}).get("reason")
            if terminated:
                self.reason = f"Init:{_exit(terminated)}"
            elif waiting and waiting != "PodInitializing":
                self.reason = f"Init:{waiting}"
            else:
                self.reason = f"Init:{index}/{len(self.spec.get('initContainers') or ())}"
            self.sidecar_restarts = sidecar_restarts
            return False
        self.sidecar_restarts = sidecar_restarts
        return True

    def _containers(self) -> None:
        self.restarts = self.sidecar_restarts
        running = False
        for container in reversed(self.status.get("containerStatuses") or ()):
            self.restarts.add(container)
            state = container.get("state") or {}
            if waiting := (state.get("waiting") or {}).get("reason"):
                self.reason = waiting
            elif terminated := state.get("terminated"):
                self.reason = _exit(terminated)
            elif container.get("ready") and state.get("running") is not None:
                running = True
                self.ready += 1
        if self.reason == "Completed" and running:
            self.reason = "Running" if text.condition(self.pod, "Ready") == "True" else "NotReady"

    def _deletion(self) -> None:
        if self.pod.get("metadata", {}).get("deletionTimestamp"):
            if self.status.get("reason") == _NODE_LOST:
                self.reason = "Unknown"
            elif self.status.get("phase") not in {"Succeeded", "Failed"}:
                self.reason = "Terminating"


def _exit(terminated: Object) -> str:
    if reason := terminated.get("reason"):
        return str(reason)
    if signal := terminated.get("signal"):
        return f"Signal:{signal}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _readiness_gates(pod: Object) -> str:
    gates = text.spec(pod).get("readinessGates") or ()
    if not gates:
        return NONE
    passed = sum(text.condition(pod, gate.get("conditionType", "")) == "True" for gate in gates)
    return f"{passed}/{len(gates)}"


def _pod(pod: Object, now: datetime) -> list[Any]:
    summary = _Summary(pod)
    addresses = summary.status.get("podIPs") or [{"ip": summary.status.get("podIP")}]
    return [
        f"{summary.ready}/{summary.total}",
        summary.reason,
        summary.restarts.show(now),
        text.age(pod, now),
        addresses[0].get("ip") or NONE,
        summary.spec.get("nodeName") or NONE,
        summary.status.get("nominatedNodeName") or NONE,
        _readiness_gates(pod),
    ]


def _pod_template(obj: Object, now: datetime) -> list[Any]:  # noqa: ARG001 - a printer's signature
    template = obj.get("template") or {}
    return [*text.containers(template), text.labels((template.get("metadata") or {}).get("labels"))]


def conditions(pod: Object) -> list[dict[str, str]]:
    """Row conditions: a finished pod is marked as completed, so that clients can leave it out."""
    phase = text.status(pod).get("phase")
    if phase not in {"Succeeded", "Failed"}:
        return []
    message = "The pod has completed successfully." if phase == "Succeeded" else "The pod failed."
    return [{"type": "Completed", "status": "True", "reason": phase, "message": message}]


PRINTERS = {
    ("", "Pod"): Printer("Ready Status Restarts Age IP* Node* Nominated_Node* Readiness_Gates*", _pod),
    ("", "PodTemplate"): Printer("Containers Images Pod_Labels", _pod_template),
}
