"""Preflight of the machines themselves: system, memory, disk, addresses. Pure functions over what `survey` found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Surveys = Mapping[str, Mapping[str, Any]]
Problem = dict[str, str]


def problem(where: str, what: str, remedy: str) -> Problem:
    """One finding: which host or setting, which value, what to do."""
    return {"where": where, "what": what, "remedy": remedy}


def surveys(hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """What `survey` registered, for the machines that answered."""
    found = {host: hostvars[host].get("__survey") or {} for host in hosts}
    return {host: survey for host, survey in found.items() if "os_id" in survey}


def system_problems(found: Surveys, supported: Mapping[str, Iterable[str]]) -> Iterator[Problem]:
    """A machine with a system that nobody has tried."""
    listed = ", ".join(f"{name} {version}" for name, versions in supported.items() for version in versions)
    for host, survey in found.items():
        if survey["os_version"] not in supported.get(survey["os_id"], ()):
            yield problem(host, f"runs {survey['os_id']} {survey['os_version']}", f"install one of: {listed}")


def capacity_problems(
    found: Surveys, needs: Mapping[str, Mapping[str, int]], functions: Mapping[str, Iterable[str]]
) -> Iterator[Problem]:
    """A machine with less memory or disk than all its functions together need."""
    for host, survey in found.items():
        mine = [function for function in needs if host in functions.get(function, ())]
        for kind, value in (("memory", survey["memory_mb"]), ("disk", survey["disk_mb"])):
            wanted = sum(needs[function][kind] for function in mine)
            if value < wanted:
                what = f"has {value} MB of {kind}, {' + '.join(mine)} needs {wanted} MB"
                yield problem(host, what, f"give it more {kind} or fewer functions")


def interface_problems(found: Surveys, machines: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    """A machine whose address in its rack is on none of its interfaces: its routing would never come up."""
    for host, survey in found.items():
        address = machines[host].get("machine_address")
        if address and address not in survey["addresses"]:
            what = (
                f"machine_address {address} is on none of its interfaces, which have {', '.join(survey['addresses'])}"
            )
            yield problem(host, what, "set up the machine's network, or correct machine_address")


def machine_problems(
    found: Surveys,
    machines: Mapping[str, Mapping[str, Any]],
    supported: Mapping[str, Iterable[str]],
    needs: Mapping[str, Mapping[str, int]],
    functions: Mapping[str, Iterable[str]],
) -> list[Problem]:
    """Everything that is wrong with the machines that answered."""
    return [
        *system_problems(found, supported),
        *capacity_problems(found, needs, functions),
        *interface_problems(found, machines),
    ]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters of this file by name."""
        return {"surveys": surveys, "machine_problems": machine_problems}
