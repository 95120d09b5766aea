"""Where a probe or hook goes: addresses, ports by name, headers."""

from typing import Any

Object = dict[str, Any]


def url(action: Object, container: Object, address: str) -> str:
    """The URL of an httpGet action; `address` is the pod's unless the action names a host."""
    host = action.get("host") or address
    host = f"[{host}]" if ":" in host else host
    path = action.get("path") or "/"
    scheme = action.get("scheme", "HTTP").lower()
    return f"{scheme}://{host}:{port(action['port'], container)}{path if path.startswith('/') else '/' + path}"


def headers(action: Object) -> dict[str, str]:
    """The headers of an httpGet action, with upstream's defaults."""
    found = {"User-Agent": "kube-probe/1.33", "Accept": "*/*"}
    own = {item["name"]: item["value"] for item in action.get("httpHeaders") or []}
    names = {name.lower() for name in own}
    return {name: value for name, value in found.items() if name.lower() not in names} | own


def port(value: int | str, container: Object) -> int:
    """A port's number; a name is looked up among the container's ports. Raises ValueError."""
    if isinstance(value, int) or value.isdecimal():
        return int(value)
    for item in container.get("ports") or []:
        if item.get("name") == value:
            return int(item["containerPort"])
    raise ValueError(f"container {container['name']} has no port named {value}")
