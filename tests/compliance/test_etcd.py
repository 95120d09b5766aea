"""State lives in etcd: as many healthy voters as the inventory has, HTTP+JSON for who has a certificate."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

PKI = "/etc/tricenter/pki"
CERTIFICATE = f"--cacert {PKI}/etcd-ca.crt --cert {PKI}/etcd-agent.crt --key {PKI}/etcd-agent.key"


def ask(
    host: Any, machine: Any, path: str, body: dict[str, str] | None = None, *, certificate: str = CERTIFICATE
) -> Any:
    """POST to etcd's JSON gateway on the machine with curl; returns testinfra's result."""
    url = f"https://{machine['machine_address']}:2379{path}"
    return host.run(f"curl --silent --show-error --max-time 10 {certificate} --data '{json.dumps(body or {})}' {url}")


@pytest.mark.on("etcd")
@pytest.mark.unit("etcd", "tricenter-etcd")
def test_every_member_is_a_healthy_voter(machine: Any, host: Any, site: Any) -> None:
    members = json.loads(ask(host, machine, "/v3/cluster/member/list").stdout)["members"]
    assert {m["name"] for m in members} == {m.name for m in site.group("etcd")}
    assert not [m for m in members if m.get("isLearner")]
    health = host.run(f"curl --silent --max-time 10 {CERTIFICATE} https://{machine['machine_address']}:2379/health")
    assert json.loads(health.stdout)["health"] == "true"


@pytest.mark.one_of("etcd")
def test_what_one_member_accepts_every_member_gives_back(machine: Any, host: Any, site: Any, connect: Any) -> None:
    key, value = (base64.b64encode(text).decode() for text in (b"/compliance/key", b"written once"))
    try:
        written = ask(host, machine, "/v3/kv/put", {"key": key, "value": value})
        assert "revision" in written.stdout, written.stderr
        for member in site.group("etcd"):
            got = json.loads(ask(connect(member.name), member, "/v3/kv/range", {"key": key}).stdout)
            assert [kv["value"] for kv in got.get("kvs", [])] == [value], member
    finally:
        ask(host, machine, "/v3/kv/deleterange", {"key": key})


@pytest.mark.on("etcd")
def test_without_a_certificate_etcd_refuses(machine: Any, host: Any) -> None:
    refused = ask(host, machine, "/v3/cluster/member/list", certificate=f"--cacert {PKI}/etcd-ca.crt")
    assert refused.rc != 0
    assert "certificate" in refused.stderr or "alert" in refused.stderr, refused.stderr
    assert not refused.stdout


@pytest.mark.on("etcd")
def test_a_certificate_of_another_authority_is_refused(machine: Any, host: Any) -> None:
    foreign = f"--cacert {PKI}/etcd-ca.crt --cert {PKI}/scheduler.crt --key {PKI}/scheduler.key"
    refused = ask(host, machine, "/v3/cluster/member/list", certificate=foreign)
    assert refused.rc != 0
    assert not refused.stdout
