"""The admission plugins, in upstream's order."""

from __future__ import annotations

from tricenter.apiserver.admission.certificates import Certificates
from tricenter.apiserver.admission.chain import Plugin
from tricenter.apiserver.admission.ingresses import DefaultIngressClass
from tricenter.apiserver.admission.instruments import AdmissionMetrics
from tricenter.apiserver.admission.lifecycle import NamespaceLifecycle
from tricenter.apiserver.admission.limitranger import LimitRanger
from tricenter.apiserver.admission.matching import Matcher
from tricenter.apiserver.admission.noderestriction import NodeRestriction
from tricenter.apiserver.admission.pods import DefaultTolerationSeconds, Priority
from tricenter.apiserver.admission.podsecurity import PodSecurity
from tricenter.apiserver.admission.policies.plugin import ValidatingPolicies
from tricenter.apiserver.admission.quota import ResourceQuota
from tricenter.apiserver.admission.rbac import Escalation
from tricenter.apiserver.admission.serviceaccount import ServiceAccount
from tricenter.apiserver.admission.storageclass import DefaultStorageClass
from tricenter.apiserver.admission.webhooks.calling import Caller
from tricenter.apiserver.admission.webhooks.plugins import MutatingWebhooks, ValidatingWebhooks
from tricenter.apiserver.auth.authorize import Authorizer
from tricenter.apiserver.backends import Backends
from tricenter.apiserver.cache.freshness import Freshness
from tricenter.apiserver.config import Config
from tricenter.apiserver.resources import Resources
from tricenter.apiserver.storage.store import Store


def plugins(
    config: Config,
    resources: Resources,
    fresh: Freshness,
    authorizer: Authorizer,
    store: Store,
    *,
    services: Backends,
    metrics: AdmissionMetrics,
) -> list[Plugin]:
    """All plugins. ResourceQuota stays the last one: it charges for what nobody refuses any more."""
    matcher, caller = Matcher(resources, fresh), Caller(services)
    return [
        NamespaceLifecycle(resources, fresh),
        LimitRanger(resources),
        ServiceAccount(resources, fresh),
        NodeRestriction(resources),
        Escalation(authorizer, fresh),
        Certificates(authorizer),
        PodSecurity(resources, fresh),
        Priority(resources),
        DefaultTolerationSeconds(config),
        DefaultStorageClass(resources),
        DefaultIngressClass(resources),
        MutatingWebhooks(resources, matcher, authorizer, caller, metrics),
        ValidatingPolicies(resources, fresh, matcher, authorizer, metrics),
        ValidatingWebhooks(resources, matcher, authorizer, caller, metrics),
        ResourceQuota(resources, store),
    ]
