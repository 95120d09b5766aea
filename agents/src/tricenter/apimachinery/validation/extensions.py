"""Rules of APIService, which extends the API by another server."""

from tricenter.apimachinery import fielderrors
from tricenter.apimachinery.validation.rules import Errors, Object, required, sub


def api_service(obj: Object) -> Errors:
    """apiregistration.k8s.io/v1 APIService."""
    spec, name = sub(obj, "spec"), str(sub(obj, "metadata").get("name", ""))
    expected = f"{spec.get('version', '')}.{spec.get('group', '')}"
    if name != expected:
        yield fielderrors.invalid("metadata.name", name, 'must be `spec.version+"."+spec.group`: ' + repr(expected))
    for key, high in (("groupPriorityMinimum", 20_000), ("versionPriority", 1000)):
        value = spec.get(key, 0)
        if not 0 < value <= high:
            yield fielderrors.invalid(f"spec.{key}", value, f"must be positive and less than {high}")
    service = spec.get("service")
    if service is None:
        if spec.get("caBundle"):
            yield fielderrors.invalid("spec.caBundle", "", "local APIServices may not have a caBundle")
        return
    for key in ("namespace", "name"):
        yield from required(service, key, "spec.service")
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        detail = "may not be true if caBundle is present"
        yield fielderrors.invalid("spec.insecureSkipTLSVerify", True, detail)
