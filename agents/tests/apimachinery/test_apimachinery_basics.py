"""Kinds, names, times, quantities and selectors keep the API's word."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricenter.apimachinery import kinds, names, quantity, selectors, times

LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
LABELS = st.dictionaries(LABEL, LABEL, max_size=4)


@pytest.mark.parametrize(
    ("group", "version", "plural", "prefix"),
    [
        ("", "v1", "services", "/registry/services/specs/"),
        ("", "v1", "endpoints", "/registry/services/endpoints/"),
        ("", "v1", "nodes", "/registry/minions/"),
        ("", "v1", "replicationcontrollers", "/registry/controllers/"),
        ("networking.k8s.io", "v1", "ingresses", "/registry/ingress/"),
        ("apps", "v1", "deployments", "/registry/deployments/"),
        ("events.k8s.io", "v1", "events", "/registry/events/"),
        ("apiextensions.k8s.io", "v1", "customresourcedefinitions",
         "/registry/apiextensions.k8s.io/customresourcedefinitions/"),
    ],
)  # fmt: skip
def test_objects_live_where_upstream_keeps_them(group: str, version: str, plural: str, prefix: str) -> None:
    kind = kinds.by_resource(group, version, plural)
    assert kind is not None
    assert kind.storage_prefix == prefix


def test_reviews_are_not_stored() -> None:
    review = kinds.by_kind("authorization.k8s.io", "v1", "SubjectAccessReview")
    assert review is not None
    assert not review.stored
    assert review.verbs == ("create",)


def test_pod_record() -> None:
    pod = kinds.by_kind("", "v1", "Pod")
    assert pod is not None
    assert pod.short_names == ("po",)
    assert pod.categories == ("all",)
    assert pod.namespaced
    assert pod.key("web", "default") == "/registry/pods/default/web"
    eviction = pod.subresource("eviction")
    assert eviction is not None
    assert (eviction.group, eviction.version, eviction.kind) == ("policy", "v1", "Eviction")
    assert {sub.name for sub in pod.subresources} == {
        "attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy", "resize",
        "status",
    }  # fmt: skip


def test_groups_in_discovery_order() -> None:
    groups = kinds.groups()
    assert next(iter(groups)) == ""
    assert groups["autoscaling"] == ["v2", "v1"]
    assert len(groups) == 21


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("0.5", "500m"), ("1000m", "1"), ("1024Mi", "1Gi"), ("1500Mi", "1500Mi"), ("1.5Gi", "1536Mi"), ("100k", "100k"),
        ("1e3", "1e3"), ("12e6", "12e6"), ("0", "0"), ("0Ki", "0"), ("0.1Ki", "102400m"), ("-1Gi", "-1Gi"),
        ("1000000", "1M"), ("1E", "1E"), ("0.0000000001", "1n"), ("+5", "5"), (".5", "500m"), ("100000Ki", "100000Ki"),
    ],
)  # fmt: skip
def test_quantities_are_stored_in_canonical_form(text: str, stored: str) -> None:
    assert quantity.canonical(text) == stored


@pytest.mark.parametrize("text", ["", "1.2.3", "Mi", "1mi", "1 Gi", "0x10", "1e", "--1"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(quantity.QuantityError):
        quantity.parse(text)


def test_a_huge_exponent_is_capped_not_computed() -> None:
    assert quantity.parse("1e999999999") == 2**63 - 1


@given(st.integers(-(2**62), 2**62), st.sampled_from(list(quantity.Form)))
def test_formatting_a_quantity_loses_nothing(number: int, form: quantity.Form) -> None:
    value = Fraction(number, 1000) if form is not quantity.Form.BINARY else Fraction(number)
    assert quantity.parse(quantity.format(value, form)) == value


@given(st.integers(0, 10**12), st.sampled_from(["n", "u", "m", "", "k", "M", "Ki", "Mi", "e3", "E-3"]))
def test_canonical_form_is_stable(number: int, suffix: str) -> None:
    once = quantity.canonical(f"{number}{suffix}")
    assert quantity.canonical(once) == once


def test_cpu_and_bytes_are_rounded_up() -> None:
    assert quantity.milli("100u") == 1
    assert quantity.milli("1.5") == 1500
    assert quantity.to_int("1500m") == 2
    assert quantity.to_int("1Gi") == 1 << 30
    assert quantity.milli(2) == 2000


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("", {}, True), ("a=b", {"a": "b"}, True), ("a==b", {"a": "c"}, False), ("a!=b", {}, True),
        ("a", {"a": ""}, True), ("!a", {"a": ""}, False), ("!a", {}, True), ("a in (b,c)", {"a": "c"}, True),
        ("a notin (b,c)", {"a": "c"}, False),
        ("a notin (b)", {}, True), ("a>3", {"a": "4"}, True), ("a<3", {"a": "x"}, False), ("a=", {"a": ""}, True),
        ("x in (),a", {"x": "", "a": "1"}, True), ("a = b , c", {"a": "b", "c": "d"}, True),
        ("app.kubernetes.io/name=shop,tier in (web)", {"app.kubernetes.io/name": "shop", "tier": "web"}, True),
        ("in=in", {"in": "in"}, True),
    ],
)  # fmt: skip
def test_label_selectors(text: str, labels: dict[str, str], matches: bool) -> None:
    assert selectors.parse_labels(text).matches(labels) is matches


@pytest.mark.parametrize(
    "text", ["a=b,", ",", "a in b", "a in (b", "a b", "=b", "a=b=c", "-a", "a>b", "a=b c", "!", "a!b"]
)
def test_broken_label_selectors_are_refused(text: str) -> None:
    with pytest.raises(selectors.SelectorError):
        selectors.parse_labels(text)


@given(LABELS, LABELS)
def test_a_selector_made_of_labels_matches_supersets_only(wanted: dict[str, str], labels: dict[str, str]) -> None:
    selector = selectors.from_object({"matchLabels": wanted})
    assert selector.matches(labels) is (wanted.items() <= labels.items())
    assert selectors.parse_labels(str(selector)).matches(labels) is selector.matches(labels)


def test_no_selector_object_matches_nothing() -> None:
    assert not selectors.from_object(None).matches({})
    assert selectors.from_object({}).matches({"a": "b"})
    assert not selectors.from_map({}).matches({"a": "b"})
    expression = {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}
    assert selectors.from_object(expression).matches({})


def test_field_selectors() -> None:
    selector = selectors.parse_fields("spec.nodeName=east1-node1,status.phase!=Failed")
    assert selector.matches({"spec.nodeName": "east1-node1", "status.phase": "Running"})
    assert not selector.matches({"spec.nodeName": "east1-node1", "status.phase": "Failed"})
    assert selector.exact("spec.nodeName") == "east1-node1"
    assert selector.exact("status.phase") is None
    assert selectors.parse_fields("spec.nodeName=").matches({})
    assert selectors.parse_fields(r"reason=a\,b\=c").matches({"reason": "a,b=c"})


@pytest.mark.parametrize("text", ["a", "a=b,c", "a=b\\", r"a=\x", "a=b=c"])
def test_broken_field_selectors_are_refused(text: str) -> None:
    with pytest.raises(selectors.SelectorError):
        selectors.parse_fields(text)


@given(st.text(max_size=40))
def test_no_text_breaks_the_selector_parsers(text: str) -> None:
    for parser in (selectors.parse_labels, selectors.parse_fields):
        try:
            selector = parser(text)
        except selectors.SelectorError:
            continue
        assert selector.matches({}) in (True, False)


def test_names() -> None:
    assert names.dns_label("a-1") == []
    assert names.dns_label("A") != []
    assert names.dns_label("a" * 64)[0] == "must be no more than 63 characters"
    assert names.dns_subdomain("a.b") == []
    assert names.qualified_name("example.com/Name_1") == []
    assert names.qualified_name("/x") == ["prefix part must be non-empty"]
    assert names.label_value("") == []
    assert names.path_segment("a/b") == ["may not contain '/'"]
    assert names.port_name("http") == []
    assert names.port_name("80") == ["must contain at least one letter (a-z)"]


@given(st.from_regex(r"[a-z]([a-z0-9-]{0,80})?", fullmatch=True))
def test_generated_names_are_valid(base: str) -> None:
    assert names.dns_label(names.generate(base)) == []


def test_times_round_trip() -> None:
    assert times.rfc3339(times.parse("2026-01-02T03:04:05.123456+02:00")) == "2026-01-02T01:04:05Z"
    assert times.rfc3339_micro(times.parse("2026-01-02T03:04:05Z")) == "2026-01-02T03:04:05.000000Z"
    with pytest.raises(ValueError, match="is not as RFC 3339 writes it"):
        times.parse("2026-01-02T03:04:05")
