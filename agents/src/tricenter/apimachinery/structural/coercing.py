"""Stored custom resources as their present schema wants them: upstream prunes and defaults on every read from etcd.

Versions differ in `apiVersion` and in their schemas only (conversion strategy None).
"""

import copy
from typing import Any

from tricenter.apimachinery.records import Kind
from tricenter.apimachinery.structural import defaulting, pruning

Object = dict[str, Any]


def coerced(kind: Kind, obj: Object) -> Object:
    """The object as clients of this version see it. The argument may be changed."""
    assert kind.structural is not None  # noqa: S101  # only custom resources come here
    obj["apiVersion"] = kind.api_version
    pruning.prune(obj, kind.structural)
    defaulting.apply(obj, kind.structural)
    return obj


def converted(kind: Kind, obj: Object) -> Object:
    """A copy of the object in another version: what that version does not specify is dropped."""
    assert kind.structural is not None  # noqa: S101  # only custom resources come here
    made = {**copy.deepcopy(obj), "apiVersion": kind.api_version}
    pruning.prune(made, kind.structural)
    return made
