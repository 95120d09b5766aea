#!/usr/bin/env python3
"""Time of one Service change until the kernel has it, among 10 to 10,000 Services.

Run as root: `unshare --net env PYTHONPATH=agents/src python3 bench/proxy.py`. It uses nftables of its own network
namespace; nothing else is touched.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from typing import Any

from tricenter.proxy import commands, nft, state, table
from tricenter.proxy.endpoints import Place
from tricenter.proxy.ledger import Ledger

NODE = table.Node(node_port_addresses=("10.1.1.21",), pod_cidrs=("10.101.0.0/24",), service_cidr="10.96.0.0/16")
PLACE = Place(node="east1-node1", zone="east1")
CHANGES = 20


def objects(number: int, pods: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Service `number` and its EndpointSlice with `pods` pods."""
    service = {
        "metadata": {"namespace": "default", "name": f"s{number}"},
        "spec": {"clusterIP": f"10.96.{number // 250 + 1}.{number % 250 + 1}", "ports": [{"name": "http", "port": 80}]},
    }
    entries = [
        {"addresses": [f"10.{101 + pod % 3}.{number % 250}.{pod + 2}"], "nodeName": "east1-node1", "zone": "east1"}
        for pod in range(pods)
    ]
    return service, [{"ports": [{"name": "http", "port": 8080}], "endpoints": entries}]


def put(ledger: Ledger, number: int, pods: int) -> None:
    """Enter a Service into the ledger."""
    service, slices = objects(number, pods)
    ledger.put(f"default/s{number}", state.service_state(service, slices, PLACE).fragment)


async def measure(services: int) -> tuple[float, list[float]]:
    """Seconds for the whole table, and for each of some changes to one Service."""
    ledger = Ledger()
    for number in range(services):
        put(ledger, number, 4)
    started = time.perf_counter()
    await nft.apply(commands.base(NODE) + ledger.everything().commands())
    whole = time.perf_counter() - started
    ledger.commit()
    changes = []
    for number in range(CHANGES):
        started = time.perf_counter()
        put(ledger, services // 2, 3 + number % 3)
        await nft.apply(ledger.changes())
        ledger.commit()
        changes.append(time.perf_counter() - started)
    return whole, changes


async def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("services", nargs="*", type=int, default=[10, 1000, 10000])
    print(f"{'Services':>8}  {'whole table':>11}  {'change p50':>10}  {'change max':>10}")
    for services in parser.parse_args().services:
        whole, changes = await measure(services)
        print(f"{services:8}  {whole:9.2f} s  {statistics.median(changes) * 1e3:7.0f} ms  {max(changes) * 1e3:7.0f} ms")


if __name__ == "__main__":
    asyncio.run(main())
