"""Ownership of fields: server-side apply keeps what others own and removes what nobody owns."""

import copy
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricenter.apimachinery import defaults, kinds, managedfields, schema
from tricenter.apimachinery.managedfields import fieldset, typed
from tricenter.apimachinery.records import Kind

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
Object = dict[str, Any]


def kind_of(api_version: str, name: str) -> Kind:
    found = kinds.of_object({"apiVersion": api_version, "kind": name})
    assert found is not None
    return found


DEPLOYMENT = kind_of("apps/v1", "Deployment")
SERVICE = kind_of("v1", "Service")
CONFIG_MAP = kind_of("v1", "ConfigMap")


def deployment(replicas: int | None = None, **containers: str) -> Object:
    spec: Object = {"template": {"spec": {"containers": [{"name": n, "image": i} for n, i in containers.items()]}}}
    if replicas is not None:
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}


def apply(live: Object | None, applied: Object, manager: str = "a", kind: Kind = DEPLOYMENT, **extra: Any) -> Object:
    options: Object = {"force": False, "now": NOW, **extra}
    return managedfields.apply(live, copy.deepcopy(applied), kind=kind, manager=manager, **options)


def update(old: Object | None, new: Object, manager: str = "u", kind: Kind = DEPLOYMENT, **extra: Any) -> Object:
    options: Object = {"now": NOW, **extra}
    return managedfields.update(old, copy.deepcopy(new), kind=kind, manager=manager, **options)


def owners(obj: Object) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for entry in obj["metadata"].get("managedFields", []):
        found.setdefault(entry["manager"], set()).update(fieldset.paths(entry["fieldsV1"]))
    return found


def test_create_tracks_what_was_set_in_upstreams_format() -> None:
    obj = update(None, {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "labels": {"a": "b"}, "uid": "u"},
        "spec": {"ports": [{"port": 80, "protocol": "TCP"}], "selector": {"x": "y"}, "type": "ClusterIP"},
    }, kind=SERVICE, manager="kubectl-create")  # fmt: skip
    assert obj["metadata"]["managedFields"] == [{
        "manager": "kubectl-create", "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1", "fieldsV1": {
            "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
            "f:spec": {
                "f:ports": {".": {}, 'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}, "f:protocol": {}}},
                "f:selector": {}, "f:type": {},
            },
        },
    }]  # fmt: skip


SELF: Object = {".": {}}


def names(*fields: str) -> Object:
    return {f"f:{name}": {} for name in fields}


def test_a_new_deployment_is_owned_as_upstream_records_it() -> None:
    """Pointers and maps that came are owned as such; structs that Go always has, and null lists, were there before."""
    probe = {"httpGet": {"path": "/", "port": 80}}
    container = {"name": "c", "image": "x", "livenessProbe": probe, "resources": {"limits": {"cpu": "1"}}}
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container, {"name": "plain", "image": "y"}]}}
    obj = {**deployment(), "spec": {"selector": {"matchLabels": labels}, "template": template}}
    defaults.apply(DEPLOYMENT, obj)
    policies = names("image", "imagePullPolicy", "name", "terminationMessagePath", "terminationMessagePolicy")
    timing = names("failureThreshold", "periodSeconds", "successThreshold", "timeoutSeconds")
    get = SELF | names("path", "port", "scheme")
    full = {
        "f:livenessProbe": SELF | timing | {"f:httpGet": get},
        "f:resources": {**SELF, "f:limits": SELF | names("cpu")},
    }
    pod = names("dnsPolicy", "restartPolicy", "schedulerName", "securityContext", "terminationGracePeriodSeconds")
    containers = {'k:{"name":"c"}': SELF | policies | full, 'k:{"name":"plain"}': SELF | policies | names("resources")}
    assert update(None, obj)["metadata"]["managedFields"][0]["fieldsV1"] == {
        "f:spec": {
            **names("progressDeadlineSeconds", "replicas", "revisionHistoryLimit", "selector"),
            "f:strategy": {"f:rollingUpdate": SELF | names("maxSurge", "maxUnavailable"), "f:type": {}},
            "f:template": {
                "f:metadata": {"f:labels": SELF | names("app")},
                "f:spec": {"f:containers": containers, **pod},
            },
        },
    }


