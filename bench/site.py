#!/usr/bin/env python3
"""Measure the site as a whole: how long it takes to come up, how much memory it holds, how soon a page is served.

    .venv/bin/python bench/site.py fresh     # nothing cached: removes the image cache first, then `up`
    .venv/bin/python bench/site.py cached    # from the cached image: `down`, then `up`
    .venv/bin/python bench/site.py again     # site.yml with nothing to change
    .venv/bin/python bench/site.py memory    # proportional set size of everything the replica runs
    .venv/bin/python bench/site.py page      # apply the shop -> first page at the client

Prints one line a figure: name, value, unit, budget, ratio to the budget. Budgets are those of the design, section 11.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STATE = Path(os.environ.get("TRICENTER_STATE", "/var/lib/tricenter"))
VIP = "203.0.113.10"


def run(*command: str) -> None:
    """Run a command of the checkout; its output goes to the terminal."""
    subprocess.run(command, cwd=ROOT, check=True)


def seconds(action: Callable[[], None]) -> float:
    """How long the action takes, in seconds."""
    start = time.monotonic()
    action()
    return time.monotonic() - start


def report(name: str, value: float, unit: str, budget: float) -> None:
    """Print one figure against its budget."""
    print(f"{name:<28} {value:10.1f} {unit:<4} budget {budget:8.1f}  x{value / budget:.2f}")


def fresh() -> None:
    """`up` with an empty image cache and no virtual environment."""
    run("./tricenter", "down")
    for cached in (STATE, ROOT / ".venv"):
        shutil.rmtree(cached, ignore_errors=True)
    report("up, nothing cached", seconds(lambda: run("./tricenter", "up")), "s", 600)


def cached() -> None:
    """`up` after `down`, from the cached image."""
    run("./tricenter", "down")
    report("up, cached image", seconds(lambda: run("./tricenter", "up")), "s", 240)


def again() -> None:
    """site.yml on a site that is as it should be."""
    play = str(Path(sys.executable).with_name("ansible-playbook"))
    report("site.yml again", seconds(lambda: run(play, "playbooks/site.yml")), "s", 60)


def memory() -> None:
    """Proportional set size of every process of the replica."""
    used = sum(proportional_set_size(pid) for pid in replica_processes())
    report("memory of the replica", used / 2**30, "GiB", 8)


def page() -> None:
    """From `kubectl apply` of the shop until the client has its page; the shop is removed first."""
    run("./tricenter", "kubectl", "delete", "--ignore-not-found", "--wait", "-f", "examples/shop")
    fetch = f"curl -s -f -m 2 -o /dev/null --resolve shop.example:80:{VIP} http://shop.example/"

    def until_served() -> None:
        run("./tricenter", "kubectl", "apply", "-f", "examples/shop")
        wait = f"for i in $(seq 600); do {fetch} && exit 0; sleep 0.1; done; exit 1"
        run("./tricenter", "ssh", "client", wait)

    report("apply -> page served", seconds(until_served), "s", 10)


def replica_processes() -> Iterator[int]:
    """Process ids of the replica: what its recorded leaders have started, and those leaders."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    waiting = [int(json.loads(path.read_text())["pid"]) for path in STATE.glob("machines/*/process.json")]
    if not waiting:
        sys.exit("there are no machines: ./tricenter up makes them")
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, [])


def proportional_set_size(pid: int) -> int:
    """Bytes of memory that the process holds, shared pages divided by their users; 0 for one that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    figures = {"fresh": fresh, "cached": cached, "again": again, "memory": memory, "page": page}
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("figure", choices=figures, nargs="+")
    for figure in parser.parse_args().figure:
        figures[figure]()
