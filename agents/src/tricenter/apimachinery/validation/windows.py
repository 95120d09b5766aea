"""Rules of what only Windows knows in security contexts (upstream pkg/apis/core/validation)."""

import re
from collections.abc import Iterable

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.validation.rules import Errors, Object, named, sub

_SPEC_KIB = 64
_DOMAIN_MAX, _USER_MAX = 256, 104
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NETBIOS = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}')
_DNS = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*")
_BLANK = re.compile(r"[. ]+")
_NOT_IN_NAMES = re.compile(r'["/\\:;|=,+*?<>@\[\]]')


def options(context: Object, path: str) -> Errors:
    """`windowsOptions` of a pod or of a container."""
    found, where = sub(context, "windowsOptions"), f"{path}.windowsOptions"
    if (name := found.get("gmsaCredentialSpecName")) is not None:
        yield from named(names.dns_subdomain, name, f"{where}.gmsaCredentialSpecName")
    if (spec := found.get("gmsaCredentialSpec")) is not None:
        if not spec:
            detail = "gmsaCredentialSpec cannot be an empty string"
            yield fielderrors.invalid(f"{where}.gmsaCredentialSpec", spec, detail)
        elif len(spec.encode()) > _SPEC_KIB * 1024:
            detail = f"gmsaCredentialSpec size must be under {_SPEC_KIB} KiB"
            yield fielderrors.invalid(f"{where}.gmsaCredentialSpec", spec, detail)
    if (user := found.get("runAsUserName")) is not None:
        for problem in _user(user):
            yield fielderrors.invalid(f"{where}.runAsUserName", user, f"runAsUserName{problem}")


def _user(text: str) -> Iterable[str]:
    """What is wrong with `DOMAIN\\user`."""
    parts = text.split("\\")
    if not text:
        return (" cannot be an empty string",)
    if _CONTROL.search(text):
        return (" cannot contain control characters",)
    if len(parts) > 2:
        return (" cannot contain more than one backslash",)
    return [*(_domain(parts[0]) if len(parts) == 2 else ()), *_account(parts[-1])]


def _domain(domain: str) -> Iterable[str]:
    if len(domain) >= _DOMAIN_MAX:
        yield f"'s Domain length must be under {_DOMAIN_MAX} characters"
    if not _NETBIOS.fullmatch(domain) and not _DNS.fullmatch(domain):
        yield "'s Domain doesn't match the NetBios nor the DNS format"


def _account(user: str) -> Iterable[str]:
    if not user:
        yield "'s User cannot be empty"
    elif len(user) > _USER_MAX:
        yield f"'s User length must not be longer than {_USER_MAX} characters"
    if _BLANK.fullmatch(user):
        yield "'s User cannot contain only periods or spaces"
    if _NOT_IN_NAMES.search(user):
        yield "'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]"


def host_process(spec: Object, path: str, containers: Iterable[tuple[str, Object]]) -> Errors:
    """Containers that are processes of the node: all of them or none, and on the node's network."""
    whole, count, inside = _host_process(spec), 0, 0
    for where, container in containers:
        own = _host_process(container)
        if whole is not None and own is not None and own != whole:
            detail = f"pod hostProcess value must be identical if both are specified, was {str(whole).lower()}"
            yield fielderrors.invalid(f"{where}.securityContext.windowsOptions.hostProcess", own, detail)
        count += 1
        inside += bool(whole if own is None else own)
    if not inside:
        return
    if inside != count:
        detail = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        yield fielderrors.invalid(path, "", detail)
    if not spec.get("hostNetwork"):
        detail = "hostNetwork must be true if pod contains any hostProcess containers"
        yield fielderrors.invalid(f"{path}.hostNetwork", False, detail)


def _host_process(holder: Object) -> bool | None:
    found = sub(sub(holder, "securityContext"), "windowsOptions").get("hostProcess")
    return found if isinstance(found, bool) else None
