"""What the kernel should hold against what it holds: the difference as one nftables transaction.

Invariant: after `commit`, `applied == desired`, and every transaction takes a table in state `applied` to state
`desired` (tests/proxy/test_proxy_ledger.py runs this on a model of nftables). The cost of a change is that of the
change, not of the table: only names touched since the last commit are looked at.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TypeVar

from tricenter.proxy.commands import Command, ElementValue, Transaction
from tricenter.proxy.fragment import EMPTY, Fragment, Key, Rule

K = TypeVar("K")
V = TypeVar("V")

Place = tuple[str, Key]
"""An element's set or map and its key."""


@dataclass(kw_only=True, slots=True)
class Content:
    """All fragments put together."""

    chains: dict[str, tuple[Rule, ...]] = field(default_factory=dict)
    timed_sets: dict[str, int] = field(default_factory=dict)
    elements: dict[Place, ElementValue] = field(default_factory=dict)


class Ledger:
    """Fragments by owner, the content they make, and the content last given to the kernel."""

    def __init__(self) -> None:
        self.fragments: dict[str, Fragment] = {}
        self.desired = Content()
        self.applied = Content()
        self._claims: dict[Place, dict[str, ElementValue]] = defaultdict(dict)
        self._chains: set[str] = set()
        self._sets: set[str] = set()
        self._places: set[Place] = set()

    def put(self, owner: str, fragment: Fragment) -> None:
        """Make `fragment` the owner's; an empty one removes the owner."""
        old = self.fragments.get(owner, EMPTY)
        if old == fragment:
            return
        if fragment == EMPTY:
            del self.fragments[owner]
        else:
            self.fragments[owner] = fragment
        self._put_named(old, fragment)
        for place in old.elements.keys() | fragment.elements.keys():
            self._claim(place, owner, fragment)

    def _put_named(self, old: Fragment, new: Fragment) -> None:
        """Chains and timed sets carry their owner in the name: nobody else's can be meant."""
        for name in old.chains.keys() - new.chains.keys():
            del self.desired.chains[name]
        self.desired.chains.update(new.chains)
        self._chains.update(old.chains, new.chains)
        for name in old.timed_sets.keys() - new.timed_sets.keys():
            del self.desired.timed_sets[name]
        self.desired.timed_sets.update(new.timed_sets)
        self._sets.update(old.timed_sets, new.timed_sets)

    def _claim(self, place: Place, owner: str, fragment: Fragment) -> None:
        """Two Services may ask for one address and port (externalIPs): the first by name has it, always the same."""
        claims = self._claims[place]
        if place in fragment.elements:
            claims[owner] = fragment.elements[place]
        else:
            claims.pop(owner, None)
        if claims:
            self.desired.elements[place] = claims[min(claims)]
        else:
            self.desired.elements.pop(place, None)
            del self._claims[place]
        self._places.add(place)

    def changes(self) -> list[Command]:
        """The transaction from applied to desired; empty when nothing differs."""
        transaction = Transaction()
        self._chain_changes(transaction)
        self._set_changes(transaction)
        self._element_changes(transaction)
        return transaction.commands()

    def _chain_changes(self, transaction: Transaction) -> None:
        old, new = self.applied.chains, self.desired.chains
        for name in sorted(self._chains):
            if name not in new:
                if name in old:
                    transaction.delete_chain(name)
            elif new[name] != old.get(name):
                transaction.write_chain(name, new[name], exists=name in old)

    def _set_changes(self, transaction: Transaction) -> None:
        old, new = self.applied.timed_sets, self.desired.timed_sets
        for name in sorted(self._sets):
            if name in new and name not in old:
                transaction.add_timed_set(name, new[name])
            elif name in old and name not in new:
                transaction.delete_timed_set(name)

    def _element_changes(self, transaction: Transaction) -> None:
        old, new = self.applied.elements, self.desired.elements
        for place in sorted(self._places, key=str):
            if place in old and place in new and old[place] == new[place]:
                continue
            if place in old:
                transaction.delete_element(place, old[place])
            if place in new:
                transaction.add_element(place, new[place])

    def everything(self) -> Transaction:
        """All desired content, for a table that was just made."""
        tx = Transaction()
        for name, timeout in self.desired.timed_sets.items():
            tx.add_timed_set(name, timeout)
        for name, rules in self.desired.chains.items():
            tx.write_chain(name, rules, exists=False)
        for place, value in self.desired.elements.items():
            tx.add_element(place, value)
        return tx

    def commit(self) -> None:
        """The kernel took the transaction (or the whole table): desired is applied now."""
        old, new = self.applied, self.desired
        for name in self._sets:
            _follow(old.timed_sets, new.timed_sets, name)
        for name in self._chains:
            _follow(old.chains, new.chains, name)
        for place in self._places:
            _follow(old.elements, new.elements, place)
        self._sets.clear()
        self._chains.clear()
        self._places.clear()


def _follow(target: dict[K, V], source: dict[K, V], key: K) -> None:
    if key in source:
        target[key] = source[key]
    else:
        target.pop(key, None)
