"""Preflight of the layout: what each center has, and which losses the voters of etcd survive. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Machines = Mapping[str, Mapping[str, Any]]
Functions = Mapping[str, Iterable[str]]
Problem = dict[str, str]

# Functions that every center needs to serve on its own, and what is missing without one.
EACH_CENTER = {
    "director": "public addresses cannot reach it",
    "node": "it cannot run pods",
}


def problem(where: str, what: str, remedy: str) -> Problem:
    """One finding: which host or setting, which value, what to do."""
    return {"where": where, "what": what, "remedy": remedy}


def quorum(voters: int) -> int:
    """Voters that must agree: a majority (Raft, section 5)."""
    return voters // 2 + 1


def count(machines: Machines, voters: Iterable[str], variable: str) -> Counter[str]:
    """Voters by center or location."""
    return Counter(str(machines[host].get(variable)) for host in voters)


def centers(machines: Machines) -> list[str]:
    """The centers that machines stand in."""
    return list(dict.fromkeys(str(v["center_name"]) for v in machines.values() if v.get("center_name")))


def voter_problems(machines: Machines, voters: list[str], *, accept_risk: bool) -> Iterator[Problem]:
    """An even number of voters, or a center whose loss leaves no majority."""
    total = len(voters)
    if total % 2 == 0:
        yield problem(
            "group etcd",
            f"{total} voters ({', '.join(voters) or 'none'}): an even number survives no more losses than one less",
            "add or remove one machine of group etcd",
        )
    for center, lost in count(machines, voters, "center_name").items():
        if total - lost < quorum(total) and not accept_risk:
            yield problem(
                f"center {center}",
                f"holds {lost} of {total} etcd voters: its loss leaves {total - lost}, and {quorum(total)} are needed",
                "spread the voters over three centers, or set accept_quorum_risk: true",
            )


def center_problems(machines: Machines, functions: Functions, preferred: Iterable[str]) -> Iterator[Problem]:
    """A center that lacks a function, or is not in the list of centers."""
    known = list(preferred)
    for center in centers(machines):
        for function, consequence in EACH_CENTER.items():
            if not any(machines[host].get("center_name") == center for host in functions[function]):
                yield problem(
                    f"center {center}",
                    f"has no machine in group {function}: {consequence}",
                    f"add one to group {function}",
                )
        if center not in known:
            yield problem(f"center {center}", f"is not in site_centers {known}", "add it in the order of preference")
    for center in known:
        if center not in centers(machines):
            yield problem("site_centers", f"names {center}, where no machine stands", "remove or correct the name")


def rack_problems(machines: Machines, functions: Functions) -> Iterator[Problem]:
    """An ingress node in a rack without a director: IPVS direct routing reaches only its own segment."""
    racks = {machines[host].get("rack_name") for host in functions["director"]}
    for host in functions["ingress"]:
        if machines[host].get("rack_name") not in racks:
            yield problem(
                host,
                f"is in group ingress, and its rack {machines[host].get('rack_name')} has no director",
                "move it to a director's rack, or take it out of group ingress",
            )


def link_problems(machines: Machines) -> Iterator[Problem]:
    """A link to a machine that is not in the inventory."""
    site = next(iter(machines.values()), {})
    for link in site.get("site_links") or []:
        for end in ("a", "b"):
            if link.get(end) not in machines:
                yield problem("site_links", f"names {link.get(end)}, which is no machine", "correct the name")


def layout_problems(
    machines: Machines, functions: Functions, preferred: Iterable[str], *, accept_risk: bool = False
) -> list[Problem]:
    """Everything that is wrong with who stands where."""
    return [
        *voter_problems(machines, list(functions["etcd"]), accept_risk=accept_risk),
        *center_problems(machines, functions, preferred),
        *rack_problems(machines, functions),
        *link_problems(machines),
    ]


def survival(machines: Machines, voters: Iterable[str]) -> list[str]:
    """Which losses the layout survives, in words; one line for each center and each location."""
    hosts = list(voters)
    total = len(hosts)
    lines = [f"{total} etcd voters, {quorum(total)} must agree."]
    for kind, variable in (("center", "center_name"), ("location", "location_name")):
        for place, lost in count(machines, hosts, variable).items():
            left = total - lost
            if left >= quorum(total):
                verdict = f"{left} voters are left: the site goes on, nothing is lost."
            else:
                verdict = (
                    f"{left} of {total} voters are left: running pods and routes stay, writes stop until "
                    "an operator decides what replaces the majority."
                )
            lines.append(f"Loss of {kind} {place}: {verdict}")
    return lines


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters of this file by name."""
        return {"layout_problems": layout_problems, "survival": survival}
