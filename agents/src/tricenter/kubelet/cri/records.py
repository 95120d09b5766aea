"""What the runtime says about a pod, as plain values that decisions can be made from."""

from dataclasses import dataclass
from typing import Literal

from cri_api.v1 import api_pb2 as cri

from tricenter.kubelet.cri import labels

State = Literal["created", "running", "exited", "unknown"]

_STATES: dict[int, State] = {
    cri.CONTAINER_CREATED: "created",
    cri.CONTAINER_RUNNING: "running",
    cri.CONTAINER_EXITED: "exited",
    cri.CONTAINER_UNKNOWN: "unknown",
}


@dataclass(frozen=True, kw_only=True)
class ContainerRecord:
    """One container; times are nanoseconds since the epoch, 0 for never."""

    id: str
    name: str
    sandbox: str
    attempt: int
    state: State
    created: int
    started: int = 0
    finished: int = 0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    image: str = ""
    image_id: str = ""
    hash: str = ""
    log_path: str = ""
    termination_path: str = ""
    termination_policy: str = "File"

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.state == "running"

    @property
    def exited(self) -> bool:
        """Whether it ended, in whatever way."""
        return self.state in ("exited", "unknown")

    @property
    def failed(self) -> bool:
        """Whether it ended and not well; a container whose fate is unknown counts as failed."""
        return self.state == "unknown" or (self.state == "exited" and self.exit_code != 0)


@dataclass(frozen=True, kw_only=True)
class SandboxRecord:
    """One sandbox."""

    id: str
    attempt: int
    ready: bool
    created: int
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PodRecord:
    """All sandboxes and containers of one pod, newest first."""

    uid: str
    name: str = ""
    namespace: str = ""
    sandboxes: tuple[SandboxRecord, ...] = ()
    containers: tuple[ContainerRecord, ...] = ()

    @property
    def sandbox(self) -> SandboxRecord | None:
        """The newest sandbox."""
        return self.sandboxes[0] if self.sandboxes else None

    @property
    def addresses(self) -> tuple[str, ...]:
        """The pod's addresses; a sandbox that stopped has none."""
        return self.sandbox.addresses if self.sandbox and self.sandbox.ready else ()

    def latest(self, name: str) -> ContainerRecord | None:
        """The newest container of that name."""
        return next((item for item in self.containers if item.name == name), None)

    def current(self, name: str) -> ContainerRecord | None:
        """The newest container of that name in the newest sandbox."""
        sandbox = self.sandbox
        return next(
            (item for item in self.containers if sandbox and item.name == name and item.sandbox == sandbox.id), None
        )

    def previous(self, name: str) -> ContainerRecord | None:
        """The container before the newest one of that name."""
        return next((item for item in [item for item in self.containers if item.name == name][1:]), None)

    @property
    def running(self) -> tuple[ContainerRecord, ...]:
        """All containers that run, in any sandbox."""
        return tuple(item for item in self.containers if item.running)

    @property
    def empty(self) -> bool:
        """Whether the runtime knows nothing of the pod."""
        return not self.sandboxes and not self.containers


def container_record(status: cri.ContainerStatus, sandbox: str) -> ContainerRecord:
    """The record of a container from its status."""
    notes = status.annotations
    return ContainerRecord(
        id=status.id,
        name=status.labels.get(labels.CONTAINER_NAME, status.metadata.name),
        sandbox=sandbox,
        attempt=status.metadata.attempt,
        state=_STATES.get(status.state, "unknown"),
        created=status.created_at,
        started=status.started_at,
        finished=status.finished_at,
        exit_code=status.exit_code,
        reason=status.reason,
        message=status.message,
        image=status.image.image,
        image_id=status.image_ref,
        hash=notes.get(labels.CONTAINER_HASH, ""),
        log_path=status.log_path,
        termination_path=notes.get(labels.TERMINATION_PATH, ""),
        termination_policy=notes.get(labels.TERMINATION_POLICY, "File"),
    )


def sandbox_record(status: cri.PodSandboxStatus) -> SandboxRecord:
    """The record of a sandbox from its status."""
    network = status.network
    addresses = [network.ip, *(item.ip for item in network.additional_ips)] if network.ip else []
    return SandboxRecord(
        id=status.id,
        attempt=status.metadata.attempt,
        ready=status.state == cri.SANDBOX_READY,
        created=status.created_at,
        addresses=tuple(addresses),
    )
