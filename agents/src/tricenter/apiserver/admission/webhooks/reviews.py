"""AdmissionReview: what is asked and what an answer means (k8s.io/apiserver pkg/admission/plugin/webhook/request)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tricenter.apiserver import errors
from tricenter.apiserver.admission import requests
from tricenter.apiserver.admission.requests import View

Object = dict[str, Any]

_REFUSED = 400


@dataclass(frozen=True)
class Answer:
    """A webhook's answer."""

    allowed: bool
    status: Mapping[str, Any]
    patch: Any
    patch_type: str
    warnings: tuple[str, ...]
    annotations: Mapping[str, str]


def question(uid: str, version: str, seen: View) -> Object:
    """The AdmissionReview that is sent."""
    asked = {"uid": uid, **requests.request(seen), "object": seen.obj, "oldObject": seen.old}
    return {"kind": "AdmissionReview", "apiVersion": f"admission.k8s.io/{version}", "request": asked}


def answer(uid: str, version: str, body: bytes, *, mutating: bool) -> Answer:
    """What a webhook has answered. Raises ValueError for what is no proper answer."""
    try:
        review = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"couldn't get version/kind; json parse error: {error}") from error
    response = review.get("response") if isinstance(review, dict) else None
    if not isinstance(response, dict):
        raise ValueError("webhook response was absent")  # noqa: TRY004 - of the value of a document
    if version == "v1":
        _check(uid, review, response, mutating=mutating)
    return Answer(
        allowed=response.get("allowed") is True,
        status=response.get("status") or {},
        patch=_patch(response.get("patch")) if mutating else None,
        patch_type=str(response.get("patchType") or "JSONPatch"),
        warnings=tuple(str(text) for text in response.get("warnings") or ()),
        annotations={str(key): str(value) for key, value in (response.get("auditAnnotations") or {}).items()},
    )


def _check(uid: str, review: Object, response: Object, *, mutating: bool) -> None:
    if response.get("uid") != uid:
        raise ValueError(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
    group, _, version = str(review.get("apiVersion", "")).rpartition("/")
    if (group, version, review.get("kind")) != ("admission.k8s.io", "v1", "AdmissionReview"):
        got = f"{group}/{version}, Kind={review.get('kind', '')}"
        raise ValueError(f"expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got {got}")
    patch, kind = response.get("patch"), response.get("patchType")
    if not mutating:
        if patch:
            raise ValueError("validating webhook may not return response.patch")
        if kind is not None:
            raise ValueError("validating webhook may not return response.patchType")
    elif patch and kind is None:
        raise ValueError("webhook returned response.patch but not response.patchType")
    elif kind is not None and not patch:
        raise ValueError("webhook returned response.patchType but not response.patch")
    elif kind == "":
        raise ValueError('webhook returned invalid response.patchType of ""')


def _patch(encoded: Any) -> Any:
    if not encoded:
        return None
    try:
        patch = orjson.loads(base64.b64decode(encoded, validate=True))
    except (TypeError, binascii.Error, orjson.JSONDecodeError) as error:
        raise ValueError(f"received undecodable patch in webhook response: {error}") from error
    if not isinstance(patch, list):
        raise ValueError("received undecodable patch in webhook response: it is no list")  # noqa: TRY004 - as above
    return patch


def refusal(name: str, status: Mapping[str, Any]) -> errors.StatusError:
    """What a client sees of a denial (webhook/errors/statuserror.go)."""
    denied = f'admission webhook "{name}" denied the request'
    explanation = status.get("message") or status.get("reason")
    code = status.get("code")
    found = {key: value for key, value in status.items() if key in ("reason", "details") and value}
    return errors.given(
        {
            **found,
            "status": "Failure",
            "message": f"{denied}: {explanation}" if explanation else f"{denied} without explanation",
            "code": code if isinstance(code, int) and code >= _REFUSED else _REFUSED,
        }
    )
