"""The admission plugins, in upstream's order."""

from __future__ import annotations

from tricenter.apiserver.admission.chain import Plugin
from tricenter.apiserver.admission.ingresses import DefaultIngressClass
from tricenter.apiserver.admission.lifecycle import NamespaceLifecycle
from tricenter.apiserver.admission.noderestriction import NodeRestriction
from tricenter.apiserver.admission.pods import DefaultTolerationSeconds, Priority
from tricenter.apiserver.admission.rbac import Escalation
from tricenter.apiserver.admission.serviceaccount import ServiceAccount
from tricenter.apiserver.auth.authorize import Authorizer
from tricenter.apiserver.cache.freshness import Freshness
from tricenter.apiserver.resources import Resources


def plugins(resources: Resources, fresh: Freshness, authorizer: Authorizer) -> list[Plugin]:
    """All plugins."""
    return [
        NamespaceLifecycle(resources, fresh),
        ServiceAccount(resources, fresh),
        NodeRestriction(),
        Escalation(authorizer, fresh),
        Priority(resources),
        DefaultTolerationSeconds(),
        DefaultIngressClass(resources),
    ]
