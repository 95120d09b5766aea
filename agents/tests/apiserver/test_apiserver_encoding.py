"""Stored and served forms differ by the resource version only."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from tricenter.apiserver.storage import encoding

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
METADATA = st.dictionaries(st.text(max_size=8).filter(lambda key: key != "resourceVersion"), JSON, max_size=4)


@given(metadata=METADATA, spec=JSON, revision=st.integers(1, 2**62), later=st.integers(1, 2**62))
def test_round_trip(metadata: dict[str, Any], spec: Any, revision: int, later: int) -> None:
    obj = {"spec": spec, "metadata": metadata, "kind": "Pod", "apiVersion": "v1"}
    stored = encoding.dump(obj)
    served = encoding.served(stored, revision)
    assert orjson.loads(served) == {**obj, "metadata": {**metadata, "resourceVersion": str(revision)}}
    assert encoding.stored(served) == stored
    assert encoding.restamped(served, later) == encoding.served(stored, later)
    assert encoding.load(stored, revision) == orjson.loads(served)


def test_resource_version_is_never_stored() -> None:
    stored = encoding.dump({"kind": "A", "apiVersion": "v1", "metadata": {"resourceVersion": "5", "name": "x"}})
    assert b"resourceVersion" not in stored


def test_values_laid_out_by_others_are_served_too() -> None:
    other = b'{"spec":{"metadata":{}},"metadata":{"name":"x"},"kind":"A","apiVersion":"v1"}'
    assert orjson.loads(encoding.served(other, 7))["metadata"] == {"name": "x", "resourceVersion": "7"}
