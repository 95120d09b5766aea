"""What is remembered of texts stays small, however long the texts are that somebody sends."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from tricenter.apimachinery import cron, names, selectors
from tricenter.apimachinery.managedfields import typed
from tricenter.apimachinery.schema import types
from tricenter.apimachinery.validation import rules

_LONG = 20_000
_PODS = types.of_definition("io.k8s.api.core.v1.PodSpec").fields["containers"]

_TAKERS: dict[str, tuple[Callable[[str], Any], Callable[[int], str]]] = {
    "label selector": (selectors.parse_labels, lambda number: f"a{number} in ({'v,' * (_LONG // 2)}v)"),
    "field selector": (selectors.parse_fields, lambda number: f"a=v{number:0{_LONG}}"),
    "name": (lambda text: list(rules.named(names.dns_label, text, "x")), lambda number: f"n{number:0{_LONG}}"),
    "key of a list": (lambda text: typed.element_key({"name": text}, _PODS), lambda number: f"n{number:0{_LONG}}"),
    "schedule": (cron.parse, lambda number: "1," * (_LONG // 2) + f"{number % 60} * * * *" + " " * number),
}


@pytest.mark.parametrize("name", _TAKERS)
def test_long_texts_are_not_remembered(name: str) -> None:
    take, text = _TAKERS[name]
    tracemalloc.start()
    for number in range(200):
        take(text(number))
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 50 * _LONG
