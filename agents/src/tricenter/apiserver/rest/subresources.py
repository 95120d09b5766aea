"""Subresources that are not simply a part of their object: scale, binding, eviction, token and finalize."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tricenter.apimachinery import copies, fielderrors, times
from tricenter.apimachinery.managedfields import replicas
from tricenter.apiserver import errors
from tricenter.apiserver.admission.chain import UPDATE
from tricenter.apiserver.config import Config
from tricenter.apiserver.registry import fieldcheck, metadata, strategies
from tricenter.apiserver.registry.namespaces import NamespaceStrategy
from tricenter.apiserver.rest import answers, applying, bodies, patching, scaling, shapes
from tricenter.apiserver.rest.call import Call
from tricenter.apiserver.rest.evicting import Eviction
from tricenter.apiserver.rest.reads import Reads
from tricenter.apiserver.rest.router import Handler, Route, Special
from tricenter.apiserver.rest.tokenrequest import TokenRequests
from tricenter.apiserver.rest.writes import Change, Writes, parsed

Object = dict[str, Any]


_BODIES = {
    "Binding": ("v1", "io.k8s.api.core.v1.Binding"),
    "Eviction": ("policy/v1", "io.k8s.api.policy.v1.Eviction"),
    "Namespace": ("v1", "io.k8s.api.core.v1.Namespace"),
    "Scale": ("autoscaling/v1", "io.k8s.api.autoscaling.v1.Scale"),
    "TokenRequest": ("authentication.k8s.io/v1", "io.k8s.api.authentication.v1.TokenRequest"),
}
"""Version and definition of what comes to a subresource."""


class Subresources:
    """Answers subresources."""

    def __init__(self, config: Config, reads: Reads, writes: Writes, eviction: Eviction, tokens: TokenRequests) -> None:
        self._config = config
        self._reads = reads
        self._writes = writes
        self._eviction = eviction
        self._tokens = tokens

    def general(self) -> dict[Route, Handler]:
        """Handlers for any resource that has the subresource."""
        return {
            ("get", "scale"): self.get_scale,
            ("update", "scale"): self.update_scale,
            ("patch", "scale"): self.patch_scale,
        }

    def special(self) -> dict[Special, Handler]:
        """Handlers for one resource."""
        return {
            ("", "namespaces", "update", "finalize"): self.finalize,
            ("", "pods", "create", "binding"): self.bind,
            ("", "pods", "create", "eviction"): self.evict,
            ("", "serviceaccounts", "create", "token"): self.token,
        }

    async def body(self, call: Call, kind: str) -> Object:
        """The object in the request's body; the kind of it is what the subresource takes. Raises BadRequest."""
        raw = await bodies.read(call.http, self._config.max_body_bytes)
        data = await bodies.parse(raw, bodies.media_type(call.http), wanted=kind)
        if not isinstance(data, dict) or data.get("kind", kind) != kind:
            raise errors.BadRequest(f"the body of the request must be a {kind}")
        if not isinstance(data.setdefault("metadata", {}), dict):
            raise errors.BadRequest("metadata is not an object")
        version, definition = _BODIES[kind]
        data = {"apiVersion": version, "kind": kind, **data}
        fieldcheck.check_types(call, data, definition)
        return data

    # --- scale ---

    async def get_scale(self, call: Call) -> web.StreamResponse:
        """The Scale of a workload."""
        entry = await self._reads.entry(call, call.query.get("resourceVersion", ""))
        return answers.json(scaling.of(call.resource.kind, shapes.loaded(call.resource, entry.body)))

    async def update_scale(self, call: Call) -> web.StreamResponse:
        """PUT of a Scale."""
        wanted = await self.body(call, "Scale")
        return await self._scale(call, lambda _: wanted)

    async def patch_scale(self, call: Call) -> web.StreamResponse:
        """PATCH of a Scale."""
        raw, media = await bodies.read(call.http, self._config.max_body_bytes), bodies.media_type(call.http)
        if media == patching.APPLY_PATCH:
            return await self._apply_scale(call, raw)
        return await self._scale(call, patching.parse_plain(raw, media))

    async def _apply_scale(self, call: Call, raw: bytes) -> web.StreamResponse:
        applied = applying.check(call, await parsed(call, raw, bodies.YAML), replicas.SCALE)

        async def step(old: Object) -> Object:
            new = await self._writes.changes.updated(call, old, applying.scale(call, old, applied), managed=False)
            return old if applying.unchanged(old, new) else new

        return await self._scaled(call, step)

    async def _scale(self, call: Call, change: patching.Patch) -> web.StreamResponse:
        kind = call.resource.kind

        async def step(old: Object) -> Object:
            scale = change(scaling.of(kind, old))
            fieldcheck.check_types(call, scale, _BODIES["Scale"][1])
            wanted = scaling.scaled(kind, copies.deep(old), scale, call.target)
            return await self._writes.changes.updated(call, old, wanted)

        return await self._scaled(call, step)

    async def _scaled(self, call: Call, step: Change) -> web.StreamResponse:
        written = await self._writes.modify(call, step)
        return answers.json(scaling.of(call.resource.kind, written.load()))

    # --- namespaces ---

    async def finalize(self, call: Call) -> web.StreamResponse:
        """Change a namespace's `spec.finalizers`; the last one removed lets it go."""
        wanted = bodies.as_object(await self.body(call, "Namespace"), call.resource)
        strategy = strategies.of(call.resource.kind)
        assert isinstance(strategy, NamespaceStrategy)  # noqa: S101  # only namespaces have this subresource

        async def step(old: Object) -> Object:
            new = copies.deep(wanted)
            metadata.keep(old, new, call.target, call.key)
            strategy.prepare_finalize(old, new)
            await self._writes.changes.admitted(call, new, UPDATE, old=old)
            return new

        return answers.raw((await self._writes.modify(call, step)).body())

    # --- pods ---

    async def bind(self, call: Call) -> web.StreamResponse:
        """Assign a pod to a node, once (pkg/registry/core/pod/storage BindingREST)."""
        binding = await self.body(call, "Binding")
        await self._writes.changes.admitted(call, binding)
        await self.assign(call, binding)
        return answers.json(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, code=201
        )

    async def evict(self, call: Call) -> web.StreamResponse:
        """Delete a pod unless its disruption budget forbids it."""
        eviction = await self.body(call, "Eviction")
        await self._writes.changes.admitted(call, eviction)
        await self._eviction.evict(call, eviction)
        body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        return answers.json(body, code=201)

    async def token(self, call: Call) -> web.StreamResponse:
        """A token for a service account."""
        request = await self.body(call, "TokenRequest")
        account = (await self._reads.entry(call)).load()
        await self._writes.changes.admitted(call, request, complete=lambda: self._tokens.complete(call, request))
        return answers.json(self._tokens.issue(call, account, request), code=201)

    async def assign(self, call: Call, binding: Object) -> None:
        """The same for a Binding that has been read. Raises Conflict, Invalid."""
        target = binding.get("target") or {}
        if target.get("kind", "Node") != "Node" or not target.get("name"):
            problem = fielderrors.required("target.name")
            raise errors.invalid(errors.Target(kind="Binding", name=call.info.name), [problem])
        wanted_uid = binding["metadata"].get("uid")

        async def step(pod: Object) -> Object:
            have = pod["metadata"].get("uid")
            if wanted_uid and wanted_uid != have:
                raise errors.other_uid(call.target, call.key, wanted_uid, have)
            return bound(copies.deep(pod), target["name"], binding["metadata"].get("annotations") or {}, call.target)

        await self._writes.modify(call, step)


def bound(pod: Object, node: str, annotations: Object, target: errors.Target) -> Object:
    """The pod on its node. Raises Conflict when it has one, is going, or waits behind scheduling gates."""
    spec = pod["spec"]
    name = pod["metadata"]["name"]
    if pod["metadata"].get("deletionTimestamp"):
        raise errors.conflict(target, f"pod {name} is being deleted, cannot be assigned to a host")
    if spec.get("nodeName"):
        raise errors.conflict(target, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
    if spec.get("schedulingGates"):
        raise errors.conflict(target, f"pod {name} has non-empty .spec.schedulingGates")
    spec["nodeName"] = node
    if annotations:
        pod["metadata"]["annotations"] = {**(pod["metadata"].get("annotations") or {}), **annotations}
    conditions = pod.setdefault("status", {}).setdefault("conditions", [])
    condition = {
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": times.now_rfc3339(),
    }
    present = next((item for item in conditions if item.get("type") == "PodScheduled"), None)
    if present is None:
        conditions.append(condition)
    elif present.get("status") != "True":
        conditions[conditions.index(present)] = condition
    return pod
