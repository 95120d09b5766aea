"""Preflight of variables: every name is known, every value has its type, no name is given twice."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

Machines = Mapping[str, Mapping[str, Any]]
Problem = dict[str, str]

# Ansible's own variables, which stand beside an inventory's; those that begin with ansible_ come on top.
MAGIC = {
    "environment",
    "group_names",
    "groups",
    "hostvars",
    "inventory_dir",
    "inventory_file",
    "inventory_hostname",
    "inventory_hostname_short",
    "module_setup",
    "omit",
    "playbook_dir",
    "role_name",
    "role_names",
    "role_path",
    "vars",
}

# RFC 1123: what may stand in a host name.
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def problem(where: str, what: str, remedy: str) -> Problem:
    """One finding: which host or setting, which value, what to do."""
    return {"where": where, "what": what, "remedy": remedy}


def is_address(value: Any) -> bool:
    """An IP address."""
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        return False
    return True


def is_cidr(value: Any) -> bool:
    """A range without host bits."""
    try:
        ipaddress.ip_network(str(value))
    except ValueError:
        return False
    return "/" in str(value)


def is_number(value: Any) -> bool:
    """A whole number, as Ansible reads it from YAML or the command line."""
    return not isinstance(value, bool) and str(value).isdigit()


CHECKS: dict[str, Callable[[Any], bool]] = {
    "address": is_address,
    "cidr": is_cidr,
    "cidrs": lambda value: isinstance(value, (list, tuple)) and all(map(is_cidr, value)),
    "number": is_number,
    "name": lambda value: LABEL.fullmatch(str(value)) is not None,
    "text": lambda value: isinstance(value, str),
    "list": lambda value: isinstance(value, (list, tuple)),
    "boolean": lambda value: isinstance(value, bool),
}


def own_names(variables: Mapping[str, Any]) -> list[str]:
    """The names that an inventory gave; Ansible's own and those internal to roles are left out."""
    return [name for name in variables if name not in MAGIC and not name.startswith(("ansible_", "__"))]


def unknown_variables(machines: Machines, known: Iterable[str]) -> Iterator[Problem]:
    """Names that nothing reads, each once with the machines that have it and the nearest known name."""
    names = set(known)
    found: dict[str, list[str]] = {}
    for host, variables in machines.items():
        for name in own_names(variables):
            if name not in names:
                found.setdefault(name, []).append(host)
    for name, hosts in found.items():
        nearest = difflib.get_close_matches(name, sorted(names), n=1)
        remedy = f"did you mean {nearest[0]}?" if nearest else "remove it, or see playbooks/vars/inventory.yml"
        yield problem(some(hosts), f"variable {name} is unknown", remedy)


def some(hosts: list[str]) -> str:
    """Up to three host names, then how many more."""
    more = len(hosts) - 3
    return ", ".join(hosts[:3]) + (f" and {more} more" if more > 0 else "")


