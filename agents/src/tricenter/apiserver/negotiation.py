"""Which form of an answer a client accepts: JSON, a Table, or metadata only (RFC 9110 section 12.5.1)."""

from __future__ import annotations

from dataclasses import dataclass

from tricenter.apiserver import errors

JSON = "application/json"
YAML = "application/yaml"
_WILDCARDS = ("*/*", "application/*")
_AS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


@dataclass(frozen=True)
class Form:
    """How to write objects. `kind` is empty for the objects themselves."""

    media: str = JSON
    kind: str = ""
    version: str = "v1"

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
    for clause in header.split(","):
        media, _, rest = clause.strip().partition(";")
        parameters = dict(_pairs(rest))
        media = media.strip().lower()
        if media not in (JSON, YAML, *_WILDCARDS):
            continue
        kind = parameters.get("as", "")
        if not kind:
            return Form(media=YAML if media == YAML else JSON)
        version = parameters.get("v", "v1")
        if transforms and kind in _AS and parameters.get("g") == "meta.k8s.io" and version in ("v1", "v1beta1"):
            return Form(kind=kind, version=version)
    raise errors.NotAcceptable(
        "only the following media types are accepted: application/json, application/yaml", errors.Target()
    )


def _pairs(text: str) -> list[tuple[str, str]]:
    found = []
    for item in text.split(";"):
        name, equals, value = item.strip().partition("=")
        if equals:
            found.append((name, value))
    return found
