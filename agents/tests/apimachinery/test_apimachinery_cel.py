"""CEL: what the engine and the Kubernetes libraries on it promise to rules and policies."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tricenter.apimachinery import cel
from tricenter.apimachinery.cel import names, schema
from tricenter.apimachinery.cel.library import authorizer


def evaluate(expression: str, value: Any = None, kind: str = "dyn") -> Any:
    return cel.compile(expression, {"self": kind}).evaluate({"self": value})


@pytest.mark.parametrize(
    ("expression", "value", "expected"),
    [
        ("self.replicas <= self.max", {"replicas": 2, "max": 3}, True),
        ("has(self.a) && self.a == 1", {}, False),
        ("self.all(x, x > 1) || self.exists_one(x, x == 1)", [1, 2], True),
        ("self.filter(x, x.startsWith('a')).map(x, x + '!')", ["ab", "b"], ["ab!"]),
        ("self.all(i, v, i <= v)", [0, 1, 5], True),
        ("self.?a.?b.orValue(7)", {"a": {}}, 7),
        ("self == 1.0 && self < 1.5", 1, True),
        ("1u + 2u == 3u", None, True),
        ("timestamp('2024-02-29T12:00:00Z') + duration('24h') > timestamp('2024-03-01T00:00:00Z')", None, True),
        ("duration('90m').getHours()", None, 1),
        ("'a,b'.split(',').join('-').replace('a', 'xy')", None, "xy-b"),
        ("'%s=%d'.format(['a', 3])", None, "a=3"),
        ("sets.contains([1, 2, 3], [2, 3])", None, True),
        ("[1, 2, 2].isSorted() && [1, 2].sum() == 3 && [3, 1].min() == 1 && [3, 1].max() == 3", None, True),
        ("[1, 2, 1].indexOf(1) == 0 && [1, 2, 1].lastIndexOf(1) == 2 && ['a'].indexOf('b') == -1", None, True),
        ("[duration('1h'), duration('2h')].sum() == duration('3h')", None, True),
        ("'abc 123'.find('[0-9]+')", None, "123"),
        ("'a1b22'.findAll('[0-9]+', 1) + 'a1b22'.findAll('[0-9]+')", None, ["1", "1", "22"]),
        ("url('https://user@h.example:8080/a%20b?x=1&x=2').getHost()", None, "h.example:8080"),
        ("url('https://h:80/p?x=1&x=2').getQuery()", None, {"x": ["1", "2"]}),
        ("isURL('https://a/b') && isURL('/a') && !isURL('a/b')", None, True),
        ("quantity('1.5Gi').isGreaterThan(quantity('1Gi')) && quantity('1k') == quantity('1000')", None, True),
        ("quantity('50k').add(20).sub(quantity('10k')).asInteger()", None, 40020),
        ("isQuantity('1Zi') || quantity('200M').compareTo(quantity('0.2G')) == 0", None, True),
        ("ip('192.168.0.1').family() == 4 && ip('::1').isLoopback() && !isIP('::ffff:1.2.3.4')", None, True),
        ("cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsCIDR('10.0.0.0/7')", None, True),
        ("string(cidr('192.168.1.5/24').masked()) + ' ' + string(cidr('192.168.1.5/24').ip())", None,
         "192.168.1.0/24 192.168.1.5"),
        ("format.dns1123Label().validate(self).hasValue() && !format.named('no').hasValue()", "A", True),
        ("size(self) > 0 && format.dns1123Label().validate(self) != null", "a", True),
        ("format.named('uuid').value().validate(self).hasValue()", "123e4567-e89b-12d3-a456-426614174000", False),
        ("semver('v1.02', true).isLessThan(semver('1.2.1-alpha')) && semver('1.0.0-rc.1').major() == 1", None, True),
    ],
)  # fmt: skip
def test_an_expression_has_the_value_that_kubernetes_gives_it(expression: str, value: Any, expected: Any) -> None:
    assert evaluate(expression, value) == expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("1 + 'a'", "found no matching overload for '_+_' applied to '(int, string)'"),
        ("nothing > 1", "undeclared reference to 'nothing'"),
        ("self >", "Syntax error: mismatched input '<EOF>'"),
        ("+".join(["1"] * 5000), "max recursion depth"),
        ("[" * 500, "recursion"),
    ],
)
def test_what_is_no_expression_is_refused(expression: str, message: str) -> None:
    with pytest.raises(cel.CompileError, match=r"^compilation failed: ") as caught:
        cel.compile(expression, {"self": "dyn"})
    assert message in str(caught.value)
    assert "INVALID_ARGUMENT" not in str(caught.value)


def test_declared_types_are_checked() -> None:
    with pytest.raises(cel.CompileError, match="no matching overload for '_>_'"):
        cel.compile("self > 1", {"self": "string"})
    with pytest.raises(cel.CompileError, match="must evaluate to bool"):
        cel.compile("self + 1", {"self": "int"}, returns="bool")
    assert cel.compile("self.x", {"self": "dyn"}, returns="bool").returns == "dyn"


@pytest.mark.parametrize(
    ("expression", "value", "message"),
    [
        ("self.a.b == 1", {"a": {}}, "no such key: b"),
        ("1 / self", 0, "division by zero"),
        ("self[3]", [1], "index out of bounds: 3"),
        ("self + 1", 2**63 - 1, "integer overflow"),
        ("self + 'a'", 1, "no such overload"),
        ("quantity(self) == quantity('1')", "x", "quantities must match the regular expression"),
        ("'a'.find(self)", "(", "Illegal regex"),
        ("quantity('1').isGreaterThan(ip('::1'))", None, "no such overload"),
        ("self.min()", [], "min called on empty list"),
        ("optional.none()", None, ""),
    ],
)
def test_what_has_no_value_is_an_error(expression: str, value: Any, message: str) -> None:
    with pytest.raises(cel.EvaluationError) as caught:
        evaluate(expression, value)
    assert message in str(caught.value)


def test_errors_are_absorbed_by_the_operators_that_need_them_not() -> None:
    assert evaluate("self.missing || true", {}) is True
    assert evaluate("isQuantity('x') && quantity('x') == quantity('1')") is False


def _nested(depth: int) -> str:
    text = "true"
    for level in range(depth):
        text = f"[1,2,3,4,5,6,7,8,9,10].all(x{level}, {text})"
    return text


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (_nested(7), None),
        ("self.all(x, self.all(y, self.all(z, x + y + z > 0)))", list(range(1000))),
        ("self.all(x, x in self)", list(range(9000))),
        ("self.all(x, self == self)", [{"a": "b" * 50}] * 5000),
        ("self.all(x, 'a'.matches(string(x)) || self.size() > 0 && self[0].matches('(a+)+$'))", ["a" * 3000] * 3000),
        ("'a'" + ".replace('a', 'aaaaaaaaaaaaaaaaaaaa')" * 12 + ".size() > 0", None),
        ("self.map(x, self.map(y, 'aaaaaaaaaa').join()).map(x, self.join(x)).join().size() > 0", ["a" * 99] * 99),
    ],
)
def test_a_bomb_does_not_go_off(expression: str, value: Any) -> None:
    began = time.process_time()
    with pytest.raises(cel.CostExceeded, match="operation cancelled: actual cost limit exceeded"):
        evaluate(expression, value)
    assert time.process_time() - began < 3


def test_loops_in_loops_are_no_bomb_for_the_estimate() -> None:
    text = "true"
    for level in range(20):
        text = f"self.all(x{level}, {text})"
    began = time.process_time()
    with pytest.raises(cel.CostExceeded):
        evaluate(text, [1])
    assert time.process_time() - began < 2
    fine = "self.all(a, self.all(b, self.all(c, self.all(d, self.all(e, a + b + c + d + e < 9)))))"
    assert evaluate(fine, [1]) is True


def test_all_expressions_on_the_same_values_share_their_time() -> None:
    program = cel.compile("self.all(x, x > 0)", {"self": "dyn"})
    with pytest.raises(cel.CostExceeded):
        program.evaluate(cel.Bindings({"self": [1]}, until=time.thread_time() - 1))
    assert program.evaluate(cel.Bindings({"self": [1]}, until=time.thread_time() + 60)) is True


def test_large_objects_are_no_bombs() -> None:
    many = [{"name": f"name-{number}", "tags": ["a", "b"], "port": number} for number in range(2000)]
    rules = (
        "self.all(x, x.name.matches('^[a-z0-9-]+$') && x.port >= 0 && x.tags.all(t, t in ['a', 'b']))",
        "self.exists(x, x.name == 'name-1999')",
        "self.map(x, x.name).size() == 2000",
    )
    for rule in rules:
        assert evaluate(rule, many) is True
    assert evaluate("self.all(x, self.exists_one(y, y == x))", [f"name-{number}" for number in range(90)]) is True


def test_an_authorizer_is_asked_for_the_user() -> None:
    asked: list[dict[str, str]] = []

    def ask(question: dict[str, str]) -> tuple[bool, str]:
        asked.append(question)
        return question["verb"] == "get", "because"

    values = {"authorizer": authorizer.authorizer({"resource": "pods", "namespace": "n"})}
    bindings = cel.Bindings(values, ask)

    def value(expression: str) -> Any:
        return cel.compile(expression, {"authorizer": "dyn"}).evaluate(bindings)

    assert value("authorizer.group('apps').resource('deployments').namespace('x').check('get').allowed()") is True
    assert value("authorizer.requestResource.check('delete').allowed()") is False
    assert value("authorizer.path('/healthz').check('get').reason()") == "because"
    assert value("authorizer.serviceAccount('a', 'b').group('').resource('pods').check('get').errored()") is False
    assert asked == [
        {"group": "apps", "resource": "deployments", "namespace": "x", "verb": "get"},
        {"resource": "pods", "namespace": "n", "verb": "delete"},
        {"path": "/healthz", "verb": "get"},
        {"serviceAccount": "system:serviceaccount:a:b", "group": "", "resource": "pods", "verb": "get"},
    ]


def test_a_program_tells_what_it_uses() -> None:
    program = cel.compile("variables.a > 1 && has(variables.b) && object.c", {"variables": "dyn", "object": "dyn"})
    assert program.fields_of("variables") == {"a", "b"}
    assert program.uses("object")
    assert not program.uses("params")


def test_names_are_escaped() -> None:
    assert names.escape("namespace") == "__namespace__"
    assert names.escape("x-prop.a/b") == "x__dash__prop__dot__a__slash__b"
    assert names.escape("a__b") == "a__underscores__b"
    assert names.escape("1a") is None
    assert names.escape("ä") is None


def test_values_of_custom_resources_are_typed_by_their_schema() -> None:
    rules = {
        "type": "object",
        "properties": {
            "namespace": {"type": "string"},
            "ratio": {"type": "number"},
            "at": {"type": "string", "format": "date-time"},
            "for": {"type": "string", "format": "duration"},
            "raw": {"type": "string", "format": "byte"},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "days": {"type": "array", "items": {"type": "string", "format": "date"}},
        },
    }
    value = {
        "apiVersion": "a/v1", "kind": "A", "metadata": {"name": "n", "labels": {"a": "b"}}, "unknown": 1,
        "namespace": "x", "ratio": 1, "at": "2024-01-01T00:00:00Z", "for": "1h30m", "raw": "aGk=",
        "labels": {"a-b": "c"}, "days": ["2024-01-01"],
    }  # fmt: skip
    bound = schema.bind(value, rules, resource=True)
    expression = (
        "self.__namespace__ == 'x' && self.ratio * 2.0 == 2.0 && self.at < timestamp('2025-01-01T00:00:00Z') && "
        "self.__for__ > duration('1h') && self.raw == b'hi' && self.labels['a-b'] == 'c' && "
        "self.days[0] == self.at && self.metadata.name == 'n' && !has(self.metadata.labels) && !has(self.unknown)"
    )
    assert evaluate(expression, bound) is True
    assert schema.declared(rules["properties"]["labels"]) == "map(string, string)"
    assert schema.declared(rules["properties"]["days"]) == "list(timestamp)"
    assert schema.declared({"type": "integer"}) == "int"
    assert schema.declared({"type": "integer", "nullable": True}) == "dyn"
    with pytest.raises(cel.CompileError):
        cel.compile("self > 'a'", {"self": schema.declared({"type": "integer"})})
