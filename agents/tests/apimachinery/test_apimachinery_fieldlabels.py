"""Field selectors work on the fields upstream supports, and on no others."""

from typing import Any

import pytest

from tricenter.apimachinery import fieldlabels, kinds, selectors


def matches(api_version: str, kind: str, selector: str, **fields: Any) -> bool:
    obj = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": "n"}, **fields}
    found = kinds.of_object(obj)
    assert found is not None
    parsed = selectors.parse_fields(selector)
    fieldlabels.check(found, parsed)
    return fieldlabels.matches(found, obj, parsed)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("metadata.name=x,metadata.namespace=n", True), ("spec.nodeName=n1", True), ("spec.nodeName!=n1", False),
        ("status.phase!=Running", False), ("spec.hostNetwork=false", True), ("status.podIP=10.0.0.1", True),
        ("status.nominatedNodeName=", True), ("", True),
    ],
)  # fmt: skip
def test_pods(selector: str, expected: bool) -> None:
    status = {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}]}
    assert matches("v1", "Pod", selector, spec={"nodeName": "n1"}, status=status) is expected


def test_others() -> None:
    assert matches("v1", "Node", "spec.unschedulable=false")
    assert matches("v1", "Node", "spec.unschedulable=true", spec={"unschedulable": True})
    assert matches("v1", "Event", "involvedObject.kind=Pod,source=kubelet", involvedObject={"kind": "Pod"},
                   source={"component": "kubelet"})  # fmt: skip
    assert matches("batch/v1", "Job", "status.successful=2", status={"succeeded": 2})
    assert matches("v1", "Namespace", "status.phase=Active", status={"phase": "Active"})


@pytest.mark.parametrize(("kind", "field"), [("Pod", "spec.image"), ("ConfigMap", "type"), ("Secret", "data.x")])
def test_unsupported_fields_are_refused(kind: str, field: str) -> None:
    with pytest.raises(selectors.SelectorError, match=f"field label not supported: {field}"):
        matches("v1", kind, f"{field}=1")
