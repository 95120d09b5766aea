"""Rules of the parts of a pod spec that speak to the scheduler."""

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.validation.rules import (
    Errors,
    Object,
    each,
    labels,
    named,
    one_of,
    required,
    required_name,
    selector,
    sub,
    unique,
)  # fmt: skip

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_NODE_OPERATORS = ("DoesNotExist", "Exists", "Gt", "In", "Lt", "NotIn")


def scheduling(spec: Object, path: str) -> Errors:
    """Everything that restricts where the pod may run."""
    yield from labels(spec.get("nodeSelector"), f"{path}.nodeSelector")
    for where, toleration in each(spec, "tolerations", path):
        yield from _toleration(toleration, where)
    for where, gate in each(spec, "schedulingGates", path):
        yield from named(names.qualified_name, gate.get("name", ""), where)
    yield from unique((where, gate.get("name")) for where, gate in each(spec, "schedulingGates", path))
    yield from _spread(spec, path)
    affinity = sub(spec, "affinity")
    yield from _node_affinity(sub(affinity, "nodeAffinity"), f"{path}.affinity.nodeAffinity")
    for kind in ("podAffinity", "podAntiAffinity"):
        yield from _pod_affinity(sub(affinity, kind), f"{path}.affinity.{kind}")


def _toleration(found: Object, path: str) -> Errors:
    key, operator = found.get("key"), found.get("operator") or "Equal"
    if key:
        yield from named(names.qualified_name, key, f"{path}.key")
    elif operator != "Exists":
        yield fielderrors.invalid(
            f"{path}.operator", found.get("operator", ""), 'operator must be Exists when `key` is empty, which means '
            '"match all values and all keys"',
        )  # fmt: skip
    if found.get("tolerationSeconds") is not None and found.get("effect") != "NoExecute":
        yield fielderrors.invalid(
            f"{path}.effect", found.get("effect", ""), "effect must be 'NoExecute' when `tolerationSeconds` is set"
        )
    if operator == "Equal":
        yield from named(names.label_value, found.get("value", ""), f"{path}.operator")
    elif operator == "Exists":
        if found.get("value"):
            yield fielderrors.invalid(
                f"{path}.operator", found["value"], "value must be empty when `operator` is 'Exists'"
            )
    else:
        yield fielderrors.not_supported(f"{path}.operator", operator, ("Equal", "Exists"))
    if found.get("effect"):
        yield from one_of(found, "effect", path, _EFFECTS)


def _spread(spec: Object, path: str) -> Errors:
    seen: set[tuple[str, str]] = set()
    for where, found in each(spec, "topologySpreadConstraints", path):
        skew, minimum = found.get("maxSkew", 0), found.get("minDomains")
        if skew <= 0:
            yield fielderrors.invalid(f"{where}.maxSkew", skew, "must be greater than zero")
        if minimum is not None and minimum <= 0:
            yield fielderrors.invalid(f"{where}.minDomains", minimum, "must be greater than zero")
        yield from required(found, "topologyKey", where, "can not be empty")
        when = found.get("whenUnsatisfiable", "")
        if when not in {"DoNotSchedule", "ScheduleAnyway"}:
            choices = ("DoNotSchedule", "ScheduleAnyway")
            yield fielderrors.not_supported(f"{where}.whenUnsatisfiable", when, choices)
        if minimum is not None and when != "DoNotSchedule":
            detail = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {when}"
            yield fielderrors.invalid(f"{where}.minDomains", minimum, detail)
        pair = (str(found.get("topologyKey")), when)
        if pair in seen:
            yield fielderrors.duplicate(f"{where}.{{topologyKey, whenUnsatisfiable}}", f"{{{pair[0]}, {pair[1]}}}")
        seen.add(pair)
        yield from selector(found.get("labelSelector"), f"{where}.labelSelector")
        for key in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            yield from one_of(found, key, where, ("Honor", "Ignore"))
        if found.get("matchLabelKeys"):
            yield from _spread_keys(found, where)


def _spread_keys(found: Object, path: str) -> Errors:
    """Labels of the pod itself that it is spread by, besides those that are selected by value."""
    chosen = found.get("labelSelector")
    yield from _label_keys(found, "matchLabelKeys", path)
    taken = {*sub(chosen, "matchLabels"), *(item.get("key") for _, item in each(chosen, "matchExpressions", path))}
    for index, key in enumerate(found["matchLabelKeys"] if chosen is not None else ()):
        if key in taken:
            detail = "exists in both matchLabelKeys and labelSelector"
            yield fielderrors.invalid(f"{path}.matchLabelKeys[{index}]", key, detail)


