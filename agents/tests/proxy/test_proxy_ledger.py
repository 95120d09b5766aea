"""Every transaction takes the kernel's table from what it holds to what is wanted, and nft accepts it."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tricenter.proxy import commands, table
from tricenter.proxy.fragment import EMPTY, Fragment
from tricenter.proxy.ledger import Ledger


class Kernel:
    """A model of nftables with the rules that make the real one refuse a transaction."""

    def __init__(self) -> None:
        self.chains: dict[str, list[Any]] = {table.REJECT: []}
        self.sets: dict[str, dict[str, Any]] = {name: {} for name in table.SET_TYPES}
        self.timed: dict[str, int] = {}

    def apply(self, transaction: list[dict[str, Any]]) -> None:
        for command in transaction:
            ((verb, what),) = command.items()
            ((kind, body),) = what.items()
            getattr(self, f"{verb}_{kind}")(body)
        for rules in self.chains.values():
            for rule in rules:
                assert rule["goto"]["target"] in self.chains
                assert rule["set"] is None or rule["set"] in self.timed
        for elements in self.sets.values():
            assert all(value in (None, "drop") or value in self.chains for value in elements.values())

    def add_chain(self, body: dict[str, Any]) -> None:
        assert body["name"] not in self.chains
        self.chains[body["name"]] = []

    def flush_chain(self, body: dict[str, Any]) -> None:
        self.chains[body["name"]].clear()

    def delete_chain(self, body: dict[str, Any]) -> None:
        name = body["name"]
        assert not self.chains.pop(name)
        assert all(name not in elements.values() for elements in self.sets.values())
        assert all(rule["goto"]["target"] != name for rules in self.chains.values() for rule in rules)

    def add_rule(self, body: dict[str, Any]) -> None:
        assert body["expr"][0]["goto"]["target"] in self.chains
        self.chains[body["chain"]].append(body["expr"][0])

    def add_set(self, body: dict[str, Any]) -> None:
        assert body["name"] not in self.timed
        self.timed[body["name"]] = body["timeout"]

    def delete_set(self, body: dict[str, Any]) -> None:
        del self.timed[body["name"]]
        assert all(rule["set"] != body["name"] for rules in self.chains.values() for rule in rules)

    def add_element(self, body: dict[str, Any]) -> None:
        for element in body["elem"]:
            key, value = self._element(element)
            assert key not in self.sets[body["name"]]
            self.sets[body["name"]][key] = value

    def delete_element(self, body: dict[str, Any]) -> None:
        for element in body["elem"]:
            key, value = self._element(element)
            assert self.sets[body["name"]].pop(key) == value

    @staticmethod
    def _element(element: Any) -> tuple[str, str | None]:
        if isinstance(element, list):
            key, verdict = element
            return str(key), "drop" if "drop" in verdict else verdict["goto"]["target"]
        return str(element), None


OWNERS = ("a/one", "a/two", "b/one")


@st.composite
def fragments(draw: st.DrawFn, owner: str) -> Fragment:
    timed = {f"affinity/{owner}/{n}": n for n in draw(st.sets(st.integers(1, 3)))}
    names = [f"{kind}/{owner}" for kind in draw(st.sets(st.sampled_from(("service", "external", "local"))))]
    rule = st.builds(
        lambda goal, remember: ({"goto": {"target": goal}, "set": remember},),
        st.sampled_from([*names, table.REJECT]),
        st.sampled_from([None, *timed]),
    )
    chains = {name: tuple(draw(st.lists(rule, max_size=3))) for name in names}
    verdicts = st.sampled_from([*names, "drop", table.REJECT])
    addresses = st.sampled_from(["10.96.0.1", "10.96.0.2", "203.0.113.9"])
    elements: dict[Any, Any] = {(table.SERVICE_IPS, (ip, "tcp", 80)): draw(verdicts) for ip in draw(st.sets(addresses))}
    elements |= {(table.CLUSTER_IPS, (ip,)): None for ip in draw(st.sets(addresses))}
    return Fragment(chains=chains, timed_sets=timed, elements=elements)


steps = st.lists(
    st.lists(
        st.sampled_from(OWNERS).flatmap(lambda o: st.tuples(st.just(o), st.just(EMPTY) | fragments(o))), max_size=4
    ),
    max_size=6,
)


@given(steps)
def test_applying_every_difference_gives_what_is_desired(history: list[list[tuple[str, Fragment]]]) -> None:
    ledger, kernel = Ledger(), Kernel()
    for step in history:
        for owner, fragment in step:
            ledger.put(owner, fragment)
        kernel.apply(ledger.changes())
        ledger.commit()
        assert ledger.applied == ledger.desired
        assert ledger.changes() == []
        fresh = Kernel()
        fresh.apply(ledger.everything().commands())
        assert (kernel.chains, kernel.sets, kernel.timed) == (fresh.chains, fresh.sets, fresh.timed)


@given(steps)
def test_a_refused_transaction_is_made_good_by_the_next(history: list[list[tuple[str, Fragment]]]) -> None:
    ledger, kernel = Ledger(), Kernel()
    for step in history:
        for owner, fragment in step:
            ledger.put(owner, fragment)
    kernel.apply(ledger.changes())
    fresh = Kernel()
    fresh.apply(ledger.everything().commands())
    assert kernel.sets == fresh.sets


def test_two_services_with_one_address_the_first_by_name_has_it() -> None:
    ledger = Ledger()
    place = (table.SERVICE_IPS, ("203.0.113.9", "tcp", 80))
    for owner in ("b/one", "a/two"):
        ledger.put(owner, Fragment(chains={f"service/{owner}": ()}, elements={place: f"service/{owner}"}))
    assert ledger.desired.elements[place] == "service/a/two"
    ledger.put("a/two", EMPTY)
    assert ledger.desired.elements[place] == "service/b/one"


def test_the_table_is_replaced_in_the_same_transaction() -> None:
    node = table.Node(node_port_addresses=("10.1.1.21",), pod_cidrs=("10.101.0.0/24",), service_cidr="10.96.0.0/16")
    verbs = [(verb, next(iter(what))) for command in commands.base(node) for verb, what in command.items()]
    assert verbs[:3] == [("add", "table"), ("delete", "table"), ("add", "table")]
