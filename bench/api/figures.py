"""What is measured besides watches: requests per second, lists, memory, start."""

from __future__ import annotations

import itertools
import json
import random
import re
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import quote

import objects
import servers
from client import Connection, Pool, context, request
from report import Figure, Report

_CONNECTIONS = 32
_LISTERS = 8
_MERGE = "application/merge-patch+json"


_TOKEN = re.compile(rb'"continue":"([^"]+)"')


class Bench:
    """One run against one pair of etcd and API server."""

    def __init__(self, running: servers.Servers, report: Report, *, pods: int, repeats: int, seconds: float) -> None:
        self._servers = running
        self._report = report
        self._pods = pods
        self._repeats = repeats
        self._seconds = seconds
        self._tls = context(running.pki, servers.USER)

    # --- start ---

    def ready(self, name: str) -> None:
        """Start (again) and note how long that takes; leaves the server running."""
        taken = []
        for _ in range(self._repeats):
            self._servers.stop()
            taken.append(self._servers.start())
        self._report.add(_middle(name, taken, "s"))

    def prepare(self) -> None:
        """A namespace, the right to do everything for a user whom RBAC has to ask about, and a pod's account."""
        admin = Connection(self._servers.port, context(self._servers.pki, servers.ADMIN))
        subject = {"kind": "User", "name": servers.USER, "apiGroup": "rbac.authorization.k8s.io"}
        role = {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": "rbac.authorization.k8s.io"}
        binding = {"metadata": {"name": "bench"}, "subjects": [subject], "roleRef": role}
        for path, body in (
            ("/api/v1/namespaces", {"metadata": {"name": objects.NAMESPACE}}),
            (f"/api/v1/namespaces/{objects.NAMESPACE}/serviceaccounts", {"metadata": {"name": "default"}}),
            ("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding),
        ):
            admin.ask(request("POST", path, json.dumps(body).encode()))
        admin.close()

    # --- requests per second ---

    def create(self) -> None:
        """POST of all pods."""
        requests = [request("POST", objects.PODS, objects.pod(number)) for number in range(self._pods)]
        self._rate("create", _parts(requests, max(self._repeats, 2)))

    def get(self, name: str, query: str = "") -> None:
        """GET of pods at random."""
        self._timed(name, lambda pod: request("GET", f"{objects.PODS}/{pod}{query}"))

    def patch(self) -> None:
        """Merge patches of pods at random."""
        counter = itertools.count()

        def one(pod: str) -> bytes:
            body = b'{"metadata":{"annotations":{"bench":"%d"}}}' % next(counter)
            return request("PATCH", f"{objects.PODS}/{pod}", body, _MERGE)

        self._timed("merge patch", one)

    def delete(self) -> None:
        """DELETE of pods, at once."""
        paths = [f"{objects.PODS}/pod-{number:05}?gracePeriodSeconds=0" for number in range(self._pods // 2)]
        self._rate("delete", _parts([request("DELETE", path) for path in paths], max(self._repeats, 2)))

    def _timed(self, name: str, one: Callable[[str], bytes]) -> None:
        """As many requests as fit into the time of a repetition."""
        # Choosing at random is no part of what is measured; the sequence is the same in every run.
        chosen = random.Random(1)  # noqa: S311

        def requests() -> Iterator[bytes]:
            ends = time.perf_counter() + self._seconds
            while time.perf_counter() < ends:
                yield one(f"pod-{chosen.randrange(self._pods):05}")

        self._rate(name, [requests() for _ in range(self._repeats)])

    def _rate(self, name: str, batches: Sequence[Iterable[bytes]]) -> None:
        pool = Pool(self._servers.port, self._tls, _CONNECTIONS)
        used, rates, total = servers.Used(self._servers), [], 0
        for batch in batches:
            count = _Count(batch)
            seconds = pool.run(count)
            rates.append(count.seen / seconds)
            total += count.seen
        pool.close()
        self._report.add(_middle(name, rates, "/s", used.notes(total)))

    # --- lists ---

    def lists(self) -> None:
        """All pods, 1 % of them, and all in pages."""
        label, node = quote("app=app-7"), quote("spec.nodeName=node-7")
        every = self._pods
        for name, query, expected in (
            (f"list {every:,}, consistent", "", every),
            (f"list {every:,}, from cache", "resourceVersion=0", every),
            ("list 1 % by label, consistent", f"labelSelector={label}", every // objects.SHARES),
            ("list 1 % by label, from cache", f"labelSelector={label}&resourceVersion=0", every // objects.SHARES),
            ("list 1 % by node, consistent", f"fieldSelector={node}", every // objects.SHARES),
            ("list 1 % by node, from cache", f"fieldSelector={node}&resourceVersion=0", every // objects.SHARES),
        ):
            self._list(name, f"/api/v1/pods?{query}", expected)
        self._walk(f"walk {every:,} by 500")

    def _list(self, name: str, path: str, expected: int) -> None:
        connection = Connection(self._servers.port, self._tls)
        data, taken, size = request("GET", path), [], 0
        found = len(json.loads(connection.ask(data))["items"])
        if found != expected:
            raise AssertionError(f"{name}: {found} objects instead of {expected}")
        used = servers.Used(self._servers)
        for _ in range(3 * self._repeats):
            began = time.perf_counter()
            size = connection.skim(data)
            taken.append(1000 * (time.perf_counter() - began))
        connection.close()
        self._report.add(_middle(name, taken, "ms", {"MB": size / 1e6, **used.notes(len(taken))}))

    def _walk(self, name: str) -> None:
        taken: list[float] = []
        connection = Connection(self._servers.port, self._tls)
        for _ in range(self._repeats):
            pages: list[bytes] = []
            began, token = time.perf_counter(), ""
            while token or not pages:
                pages.append(connection.ask(request("GET", f"/api/v1/pods?limit=500&continue={quote(token)}")))
                found = _TOKEN.search(pages[-1], 0, 1000)
                token = found[1].decode() if found else ""
            taken.append(1000 * (time.perf_counter() - began))
            if sum(len(json.loads(page)["items"]) for page in pages) != self._pods:
                raise AssertionError(f"{name}: not all objects")
        connection.close()
        self._report.add(_middle(name, taken, "ms", {"pages": len(pages)}))

    # --- memory ---

    def memory(self, name: str) -> None:
        """Of each process, at rest."""
        time.sleep(1.0)
        sizes = self._sizes()
        self._report.add(Figure(name, max(sizes["rss"].values()), "MB RSS", notes=_flat(sizes)))

    def _sizes(self) -> dict[str, dict[str, float]]:
        found = {name: servers.memory(pid) for name, pid in self._servers.processes().items()}
        own = {name: sizes for name, sizes in found.items() if name != "etcd"}
        return {size: {name: sizes[size] for name, sizes in own.items()} for size in ("rss", "pss")}

    def memory_listing(self, name: str) -> None:
        """The greatest size while eight clients list everything again and again."""
        largest: dict[str, float] = {}
        ends = time.perf_counter() + 2 * self._seconds
        done = threading.Event()

        def sample() -> None:
            while not done.wait(0.02):
                for process, size in self._sizes()["rss"].items():
                    largest[process] = max(size, largest.get(process, 0.0))

        sampler = threading.Thread(target=sample)
        sampler.start()
        lists = itertools.count()
        clients = [threading.Thread(target=self._list_until, args=(ends, lists)) for _ in range(_LISTERS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        done.set()
        sampler.join()
        notes = {**largest, "lists": next(lists)}
        self._report.add(Figure(name, max(largest.values()), "MB RSS", notes=notes))

    def _list_until(self, ends: float, counter: Iterator[int]) -> None:
        connection = Connection(self._servers.port, self._tls)
        while time.perf_counter() < ends:
            connection.skim(request("GET", "/api/v1/pods"))
            next(counter)
        connection.close()


def _parts(requests: list[bytes], count: int) -> list[list[bytes]]:
    """The requests in about so many parts of the same size."""
    size = -(-len(requests) // count)
    return [requests[start : start + size] for start in range(0, len(requests), size)]


class _Count:
    """Counts what is taken from an iterable."""

    def __init__(self, items: Iterable[bytes]) -> None:
        self._items = items
        self.seen = 0

    def __iter__(self) -> Iterator[bytes]:
        for item in self._items:
            self.seen += 1
            yield item


def _middle(name: str, values: list[float], unit: str, notes: dict[str, float] | None = None) -> Figure:
    return Figure(name, statistics.median(values), unit, (min(values), max(values)), notes or {})


def _flat(sizes: dict[str, dict[str, float]]) -> dict[str, float]:
    return {f"{process} {size}": value for size, by in sizes.items() for process, value in by.items()}
