"""Rules of RBAC, priorities, runtime classes and tokens."""

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.validation.rules import (
    IMMUTABLE,
    Errors,
    Object,
    each,
    named,
    one_of,
    required,
    required_name,
    selector,
    sub,
)

RBAC_GROUP = "rbac.authorization.k8s.io"
_HIGHEST_USER_PRIORITY = 1_000_000_000
_MIN_SECONDS = 600
_MAX_SECONDS = 1 << 32


def role(obj: Object) -> Errors:
    """A Role."""
    yield from _rules(obj, namespaced=True)


def cluster_role(obj: Object) -> Errors:
    """A ClusterRole."""
    yield from _rules(obj, namespaced=False)
    aggregation = obj.get("aggregationRule")
    if aggregation is None:
        return
    if not aggregation.get("clusterRoleSelectors"):
        detail = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        yield fielderrors.required("aggregationRule.clusterRoleSelectors", detail)
    for where, found in each(aggregation, "clusterRoleSelectors", "aggregationRule"):
        yield from selector(found, where)


def _rules(obj: Object, *, namespaced: bool) -> Errors:
    for index, rule in enumerate(obj.get("rules") or ()):
        where = f"rules[{index}]"
        if not rule.get("verbs"):
            yield fielderrors.required(f"{where}.verbs", "verbs must contain at least one value")
        if urls := rule.get("nonResourceURLs"):
            if namespaced:
                detail = "namespaced rules cannot apply to non-resource URLs"
                yield fielderrors.invalid(f"{where}.nonResourceURLs", urls, detail)
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                detail = "rules cannot apply to both regular resources and non-resource URLs"
                yield fielderrors.invalid(f"{where}.nonResourceURLs", urls, detail)
            continue
        if not rule.get("apiGroups"):
            yield fielderrors.required(f"{where}.apiGroups", "resource rules must supply at least one api group")
        if not rule.get("resources"):
            yield fielderrors.required(f"{where}.resources", "resource rules must supply at least one resource")


def role_binding(obj: Object) -> Errors:
    """A RoleBinding."""
    yield from _binding(obj, ("ClusterRole", "Role"))


def cluster_role_binding(obj: Object) -> Errors:
    """A ClusterRoleBinding."""
    yield from _binding(obj, ("ClusterRole",))


def _binding(obj: Object, kinds: tuple[str, ...]) -> Errors:
    reference = sub(obj, "roleRef")
    yield from one_of({"apiGroup": reference.get("apiGroup", "")}, "apiGroup", "roleRef", (RBAC_GROUP,))
    yield from one_of({"kind": reference.get("kind", "")}, "kind", "roleRef", kinds)
    yield from required_name(reference, "name", "roleRef", names.path_segment)
    for index, subject in enumerate(obj.get("subjects") or ()):
        where = f"subjects[{index}]"
        yield from required(subject, "name", where)
        match subject.get("kind"):
            case "ServiceAccount":
                if subject.get("name"):
                    yield from named(names.dns_subdomain, subject["name"], f"{where}.name")
                yield from one_of(subject, "apiGroup", where, ("",))
                yield from required(subject, "namespace", where)
            case "User" | "Group":
                yield from one_of(subject, "apiGroup", where, (RBAC_GROUP,))
            case kind:
                yield fielderrors.not_supported(f"{where}.kind", kind, ("Group", "ServiceAccount", "User"))


def role_binding_update(old: Object, new: Object) -> Errors:
    """The role of a binding stays."""
    yield from role_binding(new)
    yield from _same_role(old, new)


def cluster_role_binding_update(old: Object, new: Object) -> Errors:
    """The role of a binding stays."""
    yield from cluster_role_binding(new)
    yield from _same_role(old, new)


def _same_role(old: Object, new: Object) -> Errors:
    if old.get("roleRef") != new.get("roleRef"):
        yield fielderrors.invalid("roleRef", new.get("roleRef"), "cannot change roleRef")


def priority_class(obj: Object) -> Errors:
    """A PriorityClass."""
    name, value = str(sub(obj, "metadata").get("name", "")), obj.get("value", 0)
    if name.startswith("system-"):
        if name not in {"system-cluster-critical", "system-node-critical"}:
            detail = "priority class names with 'system-' prefix are reserved for system use only. error: " + name
            yield fielderrors.forbidden("metadata.name", detail)
    elif value > _HIGHEST_USER_PRIORITY:
        detail = f"maximum allowed value of a user defined priority is {_HIGHEST_USER_PRIORITY}"
        yield fielderrors.forbidden("value", detail)
    if obj.get("preemptionPolicy") not in {None, "Never", "PreemptLowerPriority"}:
        yield fielderrors.not_supported("preemptionPolicy", obj["preemptionPolicy"], ("Never", "PreemptLowerPriority"))


def priority_class_update(old: Object, new: Object) -> Errors:
    """Pods were given the value when they were made."""
    if old.get("value", 0) != new.get("value", 0):
        yield fielderrors.forbidden("value", "may not be changed in an update.")
    if old.get("preemptionPolicy") != new.get("preemptionPolicy"):
        yield fielderrors.invalid("preemptionPolicy", new.get("preemptionPolicy"), IMMUTABLE)


def runtime_class(obj: Object) -> Errors:
    """A RuntimeClass."""
    yield from named(names.dns_label, obj.get("handler", ""), "handler")


def runtime_class_update(old: Object, new: Object) -> Errors:
    """The handler stays."""
    if old.get("handler") != new.get("handler"):
        yield fielderrors.invalid("handler", new.get("handler"), IMMUTABLE)


def token_request(obj: Object) -> Errors:
    """A TokenRequest."""
    seconds = sub(obj, "spec").get("expirationSeconds", 3600)
    if seconds < _MIN_SECONDS:
        detail = "may not specify a duration less than 10 minutes"
        yield fielderrors.invalid("spec.expirationSeconds", seconds, detail)
    elif seconds > _MAX_SECONDS:
        detail = "may not specify a duration larger than 2^32 seconds"
        yield fielderrors.invalid("spec.expirationSeconds", seconds, detail)
