"""Nobody grants more than he holds; bootstrap roles come back; aggregates are put together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from apiserver_harness import Running, client_session

from tricenter.apiserver.auth import escalation
from tricenter.apiserver.auth.rbac import Rule
from tricenter.apiserver.auth.user import User
from tricenter.apiserver.bootstrap import policy
from tricenter.controllers.clusterroles import aggregated

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_GROUP = "rbac.authorization.k8s.io"


def rule(verbs: str, resources: str = "", *, groups: str = "", names: str = "", urls: str = "") -> dict[str, Any]:
    if urls:
        return {"verbs": verbs.split(), "nonResourceURLs": urls.split()}
    found = {"verbs": verbs.split(), "apiGroups": groups.split() or [""], "resources": resources.split()}
    return {**found, "resourceNames": names.split()} if names else found


@pytest.mark.parametrize(
    ("held", "wanted", "covered"),
    [
        (rule("get list", "pods"), rule("get", "pods"), True),
        (rule("get", "pods"), rule("get list", "pods"), False),
        (rule("*", "*", groups="*"), rule("get", "pods/log"), True),
        (rule("get", "*/log"), rule("get", "pods/log"), True),
        (rule("get", "pods"), rule("get", "pods/log"), False),
        (rule("get", "pods"), rule("get", "pods", names="a"), True),
        (rule("get", "pods", names="a"), rule("get", "pods"), False),
        (rule("get", "pods", names="a b"), rule("get", "pods", names="b"), True),
        (rule("get", "pods"), rule("get", "*"), False),
        (rule("get", "pods"), rule("get", "pods", groups="apps"), False),
        (rule("get", urls="/healthz/*"), rule("get", urls="/healthz/a"), True),
        (rule("get", urls="/healthz"), rule("get", urls="/healthz/*"), False),
    ],
)
def test_coverage(held: dict[str, Any], wanted: dict[str, Any], covered: bool) -> None:
    assert (not escalation.missing([Rule.of(held)], [Rule.of(wanted)])) is covered


def test_several_rules_cover_one_together() -> None:
    held = [Rule.of(rule("get", "pods")), Rule.of(rule("list", "pods")), Rule.of(rule("get list", "nodes"))]
    assert not escalation.missing(held, [Rule.of(rule("get list", "pods nodes"))])


def test_rules_of_more_combinations_than_can_be_counted_are_compared_at_once() -> None:
    many = " ".join(f"x{number}" for number in range(2000))
    held = [Rule.of(rule("get list", "pods", groups="")), Rule.of(rule("get list", "nodes", groups=""))]
    assert not escalation.missing(held, [Rule.of(rule("get list", "pods nodes", names=many))])
    lacking = escalation.missing(held, [Rule.of(rule(many, many, names=many))])
    assert 0 < len(lacking) <= 10_000


def test_refusal_is_worded_as_upstreams() -> None:
    lacking = escalation.missing([], [Rule.of(rule("get delete", "pods")), Rule.of(rule("get", urls="/x"))])
    text = escalation.refusal(User("al", groups=("a", "b")), lacking)
    assert text.splitlines() == [
        'user "al" (groups=["a" "b"]) is attempting to grant RBAC permissions not currently held:',
        '{APIGroups:[""], Resources:["pods"], Verbs:["delete" "get"]}',
        '{NonResourceURLs:["/x"], Verbs:["get"]}',
    ]


def role(name: str, rules: list[Any], labels: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels or {}}, "rules": rules, **more}


def test_an_aggregate_has_the_rules_of_what_it_selects_but_not_its_own() -> None:
    parts = [role("b", [rule("get", "pods")], {"x": "1"}), role("a", [rule("get", "nodes")], {"x": "1"})]
    other = role("c", [rule("get", "secrets")], {"x": "2"})
    selector = {"clusterRoleSelectors": [{"matchLabels": {"x": "1"}}]}
    whole = role("all", [rule("*", "*")], {"x": "1"}, aggregationRule=selector)
    assert aggregated(whole, [*parts, other, whole]) == [rule("get", "nodes"), rule("get", "pods")]


def test_bootstrap_gives_back_rules_and_keeps_what_was_added() -> None:
    wanted = next(obj for _, _, obj in policy.all_objects() if obj["metadata"]["name"] == "system:monitoring")
    present = {**wanted, "rules": [rule("get", "pods")]}
    assert policy.differs(present, wanted)
    assert policy.reconciled(present, wanted)["rules"] == [rule("get", "pods"), *wanted["rules"]]
    annotations = {"rbac.authorization.kubernetes.io/autoupdate": "false"}
    kept = {**present, "metadata": {**wanted["metadata"], "annotations": annotations}}
    assert not policy.differs(kept, wanted)


def test_a_rule_that_others_cover_is_not_added_again() -> None:
    wanted = next(obj for _, _, obj in policy.all_objects() if obj["metadata"]["name"] == "system:monitoring")
    wider = {**wanted, "rules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}
    assert not policy.differs(wider, wanted)


async def grant(server: Running, rules: list[Any], name: str = "grants") -> None:
    """Give alice rules in all namespaces."""
    code, _ = await server.call("POST", f"{_RBAC}/clusterroles", {"metadata": {"name": name}, "rules": rules})
    assert code == 201
    body = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": _GROUP, "kind": "User", "name": "alice"}],
    }
    code, _ = await server.call("POST", f"{_RBAC}/clusterrolebindings", body)
    assert code == 201


async def test_roles_and_bindings_need_what_they_grant(server: Running, pki: Path) -> None:
    everything = "roles rolebindings clusterroles"
    await grant(server, [rule("*", "x"), rule("create update get list", everything, groups=_GROUP)])
    await grant(server, [rule("get", "pods")], "reader")
    await server.parts.fresh.wait()
    roles = f"{_RBAC}/namespaces/default/roles"
    bindings = f"{_RBAC}/namespaces/default/rolebindings"
    async with client_session(pki, "alice") as session:
        alice = Running(server.parts, session)
        wanted = {"metadata": {"name": "pods"}, "rules": [rule("get delete", "pods")]}
        code, answer = await alice.call("POST", roles, wanted)
        assert (code, answer["reason"]) == (403, "Forbidden")
        assert answer["message"] == (
            'roles.rbac.authorization.k8s.io "pods" is forbidden: user "alice" (groups=["system:authenticated"]) '
            "is attempting to grant RBAC permissions not currently held:\n"
            '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}'
        )
        wanted["rules"] = [rule("get", "pods")]
        code, made = await alice.call("POST", roles, wanted)
        assert code == 201
        made["rules"] = [rule("get", "secrets")]
        assert (await alice.call("PUT", f"{roles}/pods", made))[0] == 403

        def binding(name: str) -> dict[str, Any]:
            reference = {"apiGroup": _GROUP, "kind": "ClusterRole", "name": name}
            return {"metadata": {"name": name}, "roleRef": reference}

        assert (await alice.call("POST", bindings, binding("cluster-admin")))[0] == 403
        assert (await alice.call("POST", bindings, binding("reader")))[0] == 201
        code, answer = await alice.call("POST", bindings, binding("nothing"))
        assert (code, answer["message"]) == (404, 'clusterroles.rbac.authorization.k8s.io "nothing" not found')
        aggregate = {"metadata": {"name": "a"}, "aggregationRule": {"clusterRoleSelectors": [{}]}}
        code, answer = await alice.call("POST", f"{_RBAC}/clusterroles", aggregate)
        assert code == 403
        assert answer["message"].endswith("must have cluster-admin privileges to use the aggregationRule")

        await grant(server, [rule("bind escalate", "clusterroles roles", groups=_GROUP)], "trust")
        await server.parts.fresh.wait()
        assert (await alice.call("POST", bindings, binding("cluster-admin")))[0] == 201
        assert (await alice.call("PUT", f"{roles}/pods", made))[0] == 200


async def test_decisions_say_which_binding_allowed(server: Running) -> None:
    await grant(server, [rule("get", "pods")], "reader")
    await server.parts.fresh.wait()
    asked = {"user": "alice", "resourceAttributes": {"verb": "get", "resource": "pods"}}
    _, review = await server.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": asked})
    reason = 'RBAC: allowed by ClusterRoleBinding "reader" of ClusterRole "reader" to User "alice"'
    assert review["status"] == {"allowed": True, "reason": reason}


async def test_the_role_of_a_binding_stays(server: Running) -> None:
    await grant(server, [rule("get", "pods")], "reader")
    path = f"{_RBAC}/clusterrolebindings/reader"
    _, binding = await server.call("GET", path)
    binding["roleRef"]["name"] = "other"
    code, answer = await server.call("PUT", path, binding)
    assert code == 422
    assert "roleRef: Invalid value" in answer["message"]
    assert "cannot change roleRef" in answer["message"]
