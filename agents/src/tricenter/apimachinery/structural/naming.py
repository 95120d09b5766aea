"""The status of a CustomResourceDefinition: which of its names it has, and whether it is served.

Upstream's apiextensions-apiserver pkg/controller/status (naming, establishing, api approval).
"""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from tricenter.apimachinery import times

Object = dict[str, Any]

NAMES_ACCEPTED, ESTABLISHED, TERMINATING = "NamesAccepted", "Established", "Terminating"
CONFORMANT = "KubernetesAPIApprovalPolicyConformant"
APPROVAL = "api-approved.kubernetes.io"
_PROTECTED = (".k8s.io", ".kubernetes.io")


def condition(crd: Mapping[str, Any], name: str) -> Object | None:
    """The condition of that type."""
    found = (crd.get("status") or {}).get("conditions") or ()
    return next((item for item in found if item.get("type") == name), None)


def is_true(crd: Mapping[str, Any], name: str) -> bool:
    """Whether the condition holds."""
    found = condition(crd, name)
    return found is not None and found.get("status") == "True"


def set_condition(crd: Object, name: str, status: str, reason: str, message: str) -> None:
    """Write a condition; its time of transition changes with its status only."""
    wanted = {
        "type": name, "status": status, "lastTransitionTime": times.now_rfc3339(), "reason": reason, "message": message,
    }  # fmt: skip
    known = condition(crd, name)
    if known is None:
        conditions = crd.setdefault("status", {}).get("conditions") or []
        crd["status"]["conditions"] = [*conditions, wanted]
        return
    if known.get("status") == status and known.get("lastTransitionTime"):
        wanted["lastTransitionTime"] = known["lastTransitionTime"]
    known.update(wanted)


def served(crd: Mapping[str, Any]) -> bool:
    """Whether requests for its objects are answered."""
    return is_true(crd, ESTABLISHED) or is_true(crd, NAMES_ACCEPTED)


def settled(crd: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> Object:
    """A copy of the definition with the status it should have, given all other definitions."""
    made = copy.deepcopy(dict(crd))
    status = made.setdefault("status", {})
    group = made["spec"]["group"]
    names, refused = _accepted(made["spec"]["names"], status.get("acceptedNames") or {}, *_taken(group, others))
    status["acceptedNames"] = names
    if refused:
        set_condition(made, NAMES_ACCEPTED, "False", *refused)
        if condition(made, ESTABLISHED) is None:
            set_condition(made, ESTABLISHED, "False", "NotAccepted", "not all names are accepted")
    else:
        set_condition(made, NAMES_ACCEPTED, "True", "NoConflicts", "no conflicts found")
        if not is_true(made, ESTABLISHED):
            why = "the initial names have been accepted"
            set_condition(made, ESTABLISHED, "True", "InitialNamesAccepted", why)
    if protected(group):
        verdict, reason, message = approval((made["metadata"].get("annotations") or {}).get(APPROVAL))
        set_condition(made, CONFORMANT, verdict, reason, message)
    return made


def _taken(group: str, others: Iterable[Mapping[str, Any]]) -> tuple[set[str], set[str]]:
    """Resource names and kinds that other definitions of the group have."""
    resources: set[str] = set()
    kinds: set[str] = set()
    for other in others:
        if other["spec"]["group"] == group:
            names = (other.get("status") or {}).get("acceptedNames") or {}
            resources |= {names.get("plural", ""), names.get("singular", ""), *(names.get("shortNames") or ())}
            kinds |= {names.get("kind", ""), names.get("listKind", "")}
    return resources - {""}, kinds - {""}


def _accepted(
    wanted: Mapping[str, Any], have: Mapping[str, Any], resources: set[str], kinds: set[str]
) -> tuple[Object, tuple[str, str] | None]:
    """The names that are free or already ours, and reason and message of the last refusal."""
    names, refused = dict(have), None
    for key, used in (("plural", resources), ("singular", resources), ("shortNames", resources), ("kind", kinds),
                      ("listKind", kinds)):  # fmt: skip
        asked = wanted.get(key)
        texts = asked if isinstance(asked, list) else [asked or ""]
        own = have.get(key) if isinstance(have.get(key), list) else [have.get(key)]
        conflicts = [f'"{text}" is already in use' for text in texts if text not in (own or ()) and text in used]
        if conflicts:
            joined = conflicts[0] if len(conflicts) == 1 else f"[{', '.join(conflicts)}]"
            refused = (f"{key[0].upper()}{key[1:]}Conflict", joined)
        elif asked is None:
            names.pop(key, None)
        else:
            names[key] = asked
    names.pop("categories", None)
    if wanted.get("categories"):
        names["categories"] = wanted["categories"]
    return names, refused


def protected(group: str) -> bool:
    """Whether the group belongs to the Kubernetes community (KEP-1111)."""
    return group in ("k8s.io", "kubernetes.io") or group.endswith(_PROTECTED)


def approval(annotation: str | None) -> tuple[str, str, str]:
    """Status, reason and message of what the annotation of a protected group says."""
    if not annotation:
        return "False", "MissingAnnotation", (
            f'protected groups must have approval annotation "{APPROVAL}", see '
            "https://github.com/kubernetes/enhancements/pull/1111"
        )  # fmt: skip
    if annotation.startswith("unapproved"):
        return "False", "UnapprovedAnnotation", f'not approved: "{annotation}"'
    if annotation.startswith(("https://", "http://")):
        return "True", "ApprovedAnnotation", f"approved in {annotation}"
    return "Unknown", "InvalidAnnotation", (
        f'protected groups must have approval annotation "{APPROVAL}" with either a URL or a reason starting with '
        '"unapproved", see https://github.com/kubernetes/enhancements/pull/1111'
    )  # fmt: skip
