"""The bodies of PATCH: from a content type and a body to a function on objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tricenter.apimachinery import patches
from tricenter.apimachinery.kinds import Kind
from tricenter.apiserver import errors
from tricenter.apiserver.registry import fieldcheck
from tricenter.apiserver.rest import bodies
from tricenter.apiserver.rest.call import Call

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = bodies.STRATEGIC
APPLY_PATCH = "application/apply-patch+yaml"
MEDIA = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)

_OPERATIONS = 10_000
"""Most operations of one JSON patch, upstream's bound."""

Patch = Callable[[dict[str, Any]], dict[str, Any]]


def parse(call: Call, body: bytes, media: str) -> Patch:
    """The patch of a request (not an apply). Raises BadRequest, UnsupportedMedia."""
    document = _document(body, media)
    fieldcheck.check_duplicates(call, body, document)
    kind = call.resource.kind
    if media == JSON_PATCH:
        if not isinstance(document, list):
            raise errors.BadRequest(
                "error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch"
            )
        if len(document) > _OPERATIONS:
            text = f"The allowed maximum operations in a JSON patch is {_OPERATIONS}, got {len(document)}"
            raise errors.TooLarge(text)
        return _guarded(call, lambda obj: patches.json_patch(obj, document))
    if not isinstance(document, dict):
        raise errors.BadRequest("error decoding patch: the patch is not an object")
    if media == MERGE_PATCH:
        return _guarded(call, lambda obj: patches.merge_patch(obj, document))
    if media == STRATEGIC_PATCH:
        return _guarded(call, lambda obj: patches.strategic_merge(obj, document, kind.definition))
    raise unsupported(kind)


def _document(body: bytes, media: str) -> Any:
    """What a patch says. Raises BadRequest in the words of its form (patch.go)."""
    try:
        return bodies.parse_json(body)
    except bodies.Unreadable as error:
        raise errors.BadRequest(f"{'' if media == STRATEGIC_PATCH else 'error decoding patch: '}{error}") from error


def parse_plain(body: bytes, media: str) -> Patch:
    """The patch of something that is not of the resource's kind (a Scale); strategic merges as merge does there."""
    document = _document(body, media)
    change: Callable[[Any, Any], Any]
    if media == JSON_PATCH and isinstance(document, list):
        change = patches.json_patch
    elif media in (MERGE_PATCH, STRATEGIC_PATCH) and isinstance(document, dict):
        change = patches.merge_patch
    else:
        raise unsupported()

    def apply(obj: dict[str, Any]) -> dict[str, Any]:
        try:
            patched = change(obj, document)
        except patches.PatchError as error:
            raise _rejected(error) from error
        if not isinstance(patched, dict):
            raise errors.BadRequest("the patched document is not an object")
        return patched

    return apply


def media(kind: Kind) -> tuple[str, ...]:
    """The content types that a kind takes: custom resources know no strategic merge."""
    return MEDIA if kind.structural is None else tuple(item for item in MEDIA if item != STRATEGIC_PATCH)


def unsupported(kind: Kind | None = None) -> errors.UnsupportedMedia:
    """The answer to another content type."""
    return bodies.unsupported(*(MEDIA if kind is None else media(kind)))


def _rejected(error: patches.PatchError) -> errors.Invalid:
    """A patch that does not fit the object, as apimachinery's NewGenericServerResponse says it."""
    cause = {"reason": "UnexpectedServerResponse", "message": str(error)}
    return errors.Invalid("the server rejected our request due to an error in our request", causes=[cause])


def _guarded(call: Call, patch: Callable[[dict[str, Any]], Any]) -> Patch:
    def apply(obj: dict[str, Any]) -> dict[str, Any]:
        try:
            patched = patch(obj)
        except patches.PatchError as error:
            raise _rejected(error) from error
        return bodies.as_object(patched, call.resource)

    return apply
