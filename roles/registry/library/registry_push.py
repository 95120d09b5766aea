#!/usr/bin/python
"""Copies the images of an OCI layout into a registry that speaks mutual TLS, only what it lacks."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: registry_push
short_description: Fill a registry with the images of an OCI layout
description:
  - Compares the digest of every tag and uploads the blobs and manifests that differ, over the registry API
    (https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md).
  - Runs on the control host. Supports check mode; a registry that does not answer yet would be filled.
options:
  layout:
    description: Folder with the OCI layout; the reference name of a manifest is C(repository:tag).
    type: path
    required: true
  address:
    description: Address of the registry.
    type: str
    required: true
  port:
    description: Port of the registry.
    type: int
    default: 5000
  server_name:
    description: Name that the registry's certificate must carry.
    type: str
    required: true
  certificate:
    description: Client certificate.
    type: path
    required: true
  key:
    description: Key of the client certificate.
    type: path
    required: true
  ca:
    description: Authority of the registry's certificate.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Push the base images
  registry_push:
    layout: /var/lib/tricenter/images-oci/current
    address: 198.18.0.31
    server_name: east1-cp1
    certificate: /var/lib/tricenter/pki/registry-admin.crt
    key: /var/lib/tricenter/pki/registry-admin.key
    ca: /var/lib/tricenter/pki/registry-ca.crt
"""

RETURN = r"""
pushed:
  description: References that were (in check mode, would be) pushed.
  type: list
  elements: str
  returned: always
"""

REFERENCE = "org.opencontainers.image.ref.name"


class Registry:
    """One connection to a registry."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        """Prepare the connection; it opens with the first request."""
        context = ssl.create_default_context(cafile=parameters["ca"])
        # the trust file holds one authority that is not a root, so that the CAs of a site stay separate
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_cert_chain(parameters["certificate"], parameters["key"])
        self._address = (parameters["address"], parameters["port"])
        self._connection = _NamedConnection(*self._address, name=parameters["server_name"], context=context, timeout=30)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def wait(self, *, seconds: int) -> None:
        """Wait for a registry that was just started to listen; raises OSError when it does not."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._connection.connect()
                return
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def digest(self, repository: str, tag: str) -> str | None:
        """The digest behind a tag, None where the registry has no such tag."""
        headers = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        response, _ = self._request("HEAD", f"/v2/{repository}/manifests/{tag}", headers=headers, accept=(200, 404))
        return response.headers["Docker-Content-Digest"] if response.status == 200 else None

    def push_blob(self, repository: str, digest: str, data: bytes) -> None:
        """Upload a blob in one piece unless the repository has it."""
        response, _ = self._request("HEAD", f"/v2/{repository}/blobs/{digest}", accept=(200, 404))
        if response.status == 200:
            return
        response, _ = self._request("POST", f"/v2/{repository}/blobs/uploads/", accept=(202,))
        location = urlsplit(response.headers["Location"])
        target = f"{location.path}?{location.query}{'&' if location.query else ''}digest={digest}"
        self._request("PUT", target, data, {"Content-Type": "application/octet-stream"}, accept=(201,))

    def push_manifest(self, repository: str, tag: str, media_type: str, data: bytes) -> None:
        """Upload a manifest under a tag; its blobs must be there."""
        self._request("PUT", f"/v2/{repository}/manifests/{tag}", data, {"Content-Type": media_type}, accept=(201,))

    def _request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        accept: tuple[int, ...],
    ) -> tuple[http.client.HTTPResponse, bytes]:
        self._connection.request(method, path, body=body, headers=headers or {})
        response = self._connection.getresponse()
        content = response.read()
        if response.status not in accept:
            raise OSError(f"{method} {path}: {response.status} {content.decode(errors='replace').strip()}")
        return response, content


class _NamedConnection(http.client.HTTPSConnection):
    """HTTPS to an address, checking the certificate against a name."""

    def __init__(self, host: str, port: int, *, name: str, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(host, port, context=context, timeout=timeout)
        self._name = name
        self._ssl_context = context

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._ssl_context.wrap_socket(self.sock, server_hostname=self._name)


def push(registry: Registry, layout: Path, *, dry_run: bool) -> list[str]:
    """Push every reference of the layout whose digest differs; returns them."""
    pushed = []
    for descriptor in json.loads((layout / "index.json").read_text())["manifests"]:
        reference = descriptor["annotations"][REFERENCE]
        repository, tag = reference.rsplit(":", 1)
        if registry.digest(repository, tag) == descriptor["digest"]:
            continue
        pushed.append(reference)
        if dry_run:
            continue
        manifest = _blob(layout, descriptor)
        document = json.loads(manifest)
        for blob in (document["config"], *document["layers"]):
            registry.push_blob(repository, blob["digest"], _blob(layout, blob))
        registry.push_manifest(repository, tag, descriptor["mediaType"], manifest)
    return pushed


def _blob(layout: Path, descriptor: dict[str, Any]) -> bytes:
    return (layout / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()


def main() -> None:
    """Run the module."""
    required = {"type": "path", "required": True}
    module = AnsibleModule(
        argument_spec={
            "layout": required,
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "default": 5000},
            "server_name": {"type": "str", "required": True},
            "certificate": required,
            "key": {**required, "no_log": False},
            "ca": required,
        },
        supports_check_mode=True,
    )
    try:
        registry = Registry(module.params)
        if not module.check_mode:
            registry.wait(seconds=20)
        pushed = push(registry, Path(module.params["layout"]), dry_run=module.check_mode)
    except OSError as error:
        if module.check_mode:
            module.exit_json(changed=True, pushed=[], msg=f"would push everything: {error}")
        module.fail_json(msg=f"registry {module.params['address']}:{module.params['port']}: {error}")
    module.exit_json(changed=bool(pushed), pushed=pushed)


if __name__ == "__main__":
    main()
