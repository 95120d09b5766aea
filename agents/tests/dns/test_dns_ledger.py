"""Every change takes the zones from what Knot has to what is wanted."""

from hypothesis import given
from hypothesis import strategies as st

from tricenter.dns import probe
from tricenter.dns.ledger import Ledger
from tricenter.dns.records import Record
from tricenter.dns.zones import zone_of

ZONES = ("cluster.local.", "96.10.in-addr.arpa.")
ALL = tuple(
    Record(name=f"{label}.{zone}", type="A", data=f"10.0.0.{number}", ttl=5)
    for label in ("a", "b")
    for zone in (*ZONES, "elsewhere.")
    for number in (1, 2)
)

record_sets = st.frozensets(st.sampled_from(ALL))
steps = st.lists(st.lists(st.tuples(st.sampled_from(("one", "two", "three")), record_sets), max_size=4), max_size=6)


class Knot:
    """Refuses what Knot refuses: to remove what is not there, to add what is."""

    def __init__(self, records: frozenset[Record] = frozenset()) -> None:
        self.records = set(records)

    def take(self, ledger: Ledger) -> None:
        for zone, change in ledger.changes().items():
            for record in change.remove:
                assert zone_of(record.name, ZONES) == zone
                self.records.remove(record)
            for record in change.add:
                assert zone_of(record.name, ZONES) == zone
                assert record not in self.records
                self.records.add(record)
        ledger.commit()


def wanted(owners: dict[str, frozenset[Record]]) -> set[Record]:
    return {r for records in owners.values() for r in records if zone_of(r.name, ZONES)}


@given(record_sets, steps)
def test_knot_has_what_the_owners_want(
    before: frozenset[Record], history: list[list[tuple[str, frozenset[Record]]]]
) -> None:
    knot = Knot(frozenset(r for r in before if zone_of(r.name, ZONES)))
    ledger, owners = Ledger(ZONES), {}
    ledger.found(knot.records)
    for step in history:
        for owner, records in step:
            ledger.put(owner, records)
            owners[owner] = records
        knot.take(ledger)
        assert knot.records == wanted(owners)
        assert ledger.changes() == {}


@given(steps, record_sets)
def test_after_knot_lost_or_kept_anything_the_next_change_mends_it(
    history: list[list[tuple[str, frozenset[Record]]]], left: frozenset[Record]
) -> None:
    ledger, owners = Ledger(ZONES), {}
    for step in history:
        for owner, records in step:
            ledger.put(owner, records)
            owners[owner] = records
        ledger.commit()
    knot = Knot(frozenset(r for r in left if zone_of(r.name, ZONES)))
    ledger.found(knot.records)
    knot.take(ledger)
    assert knot.records == wanted(owners)


def test_a_record_goes_with_its_last_owner() -> None:
    ledger, record = Ledger(ZONES), ALL[0]
    ledger.put("one", frozenset({record}))
    ledger.put("two", frozenset({record}))
    ledger.commit()
    ledger.put("one", frozenset())
    assert ledger.changes() == {}
    ledger.put("two", frozenset())
    assert ledger.changes()["cluster.local."].remove == [record]


def test_only_an_answer_with_records_to_the_own_question_counts() -> None:
    asked = probe.question("dns-version.cluster.local", 7)
    assert asked.endswith(b"\x0bdns-version\x07cluster\x05local\x00\x00\x10\x00\x01")
    good = b"\x00\x07\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00"
    assert probe.is_answer(good, 7)
    assert not probe.is_answer(good, 8)
    assert not probe.is_answer(b"\x00\x07\x84\x03\x00\x01\x00\x00\x00\x00\x00\x00", 7)
    assert not probe.is_answer(b"\x00\x07\x84\x00\x00\x01\x00\x00\x00\x00\x00\x00", 7)
    assert not probe.is_answer(b"\x00\x07", 7)
