"""Lists by label or field find through an index what a look at every object finds."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricenter.apimachinery import kinds, selectors
from tricenter.apiserver.cache import resource as resources
from tricenter.apiserver.cache import selectable
from tricenter.apiserver.cache.history import Change
from tricenter.apiserver.cache.predicate import Predicate
from tricenter.apiserver.cache.resource import ResourceCache
from tricenter.apiserver.resources import Resource
from tricenter.apiserver.rest import selecting

_POD = kinds.by_kind("", "v1", "Pod")
_SELECTORS = ({"labelSelector": "app=a"}, {"labelSelector": "app in (b),tier"}, {"fieldSelector": "spec.nodeName=n1"})

_writes = st.lists(
    st.tuples(
        st.sampled_from(["default/a", "default/b", "other/a", "other/c"]),
        st.none() | st.tuples(st.sampled_from([None, "a", "b"]), st.sampled_from(["", "n1", "n2"])),
    ),
    max_size=25,
)


def _pod(key: str, app: str | None, node: str) -> bytes:
    namespace, _, name = key.partition("/")
    labels = {"tier": "x"} | ({"app": app} if app else {})
    obj: dict[str, Any] = {"metadata": {"namespace": namespace, "name": name, "labels": labels}, "spec": {}}
    if node:
        obj["spec"]["nodeName"] = node
    return orjson.dumps({"kind": "Pod", "apiVersion": "v1", **obj})


@given(_writes)
def test_an_index_finds_what_a_look_at_each_object_finds(
    writes: list[tuple[str, tuple[str | None, str] | None]],
) -> None:
    """After every write, in key order, with each sort of selector and in one namespace."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resources, "_INDEXED_FROM", 0)
        cache = ResourceCache("/registry/pods/", selectable.extractor("", "pods"), history=10)
        assert _POD is not None
        served = Resource(_POD, _POD, cache)
        wanted = [selecting.predicate(served, space, query) for query in _SELECTORS for space in ("", "other")]
        for revision, (place, content) in enumerate(writes, 1):
            key = cache.prefix + place
            previous = cache.entries.get(key)
            current = cache.entry(key, _pod(place, *content), revision) if content else None
            if previous is not None or current is not None:
                cache.apply(Change(revision, previous, current))
            for predicate in wanted:
                every = [entry for _, entry in sorted(cache.entries.items()) if predicate.matches(entry)]
                assert list(cache.select(predicate)) == every


def test_a_term_is_only_what_must_have_one_value() -> None:
    """Sets, negations and the empty value, which all objects without the field have, are looked for one by one."""
    assert _POD is not None
    served = Resource(_POD, _POD, None)
    for query in ("app in (a,b)", "app!=a", "app", "!app", ""):
        assert selecting.predicate(served, "", {"labelSelector": query}).term is None
    assert selecting.predicate(served, "", {"fieldSelector": "spec.nodeName="}).term is None
    assert Predicate(labels=selectors.parse_labels("app=a")).term is None
