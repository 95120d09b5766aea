"""Configuration of the etcd agent."""

from __future__ import annotations

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """One machine of the cluster as the inventory has it."""

    name: str
    """Host name; the member's name in etcd."""
    address: str
    """Address at which the other members and the clients reach it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tls:
    """Files of the etcd authority's world; the agent and etcd check who asks them by the same authority."""

    ca: Path = Path("/etc/tricenter/pki/etcd-ca.crt")
    """The authority that signed every certificate around etcd."""
    cert: Path = Path("/etc/tricenter/pki/etcd-agent.crt")
    """The agent's own certificate, towards etcd and towards the other agents."""
    key: Path = Path("/etc/tricenter/pki/etcd-agent.key")
    """Its key."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """What the agent is told."""

    name: str
    """This machine's name among `members`."""
    members: tuple[Member, ...]
    """Every machine that is to be a voter, this one included."""
    cluster_token: str = "tricenter"  # noqa: S105 - a name, not a secret
    """Keeps members of two sites from meeting by mistake; goes into the cluster's identity at bootstrap."""
    bootstrap_without: tuple[str, ...] = ()
    """Members that need not answer before a new cluster is made; for a first installation while a center is down."""
    client_port: int = 2379
    """Where etcd serves clients."""
    peer_port: int = 2380
    """Where the members meet."""
    agent_port: int = 2381
    """Where this agent serves health, metrics and its state to the other agents, mTLS like the rest."""
    unit: str = "etcd.service"
    """The unit that runs etcd. It is not this agent's child: etcd outlives the agent."""
    data_dir: Path = Path("/var/lib/etcd")
    """etcd's data directory."""
    start_file: Path = Path("/var/lib/tricenter/etcd/start.env")
    """Environment of etcd's first start; there from the decision to start until the member is healthy."""
    tls: Tls = Tls()
    """Certificates."""
    interval: float = 5.0
    """Seconds between two looks at a member that is healthy."""
    urgent_interval: float = 1.0
    """Seconds between two looks while something is to be done."""
    timeout: float = 3.0
    """Seconds that one question to a member or agent may take; more than a round trip to the remote center."""

    def __post_init__(self) -> None:
        names = [member.name for member in self.members]
        if self.name not in names:
            raise ValueError(f"name {self.name!r} is not among members {', '.join(names)}")
        if len(set(names)) != len(names):
            raise ValueError("two members have the same name")
        unknown = set(self.bootstrap_without) - set(names)
        if unknown:
            raise ValueError(f"bootstrap_without names {', '.join(sorted(unknown))}, which is no member")

    @property
    def own(self) -> Member:
        """This machine."""
        return next(member for member in self.members if member.name == self.name)

    @property
    def others(self) -> tuple[Member, ...]:
        """Every member but this one."""
        return tuple(member for member in self.members if member.name != self.name)

    def peer_url(self, member: Member) -> str:
        """Where the members meet this one."""
        return f"https://{member.address}:{self.peer_port}"

    def client_url(self, member: Member) -> str:
        """Where clients ask this one."""
        return f"https://{member.address}:{self.client_port}"

    def agent_url(self, member: Member) -> str:
        """Where this one's agent answers."""
        return f"https://{member.address}:{self.agent_port}"
