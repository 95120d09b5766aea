"""Pods that say by the names of their own labels whom they want near them."""

import copy
from typing import Any

from tricenter.apimachinery import placement

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def term(**fields: Any) -> dict[str, Any]:
    return {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}, **fields}


def test_values_of_own_labels_go_into_the_selectors_of_pod_affinity() -> None:
    spec = {"affinity": {
        "podAffinity": {REQUIRED: [term(matchLabelKeys=["hash", "none"])]},
        "podAntiAffinity": {PREFERRED: [{"weight": 1, "podAffinityTerm": term(mismatchLabelKeys=["tenant"])}]},
    }}  # fmt: skip
    placement.select_by_own_labels(spec, {"hash": "1", "tenant": "a"})
    (near,) = spec["affinity"]["podAffinity"][REQUIRED]
    far = spec["affinity"]["podAntiAffinity"][PREFERRED][0]["podAffinityTerm"]
    assert near["labelSelector"]["matchExpressions"] == [{"key": "hash", "operator": "In", "values": ["1"]}]
    assert far["labelSelector"]["matchExpressions"] == [{"key": "tenant", "operator": "NotIn", "values": ["a"]}]
    assert near["matchLabelKeys"] == ["hash", "none"]


def test_a_term_without_selector_or_keys_stays_as_it_is() -> None:
    terms = [term(), {"topologyKey": "zone", "matchLabelKeys": ["hash"]}]
    spec = {"affinity": {"podAffinity": {REQUIRED: terms}}}
    before = copy.deepcopy(spec)
    placement.select_by_own_labels(spec, {"hash": "1"})
    assert spec == before
