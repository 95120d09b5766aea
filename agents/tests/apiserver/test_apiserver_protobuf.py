"""Answers in the Kubernetes protobuf encoding, for clients that take nothing else (the Java client's ProtoClient)."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import orjson
import pytest
from apiserver_harness import Running
from crd_samples import GROUP, defined

from tricenter.apimachinery import kinds, wire
from tricenter.apiserver import errors, negotiation
from tricenter.apiserver.cache.watcher import json_event
from tricenter.apiserver.protobuf import decode, encode

MEDIA = "application/vnd.kubernetes.protobuf"
MAPS = "/api/v1/namespaces/default/configmaps"
WRITTEN = [kind for kind in kinds.BUILTIN if encode.built_in(kind.api_version, kind.kind)]

SAMPLES: dict[str, Any] = {
    "string": "täxt",
    "bytes": "AAH/",
    "int": -7,
    "bool": True,
    "double": 0.5,
    "time": "2026-01-02T03:04:05Z",
    "microtime": "1969-12-31T23:59:58.000006Z",
    "quantity": "1500m",
    "intorstring": "80%",
    "json": {"f:a": {".": {}}},
    "items": ["get", "list"],
}


def sample(kind: str) -> Any:
    """A value of a type, with every field of a message."""
    outer, _, inner = kind.partition(":")
    if outer == "list":
        return [sample(inner), sample(inner)]
    if outer == "map":
        return {"a": sample(inner), "b/c": sample(inner)}
    if kind in SAMPLES:
        return SAMPLES[kind]
    found: dict[str, Any] = {}
    for key, field, _ in decode.table()[kind].values():
        found |= {key: sample(field)} if key else sample(field)
    return found


def test_all_kinds_that_have_a_message_are_written() -> None:
    """The others are of the groups whose types are not in k8s.io/api, or are made here from what kubelets say."""
    others = {kind.group for kind in kinds.BUILTIN} - {kind.group for kind in WRITTEN}
    assert others <= {"apiextensions.k8s.io", "apiregistration.k8s.io", "metrics.k8s.io"}
    assert len(WRITTEN) > 50


@pytest.mark.parametrize("kind", WRITTEN, ids=lambda kind: f"{kind.group}-{kind.kind}")
async def test_every_field_of_every_kind_comes_back(kind: kinds.Kind) -> None:
    name = decode.message_name(kind.api_version, kind.kind)
    assert name is not None
    obj = {**sample(name), "apiVersion": kind.api_version, "kind": kind.kind}
    body = await encode.encode(obj)
    assert body is not None
    assert decode.decode(body) == obj
    if "list" not in kind.verbs:
        return
    bare = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind")}
    listed = {"apiVersion": kind.api_version, "kind": kind.list_kind, "metadata": {"resourceVersion": "7"}}
    body = await encode.encode({**listed, "items": [obj] * 120})
    assert body is not None
    assert decode.decode(body) == {**listed, "items": [bare] * 120}


async def test_the_bytes_are_those_of_client_go() -> None:
    message = b"\x0a\x03\x0a\x01p\x12\x06\x0a\x01k\x12\x01v"
    type_meta = b"\x0a\x02v1\x12\x09ConfigMap"
    unknown = b"\x0a" + bytes([len(type_meta)]) + type_meta + b"\x12" + bytes([len(message)]) + message
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "p"}, "data": {"k": "v"}}
    assert await encode.encode(obj) == b"k8s\0" + unknown
    assert encode._single(2, "intorstring", 80) == b"\x12\x04\x08\x00\x10\x50"


@pytest.mark.parametrize("kind", ["Deployment", "Status"])
def test_what_is_custom_is_not_taken_for_what_is_built_in(kind: str) -> None:
    assert not encode.built_in("apps.example.com/v1", kind)


PARTIAL = "as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
TABLE = "as=Table;g=meta.k8s.io;v=v1"


@pytest.mark.parametrize(
    ("header", "protobuf", "kind"),
    [
        (MEDIA, True, ""),
        (f"{MEDIA}, */*", False, ""),
        (f"{MEDIA},application/json", False, ""),
        (f"{MEDIA};{PARTIAL}", True, "PartialObjectMetadata"),
        (f"{MEDIA};{PARTIAL},application/json;{PARTIAL},application/json", False, "PartialObjectMetadata"),
        (f"{MEDIA};{TABLE},{MEDIA}", True, ""),
    ],
)
def test_protobuf_is_for_those_who_take_nothing_else(header: str, protobuf: bool, kind: str) -> None:
    form = negotiation.accept(header)
    assert (form.protobuf, form.kind, negotiation.only_protobuf(header)) == (protobuf, kind, protobuf)


def test_no_table_in_protobuf() -> None:
    with pytest.raises(errors.NotAcceptable):
        negotiation.accept(f"{MEDIA};{TABLE}")


async def answer(server: Running, path: str, accept: str = MEDIA) -> tuple[int, dict[str, Any]]:
    async with server.session.get(server.base + path, headers={"Accept": accept}) as got:
        body = await got.read()
        assert got.headers["Content-Type"] == MEDIA, body
        return got.status, decode.decode(body)


@pytest.mark.etcd
async def test_answers_in_protobuf(server: Running) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"k": "v" * 300_000}}
    for name in ("x", "y"):
        body["metadata"] = {"name": name}
        assert (await server.call("POST", MAPS, body))[0] == 201
    _, plain = await server.call("GET", f"{MAPS}/x")
    assert await answer(server, f"{MAPS}/x") == (200, plain)
    _, listed = await answer(server, MAPS)
    assert [item["metadata"]["name"] for item in listed["items"]] == ["x", "y"]
    assert listed["items"][0]["metadata"]["uid"] == plain["metadata"]["uid"]
    _, partial = await answer(server, f"{MAPS}/x", f"{MEDIA};{PARTIAL}")
    assert (partial["kind"], partial["metadata"]["uid"]) == ("PartialObjectMetadata", plain["metadata"]["uid"])
    code, said = await answer(server, f"{MAPS}/z")
    assert (code, said["kind"], said["reason"], said["details"]["name"]) == (404, "Status", "NotFound", "z")


@pytest.mark.etcd
async def test_custom_resources_have_no_protobuf(server: Running) -> None:
    await defined(server)
    code, said = await answer(server, f"/apis/{GROUP}/v1/namespaces/default/crontabs")
    text = "only the following media types are accepted: application/json, application/yaml"
    assert (code, said["reason"], said["message"]) == (406, "NotAcceptable", text)


@pytest.mark.etcd
async def test_a_watch_in_protobuf(server: Running) -> None:
    await server.call("POST", MAPS, {"metadata": {"name": "x"}, "data": {"k": "v"}})
    path = f"{MAPS}?watch=1&resourceVersion=0"
    async with server.session.get(server.base + path, headers={"Accept": MEDIA}) as got:
        assert got.headers["Content-Type"] == f"{MEDIA};stream=watch"
        assert await event(got) == ("ADDED", "x", {"k": "v"})
        await server.call("PATCH", f"{MAPS}/x", {"data": {"k": "w"}}, Content_Type="application/merge-patch+json")
        assert await event(got) == ("MODIFIED", "x", {"k": "w"})


def test_an_error_in_a_watch_is_a_status() -> None:
    chunk = encode.framed(json_event)("ERROR", orjson.dumps(errors.expired("gone").status()))
    assert len(chunk) == 4 + struct.unpack(">I", chunk[:4])[0]
    kind, obj = parsed(chunk[4:])
    assert (kind, obj["kind"], obj["reason"], obj["code"]) == ("ERROR", "Status", "Expired", 410)


async def frame(got: Any) -> tuple[str, dict[str, Any]]:
    """The type and object of the next metav1.WatchEvent."""
    async with asyncio.timeout(60):
        (size,) = struct.unpack(">I", await got.content.readexactly(4))
        return parsed(await got.content.readexactly(size))


def parsed(message: bytes) -> tuple[str, dict[str, Any]]:
    parts: dict[int, Any] = {number: value for number, _, value in wire.fields(message)}
    ((_, _, raw),) = wire.fields(parts[2])
    assert isinstance(raw, bytes)
    return parts[1].decode(), decode.decode(raw)


async def event(got: Any) -> tuple[str, str, dict[str, str]]:
    kind, obj = await frame(got)
    return kind, obj["metadata"]["name"], obj["data"]
