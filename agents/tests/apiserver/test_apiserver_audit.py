"""The audit log says who did what, as the policy wants it, and never what a Secret holds."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from apiserver_harness import START_SECONDS, EtcdProcess, Running, client_session, make_config

from tricenter.apiserver import assembly, main, requestinfo
from tricenter.apiserver.audit import policy
from tricenter.apiserver.audit.log import AuditLog, expired
from tricenter.apiserver.audit.policy import Level
from tricenter.apiserver.auth.tokens import Signer
from tricenter.apiserver.auth.user import User
from tricenter.apiserver.bootstrap import bootstrap
from tricenter.apiserver.config import AuditConfig

_ALICE = User("alice", groups=("devs", "system:authenticated"))


def level(rules: list[Any], path: str, *, method: str = "GET", user: User = _ALICE) -> str:
    """The level of a request under these rules."""
    found = policy.parse({"kind": "Policy", "apiVersion": "audit.k8s.io/v1", "rules": rules})
    return found.ruling(user, requestinfo.parse(method, path, {})).level.text


@pytest.mark.parametrize(
    ("rule", "path", "matches"),
    [
        ({}, "/api/v1/pods", True),
        ({"users": ["alice"]}, "/api/v1/pods", True),
        ({"users": ["bob"]}, "/api/v1/pods", False),
        ({"userGroups": ["devs", "x"]}, "/api/v1/pods", True),
        ({"verbs": ["get"]}, "/api/v1/pods", False),
        ({"verbs": ["list"]}, "/api/v1/pods", True),
        ({"namespaces": ["a"]}, "/api/v1/namespaces/a/pods", True),
        ({"namespaces": ["a"]}, "/api/v1/namespaces/b/pods", False),
        ({"namespaces": ["a"]}, "/version", False),
        ({"resources": [{"group": "", "resources": ["pods"]}]}, "/api/v1/namespaces/a/pods/x", True),
        ({"resources": [{"group": "", "resources": ["pods"]}]}, "/api/v1/namespaces/a/pods/x/log", False),
        ({"resources": [{"group": "", "resources": ["pods/*"]}]}, "/api/v1/namespaces/a/pods/x/log", True),
        ({"resources": [{"group": "", "resources": ["*/log"]}]}, "/api/v1/namespaces/a/pods/x/log", True),
        ({"resources": [{"group": "apps"}]}, "/api/v1/pods", False),
        ({"resources": [{"group": "apps"}]}, "/apis/apps/v1/deployments", True),
        ({"resources": [{"resources": ["pods"], "resourceNames": ["x"]}]}, "/api/v1/namespaces/a/pods/x", True),
        ({"resources": [{"resources": ["pods"], "resourceNames": ["x"]}]}, "/api/v1/namespaces/a/pods/y", False),
        ({"nonResourceURLs": ["/healthz*"]}, "/healthz/etcd", True),
        ({"nonResourceURLs": ["/healthz"]}, "/healthz/etcd", False),
        ({"nonResourceURLs": ["*"]}, "/api/v1/pods", False),
    ],
)
def test_rules_match_as_upstreams(rule: dict[str, Any], path: str, matches: bool) -> None:
    assert level([{"level": "Metadata", **rule}], path) == ("Metadata" if matches else "None")


def test_the_first_rule_that_matches_decides() -> None:
    rules = [{"level": "None", "verbs": ["list"]}, {"level": "RequestResponse"}]
    assert level(rules, "/api/v1/pods") == "None"
    assert level(rules, "/api/v1/pods", method="POST") == "RequestResponse"


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"kind": "Policy"}, "version"),
        ({"kind": "Policy", "apiVersion": "audit.k8s.io/v1", "rules": []}, "at least one rule"),
        ({"kind": "Policy", "apiVersion": "audit.k8s.io/v1", "rules": [{"level": "All"}]}, "level 'All'"),
        ({"kind": "Policy", "apiVersion": "audit.k8s.io/v1", "rules": [{"level": "None", "user": []}]}, "'user'"),
    ],
)
def test_what_is_wrong_with_a_policy_is_said(document: dict[str, Any], why: str) -> None:
    with pytest.raises(policy.PolicyError, match=why):
        policy.parse(document)


def test_full_files_are_renamed_and_old_ones_go(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    first, second = (AuditLog(path, max_bytes=1000, max_backups=3, max_age_days=1) for _ in range(2))
    for number in range(100):
        (first, second)[number % 2].put(lambda number=number: b'{"n":%d,"pad":"%b"}\n' % (number, b"x" * 80))
    first.close()
    second.close()
    assert first.dropped == second.dropped == 0
    files = sorted(tmp_path.glob("audit*.log"))
    assert len(files) <= 4
    assert all(file.stat().st_size <= 1000 or file.read_bytes().count(b"\n") <= 200 for file in files)
    for file in files:
        assert all(json.loads(line)["pad"] == "x" * 80 for line in file.read_text().splitlines())
        assert file.stat().st_mode & 0o777 == 0o600


def test_expiry_is_by_count_and_by_age() -> None:
    backups = [(Path(name), modified) for name, modified in (("a-1", 10.0), ("a-2", 90.0), ("a-3", 95.0))]
    assert expired(backups, 2, 0, 100) == [Path("a-1")]
    assert expired(backups, 0, 20, 100) == [Path("a-1")]
    assert expired(backups, 0, 0, 100) == []


def test_what_cannot_be_written_is_counted(tmp_path: Path) -> None:
    sink = AuditLog(tmp_path / "missing" / "audit.log", max_bytes=0, max_backups=0, max_age_days=0)
    sink.put(lambda: b"{}\n")
    sink.close()
    assert sink.dropped == 1


# --- with a server ---

_POLICY = """
kind: Policy
apiVersion: audit.k8s.io/v1
omitManagedFields: true
rules:
  - {level: None, nonResourceURLs: [/readyz]}
  - {level: Metadata, resources: [{group: "", resources: [secrets]}], omitStages: [RequestReceived]}
  - {level: RequestResponse}