def test_what_an_update_adds_and_takes_away_is_owned_with_the_way_to_it() -> None:
    live = update(None, deployment(3, web="nginx:1"), manager="kubectl")
    changed = copy.deepcopy(live)
    changed["metadata"]["annotations"] = {"a": "b"}
    changed["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "ssd"}
    changed["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {"privileged": False}
    after = update(live, changed)
    pod = ".spec.template.spec"
    security = f'{pod}.containers[name="web"].securityContext'
    assert owners(after)["u"] == {
        ".metadata.annotations", ".metadata.annotations.a", f"{pod}.nodeSelector",
        security, f"{security}.privileged",
    }  # fmt: skip
    assert owners(update(after, live, manager="other")) == {"kubectl": owners(live)["kubectl"]}


def test_a_new_custom_resource_is_owned_from_its_top() -> None:
    """Its objects are what was sent: no struct is there before somebody sets it."""
    node = schema.types.of_structural({
        "type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
    })  # fmt: skip
    change = typed.compare({}, {"spec": {"size": 1}, "metadata": {"labels": {"a": "b"}}}, node)
    assert change.added == {"f:spec": SELF | names("size"), "f:metadata": {"f:labels": SELF | names("a")}}


SET = schema.types.of_structural({
    "type": "object",
    "properties": {
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
})  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "added", "removed", "modified"),
    [
        ({"set": ["a"]}, {"set": ["a", "b", "b"]}, {'.set[="b"]'}, set(), set()),
        ({"set": ["a", "b"]}, {"set": ["a", "b", "b"]}, {'.set[="b"]'}, {'.set[="b"]'}, set()),
        ({"set": ["b", "b"]}, {"set": ["a", "b", "b"]}, {'.set[="a"]'}, set(), set()),
        ({"set": ["b", "b"]}, {"set": ["b", "b", "b"]}, set(), set(), {'.set[="b"]'}),
        ({"set": ["a", "a"]}, {"set": []}, set(), {'.set[="a"]'}, set()),
        ({}, {"set": []}, {".set"}, set(), set()),
        ({"set": ["a"]}, {}, set(), {".set", '.set[="a"]'}, set()),
        ({"free": {"a": {"b": {}}}}, {"free": {"a": ["b"]}}, set(), {".free.a.b"}, {".free.a"}),
        ({"free": {"a": "b"}}, {"free": {"a": {"b": {}}}}, {".free.a.b"}, set(), {".free.a"}),
        ({"free": {"a": {}}}, {"free": {"a": {"b": {}}}}, {".free.a.b"}, set(), set()),
    ],
)  # fmt: skip
def test_how_two_values_differ(
    old: Object, new: Object, added: set[str], removed: set[str], modified: set[str]
) -> None:
    """The cases of structured-merge-diff typed/symdiff_test.go that are easily got wrong."""
    change = typed.compare(old, new, SET)
    assert (members(change.added), members(change.removed), members(change.modified)) == (added, removed, modified)


def test_applying_twice_changes_nothing() -> None:
    once = apply(None, deployment(3, web="nginx:1"))
    assert apply(once, deployment(3, web="nginx:1"), now=LATER) == once


def test_a_field_no_longer_applied_is_removed() -> None:
    live = apply(None, deployment(3, web="nginx:1", side="log:1"))
    after = apply(live, deployment(None, web="nginx:1"))
    assert "replicas" not in after["spec"]
    assert [c["name"] for c in after["spec"]["template"]["spec"]["containers"]] == ["web"]


def test_a_field_with_another_owner_stays() -> None:
    live = apply(None, deployment(3, web="nginx:1"))
    shared = apply(live, deployment(3), manager="b")
    after = apply(shared, deployment(None, web="nginx:1"))
    assert after["spec"]["replicas"] == 3
    assert ".spec.replicas" in owners(after)["b"]
    assert ".spec.replicas" not in owners(after)["a"]


def test_changing_the_field_of_another_manager_conflicts() -> None:
    live = update(None, deployment(3, web="nginx:1"), manager="kubectl")
    with pytest.raises(managedfields.ApplyConflict) as caught:
        apply(live, deployment(5))
    assert str(caught.value) == 'Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas'
    assert caught.value.causes == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "kubectl" using apps/v1',
         "field": ".spec.replicas"},
    ]  # fmt: skip
    with pytest.raises(
        managedfields.ApplyConflict, match=r'conflicts:(?s:.*)- \.spec\.template.*\[name="web"\]\.image'
    ):
        apply(live, deployment(5, web="nginx:2"))


def test_force_takes_the_field_over() -> None:
    live = update(None, deployment(3, web="nginx:1"), manager="kubectl")
    after = apply(live, deployment(5), force=True)
    assert after["spec"]["replicas"] == 5
    assert ".spec.replicas" in owners(after)["a"]
    assert ".spec.replicas" not in owners(after)["kubectl"]


