"""What to do next with a pod: a pure function of its object and what runs (upstream's computePodActions).

Order of a pod's life: sandbox, init containers one after the other (a sidecar only has to have started), then all main
containers at once. When the sandbox is lost everything starts again in a new one. A pod that has nothing left to run,
by its restart policy, is finished: its sidecars are stopped and its sandbox too.
"""

from dataclasses import dataclass, replace
from typing import Any, Protocol

from tricenter.kubelet.cri.records import ContainerRecord, PodRecord
from tricenter.kubelet.pods import spec

Object = dict[str, Any]


class Verdicts(Protocol):
    """What the probes found about containers, by container id."""

    def started(self, container: str) -> bool:
        """Whether the startup probe succeeded, or there is none."""

    def must_die(self, container: str) -> str | None:
        """Why a liveness or startup probe wants the container restarted."""


@dataclass(frozen=True, kw_only=True)
class Kill:
    """A running container to stop."""

    record: ContainerRecord
    reason: str


@dataclass(frozen=True, kw_only=True)
class Actions:
    """What to do, in this order: stop the pod's sandbox, make one, stop containers, start containers."""

    stop_pod: bool = False
    create_sandbox: bool = False
    attempt: int = 0
    kill: tuple[Kill, ...] = ()
    start: tuple[Object, ...] = ()
    finished: bool = False


def compute(pod: Object, record: PodRecord, verdicts: Verdicts) -> Actions:
    """The actions that bring a pod which is not being deleted closer to what it asks for."""
    if is_finished(pod, record):
        return Actions(finished=True, stop_pod=bool(record.running) or bool(record.sandbox and record.sandbox.ready))
    sandbox = record.sandbox
    if sandbox is None or not sandbox.ready or not (sandbox.addresses or spec.host_network(pod)):
        attempt = sandbox.attempt + 1 if sandbox else 0
        return Actions(stop_pod=not record.empty, create_sandbox=True, attempt=attempt)
    step = _init_actions(pod, record, verdicts) or _main_actions(pod, record, verdicts)
    # they start whatever the others do, and never again
    looking = [item for item in spec.ephemeral_containers(pod) if record.latest(item["name"]) is None]
    return replace(step, start=(*looking, *step.start))


def is_finished(pod: Object, record: PodRecord) -> bool:
    """Whether nothing of the pod will run any more by its restart policy."""
    policy = spec.restart_policy(pod)
    if policy == "Always":
        return False
    for container in spec.init_containers(pod):
        found = record.latest(container["name"])
        if policy == "Never" and found and found.failed and not spec.is_sidecar(container):
            return True
    latest = [record.latest(container["name"]) for container in spec.containers(pod)]
    return all(found is not None and found.exited and not should_restart(policy, found) for found in latest)


def should_restart(policy: str, record: ContainerRecord | None) -> bool:
    """Whether a container with this last record is to be started again."""
    if record is None or record.state == "created":
        return True
    if record.running:
        return False
    return policy == "Always" or (policy == "OnFailure" and record.failed)


def initialized(pod: Object, record: PodRecord) -> bool:
    """Whether the newest sandbox is past its init containers: a main container exists in it."""
    return any(record.current(container["name"]) for container in spec.containers(pod))


def _init_actions(pod: Object, record: PodRecord, verdicts: Verdicts) -> Actions | None:
    """The next step of the init containers; None when the main containers may run."""
    past = initialized(pod, record)
    kills: list[Kill] = []
    for container in spec.init_containers(pod):
        found = record.current(container["name"])
        if spec.is_sidecar(container):
            if found and found.running:
                kills += _kills(container, found, verdicts)
                if not past and not verdicts.started(found.id):
                    return Actions(kill=tuple(kills))
                continue
            if not past:
                return Actions(kill=tuple(kills), start=(container,))
            continue
        if past:
            continue
        if found is None or found.state == "created":
            return Actions(kill=tuple(kills), start=(container,))
        if found.running:
            return Actions(kill=tuple(kills))
        if found.failed:
            again = spec.restart_policy(pod) != "Never"
            return Actions(kill=tuple(kills), start=(container,) if again else ())
    return None


def _main_actions(pod: Object, record: PodRecord, verdicts: Verdicts) -> Actions:
    policy = spec.restart_policy(pod)
    start: list[Object] = []
    kills: list[Kill] = []
    for container in spec.sidecars(pod):
        found = record.current(container["name"])
        if found and found.running:
            kills += _kills(container, found, verdicts)
        elif should_restart("Always", found):
            start.append(container)
    for container in spec.containers(pod):
        found = record.current(container["name"])
        if found and found.running:
            kills += _kills(container, found, verdicts)
        # in a new sandbox what ended well in the old one is not done again
        elif should_restart(policy, found or record.latest(container["name"])) or _was_cut_off(policy, found, record):
            start.append(container)
    return Actions(kill=tuple(kills), start=tuple(start))


def _was_cut_off(policy: str, found: ContainerRecord | None, record: PodRecord) -> bool:
    """A pod that never restarts but lost its sandbox before this container ran at all."""
    return policy == "Never" and found is None and not record.containers


def _kills(container: Object, found: ContainerRecord, verdicts: Verdicts) -> list[Kill]:
    if found.hash and found.hash != spec.container_hash(container):
        return [Kill(record=found, reason=f"Container {found.name} definition changed, will be restarted")]
    why = verdicts.must_die(found.id)
    return [Kill(record=found, reason=why)] if why else []
