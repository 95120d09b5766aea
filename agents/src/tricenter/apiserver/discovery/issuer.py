"""Discovery of the issuer of service account tokens: others can verify them with its keys (OIDC Discovery)."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from tricenter.apiserver.auth.tokens import PublicKey, as_jwk
from tricenter.apiserver.auth.user import User
from tricenter.apiserver.rest import answers


class Issuer:
    """Answers the two well-known paths."""

    def __init__(self, issuer: str, address: str, keys: Sequence[PublicKey]) -> None:
        listed = {key["kid"]: key for key in map(as_jwk, keys)}
        self._keys = {"keys": list(listed.values())}
        self._configuration = {
            "issuer": issuer,
            "jwks_uri": f"https://{address}/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": sorted({key["alg"] for key in listed.values()}),
        }

    async def configuration(self, _: web.BaseRequest, __: User) -> web.StreamResponse:
        """/.well-known/openid-configuration."""
        return _public(answers.json(self._configuration))

    async def keys(self, _: web.BaseRequest, __: User) -> web.StreamResponse:
        """/openid/v1/jwks."""
        return _public(answers.json(self._keys, media="application/jwk-set+json"))


def _public(response: web.Response) -> web.Response:
    """Relying parties may keep the answer for an hour, as upstream tells them."""
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response