def wrong_types(machines: Machines, schema: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    """Values that are not what their variable holds, each once."""
    found: dict[tuple[str, str], list[str]] = {}
    for host, variables in machines.items():
        for name, rule in schema.items():
            if name in variables and not CHECKS[rule["type"]](variables[name]):
                found.setdefault((name, str(variables[name])), []).append(host)
    for (name, value), hosts in found.items():
        rule = schema[name]
        yield problem(
            some(hosts), f"{name} {value!r} is not of type {rule['type']}", f"{rule['description']}: correct it"
        )


def missing(
    machines: Machines, schema: Mapping[str, Mapping[str, Any]], functions: Mapping[str, Iterable[str]]
) -> Iterator[Problem]:
    """Variables that a machine's function needs and its inventory does not give."""
    for name, rule in schema.items():
        needed = dict.fromkeys(host for function in rule.get("on", []) for host in functions.get(function, []))
        hosts = [host for host in needed if machines[host].get(name) in (None, "")]
        if hosts:
            yield problem(some(hosts), f"{name} is missing", f"{rule['description']}: set it in the inventory")


def variable_problems(
    machines: Machines,
    schema: Mapping[str, Mapping[str, Any]],
    functions: Mapping[str, Iterable[str]],
    options: Iterable[str],
) -> list[Problem]:
    """Everything that is wrong with names and values. `options` are those of the roles."""
    names = [problem(h, f"{h!r} is no host name", "use a-z, 0-9, -") for h in machines if not LABEL.fullmatch(h)]
    return [
        *names,
        *unknown_variables(machines, [*schema, *options]),
        *wrong_types(machines, schema),
        *missing(machines, schema, functions),
    ]


def role_options(folder: str) -> list[str]:
    """The public variables of every role below a folder, from their argument specifications."""
    options: list[str] = []
    for path in sorted(Path(folder).glob("*/meta/argument_specs.yml")):
        specification = yaml.safe_load(path.read_text(encoding="utf-8"))
        for entry in specification["argument_specs"].values():
            options += entry.get("options", {})
    return options


def duplicate_names(sources: Iterable[str]) -> list[Problem]:
    """Names that the files of an inventory define twice; Ansible itself would merge them silently.

    A machine is defined where its variables stand; groups by function only name it.
    """
    problems: list[Problem] = []
    defined: dict[str, str] = {}
    for path in inventory_files(sources):
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        for mapping, is_hosts in mappings(root):
            problems += repeated_keys(path, mapping)
            for key, value in mapping.value if is_hosts else []:
                if not isinstance(value, yaml.MappingNode) or not value.value:
                    continue
                place = f"{path.name}:{key.start_mark.line + 1}"
                if key.value in defined:
                    problems.append(
                        problem(
                            key.value,
                            f"the name is given to two machines, at {defined[key.value]} and {place}",
                            "rename one of them",
                        )
                    )
                defined.setdefault(key.value, place)
    return problems


def inventory_files(sources: Iterable[str]) -> Iterator[Path]:
    """The YAML files at the top of an inventory."""
    for source in map(Path, sources):
        if source.is_dir():
            yield from sorted(path for path in source.iterdir() if path.suffix in (".yml", ".yaml"))
        elif source.suffix in (".yml", ".yaml"):
            yield source


def mappings(node: yaml.Node | None, *, is_hosts: bool = False) -> Iterator[tuple[yaml.MappingNode, bool]]:
    """Every mapping of a document, and whether it is the value of `hosts`."""
    if isinstance(node, yaml.MappingNode):
        yield node, is_hosts
        for key, value in node.value:
            yield from mappings(value, is_hosts=key.value == "hosts")
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from mappings(value)


def repeated_keys(path: Path, mapping: yaml.MappingNode) -> list[Problem]:
    """Keys that one mapping holds twice: the first would be forgotten."""
    seen: dict[str, int] = {}
    problems = []
    for key, _ in mapping.value:
        line = key.start_mark.line + 1
        if key.value in seen:
            what = f"the name is given twice, at {path.name}:{seen[key.value]} and {path.name}:{line}"
            problems.append(problem(str(key.value), what, "rename or remove one of them"))
        seen.setdefault(key.value, line)
    return problems


def extract_machine(host: str, hostvars: Mapping[str, Mapping[str, Any]]) -> tuple[str, dict[str, Any]]:
    """A machine's name and all its variables, read once: each look into `hostvars` gathers them anew."""
    return host, dict(hostvars[host])


def problem_lines(problems: Iterable[Problem]) -> list[str]:
    """Findings as a reader wants them: where, what, remedy."""
    return [f"{found['where']}: {found['what']}. Remedy: {found['remedy']}." for found in problems]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters of this file by name."""
        return {
            "variable_problems": variable_problems,
            "extract_machine": extract_machine,
            "problem_lines": problem_lines,
            "role_options": role_options,
            "duplicate_names": duplicate_names,
        }
