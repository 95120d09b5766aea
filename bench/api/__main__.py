#!/usr/bin/env python3
"""Measure the API server: real etcd, real server processes, a client of its own, all on loopback.

    env PYTHONPATH=agents/src:agents/tests/apiserver .venv/bin/python bench/api

Prints one line a figure with the aim and the ratio to what is quoted of an upstream API server (report.py says of
which), and below it how the processor's time was shared out among etcd, the server's processes and the client.
`--figures` chooses: start rates lists watches memory (the pods are created for any but `start` alone).
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from figures import Bench
from report import Report
from servers import Servers, etcd_binary
from watches import Watching

_ALL = ("start", "rates", "lists", "watches", "memory")


def measure(bench: Bench, watching: Watching, wanted: set[str], pods: int) -> None:
    """All wanted figures, in the order in which they need each other."""
    bench.ready("ready, empty")
    bench.prepare()
    if "memory" in wanted:
        bench.memory("memory idle, largest process")
    if wanted - {"watches"}:
        bench.create()
    if "start" in wanted:
        bench.ready(f"ready, {pods:,} pods")
    if "memory" in wanted:
        bench.memory(f"memory with {pods:,} pods, largest process")
    if "lists" in wanted:
        bench.lists()
    if "memory" in wanted:
        bench.memory_listing("memory while listing, largest process")
    if "rates" in wanted:
        bench.get("get")
        bench.get("get from cache", "?resourceVersion=0")
        bench.patch()
    if "watches" in wanted:
        watching.maps()
        watching.lag(200, 100)
        watching.flat_out(200)
        watching.lag(1000, 20)
        watching.reads()
    if "rates" in wanted:
        bench.delete()


def main() -> None:
    """Start, measure, clean up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", nargs="+", choices=_ALL, default=_ALL)
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    text = "a file system tree, such as the replica's image, whose Python runs the servers as on the machines (root)"
    parser.add_argument("--image", type=Path, help=text)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one repetition")
    parser.add_argument("--json", type=Path, default=Path("bench-api.json"), help="where the figures are written")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    report = Report()
    with tempfile.TemporaryDirectory(prefix="bench-api-") as folder:
        running = Servers(Path(folder), options.workers, etcd_binary(), options.image)
        running.etcd.start()
        try:
            bench = Bench(running, report, pods=options.pods, repeats=options.repeats, seconds=options.seconds)
            watching = Watching(running, report, seconds=options.seconds * options.repeats)
            measure(bench, watching, set(options.figures), options.pods)
        finally:
            running.stop()
            running.etcd.stop()
    report.save(options.json)
    print(f"load average before and after: {load:.1f}, {os.getloadavg()[0]:.1f}; figures in {options.json}")


if __name__ == "__main__":
    main()
