"""The files of configMap, secret, downwardAPI and projected volumes (core/v1 Volume)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tricenter.kubelet.pods import fields
from tricenter.kubelet.pods.env import Lookup
from tricenter.kubelet.volumes.atomic import File

Object = dict[str, Any]
Token = Callable[[Object, str, int], Awaitable[str]]

DEFAULT_MODE = 0o644
TOKEN_SECONDS = 3600


class VolumeError(Exception):
    """A volume cannot be set up; the pod waits and it is tried again."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the content of volumes comes from."""

    lookup: Lookup
    token: Token
    context: fields.Context


async def files(pod: Object, volume: Object, sources: Sources) -> dict[str, File]:
    """All files of one volume. Raises VolumeError or what the lookups raise."""
    if "projected" in volume:
        source = volume["projected"]
        parts = [_renamed(item) for item in source.get("sources") or []]
    else:
        kind = next(str(name) for name in ("configMap", "secret", "downwardAPI") if name in volume)
        source = volume[kind]
        reference = {**source, "name": source.get("secretName") or source.get("name", "")}
        parts = [(kind, reference)]
    mode = source.get("defaultMode", DEFAULT_MODE)
    found: dict[str, File] = {}
    for kind, part in parts:
        found |= await _part(pod, kind, part, mode, sources)
    return found


def _renamed(item: Object) -> tuple[str, Object]:
    kind = next(iter(item))
    return kind, item[kind]


async def _part(pod: Object, kind: str, part: Object, mode: int, sources: Sources) -> dict[str, File]:
    if kind == "serviceAccountToken":
        text = await sources.token(pod, part.get("audience", ""), part.get("expirationSeconds") or TOKEN_SECONDS)
        return {part["path"]: File(text.encode(), mode)}
    if kind == "downwardAPI":
        return {
            item["path"]: File(_downward(pod, item, sources.context), item.get("mode", mode))
            for item in part.get("items") or []
        }
    if kind not in ("configMap", "secret"):
        raise VolumeError(f"volume source {kind} is not supported")
    data = await _data(pod, kind, part, sources.lookup)
    return _selected(data, part, mode, kind)


def _downward(pod: Object, item: Object, context: fields.Context) -> bytes:
    if "fieldRef" in item:
        return fields.field(pod, item["fieldRef"]["fieldPath"], context).encode()
    reference = item["resourceFieldRef"]
    return fields.resource(pod, {}, reference, context).encode()


async def _data(pod: Object, kind: str, part: Object, lookup: Lookup) -> Mapping[str, bytes]:
    place = f"{pod['metadata']['namespace']}/{part['name']}"
    found = await lookup("Secret" if kind == "secret" else "ConfigMap", pod["metadata"]["namespace"], part["name"])
    if found is None:
        if part.get("optional"):
            return {}
        raise VolumeError(f'{kind.lower()} "{place}" not found')
    if kind == "secret":
        return fields.secret_bytes(found)
    text = {key: value.encode() for key, value in (found.get("data") or {}).items()}
    return text | fields.secret_bytes({"data": found.get("binaryData")})


def _selected(data: Mapping[str, bytes], part: Object, mode: int, kind: str) -> dict[str, File]:
    """All keys under their own names, or the listed ones under the given paths."""
    items = part.get("items")
    if not items:
        return {key: File(value, mode) for key, value in data.items()}
    found = {}
    for item in items:
        if item["key"] in data:
            found[item["path"]] = File(data[item["key"]], item.get("mode", mode))
        elif not part.get("optional"):
            raise VolumeError(f"{kind.lower()} {part['name']} references non-existent key: {item['key']}")
    return found
