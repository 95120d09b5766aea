"""Rules of FlowSchemas and PriorityLevelConfigurations (pkg/apis/flowcontrol/validation).

Four objects are the same in every cluster: a client may not change what they say, or nobody could mend the rest.
"""

import math
from typing import Any

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.validation.rules import Errors, Object, between, each, named, one_of, required_name, sub

MANDATORY = ("exempt", "catch-all")
"""Names of the schemas and of the levels that every cluster has."""

_LAST_PRECEDENCE = 10000
_MOST_QUEUES = 10_000_000
_HASH_BITS = 60
_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
_SUBJECTS = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}
_NOT_NEGATIVE = "must be a non-negative integer"


def flow_schema(obj: Object) -> Errors:
    """A FlowSchema."""
    spec = sub(obj, "spec")
    yield from _precedence(obj, spec.get("matchingPrecedence", 0))
    if (method := spec.get("distinguisherMethod")) is not None:
        yield from one_of(method, "type", "spec.distinguisherMethod", ("ByNamespace", "ByUser"))
    where = "spec.priorityLevelConfiguration"
    level = sub(spec, "priorityLevelConfiguration")
    yield from required_name(level, "name", where, names.dns_subdomain, "must reference a priority level")
    for path, rule in each(spec, "rules", "spec"):
        yield from _rule(rule, path)


def flow_schema_update(old: Object, new: Object) -> Errors:
    """The same of one that exists."""
    yield from flow_schema(new)
    yield from _fixed(old, new)


def _precedence(obj: Object, value: int) -> Errors:
    path, only = "spec.matchingPrecedence", "only the schema named 'exempt' may have matchingPrecedence 1"
    if value <= 0:
        yield fielderrors.invalid(path, value, "must be a positive value")
    if value > _LAST_PRECEDENCE:
        yield fielderrors.invalid(path, value, f"must not be greater than {_LAST_PRECEDENCE}")
    if value == 1 and obj["metadata"].get("name") != "exempt":
        yield fielderrors.invalid(path, value, only)


def _rule(rule: Object, path: str) -> Errors:
    if not rule.get("subjects"):
        yield fielderrors.required(f"{path}.subjects", "subjects must contain at least one value")
    for where, subject in each(rule, "subjects", path):
        yield from _subject(subject, where)
    if not rule.get("resourceRules") and not rule.get("nonResourceRules"):
        yield fielderrors.required(path, "at least one of resourceRules and nonResourceRules has to be non-empty")
    for where, resources in each(rule, "resourceRules", path):
        yield from _resources(resources, where)
    for where, urls in each(rule, "nonResourceRules", path):
        yield from _urls(urls, where)


def _subject(subject: Object, path: str) -> Errors:
    kind = subject.get("kind", "")
    if kind not in _SUBJECTS:
        yield fielderrors.not_supported(f"{path}.kind", kind, set(_SUBJECTS))
        return
    field = _SUBJECTS[kind]
    where, found = f"{path}.{field}", subject.get(field)
    if found is None:
        yield fielderrors.required(where, f"{field} is required when subject kind is '{kind}'")
    elif kind != "ServiceAccount" or found.get("name") in (None, "", "*"):
        yield from required_name(found, "name", where, _anything)
    else:
        yield from named(names.dns_subdomain, found["name"], f"{where}.name")
    if found is not None and kind == "ServiceAccount":
        detail = "must specify namespace for service account"
        yield from required_name(found, "namespace", where, names.dns_label, detail)
    for other, member in _SUBJECTS.items():
        if other != kind and subject.get(member) is not None:
            detail = f"{member} is forbidden when subject kind is not '{other}'"
            yield fielderrors.forbidden(f"{path}.{member}", detail)


def _anything(_: str) -> list[str]:
    return []


def _resources(rule: Object, path: str) -> Errors:
    yield from _verbs(rule.get("verbs") or [], f"{path}.verbs")
    for key, what, detail in (
        ("apiGroups", "api groups", "resource rules must supply at least one api group"),
        ("resources", "resources", "resource rules must supply at least one resource"),
    ):
        if not (values := rule.get(key) or []):
            yield fielderrors.required(f"{path}.{key}", detail)
        yield from _alone(values, f"{path}.{key}", what)
    namespaces = rule.get("namespaces") or []
    if not namespaces and not rule.get("clusterScope"):
        detail = "resource rules that are not cluster scoped must supply at least one namespace"
        yield fielderrors.required(f"{path}.namespaces", detail)
    yield from _alone(namespaces, f"{path}.namespaces", "namespaces")
    for index, name in enumerate([] if "*" in namespaces else namespaces):
        for reason in names.dns_label(name):
            detail = f"each member of this list must be '*' or a DNS-1123 label; {reason}"
            yield fielderrors.invalid(f"{path}.namespaces[{index}]", name, detail)


def _verbs(verbs: list[str], path: str) -> Errors:
    if not verbs:
        yield fielderrors.required(path, "verbs must contain at least one value")
    yield from _alone(verbs, path, "verbs")
    if "*" not in verbs and not set(verbs) <= set(_VERBS):
        yield fielderrors.not_supported(path, verbs, _VERBS)


