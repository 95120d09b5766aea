"""serviceaccounts/token: a new token for an account, bound to a pod, a secret or a node (KEP-1205)."""

from __future__ import annotations

from typing import Any

from tricenter.apimachinery import fielderrors, times
from tricenter.apiserver import errors
from tricenter.apiserver.auth.authorize import Authorizer
from tricenter.apiserver.auth.rbac import Request
from tricenter.apiserver.auth.tokens import LONGEST_SECONDS, POD_SECONDS, Signer
from tricenter.apiserver.resources import Resources
from tricenter.apiserver.rest.call import Call

Object = dict[str, Any]

_SHORTEST, _LONGEST, _DEFAULT = 600, 1 << 32, 3600
_BOUND = {("v1", "Pod"): "pods", ("v1", "Secret"): "secrets", ("v1", "Node"): "nodes"}


class TokenRequests:
    """Issues tokens."""

    def __init__(
        self, resources: Resources, signer: Signer, authorizer: Authorizer, own_audiences: frozenset[str]
    ) -> None:
        """`own_audiences`: names by which tokens are meant for this server."""
        self._resources = resources
        self._own = own_audiences
        self._authorizer = authorizer
        self._signer = signer

    def complete(self, call: Call, request: Object) -> None:
        """Fill in what the request leaves open, as policies are to see it. Raises Invalid, Forbidden."""
        _check_place(call, request["metadata"])
        spec = request["spec"] = request.get("spec") or {}
        seconds = spec.get("expirationSeconds") or _DEFAULT
        problem = _check_seconds(seconds)
        if problem is not None:
            kind = errors.Target(group="authentication.k8s.io", kind="TokenRequest", name=call.info.name)
            raise errors.invalid(kind, [problem])
        if seconds > LONGEST_SECONDS:
            call.warn(f"requested expiration of {seconds} seconds shortened to {LONGEST_SECONDS} seconds")
            seconds = LONGEST_SECONDS
        given = spec.get("audiences") or []
        if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
            raise errors.BadRequest("spec.audiences is not a list of strings")
        self._restrict(call, spec.get("boundObjectRef") or {}, given)
        place = {"name": call.info.name, "namespace": call.info.namespace}
        request["metadata"] |= {**place, "creationTimestamp": times.now_rfc3339()}
        spec |= {"audiences": given or [self._signer.issuer], "expirationSeconds": seconds}
        request.pop("status", None)

    def issue(self, call: Call, account: Object, request: Object) -> Object:
        """A complete TokenRequest, answered. Raises NotFound, Conflict."""
        spec = request["spec"]
        audiences, seconds = spec["audiences"], spec["expirationSeconds"]
        bound = self._bound(call, account, spec.get("boundObjectRef"))
        extended = seconds == POD_SECONDS and "pod" in bound and self._own.issuperset(audiences)
        token, expires = self._signer.issue(
            account, audiences=audiences, seconds=seconds, bound=bound, extended=extended
        )
        return {**request, "status": {"token": token, "expirationTimestamp": expires}}

    def _restrict(self, call: Call, reference: Object, audiences: list[str]) -> None:
        """A kubelet gets tokens only for the pods that run on its node (NodeRestriction). Raises Forbidden."""
        node = call.user.node
        if not node:
            return
        if (reference.get("apiVersion"), reference.get("kind")) != ("v1", "Pod") or not reference.get("name"):
            raise errors.forbidden(call.target, "node requested token not bound to a pod")
        if not reference.get("uid"):
            raise errors.forbidden(call.target, "node requested token with a pod binding without a uid")
        entry = self._resources["", "pods"].objects.get(call.info.namespace, reference["name"])
        if entry is None:
            raise errors.not_found(self._resources["", "pods"].target(reference["name"]))
        if entry.fields.get("spec.nodeName") != node:
            raise errors.forbidden(call.target, "node requested token bound to a pod scheduled on a different node")
        self._check_audiences(call, entry.load(), audiences)

    def _check_audiences(self, call: Call, pod: Object, audiences: list[str]) -> None:
        """A kubelet gets tokens for whom its pods want to speak to, or whom it was allowed to itself (KEP-4412)."""
        if len(audiences) > 1:
            raise errors.forbidden(call.target, "node may only request 0 or 1 audiences")
        wanted = audiences[0] if audiences else ""
        if wanted in self._audiences(pod):
            return
        verb, info = "request-serviceaccounts-token-audience", call.info
        asked = Request(user=call.user, verb=verb, resource=wanted, name=info.name, namespace=info.namespace)
        if wanted and self._authorizer.decide(asked).allowed:
            return
        who = f"{call.user.name} is not authorized to request tokens for this audience"
        raise errors.forbidden(call.target, f'audience "{wanted}" not found in pod spec volume, {who}')

    def _audiences(self, pod: Object) -> set[str]:
        """The audiences of a pod's projected tokens, and of those that the drivers of its volumes ask for."""
        found: set[str] = set()
        for volume in (pod.get("spec") or {}).get("volumes") or ():
            for source in (volume.get("projected") or {}).get("sources") or ():
                if (token := source.get("serviceAccountToken")) is not None:
                    found.add(token.get("audience", ""))
            driver = self._resources["storage.k8s.io", "csidrivers"].objects.get("", self._driver(pod, volume))
            if driver is not None:
                requests = (driver.load().get("spec") or {}).get("tokenRequests") or ()
                found |= {request.get("audience", "") for request in requests}
        return found

    def _driver(self, pod: Object, volume: Object) -> str:
        """The CSI driver of a volume: its own, or that of the volume of its claim."""
        if (own := volume.get("csi")) is not None:
            return str(own.get("driver", ""))
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName", "")
        if "ephemeral" in volume:
            name = f"{pod['metadata']['name']}-{volume.get('name', '')}"
        claim = self._resources["", "persistentvolumeclaims"].objects.get(pod["metadata"]["namespace"], name)
        bound = (claim.load().get("spec") or {}).get("volumeName", "") if name and claim is not None else ""
        entry = self._resources["", "persistentvolumes"].objects.get("", bound) if bound else None
        spec = (entry.load().get("spec") or {}) if entry is not None else {}
        return str((spec.get("csi") or {}).get("driver", ""))

    def _bound(self, call: Call, account: Object, reference: Object | None) -> Object:
        """The claims that tie the token to another object."""
        if not reference:
            return {}
        plural = _BOUND.get((reference.get("apiVersion", "v1"), reference.get("kind", "")))
        if plural is None:
            group, _, version = reference.get("apiVersion", "v1").rpartition("/")
            what = f"{group}/{version}, Kind={reference.get('kind', '')}"
            raise errors.BadRequest(f"cannot bind token to object of type {what}")
        resource = self._resources["", plural]
        name = reference.get("name", "")
        entry = resource.objects.get(call.info.namespace if resource.kind.namespaced else "", name)
        if entry is None:
            raise errors.not_found(resource.target(name))
        obj = entry.load()
        uid = obj["metadata"]["uid"]
        if reference.get("uid") and reference["uid"] != uid:
            text = f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
            target = errors.Target(resource=reference["kind"], kind=reference["kind"], name=name)
            raise errors.conflict(target, f"{text}The object might have been deleted and then recreated")
        claims = {reference["kind"].lower(): {"name": name, "uid": uid}}
        if plural == "pods":
            claims |= self._of_pod(account, obj)
        return claims

    def _of_pod(self, account: Object, pod: Object) -> Object:
        """A pod's token also names its node; it is only given for the account that the pod runs as."""
        spec = pod.get("spec") or {}
        if spec.get("serviceAccountName") != account["metadata"]["name"]:
            what = f'cannot bind token for serviceaccount "{account["metadata"]["name"]}"'
            raise errors.BadRequest(f"{what} to pod running with different serviceaccount name.")
        node = spec.get("nodeName")
        entry = self._resources["", "nodes"].objects.get("", node) if node else None
        if not node:
            return {}
        uid = {} if entry is None else {"uid": entry.load()["metadata"]["uid"]}
        return {"node": {"name": node, **uid}}


def _check_place(call: Call, metadata: Object) -> None:
    """A request is for the account that the path names (registry/core/serviceaccount/storage/token.go)."""
    for key, account in (("name", call.info.name), ("namespace", call.info.namespace)):
        if metadata.get(key) and metadata[key] != account:
            text = f"must match the service account {key} if specified"
            problem = fielderrors.invalid(f"metadata.{key}", metadata[key], text)
            target = errors.Target(group="authentication.k8s.io", kind="TokenRequest", name=call.info.name)
            raise errors.invalid(target, [problem])


def _check_seconds(seconds: Any) -> fielderrors.FieldError | None:
    path = "spec.expirationSeconds"
    if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < _SHORTEST:
        return fielderrors.invalid(path, seconds, "may not specify a duration less than 10 minutes")
    if seconds > _LONGEST:
        return fielderrors.invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")
    return None