def test_an_element_leaves_with_its_owner_even_where_another_changed_a_field_of_it() -> None:
    live = apply(None, deployment(None, web="nginx:1"))
    changed = copy.deepcopy(live)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2"
    live = update(live, changed)
    after = apply(live, deployment(3))
    assert after["spec"] == {"replicas": 3}
    assert "u" not in owners(after)


def test_the_same_value_is_shared_without_conflict() -> None:
    live = update(None, deployment(3, web="nginx:1"), manager="kubectl")
    after = apply(live, deployment(3))
    assert ".spec.replicas" in owners(after)["a"] & owners(after)["kubectl"]


def test_an_update_takes_what_it_changes() -> None:
    live = apply(None, deployment(3, web="nginx:1"))
    changed = copy.deepcopy(live)
    changed["spec"]["replicas"] = 7
    after = update(live, changed, manager="scaler", subresource="scale", now=LATER)
    assert owners(after)["scaler"] == {".spec.replicas"}
    assert ".spec.replicas" not in owners(after)["a"]
    with pytest.raises(managedfields.ApplyConflict, match='"scaler" with subresource "scale" using apps/v1'):
        apply(after, deployment(3, web="nginx:1"))


def test_an_update_that_changes_nothing_changes_no_time() -> None:
    live = update(None, deployment(3, web="nginx:1"))
    assert update(live, live, now=LATER) == live


def test_removed_fields_lose_all_owners() -> None:
    live = apply(None, deployment(3, web="nginx:1"))
    changed = copy.deepcopy(live)
    del changed["spec"]["replicas"]
    assert ".spec.replicas" not in owners(update(live, changed))["a"]


def test_ownership_can_be_reset_and_is_kept_by_clients_that_do_not_know_it() -> None:
    live = update(None, deployment(3, web="nginx:1"))
    unaware = deployment(3, web="nginx:1")
    assert update(live, unaware)["metadata"]["managedFields"] == live["metadata"]["managedFields"]
    unaware["metadata"]["managedFields"] = [{}]
    assert "managedFields" not in update(live, unaware)["metadata"]


def test_first_apply_to_an_untracked_object() -> None:
    live = deployment(3, web="nginx:1")
    after = apply(live, deployment(3))
    assert owners(after).keys() == {"before-first-apply", "a"}
    with pytest.raises(managedfields.ApplyConflict):
        apply(live, deployment(4))


def test_moving_from_client_side_apply_does_not_conflict() -> None:
    obj = deployment(3, web="nginx:1")
    obj["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/last-applied-configuration": json.dumps(deployment(3, web="nginx:1"))
    }
    live = update(None, obj, manager="kubectl-client-side-apply")
    after = apply(live, deployment(5, web="nginx:2"), manager="kubectl")
    assert after["spec"]["replicas"] == 5
    with pytest.raises(managedfields.ApplyConflict):  # only kubectl under its own name takes its own over
        apply(live, deployment(5, web="nginx:2"), manager="bob")


def test_kubectl_keeps_the_annotation_of_client_side_apply_up_to_date() -> None:
    """So that one can go back to client-side apply (lastappliedupdater.go)."""
    key = "kubectl.kubernetes.io/last-applied-configuration"
    obj = deployment(3, web="nginx:1")
    obj["metadata"]["annotations"] = {key: json.dumps(deployment(3, web="nginx:1"))}
    live = update(None, obj, manager="kubectl-client-side-apply")
    newer = deployment(3, web="<nginx>")
    after = apply(live, newer, manager="kubectl")
    said = after["metadata"]["annotations"][key]
    assert json.loads(said) == newer
    assert said.endswith("}\n")
    assert '"image":"\\u003cnginx\\u003e"' in said
    assert ": " not in said
    other = apply(live, newer, manager="other", force=True)
    assert other["metadata"]["annotations"][key] == obj["metadata"]["annotations"][key]
    assert key not in apply(None, newer, manager="kubectl")["metadata"].get("annotations", {})
    newer["metadata"]["annotations"] = {"long": "x" * 256 * 1024}
    assert apply(live, newer, manager="kubectl")["metadata"]["annotations"].keys() == {"long"}


def test_status_belongs_to_its_subresource() -> None:
    applied = {**deployment(3), "status": {"replicas": 1}}
    assert "status" not in apply(None, applied)
    live = update(None, deployment(3))
    after = apply(live, applied, manager="s", subresource="status")
    assert after["status"] == {"replicas": 1}
    assert owners(after)["s"] == {".status.replicas"}


