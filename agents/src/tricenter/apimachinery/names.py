"""What may be a name: the syntax checks of object names, labels, annotations and ports, and generated names.

Each check returns the reasons why a value is not valid, worded as the API words them (RFC 1035, RFC 1123; upstream's
k8s.io/apimachinery/pkg/util/validation), and an empty list when it is.
"""

import re
import secrets

DNS_LABEL_MAX = 63
DNS_SUBDOMAIN_MAX = 253
LABEL_VALUE_MAX = 63
GENERATED_SUFFIX = 5
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, so that no words are made

_LABEL_FMT = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035_FMT = "[a-z]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_FMT = rf"{_LABEL_FMT}(\.{_LABEL_FMT})*"
_QUALIFIED_FMT = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE_FMT = f"({_QUALIFIED_FMT})?"
_PATH_SEGMENT_FORBIDDEN = ("/", "%")

_DNS_LABEL = re.compile(_LABEL_FMT)
_DNS_1035 = re.compile(_LABEL_1035_FMT)
_DNS_SUBDOMAIN = re.compile(_SUBDOMAIN_FMT)
_QUALIFIED = re.compile(_QUALIFIED_FMT)
_LABEL_VALUE = re.compile(_LABEL_VALUE_FMT)
_PORT_NAME = re.compile(r"[-a-z0-9]+")
_SEARCH_FMT = r"[_a-z0-9]([-_a-z0-9]*[a-z0-9])?(\.[_a-z0-9]([-_a-z0-9]*[a-z0-9])?)*"
_SEARCH = re.compile(_SEARCH_FMT)
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_HTTP_HEADER = re.compile(r"[-A-Za-z0-9]+")

_LABEL_HELP = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL_FMT}')"
)
_LABEL_1035_HELP = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    f"'{_LABEL_1035_FMT}')"
)
_SUBDOMAIN_HELP = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    f"'{_LABEL_FMT}(\\.{_LABEL_FMT})*')"
)
_NAME_PART_HELP = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    f"'{_QUALIFIED_FMT}')"
)
_LABEL_VALUE_HELP = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'{_LABEL_VALUE_FMT}')"
)
_RELAXED_ENV = re.compile(r"[ -<>-~]*")
_ENV_HELP = "a valid environment variable name must consist only of printable ASCII characters other than '='"
_SEARCH_HELP = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must "
    f"start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SEARCH_FMT}')"
)
_CONFIG_KEY_HELP = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


def _too_long(value: str, limit: int, unit: str = "characters") -> list[str]:
    return [f"must be no more than {limit} {unit}"] if len(value) > limit else []


def dns_label(value: str) -> list[str]:
    """RFC 1123 label: namespaces, containers, most names inside objects."""
    errors = _too_long(value, DNS_LABEL_MAX)
    if not _DNS_LABEL.fullmatch(value):
        errors.append(_LABEL_HELP)
    return errors


def dns_label_1035(value: str) -> list[str]:
    """RFC 1035 label: names of Services."""
    errors = _too_long(value, DNS_LABEL_MAX)
    if not _DNS_1035.fullmatch(value):
        errors.append(_LABEL_1035_HELP)
    return errors


def dns_subdomain(value: str) -> list[str]:
    """RFC 1123 subdomain: names of most objects."""
    errors = _too_long(value, DNS_SUBDOMAIN_MAX)
    if not _DNS_SUBDOMAIN.fullmatch(value):
        errors.append(_SUBDOMAIN_HELP)
    return errors


def wildcard_subdomain(value: str) -> list[str]:
    """`*.` and a subdomain: hosts of an Ingress."""
    if not value.startswith("*.") or not _DNS_SUBDOMAIN.fullmatch(value[2:]):
        return [
            (
                "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must "
                "consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character "
                f"(e.g. '*.example.com', regex used for validation is '\\*\\.{_LABEL_FMT}(\\.{_LABEL_FMT})*')"
            )
        ]
    return _too_long(value, DNS_SUBDOMAIN_MAX)


