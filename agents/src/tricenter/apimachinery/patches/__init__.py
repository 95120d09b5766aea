"""The four ways to change a part of an object; apply patches are in `managedfields`.

All functions leave their arguments alone and return a new document that may share unchanged parts with the old one.
"""

from tricenter.apimachinery.patches.errors import PatchError, PatchTestFailed
from tricenter.apimachinery.patches.jsonpatch import json_patch
from tricenter.apimachinery.patches.mergepatch import merge_patch
from tricenter.apimachinery.patches.strategic import strategic_merge

__all__ = ["PatchError", "PatchTestFailed", "json_patch", "merge_patch", "strategic_merge"]
