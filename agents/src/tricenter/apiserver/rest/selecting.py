"""From the query of a list, watch or deletecollection to the predicate that the cache matches with."""

from __future__ import annotations

from collections.abc import Mapping

from tricenter.apimachinery import selectors
from tricenter.apiserver import errors
from tricenter.apiserver.cache import selectable
from tricenter.apiserver.cache.index import Term
from tricenter.apiserver.cache.predicate import Predicate
from tricenter.apiserver.resources import Resource


def predicate(resource: Resource, namespace: str, query: Mapping[str, str], name: str = "") -> Predicate:
    """The objects asked for. Raises BadRequest for selectors that cannot be parsed or name unknown fields."""
    try:
        labels = selectors.parse_labels(query.get("labelSelector", ""))
        fields = selectors.parse_fields(query.get("fieldSelector", ""))
    except selectors.SelectorError as error:
        raise errors.BadRequest(str(error)) from error
    _check(resource, fields)
    if name and not fields.empty and fields.exact("metadata.name") != name:
        raise errors.BadRequest("fieldSelector metadata.name doesn't match requested name")
    return Predicate(
        namespace=namespace,
        name=name or fields.exact("metadata.name") or "",
        node=fields.exact("spec.nodeName"),
        labels=None if labels.empty else labels,
        fields=None if fields.empty else fields,
        term=_term(labels, fields),
    )


def _term(labels: selectors.LabelSelector, fields: selectors.FieldSelector) -> Term | None:
    """The condition that an index helps with most: a field that must have one value, else such a label."""
    for wanted in fields.requirements:
        if wanted.equal and wanted.value:
            return Term(wanted.field, wanted.value, label=False)
    for requirement in labels.requirements:
        if requirement.operator == "in" and len(requirement.values) == 1:
            return Term(requirement.key, next(iter(requirement.values)), label=True)
    return None


def _check(resource: Resource, fields: selectors.FieldSelector) -> None:
    kind = resource.kind
    known = (*selectable.names(kind.group, kind.plural), *kind.selectable)
    for requirement in fields.requirements:
        if requirement.field not in known:
            raise errors.BadRequest(selectable.unknown(kind, requirement.field))
