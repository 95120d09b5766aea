"""metadata of objects: what the server sets, what a client may never change (registry/rest/meta.go)."""

from __future__ import annotations

import uuid
from typing import Any

from tricenter.apimachinery import fielderrors, names, times
from tricenter.apiserver import errors

Object = dict[str, Any]

_SERVER_ONLY = (
    "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion", "generation", "uid",
    "creationTimestamp",
)  # fmt: skip
_FIXED = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink")


def set_namespace(obj: Object, namespace: str, *, namespaced: bool) -> None:
    """The namespace of the path is the object's. Raises BadRequest when the object says otherwise."""
    metadata = obj["metadata"]
    given = metadata.get("namespace") or ""
    if not namespaced:
        metadata.pop("namespace", None)
    elif not namespace:
        raise errors.BadRequest("an empty namespace may not be set during creation")
    elif given and given != namespace:
        raise errors.BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    else:
        metadata["namespace"] = namespace


def wipe(obj: Object) -> None:
    """Drop what only the server sets on a new object. Raises Internal for one that says which version it is."""
    metadata = obj["metadata"]
    if based_on(metadata):
        # storage.ErrResourceVersionSetOnCreate: upstream answers with 500, too.
        raise errors.Internal("resourceVersion should not be set on objects to be created")
    for key in _SERVER_ONLY:
        metadata.pop(key, None)


def fill(obj: Object) -> None:
    """What a new object gets from the server."""
    metadata = obj["metadata"]
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = times.now_rfc3339()


def generate_name(obj: Object) -> None:
    """Name what asks for a name with a beginning, after admission may have changed it: refusals up to then say the
    same each time, so that events of them are counted and not written again (registry/generic/registry/store.go).
    """
    metadata = obj["metadata"]
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = names.generate(metadata["generateName"])


def based_on(metadata: Object) -> str:
    """The version that a write is based on; empty for none, which 0 says too (store.go, doUnconditionalUpdate)."""
    version = metadata.get("resourceVersion")
    return "" if version in (None, "0") else str(version)


def keep(old: Object, new: Object, target: errors.Target, key: str) -> None:
    """Keep what an update of the object at a key of etcd may not change. Raises BadRequest or Conflict."""
    before, after = old["metadata"], new["metadata"]
    after.setdefault("name", before["name"])
    check_place(before, after, target)
    if after.get("uid") and after["uid"] != before.get("uid"):
        raise errors.other_uid(target, key, after["uid"], before.get("uid"))
    if based_on(after) not in ("", before["resourceVersion"]):
        raise errors.modified(target)
    after["resourceVersion"] = before["resourceVersion"]
    for field in ("namespace", *_FIXED):
        if field in before:
            after[field] = before[field]
        else:
            after.pop(field, None)
    if before.get("deletionTimestamp"):
        _no_new_finalizers(before, after, new, target)


def check_place(before: Object, after: Object, target: errors.Target) -> None:
    """An update is of the object that the path names (endpoints/handlers/rest.go checkName). Raises BadRequest."""
    name, namespace = after.get("name") or before["name"], after.get("namespace")
    if name != before["name"]:
        raise errors.BadRequest(
            f"the name of the object ({name}) does not match the name on the URL ({before['name']})", target
        )
    if namespace and namespace != before.get("namespace"):
        raise errors.BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request", target
        )


def _no_new_finalizers(before: Object, after: Object, new: Object, target: errors.Target) -> None:
    """An object that is being deleted gets no new finalizer."""
    added = [item for item in after.get("finalizers") or () if item not in (before.get("finalizers") or ())]
    if added:
        message = (
            "Forbidden: no new finalizers can be added if the object is being deleted, "
            f"found new finalizers []string{{{', '.join(repr(item).replace(chr(39), chr(34)) for item in added)}}}"
        )
        problem = fielderrors.FieldError("metadata.finalizers", fielderrors.REASON_FORBIDDEN, message)
        kind = errors.Target(group=target.group, kind=new["kind"], name=target.name)
        raise errors.invalid(kind, [problem])
