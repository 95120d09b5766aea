"""Continue tokens of lists: where the next page starts and at which revision (k8s.io/apiserver storage/continue.go)."""

from __future__ import annotations

import base64
import binascii

import orjson

from tricenter.apiserver import errors

_VERSION = "meta.k8s.io/v1"


def encode(prefix: str, last_key: str, revision: int) -> str:
    """A token for the page that begins after `last_key`."""
    body = {"v": _VERSION, "rv": revision, "start": last_key.removeprefix(prefix) + "\0"}
    return base64.urlsafe_b64encode(orjson.dumps(body)).decode().rstrip("=")


def decode(token: str, prefix: str) -> tuple[str, int]:
    """The first key and the revision of the next page. Raises BadRequest."""
    try:
        body = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        version, revision, start = body["v"], body["rv"], body["start"]
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise errors.BadRequest("continue key is not valid: encoded token is not readable") from error
    if version != _VERSION or not isinstance(revision, int) or not isinstance(start, str) or not start:
        raise errors.BadRequest("continue key is not valid: server does not recognize this encoded version")
    if start.startswith("/") or ".." in start.split("/"):
        raise errors.BadRequest("continue key is not valid: start key must not leave the resource")
    return prefix + start, revision
