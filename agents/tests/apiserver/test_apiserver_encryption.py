"""Secrets are encrypted in etcd in upstream's format; keys change without a moment in which anything is unreadable."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from aetcd import rpc
from apiserver_harness import START_SECONDS, EtcdProcess, Running, client_session, make_config
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tricenter.apiserver import assembly, main
from tricenter.apiserver.assembly import Parts
from tricenter.apiserver.bootstrap import bootstrap
from tricenter.apiserver.storage import encryption, rewrite

_KEY = b"/registry/secrets/default/a"
_SECRETS = {"k1": b"1" * 32, "k2": b"2" * 16}


def configuration(path: Path, *names: str, identity: str = "", resources: tuple[str, ...] = ("secrets",)) -> Path:
    """A file with these keys; `identity` is `first` or `last`."""
    keys = [{"name": name, "secret": base64.b64encode(_SECRETS[name]).decode()} for name in names]
    providers: list[dict[str, Any]] = [{"aesgcm": {"keys": keys}}] if keys else []
    if identity:
        providers.insert(0 if identity == "first" else 1, {"identity": {}})
    rules = [{"resources": list(resources), "providers": providers}]
    path.write_text(json.dumps({"kind": "EncryptionConfiguration", "resources": rules}))
    return path


def test_the_stored_form_is_upstreams(tmp_path: Path) -> None:
    sealed = encryption.load(configuration(tmp_path / "c", "k1")).seal(_KEY, b"plain")
    prefix = b"k8s:enc:aesgcm:v1:k1:"
    assert sealed.startswith(prefix)
    nonce, rest = sealed[len(prefix) :][:12], sealed[len(prefix) + 12 :]
    assert AESGCM(_SECRETS["k1"]).decrypt(nonce, rest, _KEY) == b"plain"


def test_only_what_the_configuration_names_is_encrypted(tmp_path: Path) -> None:
    rules = encryption.load(configuration(tmp_path / "c", "k1", resources=("configmaps", "x.example.com")))
    assert rules.seal(_KEY, b"v") == b"v"
    assert rules.seal(b"/registry/configmaps/a/b", b"v") != b"v"
    assert rules.seal(b"/registry/example.com/x/a/b", b"v") != b"v"


def test_a_value_at_another_place_or_changed_is_refused(tmp_path: Path) -> None:
    rules = encryption.load(configuration(tmp_path / "c", "k1"))
    sealed = rules.seal(_KEY, b"plain")
    with pytest.raises(ValueError, match="damaged"):
        rules.open(_KEY + b"2", sealed)
    with pytest.raises(ValueError, match="damaged"):
        rules.open(_KEY, sealed[:-1] + bytes([sealed[-1] ^ 1]))


def test_the_first_key_writes_and_all_read(tmp_path: Path) -> None:
    old = encryption.load(configuration(tmp_path / "old", "k1", identity="last"))
    new = encryption.load(configuration(tmp_path / "new", "k2", "k1", identity="last"))
    off = encryption.load(configuration(tmp_path / "off", "k1", identity="first"))
    sealed = old.seal(_KEY, b"v")
    assert new.open(_KEY, sealed) == off.open(_KEY, sealed) == new.open(_KEY, b"v") == b"v"
    assert [rules.stale(_KEY, sealed) for rules in (old, new, off)] == [False, True, True]
    assert [rules.stale(_KEY, b"{}") for rules in (old, new, off)] == [True, True, False]
    with pytest.raises(encryption.UnknownKey):
        old.open(_KEY, new.seal(_KEY, b"v"))


def test_resources_may_call_their_own_keys_the_same(tmp_path: Path) -> None:
    keys = [{"name": "key1", "secret": base64.b64encode(secret).decode()} for secret in _SECRETS.values()]
    rules = [
        {"resources": [name], "providers": [{"aesgcm": {"keys": [key]}}]}
        for name, key in zip(("secrets", "configmaps"), keys, strict=True)
    ]
    (tmp_path / "c").write_text(json.dumps({"kind": "EncryptionConfiguration", "resources": rules}))
    both = encryption.load(tmp_path / "c")
    for place in (_KEY, b"/registry/configmaps/default/a"):
        assert both.open(place, both.seal(place, b"plain")) == b"plain"
    (tmp_path / "c").write_text(json.dumps({"kind": "EncryptionConfiguration", "resources": rules[:1]}))
    with pytest.raises(ValueError, match="damaged"):
        encryption.load(tmp_path / "c").open(b"/registry/configmaps/default/a", both.seal(place, b"plain"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("kind: Other", "not an EncryptionConfiguration"),
        ("{kind: EncryptionConfiguration, resources: [{resources: [secrets], providers: [{kms: {}}]}]}", "kms"),
        ("{kind: EncryptionConfiguration, resources: [{resources: [secrets], providers: []}]}", "without a provider"),
        (
            "{kind: EncryptionConfiguration, resources: [{resources: [nothings], providers: [{identity: {}}]}]}",
            "'nothings'",
        ),
        ("{kind: EncryptionConfiguration, resources: [{resources: ['*.*'], providers: [{identity: {}}]}]}", "wildcard"),
    ],
)
def test_what_is_wrong_with_a_configuration_is_said(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "c").write_text(text)
    with pytest.raises(encryption.ConfigurationError, match=why):
        encryption.load(tmp_path / "c")


def test_no_message_holds_a_key(tmp_path: Path) -> None:
    path = configuration(tmp_path / "c", "k1")
    path.write_text(path.read_text().replace(base64.b64encode(_SECRETS["k1"]).decode(), "c2VjcmV0c2hvcnQ="))
    with pytest.raises(encryption.ConfigurationError) as error:
        encryption.load(path)
    assert "c2VjcmV0" not in str(error.value)


# --- with a server ---


async def started(etcd: EtcdProcess, pki: Path, encrypted: Path | None) -> tuple[Parts, asyncio.Task[None]]:
    made = assembly.assemble(make_config(etcd, pki, encryption=encrypted))
    following = asyncio.create_task(made.mirror.run())
    await asyncio.wait_for(made.mirror.synced.wait(), START_SECONDS)
    await bootstrap.run(made)
    return made, following


async def stopped(parts: Parts, following: asyncio.Task[None]) -> None:
    following.cancel()
    await asyncio.wait({following})
    await parts.etcd.close()


async def raw(parts: Parts, key: str) -> bytes:
    answer = await parts.etcd.range(rpc.RangeRequest(key=key.encode()))
    value: bytes = answer.kvs[0].value
    return value


async def test_keys_change_and_every_secret_stays_readable(etcd: EtcdProcess, pki: Path, tmp_path: Path) -> None:
    path, key = "/api/v1/namespaces/default/secrets", "/registry/secrets/default/"
    parts, following = await started(etcd, pki, None)
    async with main.listening(parts), client_session(pki, "admin") as session:
        plain = Running(parts, session)
        await plain.call("POST", path, {"metadata": {"name": "old"}, "stringData": {"p": "hidden"}})
    assert b"aGlkZGVu" in await raw(parts, key + "old")
    await stopped(parts, following)

    file = configuration(tmp_path / "c", "k1", identity="last")
    parts, following = await started(etcd, pki, file)
    async with main.listening(parts), client_session(pki, "admin") as session:
        server = Running(parts, session)
        code, _ = await server.call("POST", path, {"metadata": {"name": "new"}, "stringData": {"p": "hidden"}})
        assert code == 201
        assert (await raw(parts, key + "new")).startswith(b"k8s:enc:aesgcm:v1:k1:")
        assert b"aGlkZGVu" in await raw(parts, key + "old")
        code, found = await server.call("GET", path)
        assert [item["data"] for item in found["items"]] == [{"p": "aGlkZGVu"}] * 2
        # An update that changes nothing writes what is stale, as `kubectl replace` of upstream's runbook expects.
        code, _ = await server.call("PUT", f"{path}/old", found["items"][1])
        assert code == 200
        assert (await raw(parts, key + "old")).startswith(b"k8s:enc:aesgcm:v1:k1:")
        patch = {"stringData": {"q": "more"}}
        code, changed = await server.call("PATCH", f"{path}/new", patch, Content_Type="application/merge-patch+json")
        assert (code, set(changed["data"])) == (200, {"p", "q"})
    await stopped(parts, following)

    configuration(tmp_path / "c", "k2", "k1", identity="last")
    counts = await rewrite.run(parts.config)
    assert (counts.seen, counts.rewritten) == (2, 2)
    assert (await rewrite.run(parts.config)).rewritten == 0
    parts, following = await started(etcd, pki, configuration(tmp_path / "c", "k2"))
    assert (await raw(parts, key + "old")).startswith(b"k8s:enc:aesgcm:v1:k2:")
    assert {entry.name for entry in parts.resources["", "secrets"].objects.entries.values()} == {"old", "new"}
    await stopped(parts, following)

    with pytest.raises(encryption.UnknownKey):
        made = assembly.assemble(make_config(etcd, pki, encryption=configuration(tmp_path / "c", "k1")))
        try:
            await made.mirror.run()
        finally:
            await made.etcd.close()
