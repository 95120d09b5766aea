"""Images of containers: present or pulled, by policy, with back-off and pull secrets."""

import asyncio
import logging
import time
from base64 import b64decode
from typing import Any

import orjson
from cri_api.v1 import api_pb2 as cri

from tricenter.client.events import NORMAL, WARNING
from tricenter.kubelet.cri.client import CriError, Runtime
from tricenter.kubelet.pods import fields
from tricenter.kubelet.pods.backoff import Backoff
from tricenter.kubelet.pods.env import Lookup
from tricenter.kubelet.recording import Record

Object = dict[str, Any]

_log = logging.getLogger(__name__)


class ImageError(Exception):
    """A container cannot have its image; `reason` is what the container's status says."""

    def __init__(self, reason: str, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after


class Images:
    """Gives images to containers; one pull at a time for the same image and credentials."""

    def __init__(self, runtime: Runtime, record: Record, lookup: Lookup) -> None:
        self._runtime = runtime
        self._record = record
        self._lookup = lookup
        self._backoff = Backoff()
        self._failed: dict[str, float] = {}
        self._pulls: dict[tuple[str, bytes], asyncio.Task[str]] = {}
        self.used: dict[str, float] = {}
        """When an image was last wanted, by id; for the garbage collection."""

    async def ensure(self, pod: Object, container: Object, sandbox: cri.PodSandboxConfig) -> cri.Image:
        """The image of a container, pulled where the policy asks for it. Raises ImageError or CriError."""
        name, policy = container["image"], pull_policy(container)
        if not name:
            raise ImageError("InvalidImageName", "image name is empty")
        present = await self._runtime.image_status(name)
        if present is not None and policy != "Always":
            self._record(pod, NORMAL, "Pulled", f'Container image "{name}" already present on machine')
            return self._use(present)
        if policy == "Never":
            message = f'Container image "{name}" is not present with pull policy of Never'
            self._record(pod, WARNING, "ErrImageNeverPull", message)
            raise ImageError("ErrImageNeverPull", message)
        await self._pull(pod, name, sandbox)
        present = await self._runtime.image_status(name)
        if present is None:
            raise ImageError("ErrImagePull", f'image "{name}" vanished after it was pulled')
        return self._use(present)

    def _use(self, image: cri.Image) -> cri.Image:
        self.used[image.id] = time.time()
        return image

    async def _pull(self, pod: Object, name: str, sandbox: cri.PodSandboxConfig) -> None:
        waiting = self._backoff.remaining(name, since=self._failed.get(name, 0.0), now=time.time())
        if waiting and name in self._failed:
            self._record(pod, NORMAL, "BackOff", f'Back-off pulling image "{name}"')
            raise ImageError("ImagePullBackOff", f'Back-off pulling image "{name}"', retry_after=waiting)
        self._record(pod, NORMAL, "Pulling", f'Pulling image "{name}"')
        begun = time.monotonic()
        try:
            await self._pull_once(name, await self._credentials(pod, name), sandbox)
        except CriError as error:
            self._failed[name] = time.time()
            self._backoff.advance(name, since=self._failed[name])
            message = f'Failed to pull image "{name}": {error}'
            self._record(pod, WARNING, "Failed", message)
            self._record(pod, WARNING, "Failed", "Error: ErrImagePull")
            raise ImageError("ErrImagePull", str(error), retry_after=self._backoff.delay(name)) from error
        self._failed.pop(name, None)
        self._backoff.forget(name)
        took = time.monotonic() - begun
        self._record(pod, NORMAL, "Pulled", f'Successfully pulled image "{name}" in {took:.3f}s')

    async def _pull_once(self, name: str, auth: cri.AuthConfig | None, sandbox: cri.PodSandboxConfig) -> None:
        key = (name, auth.SerializeToString() if auth else b"")
        task = self._pulls.get(key)
        if task is None:
            task = asyncio.create_task(self._runtime.pull_image(name, auth, sandbox), name=f"pull {name}")
            self._pulls[key] = task
            task.add_done_callback(lambda _: self._pulls.pop(key, None))
        # a pod that is deleted meanwhile does not stop the pull for others
        await asyncio.shield(task)

    async def _credentials(self, pod: Object, image: str) -> cri.AuthConfig | None:
        host = registry_of(image)
        for reference in pod["spec"].get("imagePullSecrets") or []:
            secret = await self._lookup("Secret", pod["metadata"]["namespace"], reference["name"])
            if secret is None:
                message = f"Unable to retrieve image pull secret {reference['name']}; the pull may not succeed."
                self._record(pod, WARNING, "FailedToRetrieveImagePullSecret", message)
                continue
            try:
                found = credentials(secret, host)
            except (AttributeError, TypeError, ValueError):  # their words might quote the secret
                message = f"image pull secret {reference['name']} is no Docker configuration; the pull may not succeed."
                self._record(pod, WARNING, "FailedToRetrieveImagePullSecret", message)
                continue
            if found is not None:
                return found
        return None


def pull_policy(container: Object) -> str:
    """Always, IfNotPresent or Never; by default Always for the tag latest."""
    if container.get("imagePullPolicy"):
        return str(container["imagePullPolicy"])
    name = container["image"].rsplit("/", 1)[-1]
    tag = "" if "@" in name else name.partition(":")[2] or "latest"
    return "Always" if tag == "latest" else "IfNotPresent"


def registry_of(image: str) -> str:
    """The registry that an image name means: its first part if that looks like a host, else Docker's.

    >>> registry_of("nginx:1.26"), registry_of("10.0.0.1:5000/a/b")
    ('docker.io', '10.0.0.1:5000')
    """
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def credentials(secret: Object, host: str) -> cri.AuthConfig | None:
    """What a pull secret says for a registry (kubernetes.io/dockerconfigjson)."""
    data = fields.secret_bytes(secret)
    auths = orjson.loads(data.get(".dockerconfigjson", b"{}")).get("auths") or orjson.loads(
        data.get(".dockercfg", b"{}")
    )
    for address, entry in auths.items():
        place = address.removeprefix("https://").removeprefix("http://").split("/")[0]
        if place == host or (host == "docker.io" and place == "index.docker.io"):
            user, _, password = b64decode(entry.get("auth", "")).decode().partition(":")
            return cri.AuthConfig(
                username=entry.get("username") or user,
                password=entry.get("password") or password,
                server_address=address,
            )
    return None
