"""What is remembered of pods that are like others: nothing that is wrong with one of them is overlooked."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from tricenter.apimachinery import alike, copies, defaults, kinds, managedfields, schema, validation, warnings

POD = next(kind for kind in kinds.BUILTIN if (kind.group, kind.kind) == ("", "Pod"))
_NOW = datetime(2026, 1, 2, tzinfo=UTC)


def _pod(made: str, **changes: Any) -> dict[str, Any]:
    """A pod with a volume whose name was made for it."""
    mounts = [{"name": made, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]
    obj: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "namespace": "b"},
        "spec": {
            "containers": [{"name": "c", "image": "i", "volumeMounts": mounts, **changes}],
            "volumes": [{"name": made, "emptyDir": {}}],
        },
    }
    defaults.apply(POD, obj)
    return obj


def _wrong(obj: dict[str, Any]) -> list[str]:
    return [error.path for error in validation.validate_create(POD, obj)]


def test_pods_are_alike_but_for_the_name_made_for_each() -> None:
    one, other = (alike.content(_pod(f"kube-api-access-{end}")) for end in ("abcde", "fghij"))
    assert one == other
    assert alike.content(_pod("kube-api-access-abcdef")) != one
    two = [_pod("kube-api-access-abcde"), _pod("kube-api-access-fghij")]
    assert alike.content(two) != alike.content([two[0], two[0]])


def test_a_mask_is_no_name() -> None:
    """What stands for the made name in memory passes nowhere else, even beside a made name."""
    assert _wrong(_pod("kube-api-access-abcde")) == []
    assert "spec.volumes[0].name" in _wrong(_pod("kube-api-access-*"))
    mixed = _pod("kube-api-access-abcde")
    mixed["spec"]["volumes"][0]["name"] = "kube-api-access-*"
    assert "spec.volumes[0].name" in _wrong(mixed)


@pytest.mark.parametrize(
    ("member", "value", "path"),
    [
        ("metadata", {"name": "A", "namespace": "b"}, "metadata.name"),
        ("metadata", {"name": "a", "namespace": "b", "labels": {"a": 1}}, "metadata.labels.a"),
        ("status", {"phase": 3}, "status.phase"),
    ],
)
def test_what_is_a_pods_own_is_looked_at(member: str, value: dict[str, Any], path: str) -> None:
    assert _wrong(_pod("kube-api-access-abcde")) == []
    assert path in _wrong({**_pod("kube-api-access-fghij"), member: value})


def test_profiles_by_annotation_belong_to_the_containers() -> None:
    plain, marked = _pod("kube-api-access-abcde"), _pod("kube-api-access-fghij")
    marked["metadata"]["annotations"] = {"container.apparmor.security.beta.kubernetes.io/x": "unconfined"}
    assert (_wrong(plain), len(_wrong(marked))) == ([], 1)


def test_a_fault_is_found_each_time() -> None:
    for end in ("abcde", "fghij", "klmno"):
        assert _wrong(_pod(f"kube-api-access-{end}", imagePullPolicy="Sometimes")) == [
            "spec.containers[0].imagePullPolicy"
        ]


def test_an_update_that_changes_the_spec_is_looked_at() -> None:
    old = _pod("kube-api-access-abcde")
    new = copy.deepcopy(old)
    new["metadata"]["labels"] = {"a": "b"}
    assert validation.validate_update(POD, old, new) == []
    new["spec"]["terminationGracePeriodSeconds"] = "soon"
    assert [error.path for error in validation.validate_update(POD, old, new)] == ["spec.terminationGracePeriodSeconds"]


def test_pruning_goes_on_beside_a_known_spec() -> None:
    first, second = _pod("kube-api-access-abcde"), _pod("kube-api-access-abcde")
    assert schema.prune(POD, first) == []
    del first["status"]
    second |= {"extra": 1, "status": None}
    second["metadata"]["labels"] = None
    assert schema.prune(POD, second) == ["extra"]
    assert second == first
    third = _pod("kube-api-access-abcde", imge="x", resources={"limits": {"cpu": "1000m"}})
    assert schema.prune(POD, third) == ["spec.containers[0].imge"]
    assert third["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "1"}


def test_ownership_names_each_pods_own_volume() -> None:
    """Also where the made name is a part of the record."""
    for end in ("abcde", "fghij"):
        made = f"kube-api-access-{end}"
        env = [{"name": made, "value": "x"}]
        obj = managedfields.update(None, _pod(made, env=env), kind=POD, manager="m", now=_NOW)
        fields = obj["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
        assert f'k:{{"name":"{made}"}}' in fields["f:volumes"]
        assert list(fields["f:containers"]['k:{"name":"c"}']["f:env"])[-1:] == [f'k:{{"name":"{made}"}}']


def test_the_same_is_said_of_each_pod() -> None:
    say = warnings.place("", "pods")
    assert say is not None
    for end in ("abcde", "fghij"):
        told = say(_pod(f"kube-api-access-{end}", resources={"limits": {"memory": "1500m"}}))
        assert len(told) == 2
        assert told[0].startswith("spec.containers[0].resources.")
    assert say(_pod("kube-api-access-abcde")) == []


def test_a_copy_apart_shares_only_what_is_the_same_and_not_metadata() -> None:
    old: dict[str, Any] = {"metadata": {"labels": {}}, "spec": {"a": [1]}, "status": {"b": [2]}}
    new = copies.apart({**old, "status": {"b": old["status"]["b"]}}, old)
    assert new == old
    assert new["spec"] is old["spec"]
    assert new["metadata"]["labels"] is not old["metadata"]["labels"]
    assert new["status"]["b"] is not old["status"]["b"]
