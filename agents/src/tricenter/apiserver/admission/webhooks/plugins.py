"""The two admission plugins that ask webhooks (pkg/admission/plugin/webhook/{mutating,validating}/dispatcher.go)."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from http import HTTPStatus
from typing import Any

import orjson

from tricenter.apimachinery import cel, copies, defaults, patches
from tricenter.apiserver import errors
from tricenter.apiserver.admission import expressions, matching, requests
from tricenter.apiserver.admission.chain import CONNECT, Attributes, Plugin
from tricenter.apiserver.admission.instruments import CALL_FAILED, INTERNAL, REFUSED, AdmissionMetrics
from tricenter.apiserver.admission.matching import Matcher
from tricenter.apiserver.admission.requests import View
from tricenter.apiserver.admission.webhooks import reviews
from tricenter.apiserver.admission.webhooks.calling import Caller, CallFailed
from tricenter.apiserver.admission.webhooks.hooks import Hook, Hooks
from tricenter.apiserver.admission.webhooks.reviews import Answer
from tricenter.apiserver.auth.authorize import Authorizer
from tricenter.apiserver.resources import Resources

log = logging.getLogger(__name__)

_GROUP = "admissionregistration.k8s.io"
_MUTATION = "mutation.webhook.admission.k8s.io/"
_VALIDATION = "validating.webhook.admission.k8s.io/"


class _Webhooks(Plugin):
    """What both plugins share: which webhooks are for a request, and what becomes of a call."""

    mutating: bool
    plural: str

    def __init__(  # what a call is made of
        self,
        resources: Resources,
        matcher: Matcher,
        authorizer: Authorizer,
        caller: Caller,
        instruments: AdmissionMetrics,
    ) -> None:
        self._hooks = Hooks(resources[_GROUP, self.plural].objects)
        self._matcher = matcher
        self._authorizer = authorizer
        self._caller = caller
        self._instruments = instruments

    def _all(self, attributes: Attributes) -> list[Hook]:
        return [] if matching.exempt(attributes) else self._hooks.all()

    async def _wanted(self, hook: Hook, attributes: Attributes) -> View | None:
        """The request as the webhook wants to see it, None where it is not to be called. Raises Forbidden."""
        resource = await self._matcher.match(hook.criteria, attributes)
        if resource is None:
            return None
        seen = requests.view(attributes, resource)
        if not hook.conditions:
            return seen
        try:
            bindings = expressions.values(seen, self._authorizer, until=expressions.budget())
            return seen if expressions.conditions_hold(hook.conditions, bindings) else None
        except cel.CelError as error:
            if hook.ignores_failure:
                return None
            raise errors.forbidden(attributes.target, str(error)) from error

    async def _ask(self, hook: Hook, seen: View) -> Answer:
        """Ask, and keep what the answer says besides. Raises CallFailed; BadRequest, and what the webhook refuses."""
        call = seen.attributes.call
        began, why = time.perf_counter(), INTERNAL
        code: int = 0
        try:
            if call.dry_run and hook.has_side_effects:
                raise errors.BadRequest(f'admission webhook "{hook.name}" does not support dry run')
            answer = await self._caller.ask(hook, seen, str(uuid.uuid4()), mutating=self.mutating)
            code = HTTPStatus.OK if answer.allowed else reviews.refusal(hook.name, answer.status).code
            why = "" if answer.allowed else REFUSED
        except CallFailed as error:
            code, why = error.code, "" if hook.ignores_failure else CALL_FAILED
            raise
        finally:
            spent, operation = time.perf_counter() - began, seen.attributes.operation
            self._instruments.called(
                hook.name, mutating=self.mutating, operation=operation, code=code, why=why, seconds=spent
            )
        for key, value in answer.annotations.items():
            call.annotate(f"{hook.name}/{key}", value)
        for text in answer.warnings:
            call.warn(text)
        if not answer.allowed:
            raise reviews.refusal(hook.name, answer.status)
        return answer

    def _failed(self, hook: Hook, seen: View, where: str, error: CallFailed) -> None:
        """What a failed call means: nothing, or the end of the request. Raises Internal."""
        if not hook.ignores_failure:
            text = f'Internal error occurred: failed calling webhook "{hook.name}": {error}'
            raise errors.Internal(text, causes=[{"message": text.partition(": ")[2]}]) from error
        log.warning("failed calling webhook, failing open %s: %s", hook.name, error)
        self._instruments.failed_open(hook.name, mutating=self.mutating)
        seen.attributes.call.annotate(f"failed-open.{where}", hook.name)


class MutatingWebhooks(_Webhooks):
    """Asks mutating webhooks, one after the other."""

    title = "MutatingAdmissionWebhook"
    mutating, plural = True, "mutatingwebhookconfigurations"

    async def mutate(self, attributes: Attributes) -> None:
        """Let webhooks change the object. Raises StatusError."""
        hooks = self._all(attributes)
        if not hooks:
            return
        round_ = attributes.round
        if round_.second and round_.seen != attributes.obj:
            round_.changed()
        for index, hook in enumerate(hooks):
            if not round_.second or hook.uid in round_.due:
                await self._let(hook, index, attributes)
        if round_.wanted and not round_.second:
            round_.seen = copies.deep(attributes.obj)

    async def _let(self, hook: Hook, index: int, attributes: Attributes) -> None:
        seen = await self._wanted(hook, attributes)
        if seen is None:
            return
        round_ = attributes.round
        where = f"{_MUTATION}round_{int(round_.second)}_index_{index}"
        changed = False
        try:
            changed = _patched(hook, seen, await self._ask(hook, seen))
        except CallFailed as error:
            self._failed(hook, seen, where, error)
        note = {"configuration": hook.configuration, "webhook": hook.name, "mutated": changed}
        attributes.call.annotate(where, orjson.dumps(note).decode())
        if changed:
            round_.changed()
            round_.wanted = True
        if hook.reinvoked:
            round_.called.add(hook.uid)


def _patched(hook: Hook, seen: View, answer: Answer) -> bool:
    """Apply the patch of an answer; whether it changed anything. Raises Internal, CallFailed."""
    if not answer.patch:
        return False
    if seen.obj is None or seen.attributes.operation == CONNECT:
        text = (
            f'admission webhook "{hook.name}" attempted to modify the object, which is not supported for this operation'
        )
        raise errors.Internal(f"Internal error occurred: {text}")
    if answer.patch_type != "JSONPatch":
        raise CallFailed(f'unsupported patch type "{answer.patch_type}"')
    try:
        changed = patches.json_patch(seen.obj, answer.patch)
    except patches.PatchError as error:
        raise errors.Internal(f"Internal error occurred: {error}") from error
    if not isinstance(changed, dict) or not isinstance(changed.get("metadata"), dict):
        raise errors.Internal("Internal error occurred: the patched object has no metadata")
    if not requests.take(seen, changed):
        return False
    if seen.attributes.subresource != "scale":
        defaults.apply(seen.attributes.call.resource.kind, seen.attributes.obj)
    return True


class ValidatingWebhooks(_Webhooks):
    """Asks validating webhooks, all at once."""

    title = "ValidatingAdmissionWebhook"
    mutating, plural = False, "validatingwebhookconfigurations"

    async def validate(self, attributes: Attributes) -> None:
        """Let webhooks look at the object. Raises the StatusError of the first that refuses."""
        asked: list[tuple[Hook, View]] = []
        for hook in self._all(attributes):
            seen = await self._wanted(hook, attributes)
            if seen is not None:
                asked.append((hook, seen))
        if not asked:
            return
        work = (self._check(hook, seen, index) for index, (hook, seen) in enumerate(asked))
        found: list[Any] = await asyncio.gather(*work, return_exceptions=True)
        for problem in found:
            if problem is not None:
                raise problem

    async def _check(self, hook: Hook, seen: View, index: int) -> None:
        try:
            await self._ask(hook, seen)
        except CallFailed as error:
            self._failed(hook, seen, f"{_VALIDATION}round_0_index_{index}", error)
