"""ValidatingAdmissionPolicy on a real server: what is denied, warned of and written down, and in which words."""

from __future__ import annotations

import time
from typing import Any

import pytest
from apiserver_harness import Running

from tricenter.apiserver.admission.policies.definitions import used

pytestmark = pytest.mark.etcd

Object = dict[str, Any]

_GROUP = "/apis/admissionregistration.k8s.io/v1"
_MAPS = "/api/v1/namespaces/default/configmaps"
_LATE = (
    'resulted in error: composited variable "late" fails to evaluate: '
    "expression 'object.gone' resulted in error: no such key: gone"
)
_RULE = {"operations": ["CREATE", "UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}


async def define(server: Running, *validations: Object, name: str = "demo", **spec: Any) -> None:
    body = {"matchConstraints": {"resourceRules": [_RULE]}, "validations": list(validations), **spec}
    code, answer = await server.call(
        "POST", f"{_GROUP}/validatingadmissionpolicies", {"metadata": {"name": name}, "spec": body}
    )
    assert code == 201, answer


async def bind(server: Running, *actions: str, policy: str = "demo", name: str = "bound", **spec: Any) -> None:
    body = {"policyName": policy, "validationActions": list(actions), **spec}
    code, answer = await server.call(
        "POST", f"{_GROUP}/validatingadmissionpolicybindings", {"metadata": {"name": name}, "spec": body}
    )
    assert code == 201, answer
    await server.parts.fresh.wait()


async def create(server: Running, name: str, data: Object | None = None, **metadata: Any) -> tuple[int, Object]:
    return await server.call("POST", _MAPS, {"metadata": {"name": name, **metadata}, "data": data or {}})


def denied(message: str, binding: str = "bound") -> str:
    return f"ValidatingAdmissionPolicy 'demo' with binding '{binding}' denied request: {message}"


async def test_a_bound_policy_denies(server: Running) -> None:
    expression = "!has(object.data) || object.data.all(key, int(object.data[key]) <= 5)"
    await define(server, {"expression": expression})
    assert (await create(server, "unbound", {"a": "9"}))[0] == 201
    await bind(server, "Deny")
    assert (await create(server, "good", {"a": "5"}))[0] == 201
    code, status = await create(server, "bad", {"a": "6"})
    message = denied(f"failed expression: {expression}")
    assert (code, status["reason"]) == (422, "Invalid")
    assert status["message"] == f'configmaps "bad" is forbidden: {message}'
    assert status["details"] == {"name": "bad", "kind": "configmaps", "causes": [{"message": message}]}
    code, status = await server.call(
        "PATCH", f"{_MAPS}/good", {"data": {"b": "7"}}, Content_Type="application/merge-patch+json"
    )
    assert code == 422
    assert (await server.call("DELETE", f"{_MAPS}/unbound"))[0] == 200


@pytest.mark.parametrize(
    ("validation", "code", "message"),
    [
        ({"message": "nothing goes"}, 422, "nothing goes"),
        ({"messageExpression": "'no ' + object.metadata.name", "message": "x"}, 422, "no one"),
        ({"messageExpression": "object.missing", "message": "fixed"}, 422, "fixed"),
        ({"messageExpression": "'a\\nb'"}, 422, "failed expression: false"),
        ({"reason": "Forbidden", "message": "m"}, 403, "m"),
        ({"expression": "object.spec.x == 1"}, 422,
         "expression 'object.spec.x == 1' resulted in error: no such key: spec"),
        ({"expression": "variables.late == 1"}, 422, f"expression 'variables.late == 1' {_LATE}"),
    ],
)  # fmt: skip
async def test_a_denial_is_worded_as_the_policy_says(
    server: Running, validation: Object, code: int, message: str
) -> None:
    variables = [{"name": "late", "expression": "object.gone"}, {"name": "unused", "expression": "1 / 0"}]
    await define(server, {"expression": "false", **validation}, variables=variables)
    await bind(server, "Deny")
    found, status = await create(server, "one")
    assert (found, status["message"]) == (code, f'configmaps "one" is forbidden: {denied(message)}')


async def test_policies_see_the_request_and_what_surrounds_it(server: Running) -> None:
    expressions = [
        "request.operation in ['CREATE', 'UPDATE'] && request.kind.kind == 'ConfigMap'",
        "request.userInfo.username == 'admin' && 'system:masters' in request.userInfo.groups",
        "namespaceObject.metadata.name == 'default' && namespaceObject.metadata.namespace != 'x' || true",
        "variables.size == 1 && variables.double == 2",
        "authorizer.group('').resource('pods').namespace('default').check('delete').allowed()",
        "!authorizer.serviceAccount('default', 'nobody').group('').resource('pods').check('list').allowed()",
        "authorizer.requestResource.check('create').allowed()",
        "request.operation == 'CREATE' ? oldObject == null : oldObject.data.a == 'b'",
        "params == null || params.data.limit == '3'",
    ]
    variables = [
        {"name": "size", "expression": "object.data.size()"},
        {"name": "double", "expression": "variables.size * 2"},
    ]
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    validations = [{"expression": expression} for expression in expressions]
    await define(server, *validations, variables=variables, paramKind=kind)
    await bind(server, "Deny")
    code, status = await create(server, "one", {"a": "b"})
    assert code == 201, status["message"]
    code, status = await server.call("PUT", f"{_MAPS}/one", {"metadata": {"name": "one"}, "data": {"a": "c"}})
    assert code == 200, status["message"]


async def test_policies_see_requests_for_tokens(server: Running) -> None:
    """As the server completes them: who names no audience asks for a token for the server itself."""
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["serviceaccounts/token"]}
    expression = "request.kind.kind == 'TokenRequest' && object.spec.audiences.all(a, a == 'vault')"
    await define(server, {"expression": expression}, matchConstraints={"resourceRules": [rule]})
    await bind(server, "Deny")
    await server.call("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    await server.parts.fresh.wait()
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    code, made = await server.call("POST", path, {"spec": {"audiences": ["vault"]}})
    assert (code, made["spec"]["audiences"], bool(made["status"]["token"])) == (201, ["vault"], True)
    code, status = await server.call("POST", path, {})
    assert (code, denied(f"failed expression: {expression}") in status["message"]) == (422, True)


async def test_policies_see_what_a_namespace_still_waits_for(server: Running) -> None:
    rule = {"operations": ["UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["namespaces/finalize"]}
    expression = "size(object.spec.finalizers) >= size(oldObject.spec.finalizers)"
    await define(server, {"expression": expression}, matchConstraints={"resourceRules": [rule]})
    await bind(server, "Deny")
    _, made = await server.call("POST", "/api/v1/namespaces", {"metadata": {"name": "kept"}})
    code, _ = await server.call("PUT", "/api/v1/namespaces/kept/finalize", made)
    assert code == 200
    made["spec"]["finalizers"] = []
    del made["metadata"]["resourceVersion"]
    code, status = await server.call("PUT", "/api/v1/namespaces/kept/finalize", made)
    assert (code, denied(f"failed expression: {expression}") in status["message"]) == (422, True)


async def test_parameters_come_from_the_binding(server: Running) -> None:
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    condition = {"name": "no-params", "expression": "!has(object.metadata.labels)"}
    validation = {"expression": "int(object.data.size()) <= int(params.data.limit)"}
    await define(server, validation, paramKind=kind, matchConditions=[condition])
    limit = {"metadata": {"name": "limit", "labels": {"role": "param"}}, "data": {"limit": "1"}}
    assert (await server.call("POST", _MAPS, limit))[0] == 201
    reference = {"name": "limit", "namespace": "default", "parameterNotFoundAction": "Deny"}
    await bind(server, "Deny", name="by-name", paramRef=reference)
    assert (await create(server, "fits", {"a": "b"}))[0] == 201
    code, status = await create(server, "large", {"a": "b", "c": "d"})
    assert (code, status["message"].partition("by-name")[0]) == (422, (
        "configmaps \"large\" is forbidden: ValidatingAdmissionPolicy 'demo' with binding '"
    ))  # fmt: skip
    await server.call("DELETE", f"{_MAPS}/limit")
    await server.parts.fresh.wait()
    _, status = await create(server, "none", {"a": "b"})
    text = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
    assert status["message"].endswith(denied(text, "by-name"))
    await server.call("DELETE", f"{_GROUP}/validatingadmissionpolicybindings/by-name")
    await bind(
        server, "Deny", paramRef={"selector": {"matchLabels": {"role": "x"}}, "parameterNotFoundAction": "Allow"}
    )
    assert (await create(server, "allowed", {"a": "b", "c": "d"}))[0] == 201


async def test_actions_other_than_deny(server: Running) -> None:
    annotation = {"key": "who", "valueExpression": "'by ' + request.userInfo.username"}
    await define(server, {"expression": "false", "message": "hm"}, auditAnnotations=[annotation])
    await bind(server, "Warn", "Audit")
    body = {"metadata": {"name": "one"}}
    async with server.session.post(server.base + _MAPS, json=body) as answer:
        assert answer.status == 201
        text = "Validation failed for ValidatingAdmissionPolicy 'demo' with binding 'bound': hm"
        assert answer.headers["Warning"] == f'299 - "{text}"'


async def test_a_policy_that_ignores_failures(server: Running) -> None:
    await define(server, {"expression": "object.missing == 1"}, failurePolicy="Ignore")
    await bind(server, "Deny")
    assert (await create(server, "one"))[0] == 201


async def test_bindings_narrow_what_a_policy_matches(server: Running) -> None:
    excluded = {**_RULE, "resourceNames": ["spared"]}
    await define(
        server, {"expression": "false"}, matchConstraints={"resourceRules": [_RULE], "excludeResourceRules": [excluded]}
    )
    await bind(server, "Deny", matchResources={"objectSelector": {"matchLabels": {"checked": "yes"}}})
    assert (await create(server, "spared", labels={"checked": "yes"}))[0] == 201
    assert (await create(server, "free"))[0] == 201
    assert (await create(server, "caught", labels={"checked": "yes"}))[0] == 422


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        ({"validations": []}, "spec.validations", "validations or auditAnnotations must contain at least one item"),
        ({"validations": [{"expression": "1"}]}, "spec.validations[0].expression", "must evaluate to bool"),
        ({"validations": [{"expression": "object.x >"}]}, "spec.validations[0].expression", "compilation failed"),
        ({"validations": [{"expression": "true", "reason": "Odd"}]}, "spec.validations[0].reason", "Unsupported value"),
        ({"validations": [{"expression": "params.a == 1"}]}, "spec.validations[0].expression", "undeclared reference"),
        ({"variables": [{"name": "a-b", "expression": "1"}]}, "spec.variables[0].name", "not a valid CEL identifier"),
        ({"matchConstraints": {}}, "spec.matchConstraints.resourceRules", "Required value"),
        ({"paramKind": {"kind": "A"}}, "spec.paramKind.apiVersion", "Required value"),
    ],
)
async def test_policies_are_validated(server: Running, spec: Object, field: str, message: str) -> None:
    body = {"matchConstraints": {"resourceRules": [_RULE]}, "validations": [{"expression": "true"}], **spec}
    code, status = await server.call(
        "POST", f"{_GROUP}/validatingadmissionpolicies", {"metadata": {"name": "bad"}, "spec": body}
    )
    assert code == 422, status
    assert field in [cause["field"] for cause in status["details"]["causes"]]
    assert message in status["message"]


async def test_a_policy_of_many_bombs_does_not_hold_the_server_up(server: Running) -> None:
    loops = "true"
    for level in range(14):
        loops = f"object.data.all(x{level}, {loops})"
    await define(server, *({"expression": loops} for _ in range(30)))
    await bind(server, "Deny")
    began = time.thread_time()
    code, status = await create(server, "one", {"a": "b"})
    text = "validation failed due to running out of cost budget, no further validation rules will be run"
    assert (code, status["message"].partition("denied request: ")[2]) == (422, text)
    assert time.thread_time() - began < 3


def test_only_variables_that_somebody_uses_are_evaluated() -> None:
    variables = [
        {"name": "base", "expression": "1"},
        {"name": "unused", "expression": "2"},
        {"name": "sum", "expression": "variables.base + 1"},
    ]
    assert list(used(variables, ["variables.sum > 1"])) == ["base", "sum"]
