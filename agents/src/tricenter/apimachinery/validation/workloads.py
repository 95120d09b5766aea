"""Rules of workload kinds."""

from tricenter.apimachinery import fielderrors
from tricenter.apimachinery.validation import pods
from tricenter.apimachinery.validation.rules import (
    IMMUTABLE,
    Errors,
    Object,
    at_most_all,
    is_zero,
    matches,
    not_negative,
    number_or_percent,
    one_of,
    selector,
    sub,
    unchanged,
)  # fmt: skip

_CRON_NAME_MAX = 52
_JOB_RESTART = ("Never", "OnFailure")
_STATEFUL_MUTABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip


def _controller(spec: Object, kind: str, *, whole: bool = True) -> Errors:
    """Selector and template of a controller whose pods run for ever; `whole`: the spec of the pods is looked at."""
    found, template = spec.get("selector"), sub(spec, "template")
    if found is None:
        yield fielderrors.required("spec.selector")
    else:
        yield from selector(found, "spec.selector")
        if not found.get("matchLabels") and not found.get("matchExpressions"):
            yield fielderrors.invalid("spec.selector", found, f"empty selector is invalid for {kind}")
    if "template" not in spec:
        yield fielderrors.required("spec.template")
        return
    labels = sub(template, "metadata").get("labels") or {}
    if found and not matches(found, labels):
        yield fielderrors.invalid(
            "spec.template.metadata.labels", labels, "`selector` does not match template `labels`"
        )
    yield from pods.template(template, "spec.template") if whole else pods.template_metadata(template, "spec.template")
    policy = sub(template, "spec").get("restartPolicy")
    if policy in _JOB_RESTART:
        yield fielderrors.not_supported("spec.template.spec.restartPolicy", policy, ("Always",))
    if sub(template, "spec").get("activeDeadlineSeconds") is not None:
        detail = "activeDeadlineSeconds in ReplicaSet is not Supported"
        yield fielderrors.forbidden("spec.template.spec.activeDeadlineSeconds", detail)


def _rolling(strategy: Object, path: str, *, surge: bool = True) -> Errors:
    rolling, where = sub(strategy, "rollingUpdate"), f"{path}.rollingUpdate"
    for key in ("maxUnavailable", "maxSurge"):
        yield from number_or_percent(rolling.get(key), f"{where}.{key}")
    value = rolling.get("maxUnavailable")
    yield from at_most_all(value, f"{where}.maxUnavailable")
    if surge and is_zero(value) and is_zero(rolling.get("maxSurge")):
        yield fielderrors.invalid(f"{where}.maxUnavailable", value, "may not be 0 when `maxSurge` is 0")


def deployment(obj: Object) -> Errors:
    """apps/v1 Deployment."""
    spec = sub(obj, "spec")
    yield from not_negative(spec, "spec", "replicas", "minReadySeconds", "revisionHistoryLimit")
    yield from _controller(spec, "deployment")
    strategy = sub(spec, "strategy")
    yield from one_of(strategy, "type", "spec.strategy", ("Recreate", "RollingUpdate"))
    if strategy.get("type") == "Recreate" and strategy.get("rollingUpdate") is not None:
        detail = "may not be specified when strategy `type` is 'Recreate'"
        yield fielderrors.forbidden("spec.strategy.rollingUpdate", detail)
    elif strategy.get("type") == "RollingUpdate":
        yield from _rolling(strategy, "spec.strategy")
    yield from not_negative(spec, "spec", "progressDeadlineSeconds")
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        yield fielderrors.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def replica_set(obj: Object) -> Errors:
    """apps/v1 ReplicaSet."""
    spec = sub(obj, "spec")
    yield from not_negative(spec, "spec", "replicas", "minReadySeconds")
    yield from _controller(spec, "deployment")


def replication_controller(obj: Object) -> Errors:
    """v1 ReplicationController."""
    spec = sub(obj, "spec")
    yield from not_negative(spec, "spec", "replicas", "minReadySeconds")
    found, template = spec.get("selector") or {}, spec.get("template")
    if not found:
        yield fielderrors.required("spec.selector")
    if template is None:
        yield fielderrors.required("spec.template")
        return
    labels = sub(template, "metadata").get("labels") or {}
    if not found.items() <= labels.items():
        yield fielderrors.invalid(
            "spec.template.metadata.labels", labels, "`selector` does not match template `labels`"
        )
    yield from pods.template(template, "spec.template")


