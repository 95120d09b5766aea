"""JSON patch and merge patch do what their RFCs say."""

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricenter.apimachinery import patches

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=8,
)
NO_NULLS = st.recursive(
    st.integers(-9, 9) | st.text("ab", max_size=2),
    lambda inner: st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=8,
)

# RFC 6902, appendix A.
RFC_6902: list[tuple[Any, list[dict[str, Any]], Any]] = [
    ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
    ({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "qux"}], {"foo": ["bar", "qux", "baz"]}),
    ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
    ({"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
    ({"baz": "qux"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
    ({"a": {"b": 1}, "c": {}}, [{"op": "move", "from": "/a/b", "path": "/c/d"}], {"a": {}, "c": {"d": 1}}),
    ({"foo": [1, 2, 3, 4]}, [{"op": "move", "from": "/foo/1", "path": "/foo/3"}], {"foo": [1, 3, 4, 2]}),
    ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["abc"]}], {"foo": ["bar", ["abc"]]}),
    ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
    ({"foo": "bar"}, [{"op": "add", "path": "/child", "value": {"a": {}}}], {"foo": "bar", "child": {"a": {}}}),
    ({"a": 1}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": 1, "b": 1}),
]
REFUSED: list[list[dict[str, Any]]] = [
    [{"op": "add", "path": "/baz/bat", "value": "qux"}],
    [{"op": "test", "path": "/foo", "value": "other"}],
    [{"op": "remove", "path": "/nothing"}],
    [{"op": "replace", "path": "/nothing", "value": 1}],
    [{"op": "add", "path": "foo", "value": 1}],
    [{"op": "add", "path": "/x"}],
    [{"op": "spam", "path": "/foo"}],
    [{"op": "add", "path": "/list/01", "value": 1}],
    [{"op": "add", "path": "/list/2", "value": 1}],
    [{"op": "move", "from": "/list", "path": "/list/0"}],
]


@pytest.mark.parametrize(("doc", "ops", "expected"), RFC_6902)
def test_examples_of_rfc_6902(doc: Any, ops: list[dict[str, Any]], expected: Any) -> None:
    assert patches.json_patch(doc, ops) == expected


@pytest.mark.parametrize("ops", REFUSED)
def test_a_json_patch_that_does_not_fit_is_refused(ops: list[dict[str, Any]]) -> None:
    doc = {"foo": "bar", "list": [1]}
    with pytest.raises(patches.PatchError):
        patches.json_patch(doc, ops)
    assert doc == {"foo": "bar", "list": [1]}


def test_true_is_not_one() -> None:
    with pytest.raises(patches.PatchTestFailed):
        patches.json_patch({"a": True}, [{"op": "test", "path": "/a", "value": 1}])


# RFC 7396, appendix A.
@pytest.mark.parametrize(
    ("doc", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_examples_of_rfc_7396(doc: Any, patch: Any, expected: Any) -> None:
    assert patches.merge_patch(doc, patch) == expected


@given(JSON, JSON)
def test_merging_twice_is_merging_once(doc: Any, patch: Any) -> None:
    once = patches.merge_patch(doc, patch)
    assert patches.merge_patch(once, patch) == once


@given(NO_NULLS)
def test_merging_into_nothing_gives_the_patch(patch: Any) -> None:
    assert patches.merge_patch({}, patch) == patch


@given(JSON, st.lists(st.fixed_dictionaries({"op": st.text(max_size=4), "path": st.text("/ab0~-", max_size=4)})))
def test_no_json_patch_breaks_the_server(doc: Any, ops: list[dict[str, Any]]) -> None:
    before = json.dumps(doc)
    with contextlib.suppress(patches.PatchError):
        patches.json_patch(doc, ops)
    assert json.dumps(doc) == before, "a patch works on a copy"


# --- patches that would take long, or grow without end ---


def test_copies_may_not_add_more_than_an_object_holds() -> None:
    """Each copy of a list into itself doubles it (evanphx/json-patch AccumulatedCopySizeLimit)."""
    bomb = [{"op": "copy", "from": "/a", "path": "/a/0"}] * 60
    with pytest.raises(patches.PatchError, match="accumulated size increase of copy"):
        patches.json_patch({"a": [0] * 100}, bomb)
    deeper = [{"op": "copy", "from": "", "path": "/a"}] * 300
    with pytest.raises(patches.PatchError, match="nested too deeply"):
        patches.json_patch({"a": 0}, deeper)


def test_an_index_of_thousands_of_digits_is_in_no_list() -> None:
    with pytest.raises(patches.PatchError):
        patches.json_patch({"a": []}, [{"op": "add", "path": "/a/" + "1" * 5000, "value": 1}])


def test_long_lists_merge_in_a_time_that_grows_with_their_length() -> None:
    many = [f"example.com/{number}" for number in range(30_000)]
    named: list[dict[str, Any]] = [{"name": name} for name in many]
    pod = "io.k8s.api.core.v1.Pod"
    began = time.process_time()
    for old, patch in (
        ({}, {"finalizers": many}),
        ({"finalizers": many}, {"finalizers": many[::-1]}),
        ({"finalizers": many}, {"$deleteFromPrimitiveList/finalizers": many}),
    ):
        patches.strategic_merge({"metadata": old}, {"metadata": patch}, pod)
    for old, patch in (
        ({}, {"containers": named, "$setElementOrder/containers": named}),
        ({"containers": named}, {"containers": [{**item, "$patch": "delete"} for item in named]}),
    ):
        patches.strategic_merge({"spec": old}, {"spec": patch}, pod)
    patches.strategic_merge({"data": {}}, {"data": {**dict.fromkeys(many, ""), "$retainKeys": many}}, CONFIG_MAP)
    assert time.process_time() - began < 10


CONFIG_MAP = "io.k8s.api.core.v1.ConfigMap"