"""


@pytest.fixture
async def audited(etcd: EtcdProcess, pki: Path, tmp_path: Path) -> AsyncIterator[Running]:
    (tmp_path / "policy.yaml").write_text(_POLICY)
    audit = AuditConfig(policy=tmp_path / "policy.yaml", path=tmp_path / "audit.log")
    parts = assembly.assemble(make_config(etcd, pki, audit=audit))
    following = asyncio.create_task(parts.mirror.run())
    await asyncio.wait_for(parts.mirror.synced.wait(), START_SECONDS)
    await bootstrap.run(parts)
    async with main.listening(parts), client_session(pki, "admin") as session:
        yield Running(parts, session)
    following.cancel()
    await asyncio.wait({following})
    await parts.etcd.close()


def events(server: Running) -> list[dict[str, Any]]:
    """What was written; ends the log."""
    assert server.parts.auditor is not None
    server.parts.auditor.sink.close()
    path = server.parts.config.audit
    assert path is not None
    return [json.loads(text) for text in path.path.read_text().splitlines()]


async def test_events_of_a_write(audited: Running) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    headers = {"Audit-ID": "mine", "Impersonate-User": "bob", "Impersonate-Group": "system:masters"}
    code, _ = await audited.call("POST", path, {"metadata": {"name": "a"}, "data": {"k": "v"}}, **headers)
    assert code == 201
    received, complete = events(audited)
    assert [received["stage"], complete["stage"]] == ["RequestReceived", "ResponseComplete"]
    assert received["auditID"] == complete["auditID"] == "mine"
    assert complete["user"]["username"] == "admin"
    assert complete["impersonatedUser"]["username"] == "bob"
    reference = {"resource": "configmaps", "namespace": "default", "name": "a", "apiVersion": "v1"}
    assert (complete["verb"], complete["objectRef"]) == ("create", reference)
    assert complete["requestObject"]["data"] == complete["responseObject"]["data"] == {"k": "v"}
    assert "managedFields" not in complete["responseObject"]["metadata"]
    assert complete["responseStatus"]["code"] == 201
    assert complete["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert complete["requestReceivedTimestamp"] <= complete["stageTimestamp"]


async def test_secrets_are_noted_without_their_content(audited: Running) -> None:
    body = {"metadata": {"name": "a"}, "stringData": {"k": "hidden"}}
    await audited.call("POST", "/api/v1/namespaces/default/secrets", body)
    await audited.call("GET", "/api/v1/namespaces/default/secrets/a")
    found = events(audited)
    assert [(event["verb"], event["objectRef"]["name"]) for event in found] == [("create", "a"), ("get", "a")]
    assert all(event["level"] == "Metadata" for event in found)
    assert not any(word in json.dumps(found) for word in ("hidden", "aGlkZGVu", 'Object"'))


async def test_refusals_are_noted(audited: Running, pki: Path) -> None:
    async with client_session(pki, "alice") as session:
        await Running(audited.parts, session).call("GET", "/api/v1/nodes")
    async with client_session(pki) as session:
        await Running(audited.parts, session).call("GET", "/api/v1/nodes", Authorization="Bearer x.y.z")
    *_, forbidden, _, unknown = events(audited)
    assert forbidden["annotations"] == {"authorization.k8s.io/decision": "forbid", "authorization.k8s.io/reason": ""}
    assert (forbidden["responseStatus"]["code"], forbidden["responseStatus"]["reason"]) == (403, "Forbidden")
    assert unknown["responseStatus"]["message"] == "Authentication failed, attempted: bearer"
    assert unknown["responseStatus"]["code"] == 401


async def test_tokens_that_should_have_been_renewed_are_noted(audited: Running, pki: Path) -> None:
    config = audited.parts.config
    account = {"metadata": {"name": "default"}}
    _, made = await audited.call("POST", "/api/v1/namespaces/default/serviceaccounts", account)
    await audited.parts.fresh.wait()
    signer = Signer(config.service_account_key, config.service_account_issuer)
    async with client_session(pki) as session:
        for seconds in (-90, 90):
            token, _ = signer.issue(made, audiences=[], seconds=seconds, bound={}, extended=True)
            code, _ = await Running(audited.parts, session).call("GET", "/api", Authorization=f"Bearer {token}")
            assert code == 200
    async with audited.session.get(f"{audited.base}/metrics") as answer:
        assert "\nserviceaccount_stale_tokens_total 1.0\n" in await answer.text()
    name = "system:serviceaccount:default:default"
    ended = [event for event in events(audited) if event["stage"] == "ResponseComplete"]
    notes = [event["annotations"] for event in ended if event["user"]["username"] == name]
    stale, good = (note.get("authentication.k8s.io/stale-token", "") for note in notes)
    said, _, late = stale.rpartition(" ")
    assert (said, good) == (f"subject: {name}, seconds after warning threshold:", "")
    assert int(late) >= 90


async def test_a_watch_is_noted_when_it_starts_and_when_it_ends(audited: Running) -> None:
    url = f"{audited.base}/api/v1/pods?watch=1&timeoutSeconds=1"
    async with audited.session.get(url) as answer:
        assert answer.headers["Audit-Id"]
        await answer.read()
    assert [event["stage"] for event in events(audited)] == ["RequestReceived", "ResponseStarted", "ResponseComplete"]


async def test_a_path_that_the_policy_leaves_out_is_not_noted(audited: Running) -> None:
    async with audited.session.get(f"{audited.base}/readyz") as answer:
        assert answer.headers["Audit-Id"]
    await audited.call("GET", "/version")
    assert {event["requestURI"] for event in events(audited)} == {"/version"}


def test_the_default_policy_never_notes_bodies_of_secrets() -> None:
    template = Path(__file__).parents[3] / "roles/apiserver/files/audit-policy.yaml"
    if not template.exists():
        pytest.skip(f"not in the repository: {template}")
    found = policy.parse(yaml.safe_load(template.read_text()))
    for path in ("secrets", "configmaps", "serviceaccounts/default/token"):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            info = requestinfo.parse(method, f"/api/v1/namespaces/a/{path}", {})
            assert found.ruling(_ALICE, info).level == Level.METADATA, (method, path)
    info = requestinfo.parse("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {})
    assert found.ruling(_ALICE, info).level <= Level.METADATA
    node = User("system:node:n1", groups=("system:nodes", "system:authenticated"))
    heartbeat = requestinfo.parse("PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1", {})
    assert found.ruling(node, heartbeat).level == Level.NONE
    roles = requestinfo.parse("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", {})
    assert found.ruling(_ALICE, roles).level == Level.RESPONSE


async def test_events_are_counted_by_level(audited: Running) -> None:
    await audited.call("GET", "/api/v1/namespaces/default/configmaps")
    async with audited.session.get(audited.base + "/metrics") as answer:
        page = await answer.text()
    auditor = audited.parts.auditor
    assert auditor is not None
    assert auditor.levels[Level.RESPONSE] >= 2
    assert f'apiserver_audit_level_total{{level="RequestResponse"}} {auditor.levels[Level.RESPONSE]}.0' in page
    # The page was made before its own answer was noted.
    assert f"apiserver_audit_event_total {auditor.sink.taken - 1}.0" in page


async def test_nobody_stays_unseen_by_what_he_sends(audited: Running, pki: Path) -> None:
    """Odd fields that are dropped, bodies as deep as they may be, headers that are no UTF-8: all are noted."""
    path = "/api/v1/namespaces/default/configmaps"
    deep: Any = []
    for _ in range(252):
        deep = [deep]
    for name, odd in (("items", {"items": 5}), ("deep", {"odd": deep})):
        code, said = await audited.call("POST", path, {"metadata": {"name": name}, **odd})
        assert code == 201, said
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    reader, writer = await asyncio.open_connection("127.0.0.1", audited.parts.config.port, ssl=context)
    writer.write(b"GET /version HTTP/1.1\r\nHost: a\r\nUser-Agent: \xff\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()
    ended = [event for event in events(audited) if event["stage"] == "ResponseComplete"]
    assert [event["requestURI"] for event in ended] == [path, path, "/version"]
    assert [event["requestObject"]["metadata"]["name"] for event in ended[:2]] == ["items", "deep"]
