"""What to do next about this machine's place in the etcd cluster: a pure function of what was seen.

The rules, from etcd's operations guide ("Runtime reconfiguration", "Learner") and its own safety checks:

- A member that lost its data must never come back under its old identity: it may have acknowledged entries or given a
  vote that it forgot. It is removed, and comes back as a new one, first as a learner that counts for no quorum.
- A new cluster is made only when every member's agent has said that it holds no data. A machine that is alone in
  finding nothing waits: silence of the others is no proof.
- A member of a cluster's first list that has never been started (it has published no client URL) may start late under
  the identity that it got there; it had no vote yet to forget.
- etcd refuses a change that would cost the quorum (strict reconfiguration check) and a promotion that comes too early.
  Such a refusal is not decided here; the same action is tried again.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping


class Holding(enum.Enum):
    """What an agent holds of a cluster."""

    NOTHING = "nothing"
    """No data."""
    STARTING = "starting"
    """Data of a first start that has not led to a healthy member yet."""
    DATA = "data"
    """Data of a member that was healthy once."""


@dataclasses.dataclass(frozen=True)
class Member:
    """One entry of the cluster's own list."""

    id: str
    name: str
    """Empty where the member was added and has not been started."""
    peer_url: str
    started: bool
    """It has published its client URLs, which a member does when it first runs."""
    learner: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observation:
    """What the agent saw in one look around."""

    name: str
    peer_url: str
    holding: Holding
    running: bool
    """etcd's unit is up or coming up."""
    members: tuple[Member, ...] | None
    """The cluster's list as a member with quorum gave it; None where no such member answered."""
    others: Mapping[str, Holding | None]
    """What the other agents hold, by name; None where one did not answer."""
    dispensable: frozenset[str] = frozenset()
    """Members that need not answer before a new cluster is made."""

    @property
    def own(self) -> Member | None:
        """This machine's entry in the cluster's list."""
        return next((member for member in self.members or () if member.peer_url == self.peer_url), None)


@dataclasses.dataclass(frozen=True)
class Nothing:
    """The member is what it should be."""


@dataclasses.dataclass(frozen=True)
class Wait:
    """Nothing can be done now."""

    reason: str


@dataclasses.dataclass(frozen=True)
class Start:
    """Start etcd on the data that is there."""


@dataclasses.dataclass(frozen=True)
class Bootstrap:
    """Start etcd as a member of the cluster's first list, which every member derives from the same inventory."""


@dataclasses.dataclass(frozen=True)
class Join:
    """Start etcd as a member that the cluster has added; `initial` is the list it is to know (name → peer URL)."""

    initial: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class AddLearner:
    """Ask the cluster to add this machine as a learner."""


@dataclasses.dataclass(frozen=True)
class Remove:
    """Ask the cluster to remove a member that will not come back."""

    id: str


@dataclasses.dataclass(frozen=True)
class Promote:
    """Ask the cluster to make the learner a voter."""

    id: str


@dataclasses.dataclass(frozen=True)
class SetAside:
    """Move data away that belongs to a member which the cluster has removed."""


Action = Nothing | Wait | Start | Bootstrap | Join | AddLearner | Remove | Promote | SetAside


def decide(seen: Observation) -> Action:
    """The next step towards being a healthy voter."""
    if seen.running:
        own = seen.own
        return Promote(own.id) if own and own.learner and own.started else Nothing()
    if seen.holding is not Holding.NOTHING:
        # Data of a member that the cluster does not know any more can only be told to leave.
        return SetAside() if seen.members is not None and seen.own is None else Start()
    return _bootstrap(seen) if seen.members is None else _enter(seen)


def _bootstrap(seen: Observation) -> Action:
    """No data, and no cluster answers: make a new one once all agree that there is none."""
    asked = {name: held for name, held in seen.others.items() if name not in seen.dispensable}
    silent = sorted(name for name, held in asked.items() if held is None)
    holders = sorted(name for name, held in seen.others.items() if held is Holding.DATA)
    if holders:
        return Wait(f"{', '.join(holders)} hold data of a cluster that has no quorum now")
    if silent:
        return Wait(f"no answer from the agents of {', '.join(silent)}")
    return Bootstrap()


def _enter(seen: Observation) -> Action:
    """No data, and a cluster is there: come in as a learner, or start late under the identity of the first list."""
    own = seen.own
    if own is None:
        return AddLearner()
    if own.started:
        return Remove(own.id)
    if own.name and not own.learner:
        return Bootstrap()
    known = {member.name: member.peer_url for member in seen.members or () if member.name}
    return Join({**known, seen.name: seen.peer_url})