def test_default_key_fields_identify_the_same_element() -> None:
    live = update(None, {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
        "spec": {"ports": [{"port": 80, "protocol": "TCP", "nodePort": 30000}]},
    }, kind=SERVICE)  # fmt: skip
    applied = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    after = apply(live, applied, kind=SERVICE)
    assert after["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "nodePort": 30000}]


def test_an_element_without_its_key_is_refused() -> None:
    applied = deployment(1)
    applied["spec"]["template"]["spec"]["containers"] = [{"image": "x"}]
    with pytest.raises(managedfields.TypedError, match="name"):
        apply(None, applied)


def test_list_order_follows_the_applier() -> None:
    live = apply(None, deployment(None, a="1", b="1"))
    live = apply(live, deployment(None, z="1"), manager="other")
    after = apply(live, deployment(None, b="1", a="1"))
    names = [c["name"] for c in after["spec"]["template"]["spec"]["containers"]]
    assert names.index("b") < names.index("a")
    assert sorted(names) == ["a", "b", "z"]


def test_long_lists_in_another_order_do_not_take_long() -> None:
    kind = schema.types.of_definition("io.k8s.api.core.v1.PodSpec").fields["containers"]
    live = [{"name": f"c{number}"} for number in range(20_000)]
    began = time.process_time()
    assert typed.merge(live, live[::-1], kind) == live[::-1]
    assert time.process_time() - began < 5


def test_the_number_of_updaters_is_bounded() -> None:
    obj: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {}}
    live = None
    for index in range(20):
        obj = copy.deepcopy(obj)
        obj["data"][f"k{index}"] = "v"
        live = obj = update(live, obj, kind=CONFIG_MAP, manager=f"m{index:02}", now=NOW + timedelta(seconds=index))
    assert len(obj["metadata"]["managedFields"]) <= 11
    assert "ancient-changes" in owners(obj)
    assert set().union(*owners(obj).values()) >= {f".data.k{index}" for index in range(20)}


DATA = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12"), max_size=4)


def config_map(data: dict[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}


@given(DATA, DATA, DATA)
def test_apply_ends_in_what_the_appliers_say(
    first: dict[str, str], second: dict[str, str], other: dict[str, str]
) -> None:
    """One manager replaces its own configuration, another's fields stay: the result is the sum of both."""
    other = {key: value for key, value in other.items() if key not in first and key not in second}
    live = apply(None, config_map(first), kind=CONFIG_MAP)
    live = apply(live, config_map(other), kind=CONFIG_MAP, manager="b")
    live = apply(live, config_map(second), kind=CONFIG_MAP)
    assert live.get("data", {}) == {**second, **other}
    assert apply(live, config_map(second), kind=CONFIG_MAP, now=LATER) == live


CONTAINERS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("12"), max_size=2)
WRITES = st.lists(
    st.tuples(st.sampled_from(["apply", "force", "update"]), st.sampled_from("mn"), st.none() | st.just(3), CONTAINERS),
    max_size=6,
)


@given(WRITES)
def test_nobody_ever_owns_what_is_not_there(writes: list[tuple[str, str, int | None, dict[str, str]]]) -> None:
    """Whatever is written in whatever order: owned paths exist, and what an applier just applied is its own."""
    live: Object | None = None
    for how, manager, replicas, images in writes:
        wanted = deployment(replicas, **images)
        try:
            if how == "update":
                live = update(live, wanted, manager=manager)
            else:
                live = apply(live, wanted, manager=manager, force=how == "force")
        except managedfields.ApplyConflict:
            assert how == "apply"
            continue
        node = schema.of(DEPLOYMENT).type
        existing = set(fieldset.paths(fieldset.prefixes(typed.field_set(live, node) or {})))
        assert set().union(*owners(live).values()) <= existing
        if how != "update" and replicas is not None:
            assert ".spec.replicas" in owners(live)[manager]
            assert live["spec"]["replicas"] == replicas


SETS = st.recursive(
    st.just({}), lambda inner: st.dictionaries(st.sampled_from(["f:a", "f:b", "."]), inner, min_size=1, max_size=3)
).map(lambda found: {key: node for key, node in found.items() if key != "."})


def members(found: Object) -> set[str]:
    return set(fieldset.paths(found))


@given(SETS, SETS)
def test_set_algebra(left: Object, right: Object) -> None:
    assert members(fieldset.union(left, right)) == members(left) | members(right)
    assert members(fieldset.difference(left, right)) == members(left) - members(right)
    assert members(fieldset.intersection(left, right)) == members(left) & members(right)
