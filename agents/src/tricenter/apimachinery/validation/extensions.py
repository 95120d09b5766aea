"""Rules of APIService, which extends the API by another server."""

import base64

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.validation.rules import Errors, Object, named, required, sub


def api_service(obj: Object) -> Errors:
    """apiregistration.k8s.io/v1 APIService."""
    spec, name = sub(obj, "spec"), str(sub(obj, "metadata").get("name", ""))
    expected = f"{spec.get('version', '')}.{spec.get('group', '')}"
    if name != expected:
        yield fielderrors.invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{expected}"')
    for key, high in (("groupPriorityMinimum", 20_000), ("versionPriority", 1000)):
        value = spec.get(key, 0)
        if not 0 < value <= high:
            yield fielderrors.invalid(f"spec.{key}", value, f"must be positive and less than {high}")
    yield from _group_version(spec)
    service = spec.get("service")
    if service is None:
        if spec.get("caBundle"):
            shown = f"{len(base64.b64decode(spec['caBundle']))} bytes"
            yield fielderrors.invalid("spec.caBundle", shown, "local APIServices may not have a caBundle")
        if spec.get("insecureSkipTLSVerify"):
            detail = "local APIServices may not have insecureSkipTLSVerify"
            yield fielderrors.invalid("spec.insecureSkipTLSVerify", True, detail)
        return
    for key in ("namespace", "name"):
        yield from required(service, key, "spec.service")
    port = service.get("port", 443)
    if not 0 < port < 1 << 16:
        detail = "port is not valid: must be between 1 and 65535, inclusive"
        yield fielderrors.invalid("spec.service.port", port, detail)
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        detail = "may not be true if caBundle is present"
        yield fielderrors.invalid("spec.insecureSkipTLSVerify", True, detail)


def _group_version(spec: Object) -> Errors:
    group, version = str(spec.get("group") or ""), str(spec.get("version") or "")
    if group:
        yield from named(names.dns_subdomain, group, "spec.group")
    elif version != "v1":
        detail = "only v1 may have an empty group and it better be legacy kube"
        yield fielderrors.required("spec.group", detail)
    yield from named(names.dns_label_1035, version, "spec.version")
