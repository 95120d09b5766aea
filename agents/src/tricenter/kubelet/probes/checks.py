"""Asks a container once: exec, httpGet, tcpSocket or grpc."""

import asyncio
from typing import Any

import aiohttp
import grpc
from google.protobuf.wrappers_pb2 import StringValue

from tricenter.kubelet.cri.client import CriError, Runtime
from tricenter.kubelet.probes import targets

Object = dict[str, Any]

# grpc.health.v1.Health/Check: response {1: status}, SERVING is 1.
_HEALTH_METHOD = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"


class Checks:
    """Runs single probes; each returns (good, words)."""

    def __init__(self, runtime: Runtime, http: aiohttp.ClientSession) -> None:
        self._runtime = runtime
        self._http = http

    async def check(self, probe: Object, container: Object, container_id: str, address: str) -> tuple[bool, str]:
        """Ask once, within the probe's timeout."""
        seconds = probe.get("timeoutSeconds") or 1
        try:
            async with asyncio.timeout(seconds + 0.5):
                if "exec" in probe:
                    return await self._exec(container_id, probe["exec"].get("command") or [], seconds)
                if "httpGet" in probe:
                    return await self._http_get(probe["httpGet"], container, address, seconds)
                if "tcpSocket" in probe:
                    return await self._tcp(probe["tcpSocket"], container, address)
                return await self._grpc(probe.get("grpc") or {}, address)
        except TimeoutError:
            return False, f"no answer within {seconds} s"
        except (aiohttp.ClientError, OSError, ValueError, CriError, grpc.aio.AioRpcError) as error:
            return False, str(error) or type(error).__name__

    async def _exec(self, container_id: str, command: list[str], seconds: float) -> tuple[bool, str]:
        answer = await self._runtime.exec_sync(container_id, command, seconds)
        output = (answer.stdout + answer.stderr).decode(errors="replace").strip()
        return answer.exit_code == 0, output[:1024]

    async def _http_get(self, action: Object, container: Object, address: str, seconds: float) -> tuple[bool, str]:
        timeout = aiohttp.ClientTimeout(total=seconds)
        url = targets.url(action, container, address)
        async with self._http.get(
            url, headers=targets.headers(action), timeout=timeout, allow_redirects=False
        ) as answer:
            return 200 <= answer.status < 400, f"HTTP probe failed with statuscode: {answer.status}"

    async def _tcp(self, action: Object, container: Object, address: str) -> tuple[bool, str]:
        port = targets.port(action["port"], container)
        _, writer = await asyncio.open_connection(action.get("host") or address, port)
        writer.close()
        return True, ""

    async def _grpc(self, action: Object, address: str) -> tuple[bool, str]:
        # HealthCheckRequest, too, is a message whose field 1 is a string.
        request = StringValue(value=action.get("service") or "").SerializeToString()
        async with grpc.aio.insecure_channel(f"{address}:{action['port']}") as channel:
            answer = bytes(await channel.unary_unary(_HEALTH_METHOD, None, None)(request))
        return answer == _SERVING, f"service unhealthy: {answer!r}"
