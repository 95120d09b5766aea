"""The variables of expressions in admission configuration (KEP-3488); their values are of any type."""

from __future__ import annotations

ADMISSION = dict.fromkeys(
    ("object", "oldObject", "request", "authorizer", "namespaceObject", "params", "variables"), "dyn"
)
"""All of them; a webhook's match conditions know no namespaceObject, params and variables."""

WEBHOOK = dict.fromkeys(("object", "oldObject", "request", "authorizer"), "dyn")
"""Those of match conditions of webhooks."""
