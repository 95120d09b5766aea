"""Mirror pods: objects by which a kubelet shows the pods that come from files of its machine (static pods)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MIRROR = "kubernetes.io/config.mirror"
"""The annotation that tells them; its value is the uid of the static pod."""


def is_mirror(pod: Mapping[str, Any]) -> bool:
    """Whether a pod only shows a static one to users of the API."""
    return MIRROR in (pod["metadata"].get("annotations") or {})