def _doubly_selected(term: Object, path: str) -> Errors:
    """Keys that a selector names besides the expression that the server has made of `matchLabelKeys`.

    Upstream names the term itself, with the place of the key in its list.
    """
    chosen, keys = sub(term, "labelSelector"), list(term.get("matchLabelKeys") or ())
    taken = {*sub(chosen, "matchLabels")}
    for _, expression in each(chosen, "matchExpressions", path):
        key = str(expression.get("key", ""))
        if key in keys and key in taken:
            detail = "exists in both matchLabelKeys and labelSelector"
            yield fielderrors.invalid(f"{path}[{keys.index(key)}]", key, detail)
        taken.add(key)


def _label_keys(found: Object, name: str, path: str) -> Errors:
    keys = found.get(name) or ()
    if keys and found.get("labelSelector") is None:
        yield fielderrors.forbidden(f"{path}.{name}", "must not be specified when labelSelector is not set")
        return
    for index, key in enumerate(keys):
        yield from named(names.qualified_name, key, f"{path}.{name}[{index}]")


def _node_affinity(found: Object, path: str) -> Errors:
    name = "requiredDuringSchedulingIgnoredDuringExecution"
    if name in found:
        yield from node_selector(found[name], f"{path}.{name}")
    for where, term in each(found, "preferredDuringSchedulingIgnoredDuringExecution", path):
        yield from _weight(term, where)
        yield from _node_term(sub(term, "preference"), f"{where}.preference")


def _weight(term: Object, path: str) -> Errors:
    weight = term.get("weight", 0)
    if not 1 <= weight <= 100:
        yield fielderrors.invalid(f"{path}.weight", weight, "must be in the range 1-100")


def node_selector(found: Object, path: str) -> Errors:
    """A NodeSelector, of a pod or of a volume."""
    if not found.get("nodeSelectorTerms"):
        yield fielderrors.required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for where, term in each(found, "nodeSelectorTerms", path):
        yield from _node_term(term, where)
        for inside, rule in each(term, "matchExpressions", where):
            for index, value in enumerate(rule.get("values") or ()):
                yield from named(names.label_value, value, f"{inside}.values[{index}]")


def _node_term(term: Object, path: str) -> Errors:
    for where, found in each(term, "matchExpressions", path):
        operator, values = found.get("operator"), found.get("values") or []
        if operator in {"In", "NotIn"} and not values:
            yield fielderrors.required(f"{where}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif operator in {"Exists", "DoesNotExist"} and values:
            yield fielderrors.forbidden(
                f"{where}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            )
        elif operator in {"Gt", "Lt"} and len(values) != 1:
            yield fielderrors.required(
                f"{where}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'"
            )
        elif operator not in _NODE_OPERATORS:
            yield fielderrors.invalid(f"{where}.operator", operator, "not a valid selector operator")
        yield from named(names.qualified_name, found.get("key", ""), f"{where}.key")
    for where, found in each(term, "matchFields", path):
        if found.get("operator") not in {"In", "NotIn"}:
            yield fielderrors.invalid(f"{where}.operator", found.get("operator"), "not a valid selector operator")
        elif len(found.get("values") or ()) != 1:
            detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            yield fielderrors.required(f"{where}.values", detail)
        if found.get("key") != "metadata.name":
            yield fielderrors.invalid(f"{where}.key", found.get("key"), "not a valid field selector key")


def _pod_affinity(found: Object, path: str) -> Errors:
    for where, term in each(found, "requiredDuringSchedulingIgnoredDuringExecution", path):
        yield from _pod_term(term, where)
    for where, weighted in each(found, "preferredDuringSchedulingIgnoredDuringExecution", path):
        yield from _weight(weighted, where)
        yield from _pod_term(sub(weighted, "podAffinityTerm"), f"{where}.podAffinityTerm")


def _pod_term(term: Object, path: str) -> Errors:
    yield from selector(term.get("labelSelector"), f"{path}.labelSelector")
    yield from selector(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    for namespace in term.get("namespaces") or ():
        yield from named(names.dns_label, namespace, f"{path}.namespace")
    for key in ("matchLabelKeys", "mismatchLabelKeys"):
        yield from _label_keys(term, key, path)
    yield from _doubly_selected(term, path)
    for index, key in enumerate(term.get("matchLabelKeys") or ()):
        if key in (term.get("mismatchLabelKeys") or ()):
            detail = "exists in both matchLabelKeys and mismatchLabelKeys"
            yield fielderrors.invalid(f"{path}.matchLabelKeys[{index}]", key, detail)
    yield from required_name(term, "topologyKey", path, names.qualified_name, "can not be empty")
