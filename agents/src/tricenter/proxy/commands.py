"""Commands in the form of libnftables-json(5), gathered into one transaction in an order the kernel accepts.

Order: sets and chains appear empty, rules are written, elements move, and only then what nothing refers to any more
is emptied and deleted.
"""

from collections import defaultdict
from typing import Any

from tricenter.proxy import table
from tricenter.proxy.fragment import Expression, Key, Rule

Command = dict[str, Any]
ElementValue = str | None
"""Chain to go to, `drop`, or None in a plain set."""


def _named(name: str, **more: Any) -> dict[str, Any]:
    return {"family": table.FAMILY, "table": table.TABLE, "name": name, **more}


def _key(key: Key) -> Any:
    return {"concat": list(key)} if len(key) > 1 else key[0]


def _verdict(value: str) -> Expression:
    return {"drop": None} if value == "drop" else table.goto(value)


def rule(chain: str, expressions: Rule) -> Command:
    """Append one rule to a chain."""
    body = {"family": table.FAMILY, "table": table.TABLE, "chain": chain, "expr": list(expressions)}
    return {"add": {"rule": body}}


class Transaction:
    """Collects changes; `commands` gives them in order."""

    def __init__(self) -> None:
        self._make: list[Command] = []
        self._fill: list[Command] = []
        self._remove: dict[str, list[Any]] = defaultdict(list)
        self._insert: dict[str, list[Any]] = defaultdict(list)
        self._empty: list[Command] = []
        self._delete_chains: list[Command] = []
        self._delete_sets: list[Command] = []

    def add_timed_set(self, name: str, timeout: int) -> None:
        """A set of client addresses that forgets each after `timeout` seconds."""
        body = _named(name, type="ipv4_addr", size=65535, flags=["timeout", "dynamic"], timeout=timeout)
        self._make.append({"add": {"set": body}})

    def write_chain(self, name: str, rules: tuple[Rule, ...], *, exists: bool) -> None:
        """Make these the rules of a chain."""
        self._make.append({"flush" if exists else "add": {"chain": _named(name)}})
        self._fill.extend(rule(name, expressions) for expressions in rules)

    def delete_chain(self, name: str) -> None:
        """Remove a chain that nothing leads to any more."""
        self._empty.append({"flush": {"chain": _named(name)}})
        self._delete_chains.append({"delete": {"chain": _named(name)}})

    def delete_timed_set(self, name: str) -> None:
        """Remove a set of client addresses."""
        self._delete_sets.append({"delete": {"set": _named(name)}})

    def add_element(self, place: tuple[str, Key], value: ElementValue) -> None:
        """Put an element into a set, or into a map when it has a value."""
        name, key = place
        self._insert[name].append(_key(key) if value is None else [_key(key), _verdict(value)])

    def delete_element(self, place: tuple[str, Key], value: ElementValue) -> None:
        """Take an element out; a map wants to be told the value, too."""
        name, key = place
        self._remove[name].append(_key(key) if value is None else [_key(key), _verdict(value)])

    def remember(self, name: str, clients: list[Expression]) -> None:
        """Fill a timed set with clients that were known before, each with the time it has left."""
        self._insert[name].extend(clients)

    def commands(self) -> list[Command]:
        """Everything in an order that the kernel accepts."""
        elements = [
            {verb: {"element": _named(name, elem=content)}}
            for verb, changes in (("delete", self._remove), ("add", self._insert))
            for name, content in changes.items()
        ]
        return [*self._make, *self._fill, *elements, *self._empty, *self._delete_chains, *self._delete_sets]


def base(node: table.Node) -> list[Command]:
    """Replace the table by one that has the fixed part only.

    The first `add` makes the `delete` valid where no table exists yet; all of it is one transaction with what
    follows, so no packet meets a half-made table.
    """
    head: list[Command] = [{verb: {"table": {"family": table.FAMILY, "name": table.TABLE}}} for verb in _REPLACE]
    commands = [*head, *_sets()]
    fixed = table.chains(node)
    for name in fixed:
        hook = table.HOOKS.get(name)
        base_chain = {"type": "nat", "hook": hook[0], "prio": hook[1], "policy": "accept"} if hook else {}
        commands.append({"add": {"chain": _named(name, **base_chain)}})
    commands += [rule(name, expressions) for name, rules in fixed.items() for expressions in rules]
    contents = (
        (table.NODE_PORT_IPS, list(node.node_port_addresses)),
        (table.LOCAL_PODS, [table.prefix(cidr) for cidr in node.pod_cidrs]),
    )
    return commands + [{"add": {"element": _named(name, elem=elem)}} for name, elem in contents if elem]


_REPLACE = ("add", "delete", "add")


def _sets() -> list[Command]:
    commands: list[Command] = []
    for name, types in table.SET_TYPES.items():
        typ: Any = list(types) if len(types) > 1 else types[0]
        if name in table.VERDICT_MAPS:
            commands.append({"add": {"map": _named(name, type=typ, map="verdict")}})
        elif name == table.LOCAL_PODS:
            commands.append({"add": {"set": _named(name, type=typ, flags=["interval"])}})
        else:
            commands.append({"add": {"set": _named(name, type=typ)}})
    return commands
