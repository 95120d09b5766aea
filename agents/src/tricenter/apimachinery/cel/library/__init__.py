"""The functions that Kubernetes adds to CEL (k8s.io/apiserver/pkg/cel/library).

The engine knows no opaque values of ours, so a quantity, an address or a format is a map with one key that says what it
is; the value below it is canonical where upstream's equality is by value.
"""

from tricenter.apimachinery.cel.library import authorizer, formats, lists, networks, quantities, regex, urls, versions

FUNCTIONS = (
    *lists.FUNCTIONS,
    *regex.FUNCTIONS,
    *urls.FUNCTIONS,
    *quantities.FUNCTIONS,
    *networks.FUNCTIONS,
    *formats.FUNCTIONS,
    *versions.FUNCTIONS,
    *authorizer.FUNCTIONS,
)
"""All of them."""
