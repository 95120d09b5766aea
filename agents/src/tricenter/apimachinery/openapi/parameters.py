"""Query and path parameters of API operations, with the places where each is taken."""

from typing import Any

Object = dict[str, Any]

_DRY_RUN = ("dryRun", "string", "When present, indicates that modifications should not be persisted: All.")
_PRETTY = ("pretty", "string", "If 'true', then the output is pretty printed.")
_FIELD_MANAGER = ("fieldManager", "string", "Name of the actor or entity that is making these changes.")
_FIELD_VALIDATION = (
    "fieldValidation",
    "string",
    "What the server does with unknown or duplicate fields: Ignore, Warn (the default) or Strict.",
)
_FORCE = ("force", "boolean", "Apply requests take fields over from other managers instead of failing with a conflict.")
_SELECTING = (
    ("labelSelector", "string", "Restricts the list of returned objects by their labels. Defaults to everything."),
    ("fieldSelector", "string", "Restricts the list of returned objects by their fields. Defaults to everything."),
    ("resourceVersion", "string", "Constraint on what resource versions a request may be served from."),
    ("resourceVersionMatch", "string", "How resourceVersion is applied to list calls."),
    ("continue", "string", "Token of an earlier list response, to go on from where it ended."),
    ("limit", "integer", "Maximum number of objects in the response; more follow by the continue token."),
    ("timeoutSeconds", "integer", "Timeout of the call, regardless of any activity or inactivity."),
    ("sendInitialEvents", "boolean", "A watch starts with events that make up the current state."),
)
_WATCHING = (
    ("watch", "boolean", "Watch for changes to the described resources."),
    ("allowWatchBookmarks", "boolean", "Requests watch events of type BOOKMARK."),
)
_DELETING = (
    ("gracePeriodSeconds", "integer", "Seconds before the object is deleted; zero means at once."),
    ("orphanDependents", "boolean", "Deprecated: use propagationPolicy. Whether dependents are orphaned."),
    ("propagationPolicy", "string", "Whether and how garbage collection is done: Orphan, Background or Foreground."),
    (
        "ignoreStoreReadErrorWithClusterBreakingPotential",
        "boolean",
        "Deletes an object that cannot be read from storage.",
    ),
)
_LOG = (
    ("container", "string", "The container whose log is streamed."),
    ("follow", "boolean", "Follow the log stream of the pod."),
    ("limitBytes", "integer", "Bytes to read before the output ends."),
    ("previous", "boolean", "Log of the previous, terminated container."),
    ("sinceSeconds", "integer", "Show the log of that many last seconds."),
    ("stream", "string", "Which stream: All, Stdout or Stderr."),
    ("tailLines", "integer", "Lines from the end of the log to show."),
    ("timestamps", "boolean", "Start every line with its time."),
    ("insecureSkipTLSVerifyBackend", "boolean", "Do not verify the serving certificate of the kubelet."),
)
_TERMINAL = tuple((name, "boolean", f"Redirect {name}.") for name in ("stdin", "stdout", "stderr", "tty"))
_CONNECT = {
    "exec": (("command", "string", "The command to run."), ("container", "string", "Where to run it."), *_TERMINAL),
    "attach": (("container", "string", "The container to attach to."), *_TERMINAL),
    "portforward": (("ports", "integer", "Ports to forward."),),
    "proxy": (("path", "string", "The part of the URL after the proxy."),),
    "log": _LOG,
}

_WRITING = (_DRY_RUN, _FIELD_MANAGER, _FIELD_VALIDATION)
_BY_ACTION: dict[str, tuple[tuple[str, str, str], ...]] = {
    "get": (),
    "list": (*_SELECTING, *_WATCHING),
    "post": _WRITING,
    "put": _WRITING,
    "patch": (*_WRITING, _FORCE),
    "delete": (_DRY_RUN, *_DELETING),
    "deletecollection": (_DRY_RUN, *_SELECTING, *_DELETING),
}


def _parameter(name: str, kind: str, description: str, *, v3: bool) -> Object:
    typed: Object = {"type": kind, "uniqueItems": True}
    made: Object = {"name": name, "in": "query", "description": description}
    return {**made, "schema": typed} if v3 else {**made, **typed}


def of_action(action: str, subresource: str, *, v3: bool) -> list[Object]:
    """Query parameters of one operation."""
    found = _CONNECT.get(subresource, ()) if subresource in _CONNECT else _BY_ACTION.get(action, ())
    return [_parameter(*parameter, v3=v3) for parameter in found]


def of_path(path: str, *, v3: bool) -> list[Object]:
    """Path parameters, and those every operation takes."""
    made: list[Object] = []
    for name, description in (
        ("name", "name of the object"),
        ("namespace", "object name and auth scope, such as for teams and projects"),
        ("path", "path to the resource"),
    ):
        if f"{{{name}}}" in path:
            found: Object = {"name": name, "in": "path", "description": description, "required": True}
            typed: Object = {"type": "string", "uniqueItems": True}
            made.append({**found, "schema": typed} if v3 else {**found, **typed})
    return [*made, _parameter(*_PRETTY, v3=v3)]
