"""Writes an OCI image layout: https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md."""

import gzip
import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX = "application/vnd.oci.image.index.v1+json"
REFERENCE = "org.opencontainers.image.ref.name"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, kw_only=True)
class LayerBlob:
    """A stored layer: its descriptor and the digest of its uncompressed tar."""

    descriptor: dict[str, Any]
    diff_id: str


class Layout:
    """An image layout in a folder; ``close`` writes the index."""

    def __init__(self, root: Path) -> None:
        """Start an empty layout below ``root``."""
        self._root = root
        self._manifests: list[dict[str, Any]] = []
        (root / "blobs/sha256").mkdir(parents=True)

    def add_layer(self, tar: bytes) -> LayerBlob:
        """Store a layer, compressed."""
        blob = self._blob(gzip.compress(tar, compresslevel=6, mtime=0), LAYER)
        return LayerBlob(descriptor=blob, diff_id=_digest(tar))

    def add_image(self, references: list[str], layers: list[LayerBlob], config: dict[str, Any]) -> None:
        """Store configuration and manifest of an image and name it ``references``."""
        document = {
            "architecture": _architecture(),
            "os": "linux",
            "config": {**config, "Env": [PATH, *config.get("Env", [])]},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
            "history": [{"created_by": "tricenter images/build.py"} for _ in layers],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._blob(_json(document), CONFIG),
            "layers": [layer.descriptor for layer in layers],
        }
        descriptor = self._blob(_json(manifest), MANIFEST)
        self._manifests += [{**descriptor, "annotations": {REFERENCE: name}} for name in references]

    def close(self) -> None:
        """Write what makes the folder a layout."""
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self._manifests}
        (self._root / "index.json").write_bytes(_json(index))
        (self._root / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))

    def _blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        digest = _digest(data)
        (self._root / "blobs" / digest.replace(":", "/")).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _json(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _architecture() -> str:
    """The machine's architecture in Go's words, which Debian shares for amd64 and arm64."""
    return subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout.strip()