def path_segment(value: str) -> list[str]:
    """What may be one segment of a URL path: names of RBAC objects."""
    if value in {".", ".."}:
        return [f"may not be '{value}'"]
    return [f"may not contain '{char}'" for char in _PATH_SEGMENT_FORBIDDEN if char in value]


def qualified_name(value: str) -> list[str]:
    """`prefix/name` with an optional DNS prefix: label and annotation keys, resource names."""
    prefix, slash, name = value.rpartition("/")
    errors: list[str] = []
    if slash:
        if "/" in prefix:
            return [
                (
                    "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
                    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
                    f"validation is '{_QUALIFIED_FMT}') with an optional DNS subdomain prefix and '/' "
                    "(e.g. 'example.com/MyName')"
                )
            ]
        if not prefix:
            errors.append("prefix part must be non-empty")
        else:
            errors += [f"prefix part {reason}" for reason in dns_subdomain(prefix)]
    if not name:
        errors.append("name part must be non-empty")
    elif len(name) > DNS_LABEL_MAX:
        errors.append(f"name part must be no more than {DNS_LABEL_MAX} characters")
    if not _QUALIFIED.fullmatch(name):
        errors.append(_NAME_PART_HELP)
    return errors


def label_value(value: str) -> list[str]:
    """The value of a label."""
    errors = _too_long(value, LABEL_VALUE_MAX)
    if not _LABEL_VALUE.fullmatch(value):
        errors.append(_LABEL_VALUE_HELP)
    return errors


def dns_search(value: str) -> list[str]:
    """A domain that names are looked up in; underscores are usual there."""
    errors = _too_long(value, DNS_SUBDOMAIN_MAX)
    return errors if _SEARCH.fullmatch(value) else [*errors, _SEARCH_HELP]


def port_name(value: str) -> list[str]:
    """The name of a container port (RFC 6335 service name)."""
    errors = _too_long(value, 15)
    if not _PORT_NAME.fullmatch(value):
        errors.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        errors.append("must contain at least one letter (a-z)")
    if "--" in value:
        errors.append("must not contain consecutive hyphens")
    if value and (value[0] == "-" or value[-1] == "-"):
        errors.append("must not begin or end with a hyphen")
    return errors


def relaxed_env_name(value: str) -> list[str]:
    """The name of an environment variable: what execve takes, and can be read."""
    return [] if _RELAXED_ENV.fullmatch(value) else [_ENV_HELP]


is_plain_config_key = re.compile(r"[-_a-zA-Z0-9][-._a-zA-Z0-9]{0,252}").fullmatch
"""Whether nothing is wrong with a key, as with nearly all: a map has up to a hundred thousand."""


def config_key(value: str) -> list[str]:
    """A key of a ConfigMap or Secret, which becomes a file name in a volume."""
    errors = _too_long(value, DNS_SUBDOMAIN_MAX)
    if not _CONFIG_KEY.fullmatch(value):
        errors.append(_CONFIG_KEY_HELP)
    return errors + _dots(value)


def http_header(value: str) -> list[str]:
    """The name of an HTTP header of a probe."""
    if _HTTP_HEADER.fullmatch(value):
        return []
    return [
        (
            "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for "
            "validation is '[-A-Za-z0-9]+')"
        )
    ]


def _dots(value: str) -> list[str]:
    if value in {".", ".."}:
        return [f"must not be '{value}'"]
    if value.startswith(".."):
        return ["must not start with '..'"]
    return []


_VERSION = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")


def version_priority(version: str) -> tuple[int, int, int, str]:
    """A sort key that puts the preferred API version first: v2, v1, v1beta2, v1alpha1, then others by name.

    apimachinery pkg/version CompareKubeAwareVersionStrings.
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        return (3, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return (stage, -int(match[1]), -int(match[3] or 0), "")


def generate(base: str) -> str:
    """A name from `generateName`: the base, cut so that the whole fits a DNS label, and five random letters."""
    suffix = "".join([_ALPHABET[byte % len(_ALPHABET)] for byte in secrets.token_bytes(GENERATED_SUFFIX)])
    return base[: DNS_LABEL_MAX - GENERATED_SUFFIX] + suffix
