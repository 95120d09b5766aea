"""Rules of claims of devices by pods and their containers (upstream pkg/apis/core/validation, KEP-4381)."""

from collections.abc import Collection

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.fielderrors import FieldError
from tricenter.apimachinery.validation.rules import Errors, Object, each, named, sub

_SOURCES = ("resourceClaimName", "resourceClaimTemplateName")
_EITHER = "`resourceClaimName` or `resourceClaimTemplateName` may be specified"


def pod_claims(spec: Object, path: str) -> Errors:
    """`resourceClaims` of a pod: names, and where each claim comes from."""
    seen: set[str] = set()
    for where, claim in each(spec, "resourceClaims", path):
        name = claim.get("name") or ""
        if not name:
            yield fielderrors.required(f"{where}.name")
        elif name in seen:
            yield fielderrors.duplicate(f"{where}.name", name)
        else:
            yield from named(names.dns_label, name, f"{where}.name")
        seen.add(name)
        yield from _source(claim, where)


def _source(claim: Object, path: str) -> Errors:
    given = [key for key in _SOURCES if claim.get(key) is not None]
    if len(given) > 1:
        yield fielderrors.invalid(path, claim, f"at most one of {_EITHER}")
    if not given:
        detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
        yield fielderrors.invalid(path, claim, detail)
    for key in given:
        yield from named(names.dns_subdomain, claim[key], f"{path}.{key}")


def container_claims(container: Object, path: str, known: Collection[str]) -> Errors:
    """`resources.claims` of a container: each one a claim of the pod, `known` by name."""
    seen: set[tuple[str, str]] = set()
    for where, claim in each(sub(container, "resources"), "claims", f"{path}.resources"):
        name, request = claim.get("name") or "", claim.get("request") or ""
        if not name:
            yield fielderrors.required(where)
            continue
        # A claim as a whole takes all of its requests.
        if seen & ({(name, request), (name, "")} if request else {pair for pair in seen if pair[0] == name}):
            yield fielderrors.duplicate(where, f"{name}/{request}" if request else name)
        seen.add((name, request))
        if name not in known:
            yield _unknown(name, where, known)
        if request:
            yield from named(names.dns_label, request, f"{where}.request")


def _unknown(name: str, path: str, known: Collection[str]) -> FieldError:
    listed = f": {', '.join(sorted(known))}" if known else " which is empty"
    problem = fielderrors.not_found(path, name)
    detail = f"must be one of the names in pod.spec.resourceClaims{listed}"
    return FieldError(problem.path, problem.reason, f"{problem.message}: {detail}")
