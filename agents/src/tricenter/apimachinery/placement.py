"""What a pod says of the nodes it may run on: tolerations of taints, node selectors and node affinity.

Rules of k8s.io/component-helpers/scheduling/corev1; the scheduler, the DaemonSet and the node controllers share them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Object = Mapping[str, Any]

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def tolerates(toleration: Object, taint: Object) -> bool:
    """Whether a toleration matches a taint (ToleratesTaint)."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")


def untolerated(
    tolerations: Iterable[Object], taints: Iterable[Object], effects: Iterable[str] = ("NoSchedule", "NoExecute")
) -> Any:
    """The first taint of these effects that keeps a pod away, or None."""
    for taint in taints:
        if taint["effect"] in effects and not any(tolerates(item, taint) for item in tolerations):
            return taint
    return None


def matches_node(
    node_selector: Mapping[str, str] | None, affinity: Object | None, labels: Mapping[str, str], name: str
) -> bool:
    """nodeSelector and required node affinity (terms are alternatives, conditions of a term all hold)."""
    if any(labels.get(key) != value for key, value in (node_selector or {}).items()):
        return False
    required = (affinity or {}).get(_REQUIRED)
    if required is None:
        return True
    return any(matches_term(term, labels, name) for term in required.get("nodeSelectorTerms") or ())


def matches_term(term: Object, labels: Mapping[str, str], name: str) -> bool:
    """A NodeSelectorTerm; an empty one matches nothing."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    by_label = all(_holds(item, labels.get(item["key"])) for item in expressions)
    return by_label and all(_holds(item, name) for item in fields)  # metadata.name is the only field there is


def _holds(requirement: Object, value: str | None) -> bool:
    values = requirement.get("values") or []
    match requirement["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    if value is None or not values:
        return False
    return _compare(requirement["operator"], value, str(values[0]))


def _compare(operator: str, value: str, limit: str) -> bool:
    """Gt and Lt; what is no integer is neither greater nor less."""
    try:
        return int(value) > int(limit) if operator == "Gt" else int(value) < int(limit)
    except ValueError:
        return False


def select_by_own_labels(spec: Object, labels: Mapping[str, str]) -> None:
    """Put the values of a pod's own labels into the selectors of its pod affinity, in place, once, at its creation.

    `matchLabelKeys` name labels that others must share, `mismatchLabelKeys` those they must not (KEP-3633;
    pkg/registry/core/pod applyMatchLabelKeysAndMismatchLabelKeys). A term without a selector matches nothing.
    """
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        found = affinity.get(kind) or {}
        weighted = [item.get("podAffinityTerm") or {} for item in found.get(_PREFERRED) or ()]
        for term in (*weighted, *(found.get(_REQUIRED) or ())):
            chosen = term.get("labelSelector")
            if chosen is not None:
                _narrow(chosen, term.get("matchLabelKeys"), "In", labels)
                _narrow(chosen, term.get("mismatchLabelKeys"), "NotIn", labels)


def _narrow(chosen: Any, keys: Iterable[str] | None, operator: str, labels: Mapping[str, str]) -> None:
    made = [{"key": key, "operator": operator, "values": [labels[key]]} for key in keys or () if key in labels]
    if made:
        chosen["matchExpressions"] = [*(chosen.get("matchExpressions") or ()), *made]
