"""Which form of an answer a client accepts: JSON, a Table, or metadata only (RFC 9110 section 12.5.1).

Protobuf, which takes long to write, is what clients get that accept nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tricenter.apiserver import errors

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
_WILDCARDS = ("*/*", "application/*")
_AS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


@dataclass(frozen=True)
class Form:
    """How to write objects. `kind` is empty for the objects themselves."""

    media: str = JSON
    kind: str = ""
    version: str = "v1"
    protobuf: bool = False
    """Whether the answer, made as JSON, leaves as protobuf."""

    @property
    def table(self) -> bool:
        """Whether a Table is asked for."""
        return self.kind == "Table"

    @property
    def partial(self) -> bool:
        """Whether only metadata is asked for."""
        return self.kind.startswith("PartialObjectMetadata")


def accept(header: str | None, *, transforms: bool = True) -> Form:
    """The first form in the Accept header that we can write; NotAcceptable when there is none."""
    if not header:
        return Form()
    for media, parameters in _clauses(header):
        if media in (JSON, YAML, *_WILDCARDS):
            form = _form(media, parameters, _AS if transforms else ())
            if form is not None:
                return form
    for media, parameters in _clauses(header):
        # AllowsMediaTypeTransform in apiserver pkg/endpoints/handlers/rest.go: no Tables in protobuf.
        form = _form(media, parameters, _AS[1:] if transforms else ()) if media == PROTOBUF else None
        if form is not None:
            return replace(form, media=JSON, protobuf=True)
    raise not_acceptable(JSON, YAML, PROTOBUF)


def only_protobuf(header: str | None) -> bool:
    """Whether an Accept header has protobuf, and nothing else that we write."""
    if not header or PROTOBUF not in header:
        return False
    return not any(media in (JSON, YAML, *_WILDCARDS) for media, _ in _clauses(header))


def not_acceptable(*accepted: str) -> errors.NotAcceptable:
    """The answer to a client that accepts none of these (endpoints/handlers/negotiation/errors.go)."""
    text = f"only the following media types are accepted: {', '.join(accepted)}"
    return errors.NotAcceptable(text, errors.Target())


def _form(media: str, parameters: dict[str, str], kinds: Sequence[str]) -> Form | None:
    kind = parameters.get("as", "")
    if not kind:
        return Form(media=YAML if media == YAML else JSON)
    version = parameters.get("v", "v1")
    if kind in kinds and parameters.get("g") == "meta.k8s.io" and version in ("v1", "v1beta1"):
        return Form(kind=kind, version=version)
    return None


def _clauses(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    for clause in header.split(","):
        media, _, rest = clause.strip().partition(";")
        yield media.strip().lower(), dict(_pairs(rest))


def _pairs(text: str) -> list[tuple[str, str]]:
    found = []
    for item in text.split(";"):
        name, equals, value = item.strip().partition("=")
        if equals:
            found.append((name, value))
    return found
