"""Watches: how long an event takes to all watchers, and how many events there are when nobody waits.

And how far the cache is behind amid writes: a consistent read waits for it.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable

import objects
import servers
from client import Connection, Pool, Watches, context, request
from report import Figure, Report

_MERGE = "application/merge-patch+json"
_MAPS = 500
_WRITERS = 32
_PLENTY = 4000
"""Writes of the flat-out figure."""


class Watching:
    """Watch figures of one run."""

    def __init__(self, running: servers.Servers, report: Report, *, seconds: float) -> None:
        self._servers = running
        self._report = report
        self._seconds = seconds
        self._tls = context(running.pki, servers.USER)

    def maps(self) -> None:
        """The objects that are watched."""
        connection = Connection(self._servers.port, self._tls)
        for number in range(_MAPS):
            connection.ask(request("POST", objects.MAPS, objects.settings(number)))
        connection.close()

    def lag(self, watchers: int, rate: int) -> None:
        """From before a write is sent until each watcher has its event."""
        lags: list[float] = []
        watches = self._watches(watchers)

        def take(data: bytes, now: float) -> None:
            stamps = data.split(objects.STAMP)[1:]
            lags.extend(1000 * (now - float(stamp[: stamp.index(b'"')])) for stamp in stamps)

        used = servers.Used(self._servers)
        wanted = int(rate * self._seconds)
        writer = _Writer(self._servers.port, self._tls, wanted, rate)
        self._follow(watches, writer, take, lambda: len(lags) >= wanted * watchers)
        lags.sort()
        label = f"{watchers:,} watchers, {rate} writes/s"
        missing = wanted * watchers - len(lags)
        notes = {**used.notes(wanted), "missing": missing, "worst ms": lags[-1]}
        self._report.add(Figure(f"watch lag p50, {label}", lags[len(lags) // 2], "ms"))
        self._report.add(Figure(f"watch lag p99, {label}", lags[len(lags) * 99 // 100], "ms", notes=notes))

    def flat_out(self, watchers: int) -> None:
        """Events a second when several writers write as fast as they can."""
        watches, seen, times = self._watches(watchers), [0], [0.0, 0.0]

        def take(data: bytes, now: float) -> None:
            seen[0] += data.count(objects.STAMP)
            times[0] = times[0] or now
            times[1] = now

        used = servers.Used(self._servers)
        wanted = _PLENTY
        writer = _Writer(self._servers.port, self._tls, wanted, 0, connections=_WRITERS)
        self._follow(watches, writer, take, lambda: seen[0] >= wanted * watchers)
        seconds = times[1] - times[0]
        notes = {**used.notes(wanted), "writes/s": wanted / seconds, "missing": wanted * watchers - seen[0]}
        figure = Figure(f"watch events, {watchers} watchers, flat out", seen[0] / seconds, "/s", notes=notes)
        self._report.add(figure)

    def reads(self) -> None:
        """A consistent GET while several writers write as fast as they can: it waits until the cache has caught up."""
        used, taken = servers.Used(self._servers), list[float]()
        reader = Connection(self._servers.port, self._tls)
        writer = _Writer(self._servers.port, self._tls, _PLENTY, 0, connections=_WRITERS)
        writer.start()
        while writer.is_alive():
            began = time.perf_counter()
            reader.ask(request("GET", f"{objects.MAPS}/map-{len(taken) % _MAPS}"))
            taken.append(1000 * (time.perf_counter() - began))
        writer.join()
        reader.close()
        taken.sort()
        notes = {**used.notes(_PLENTY), "reads": len(taken), "worst ms": taken[-1]}
        self._report.add(Figure(f"get amid {_WRITERS} writers, p50", taken[len(taken) // 2], "ms"))
        self._report.add(Figure(f"get amid {_WRITERS} writers, p99", taken[len(taken) * 99 // 100], "ms", notes=notes))

    def _watches(self, count: int) -> Watches:
        connection = Connection(self._servers.port, self._tls)
        version = json.loads(connection.ask(request("GET", f"{objects.MAPS}?limit=1")))["metadata"]["resourceVersion"]
        connection.close()
        heads = [0]

        def opened(data: bytes, _: float) -> None:
            heads[0] += data.count(b"HTTP/1.1 200")

        watches = Watches(self._servers.port, self._tls, count, f"{objects.MAPS}?watch=1&resourceVersion={version}")
        watches.listen(lambda: heads[0] >= count, opened)
        return watches

    def _follow(
        self, watches: Watches, writer: _Writer, take: Callable[[bytes, float], None], complete: Callable[[], bool]
    ) -> None:
        writer.start()
        ends = time.perf_counter() + 60.0
        watches.listen(lambda: complete() or time.perf_counter() > ends, take)
        writer.join()
        watches.close()


class _Writer(threading.Thread):
    """Patches ConfigMaps with the present time, at a rate or (0) as fast as it can."""

    def __init__(self, port: int, tls: ssl.SSLContext, count: int, rate: int, connections: int = 8) -> None:
        super().__init__(daemon=True)
        self._pool = Pool(port, tls, connections)
        self._count, self._rate = count, rate

    def run(self) -> None:
        began = time.perf_counter()
        for item in self._pool.connections:
            item.socket.setblocking(True)
        if self._rate:
            self._paced(began)
        else:
            for item in self._pool.connections:
                item.socket.setblocking(False)
            self._pool.run(self._request(number) for number in range(self._count))
        self._pool.close()

    def _paced(self, began: float) -> None:
        for number in range(self._count):
            pause = began + number / self._rate - time.perf_counter()
            if pause > 0:
                time.sleep(pause)
            self._pool.connections[number % len(self._pool.connections)].ask(self._request(number))

    @staticmethod
    def _request(number: int) -> bytes:
        path = f"{objects.MAPS}/map-{number % _MAPS}"
        return request("PATCH", path, objects.stamped(time.perf_counter()), _MERGE)
