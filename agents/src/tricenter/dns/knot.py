"""Knot DNS through its control interface (knotc(8) speaks the same), by libknot's own binding.

The zones live in Knot's journal: it serves them when this agent, or the API, is away, and after its own restart.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from libknot.control import KnotCtl, KnotCtlData, KnotCtlDataIdx, KnotCtlError, KnotCtlType

from tricenter.dns.ledger import Change
from tricenter.dns.records import Record

T = TypeVar("T")

_TIMEOUT_SECONDS = 10
_BLOCK = 500


class KnotError(Exception):
    """Knot does not run, or refused."""


async def read(socket: Path, zone: str) -> frozenset[Record]:
    """All records of a zone but its SOA; of a zone that was never filled none."""
    return await _run(socket, lambda control: _read(control, zone))


async def change(socket: Path, zone: str, what: Change, soa: Record) -> None:
    """Remove and add records in one transaction; a zone that was never filled gets `soa` first."""
    await _run(socket, lambda control: _change(control, zone, what, soa))


async def _run(socket: Path, work: Callable[[KnotCtl], T]) -> T:
    """The binding blocks, so a thread does the work."""

    def connected() -> T:
        with _connect(socket) as control:
            return work(control)

    try:
        return await asyncio.to_thread(connected)
    except (KnotCtlError, OSError) as error:
        raise KnotError(str(error)) from error


@contextlib.contextmanager
def _connect(socket: Path) -> Iterator[KnotCtl]:
    control = KnotCtl()
    control.set_timeout(_TIMEOUT_SECONDS)
    control.connect(str(socket))
    try:
        yield control
        control.send(KnotCtlType.END)
    finally:
        control.close()


def _read(control: KnotCtl, zone: str) -> frozenset[Record]:
    control.send_block(cmd="zone-read", zone=zone)
    names = control.receive_block().get(zone, {})
    return frozenset(
        Record(name=name, type=kind, data=data, ttl=int(content["ttl"]))
        for name, types in names.items()
        for kind, content in types.items()
        if kind != "SOA"
        for data in content["data"]
    )


def _change(control: KnotCtl, zone: str, what: Change, soa: Record) -> None:
    try:
        _command(control, "zone-begin", zone)
    except KnotCtlError:
        # An agent killed half-way left its transaction open.
        _command(control, "zone-abort", zone)
        _command(control, "zone-begin", zone)
    try:
        control.send_block(cmd="zone-get", zone=zone, owner=zone, rtype="SOA")
        try:
            filled = bool(control.receive_block())
        except KnotCtlError:
            filled = False
        _edit(control, "zone-set", zone, [] if filled else [soa])
        _edit(control, "zone-unset", zone, what.remove)
        _edit(control, "zone-set", zone, what.add)
        _command(control, "zone-commit", zone)
    except KnotCtlError:
        with contextlib.suppress(KnotCtlError):
            _command(control, "zone-abort", zone)
        raise


def _command(control: KnotCtl, command: str, zone: str) -> None:
    control.send_block(cmd=command, zone=zone)
    control.receive_block()


def _edit(control: KnotCtl, command: str, zone: str, records: Iterable[Record]) -> None:
    """Many records in one block: three times as fast as one after the other."""
    pending = list(records)
    for start in range(0, len(pending), _BLOCK):
        for record in pending[start : start + _BLOCK]:
            control.send(KnotCtlType.DATA, _unit(command, zone, record))
        control.send(KnotCtlType.BLOCK)
        control.receive_block()


def _unit(command: str, zone: str, record: Record) -> KnotCtlData:
    unit = KnotCtlData()
    unit[KnotCtlDataIdx.COMMAND] = command
    unit[KnotCtlDataIdx.ZONE] = zone
    unit[KnotCtlDataIdx.OWNER] = record.name
    unit[KnotCtlDataIdx.TYPE] = record.type
    unit[KnotCtlDataIdx.DATA] = record.data
    if command == "zone-set":
        unit[KnotCtlDataIdx.TTL] = str(record.ttl)
    return unit
