"""The annotation of client-side apply, kept up to date by kubectl's server-side apply (lastappliedupdater.go).

So one can go back to client-side apply, and it knows what was applied last.
"""

import json
from typing import Any

from tricenter.apimachinery.validation.metadata import ANNOTATIONS_MAX, annotations_size

Object = dict[str, Any]
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_ESCAPED = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})
"""Go's encoder escapes what could end a script."""


def refresh(merged: Object, applied: Object) -> Object:
    """The object with what was applied in its annotation, where it has one; without it where that is too long."""
    annotations = (merged.get("metadata") or {}).get("annotations") or {}
    if not annotations.get(LAST_APPLIED):
        return merged
    kept = {**annotations, LAST_APPLIED: _encoded(applied)}
    if annotations_size(kept) > ANNOTATIONS_MAX:
        del kept[LAST_APPLIED]
    return {**merged, "metadata": {**merged["metadata"], "annotations": kept}}


def _encoded(applied: Object) -> str:
    """What was applied as one line, without an annotation of the same name."""
    metadata = dict(applied.get("metadata") or {})
    if metadata.get("annotations"):
        metadata["annotations"] = {key: item for key, item in metadata["annotations"].items() if key != LAST_APPLIED}
        if not metadata["annotations"]:
            del metadata["annotations"]
    content = {**applied, "metadata": metadata}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"{text.translate(_ESCAPED)}\n"