def stateful_set(obj: Object) -> Errors:
    """apps/v1 StatefulSet."""
    spec = sub(obj, "spec")
    yield from not_negative(spec, "spec", "replicas", "minReadySeconds", "revisionHistoryLimit")
    if spec.get("podManagementPolicy") not in {"OrderedReady", "Parallel"}:
        detail = "must be 'OrderedReady' or 'Parallel'"
        yield fielderrors.invalid("spec.podManagementPolicy", spec.get("podManagementPolicy", ""), detail)
    yield from _stateful_strategy(sub(spec, "updateStrategy"), "spec.updateStrategy")
    yield from not_negative(sub(spec, "ordinals"), "spec.ordinals", "start")
    retention = sub(spec, "persistentVolumeClaimRetentionPolicy")
    for key in ("whenDeleted", "whenScaled"):
        yield from one_of(retention, key, "spec.persistentVolumeClaimRetentionPolicy", ("Delete", "Retain"))
    # The volumes of its pods come from claim templates too, so upstream leaves their spec to the pods themselves.
    yield from _controller(spec, "statefulset", whole=False)


def _stateful_strategy(strategy: Object, path: str) -> Errors:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if not kind:
        yield fielderrors.required(path)
    elif kind == "OnDelete" and rolling is not None:
        yield fielderrors.invalid(f"{path}.rollingUpdate", rolling, "only allowed for updateStrategy 'RollingUpdate'")
    elif kind not in {"OnDelete", "RollingUpdate"}:
        yield fielderrors.invalid(path, strategy, "must be 'RollingUpdate' or 'OnDelete'")
    yield from not_negative(sub(strategy, "rollingUpdate"), f"{path}.rollingUpdate", "partition")


def stateful_set_update(old: Object, new: Object) -> Errors:
    """Only a few parts of a StatefulSet change."""
    before = {key: value for key, value in sub(old, "spec").items() if key not in _STATEFUL_MUTABLE}
    after = {key: value for key, value in sub(new, "spec").items() if key not in _STATEFUL_MUTABLE}
    if before != after:
        *most, last = (f"'{name}'" for name in _STATEFUL_MUTABLE)
        detail = f"updates to statefulset spec for fields other than {', '.join(most)} and {last} are forbidden"
        yield fielderrors.forbidden("spec", detail)
    yield from stateful_set(new)


def daemon_set(obj: Object) -> Errors:
    """apps/v1 DaemonSet."""
    spec = sub(obj, "spec")
    yield from not_negative(spec, "spec", "minReadySeconds", "revisionHistoryLimit")
    strategy = sub(spec, "updateStrategy")
    yield from one_of(strategy, "type", "spec.updateStrategy", ("OnDelete", "RollingUpdate"))
    if strategy.get("type") == "RollingUpdate":
        yield from _rolling(strategy, "spec.updateStrategy", surge=False)
        rolling = sub(strategy, "rollingUpdate")
        if is_zero(rolling.get("maxUnavailable", 1)) and is_zero(rolling.get("maxSurge", 0)):
            path = "spec.updateStrategy.rollingUpdate.maxUnavailable"
            yield fielderrors.required(path, "cannot be 0 when maxSurge is 0")
        if not is_zero(rolling.get("maxUnavailable", 1)) and not is_zero(rolling.get("maxSurge", 0)):
            detail = "may not be set when maxUnavailable is non-zero"
            yield fielderrors.invalid("spec.updateStrategy.rollingUpdate.maxSurge", rolling.get("maxSurge"), detail)
    yield from _controller(spec, "daemonset")


def deployment_update(old: Object, new: Object) -> Errors:
    """The selector stays."""
    yield from unchanged(sub(old, "spec"), sub(new, "spec"), "spec", "selector")
    yield from deployment(new)


def replica_set_update(old: Object, new: Object) -> Errors:
    """The selector stays."""
    yield from unchanged(sub(old, "spec"), sub(new, "spec"), "spec", "selector")
    yield from replica_set(new)


def daemon_set_update(old: Object, new: Object) -> Errors:
    """The selector stays."""
    yield from unchanged(sub(old, "spec"), sub(new, "spec"), "spec", "selector")
    yield from daemon_set(new)


def budget(obj: Object) -> Errors:
    """policy/v1 PodDisruptionBudget."""
    spec = sub(obj, "spec")
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        yield fielderrors.invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set")
    for key in ("minAvailable", "maxUnavailable"):
        yield from number_or_percent(spec.get(key), f"spec.{key}")
        yield from at_most_all(spec.get(key), f"spec.{key}")
    yield from selector(spec.get("selector"), "spec.selector")
    yield from one_of(spec, "unhealthyPodEvictionPolicy", "spec", ("AlwaysAllow", "IfHealthyBudget"))


def revision(obj: Object) -> Errors:
    """apps/v1 ControllerRevision."""
    yield from not_negative(obj, "", "revision")


def revision_update(old: Object, new: Object) -> Errors:
    """The data of a revision stays."""
    if old.get("data") != new.get("data"):
        yield fielderrors.invalid("data", new.get("data"), IMMUTABLE)