def _alone(values: list[str], path: str, what: str) -> Errors:
    if "*" in values and len(values) > 1:
        yield fielderrors.invalid(path, values, f"if '*' is present, must not specify other {what}")


def _urls(rule: Object, path: str) -> Errors:
    yield from _verbs(rule.get("verbs") or [], f"{path}.verbs")
    urls, where = rule.get("nonResourceURLs") or [], f"{path}.nonResourceURLs"
    if not urls:
        yield fielderrors.required(where, "nonResourceURLs must contain at least one value")
    yield from _alone(urls, where, "non-resource URLs")
    for index, url in enumerate([] if "*" in urls else urls):
        if why := _bad_url(url):
            yield fielderrors.invalid(f"{where}[{index}]", url, why)


def _bad_url(url: str) -> str:
    if not url:
        return "must not be empty"
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    wildcards = url.count("*")
    return "wildcard can only do suffix matching" if wildcards > 1 or (wildcards and not url.endswith("/*")) else ""


def priority_level(obj: Object) -> Errors:
    """A PriorityLevelConfiguration."""
    spec = sub(obj, "spec")
    kind, limited, exempt = spec.get("type", ""), spec.get("limited"), spec.get("exempt")
    if (obj["metadata"].get("name") == "exempt") != (kind == "Exempt"):
        detail = "type must be 'Exempt' if and only if name is 'exempt'"
        yield fielderrors.invalid("spec.type", kind, detail)
    if kind == "Exempt":
        yield from _shares(exempt or {}, "spec.exempt")
        if limited is not None:
            yield fielderrors.forbidden("spec.limited", "must be nil if the type is not Limited")
    elif kind != "Limited":
        yield fielderrors.not_supported("spec.type", kind, ("Exempt", "Limited"))
    else:
        if exempt is not None:
            yield fielderrors.forbidden("spec.exempt", "must be nil if the type is Limited")
        yield from _limited(limited)


def priority_level_update(old: Object, new: Object) -> Errors:
    """The same of one that exists."""
    yield from priority_level(new)
    yield from _fixed(old, new)


def _fixed(old: Object, new: Object) -> Errors:
    name = new["metadata"].get("name", "")
    before, after = sub(old, "spec"), sub(new, "spec")
    tunable = {"exempt"} if name == "exempt" else set()
    keys = (before.keys() | after.keys()) - tunable
    if name in MANDATORY and any(before.get(key) != after.get(key) for key in keys):
        which = " except the fields in 'spec.exempt'" if new["kind"] == "PriorityLevelConfiguration" and tunable else ""
        yield fielderrors.invalid("spec", after, f"spec of '{name}'{which} must equal the fixed value")


def _shares(found: Object, path: str) -> Errors:
    shares = found.get("nominalConcurrencyShares", 0)
    if shares < 0:
        yield fielderrors.invalid(f"{path}.nominalConcurrencyShares", shares, _NOT_NEGATIVE)
    yield from between(found, "lendablePercent", path, 0, 100)


def _limited(limited: Any) -> Errors:
    path = "spec.limited"
    if limited is None:
        yield fielderrors.required(path, "must not be empty when type is Limited")
        return
    yield from _shares(limited, path)
    borrowing = limited.get("borrowingLimitPercent")
    if borrowing is not None and borrowing < 0:
        yield fielderrors.invalid(f"{path}.borrowingLimitPercent", borrowing, f"if specified, {_NOT_NEGATIVE}")
    yield from _response(sub(limited, "limitResponse"), f"{path}.limitResponse")


def _response(response: Object, path: str) -> Errors:
    kind, queuing = response.get("type", ""), response.get("queuing")
    if kind not in ("Queue", "Reject"):
        yield fielderrors.not_supported(f"{path}.type", kind, ("Queue", "Reject"))
    elif kind == "Reject" and queuing is not None:
        yield fielderrors.forbidden(f"{path}.queuing", "must be nil if limited.limitResponse.type is not Limited")
    elif kind == "Queue" and queuing is None:
        yield fielderrors.required(f"{path}.queuing", "must not be empty if limited.limitResponse.type is Limited")
    elif kind == "Queue":
        yield from _queuing(sub(response, "queuing"), f"{path}.queuing")


def _queuing(queuing: Object, path: str) -> Errors:
    length, queues, hand = (queuing.get(key, 0) for key in ("queueLengthLimit", "queues", "handSize"))
    if length <= 0:
        yield fielderrors.invalid(f"{path}.queueLengthLimit", length, "must be positive")
    if queues <= 0:
        yield fielderrors.invalid(f"{path}.queues", queues, "must be positive")
    elif queues > _MOST_QUEUES:
        yield fielderrors.invalid(f"{path}.queues", queues, f"must not be greater than {_MOST_QUEUES}")
    if hand <= 0:
        yield fielderrors.invalid(f"{path}.handSize", hand, "must be positive")
    elif hand > queues:
        yield fielderrors.invalid(f"{path}.handSize", hand, f"should not be greater than queues ({queues})")
    elif math.ceil(math.log2(queues) * hand) > _HASH_BITS:
        what = f"required entropy bits of deckSize {queues} and handSize {hand}"
        yield fielderrors.invalid(f"{path}.handSize", hand, f"{what} should not be greater than {_HASH_BITS}")
