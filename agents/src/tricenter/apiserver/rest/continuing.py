"""Continue tokens of lists: where the next page starts and at which revision (k8s.io/apiserver storage/continue.go)."""

from __future__ import annotations

import base64
import binascii
import posixpath

import orjson

from tricenter.apiserver import errors

LATEST = -1
"""In place of a revision: go on with what is there now, since what the first page showed is forgotten."""

_VERSION = "meta.k8s.io/v1"


def encode(prefix: str, start: str, revision: int) -> str:
    """A token for the page that begins with the key `start`."""
    body = {"v": _VERSION, "rv": revision, "start": start.removeprefix(prefix)}
    return base64.urlsafe_b64encode(orjson.dumps(body)).decode().rstrip("=")


def after(key: str) -> str:
    """The first key that can follow another."""
    return key + "\0"


def decode(token: str, prefix: str) -> tuple[str, int]:
    """The first key and the revision of the next page. Raises BadRequest."""
    try:
        body = orjson.loads(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
        version, revision, start = body.get("v"), body.get("rv", 0), body.get("start", "")
    except (binascii.Error, ValueError, AttributeError) as error:
        raise _refused("continue key is not valid: " + str(error)) from error
    if version != _VERSION:
        raise _refused(f"continue key is not valid: server does not recognize this encoded version {version}")
    if not isinstance(revision, int) or isinstance(revision, bool) or not isinstance(start, str):
        raise _refused("continue key is not valid: a member is of another type")
    if revision == 0:
        raise _refused("continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
    if not start:
        raise _refused("continue key is not valid: encoded start key empty (version meta.k8s.io/v1)")
    path = start if start.startswith("/") else f"/{start}"
    if posixpath.normpath(path) != path:
        # A client must not move the start to where other objects are.
        raise _refused(f"continue key is not valid: {start}")
    return prefix + path[1:], revision


def _refused(why: str) -> errors.BadRequest:
    return errors.BadRequest(f"invalid continue token: {why}")
