"""Schemas know the fields, types and merge rules of every kind; strategic merge follows them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricenter.apimachinery import kinds, patches, schema
from tricenter.apimachinery.records import Kind

POD = kinds.by_kind("", "v1", "Pod")
DEPLOYMENT = kinds.by_kind("apps", "v1", "Deployment")
assert POD is not None
assert DEPLOYMENT is not None
POD_DEFINITION = POD.definition


def pod(**container: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "creationTimestamp": None},
        "spec": {"containers": [{"name": "c", "image": "x", **container}]},
    }  # fmt: skip


@pytest.mark.parametrize("kind", kinds.BUILTIN, ids=lambda kind: f"{kind.api_version}.{kind.kind}")
def test_every_kind_has_a_schema(kind: Kind) -> None:
    assert schema.of(kind).type.fields
    assert "properties" in schema.raw(kind.definition)


def test_unknown_fields_are_named_by_path() -> None:
    obj = pod(imge="y", ports=[{"containerPort": 80, "x": 1}])
    obj["metadata"]["labels"] = {"any": "label"}
    assert POD is not None
    assert schema.prune(POD, obj) == ["spec.containers[0].imge", "spec.containers[0].ports[0].x"]


def test_prune_does_what_decoding_and_encoding_does() -> None:
    assert POD is not None
    obj = pod(imge="y", resources={"limits": {"cpu": "0.5", "memory": 1048576}})
    schema.prune(POD, obj)
    assert obj["metadata"] == {"name": "web"}
    assert obj["spec"]["containers"] == [
        {"name": "c", "image": "x", "resources": {"limits": {"cpu": "500m", "memory": "1048576"}}}
    ]


def test_bytes_are_kept_on_one_line() -> None:
    secret = kinds.by_kind("", "v1", "Secret")
    assert secret is not None
    obj: dict[str, Any] = {"data": {"folded": "YWJj\r\nZGVm\n", "nothing": None}}
    schema.prune(secret, obj)
    assert obj["data"] == {"folded": "YWJjZGVm", "nothing": ""}


@pytest.mark.parametrize(
    ("container", "field", "message"),
    [
        ({"image": 5}, "image", 'Invalid value: 5: {} in body must be of type string: "integer"'),
        ({"ports": [{}]}, "ports[0].containerPort", "Required value"),
        (
            {"ports": [{"containerPort": 2**31}]},
            "ports[0].containerPort",
            "Invalid value: 2147483648: {} in body should be less than or equal to 2147483647",
        ),
        (
            {"resources": {"limits": {"cpu": "one"}}},
            "resources.limits.cpu",
            'Invalid value: "one": {} in body must be of type quantity',
        ),
    ],
)
def test_wrong_types_are_refused(container: dict[str, Any], field: str, message: str) -> None:
    assert POD is not None
    obj = pod(**container)
    del obj["metadata"]["creationTimestamp"]
    path = f"spec.containers[0].{field}"
    assert [str(error) for error in schema.validate(POD, obj)] == [f"{path}: {message.format(path)}"]


def test_custom_resources() -> None:
    kind = Kind(
        group="example.com", version="v1", kind="Shop", plural="shops", singular="shop", namespaced=True, verbs=(),
        structural={"type": "object", "properties": {"spec": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 1}, "port": {"x-kubernetes-int-or-string": True},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "note": {"type": "string", "nullable": True, "pattern": "^a"},
        }}}},
    )  # fmt: skip
    good = {"apiVersion": "example.com/v1", "kind": "Shop", "metadata": {"name": "a"},
            "spec": {"size": 1, "port": "http", "free": {"x": [1]}, "note": None}}  # fmt: skip
    assert schema.validate(kind, good) == []
    bad: dict[str, Any] = {"metadata": {"name": "a"}, "spec": {"size": 0, "note": "b", "other": 1}}
    assert {str(error) for error in schema.validate(kind, bad)} == {
        "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1",
        "spec.note: Invalid value: \"b\": spec.note in body should match '^a'",
    }
    assert schema.prune(kind, bad) == ["spec.other"]
    assert bad["spec"] == {"size": 0, "note": "b"}


def test_merge_info() -> None:
    containers = schema.merge_info(POD_DEFINITION, "spec.containers")
    assert (containers.merge, containers.merge_key, containers.keys) == (True, "name", ("name",))
    ports = schema.merge_info(POD_DEFINITION, "spec.containers.ports")
    assert (ports.merge_key, ports.keys) == ("containerPort", ("containerPort", "protocol"))
    assert schema.merge_info(POD_DEFINITION, "spec.volumes").retain_keys
    assert schema.merge_info(POD_DEFINITION, "metadata.finalizers").merge


def merged(doc: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    return patches.strategic_merge(doc, patch, POD_DEFINITION)


def containers(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "image": name} for name in names]


def test_lists_merge_by_key() -> None:
    doc = {"spec": {"containers": containers("a", "b")}}
    result = merged(doc, {"spec": {"containers": [{"name": "b", "image": "new"}, {"name": "c", "image": "c"}]}})
    assert result["spec"]["containers"] == [
        {"name": "a", "image": "a"}, {"name": "b", "image": "new"}, {"name": "c", "image": "c"},
    ]  # fmt: skip
    assert doc == {"spec": {"containers": containers("a", "b")}}


def test_directives() -> None:
    doc = {"spec": {"containers": containers("a", "b"), "nodeSelector": {"x": "y"}}}
    deleted = merged(doc, {"spec": {"containers": [{"name": "a", "$patch": "delete"}]}})
    assert deleted["spec"]["containers"] == containers("b")
    replaced = merged(doc, {"spec": {"containers": [{"$patch": "replace"}, {"name": "z", "image": "z"}]}})
    assert replaced["spec"]["containers"] == containers("z")
    selector = merged(doc, {"spec": {"nodeSelector": {"$patch": "replace", "p": "q"}}})
    assert selector["spec"]["nodeSelector"] == {"p": "q"}
    assert merged(doc, {"spec": {"nodeSelector": {"x": None}}})["spec"]["nodeSelector"] == {}
    with pytest.raises(patches.PatchError):
        merged(doc, {"spec": {"$patch": "destroy"}})
    with pytest.raises(patches.PatchError, match="merge key: name"):
        merged(doc, {"spec": {"containers": [{"image": "x"}]}})


def test_retain_keys_clears_the_other_members_of_a_union() -> None:
    doc = {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}
    patch = {"spec": {"volumes": [{"$retainKeys": ["name", "hostPath"], "name": "v", "hostPath": {"path": "/x"}}]}}
    assert merged(doc, patch)["spec"]["volumes"] == [{"name": "v", "hostPath": {"path": "/x"}}]


def test_primitive_lists() -> None:
    doc = {"metadata": {"finalizers": ["a", "b", "c"]}}
    assert merged(doc, {"metadata": {"finalizers": ["d", "b"]}})["metadata"]["finalizers"] == ["d", "a", "b", "c"]
    gone = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["b"], "$setElementOrder/finalizers": ["c", "a"]}}
    assert merged(doc, gone)["metadata"]["finalizers"] == ["c", "a"]


def test_set_element_order() -> None:
    doc = {"spec": {"containers": containers("a", "b", "c")}}
    patch = {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}], "containers": [{"name": "a"}]}}
    assert [c["name"] for c in merged(doc, patch)["spec"]["containers"]] == ["b", "c", "a"]
    patch["spec"]["containers"] = [{"name": "z"}]
    with pytest.raises(patches.PatchError, match="setElementOrder"):
        merged(doc, patch)


def test_the_patch_that_kubectl_apply_sends() -> None:
    doc = {"spec": {"containers": containers("c", "e")}}
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "c"}],
            "containers": [{"image": "x:2", "name": "c"}, {"$patch": "delete", "name": "e"}],
        }
    }
    assert merged(doc, patch)["spec"] == {"containers": [{"name": "c", "image": "x:2"}]}


NAMES = st.lists(st.sampled_from("abcdef"), unique=True, max_size=6)


@given(NAMES, NAMES)
def test_merging_lists_twice_is_merging_once(old: list[str], new: list[str]) -> None:
    doc, patch = {"spec": {"containers": containers(*old)}}, {"spec": {"containers": containers(*new)}}
    once = merged(doc, patch)
    assert {c["name"] for c in once["spec"]["containers"]} == {*old, *new}
    assert merged(once, patch) == once
