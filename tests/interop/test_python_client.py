"""The official Python client: generated API, pages, watches that resume, informer, election, dynamic and async."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes import aio, client, config, dynamic, informer, watch
from kubernetes.leaderelection import electionconfig
from kubernetes.leaderelection import leaderelection as election
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

NAMESPACE = f"interop-python-client-{secrets.token_hex(2)}"


@pytest.fixture(scope="module")
def api(kubectl: Any) -> Iterator[client.ApiClient]:
    """A client that was configured from the administrator's kubeconfig."""
    config.load_kube_config(str(kubectl.kubeconfig))
    with client.ApiClient() as opened:
        yield opened


@pytest.fixture(scope="module")
def core(api: client.ApiClient, eventually: Callable[..., Any]) -> Iterator[client.CoreV1Api]:
    """The core group, and a namespace for this module, with the config map that each namespace gets."""
    group = client.CoreV1Api(api)
    group.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=NAMESPACE)))
    eventually(lambda: group.list_namespaced_config_map(NAMESPACE).items)
    yield group
    group.delete_namespace(NAMESPACE)


def config_map(name: str, **data: str) -> client.V1ConfigMap:
    """A config map of the generated type."""
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"made": "here"}), data=data)


def test_create_read_patch_replace_and_delete(core: client.CoreV1Api) -> None:
    core.create_namespaced_config_map(NAMESPACE, config_map("one", a="1"))
    patched = core.patch_namespaced_config_map("one", NAMESPACE, {"data": {"b": "2"}})
    assert patched.data == {"a": "1", "b": "2"}
    patched.data = {"c": "3"}
    assert core.replace_namespaced_config_map("one", NAMESPACE, patched).data == {"c": "3"}
    with pytest.raises(client.ApiException) as conflict:
        core.replace_namespaced_config_map("one", NAMESPACE, patched)
    assert (conflict.value.status, conflict.value.reason) == (409, "Conflict")
    assert core.delete_namespaced_config_map("one", NAMESPACE)["status"] == "Success"
    with pytest.raises(client.ApiException) as gone:
        core.read_namespaced_config_map("one", NAMESPACE)
    assert gone.value.status == 404


def test_secrets_keep_their_bytes(core: client.CoreV1Api) -> None:
    data = {"key": base64.b64encode(bytes(range(256))).decode()}
    core.create_namespaced_secret(NAMESPACE, client.V1Secret(metadata={"name": "bytes"}, data=data))
    assert core.read_namespaced_secret("bytes", NAMESPACE).data == data


def test_pages_show_one_moment(core: client.CoreV1Api) -> None:
    for number in range(7):
        core.create_namespaced_config_map(NAMESPACE, config_map(f"page-{number}"))
    selector = "made=here"
    page = core.list_namespaced_config_map(NAMESPACE, limit=3, label_selector=selector)
    assert page.metadata.remaining_item_count is None  # upstream does not count what a selector would leave
    core.create_namespaced_config_map(NAMESPACE, config_map("page-between"))
    names, revision = [item.metadata.name for item in page.items], page.metadata.resource_version
    while page.metadata._continue:
        page = core.list_namespaced_config_map(
            NAMESPACE, limit=3, label_selector=selector, _continue=page.metadata._continue
        )
        assert page.metadata.resource_version == revision
        names += [item.metadata.name for item in page.items]
    assert names == [f"page-{number}" for number in range(7)]


def test_a_watch_resumes_where_it_stopped(core: client.CoreV1Api) -> None:
    start = core.list_namespaced_config_map(NAMESPACE).metadata.resource_version
    for number in range(6):
        core.create_namespaced_config_map(NAMESPACE, config_map(f"seen-{number}"))
    seen: list[str] = []
    stream = watch.Watch()
    while len(seen) < 6:  # each turn is a connection of its own, from the last event that was read
        events = stream.stream(core.list_namespaced_config_map, NAMESPACE, resource_version=start, timeout_seconds=600)
        event = next(events)
        assert event["type"] == "ADDED"
        seen.append(event["object"].metadata.name)
        start = event["object"].metadata.resource_version
        events.close()
    assert seen == [f"seen-{number}" for number in range(6)]


def test_an_informer_follows(core: client.CoreV1Api, eventually: Callable[..., Any]) -> None:
    core.create_namespaced_config_map(NAMESPACE, config_map("before"))
    events: list[tuple[str, str]] = []
    shared = informer.SharedInformer(list_func=core.list_namespaced_config_map, namespace=NAMESPACE)
    for kind in ("ADDED", "MODIFIED", "DELETED"):
        shared.add_event_handler(kind, lambda obj, kind=kind: events.append((kind, obj.metadata.name)))
    shared.start()
    try:
        eventually(lambda: ("ADDED", "before") in events)
        core.create_namespaced_config_map(NAMESPACE, config_map("during"))
        core.patch_namespaced_config_map("during", NAMESPACE, {"data": {"x": "y"}})
        core.delete_namespaced_config_map("during", NAMESPACE)
        wanted = [("ADDED", "during"), ("MODIFIED", "during"), ("DELETED", "during")]
        eventually(lambda: [event for event in events if event[1] == "during"] == wanted)
    finally:
        shared.stop()


def test_leader_election_has_one_leader_at_a_time(
    api: client.ApiClient, core: client.CoreV1Api, eventually: Callable[..., Any]
) -> None:
    led: list[str] = []
    over = threading.Event()

    class Lock(LeaseLock):
        """The client's own, for an election that ends: its threads would outlive the site."""

        def get(self, name: str, namespace: str) -> Any:
            if over.is_set():
                raise InterruptedError
            return super().get(name, namespace)

    def candidate(name: str) -> threading.Thread:
        lock = Lock("interop", NAMESPACE, name)
        settings = electionconfig.Config(
            lock,
            lease_duration=120,
            renew_deadline=100,
            retry_period=1,
            onstarted_leading=lambda: led.append(name),
            onstopped_leading=lambda: None,
        )

        def run() -> None:
            with contextlib.suppress(InterruptedError):
                election.LeaderElection(settings).run()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    first = candidate("first")
    eventually(lambda: led)
    second = candidate("second")
    leases = client.CoordinationV1Api(api)
    renewed = set()

    def lasting() -> bool:
        lease = leases.read_namespaced_lease("interop", NAMESPACE)
        assert lease.spec.holder_identity == "first"
        renewed.add(lease.spec.renew_time)
        return len(renewed) > 5

    eventually(lasting)  # each time that the leader renews it the other one has asked for it
    assert led == ["first"]
    over.set()
    first.join()
    second.join()


def test_the_dynamic_client_knows_every_kind(api: client.ApiClient, core: client.CoreV1Api) -> None:
    anything = dynamic.DynamicClient(api)
    deployments = anything.resources.get(api_version="apps/v1", kind="Deployment")
    template = {
        "metadata": {"labels": {"app": "d"}},
        "spec": {"containers": [{"name": "c", "image": "busybox:1", "command": ["sleep", "infinity"]}]},
    }
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "applied"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "d"}}, "template": template},
    }
    made = deployments.server_side_apply(body=body, namespace=NAMESPACE, field_manager="interop")
    assert made.metadata.managedFields[0].manager == "interop"
    scaled = deployments.scale.patch(
        body={"spec": {"replicas": 2}},
        name="applied",
        namespace=NAMESPACE,
        content_type="application/merge-patch+json",
    )
    assert scaled.spec.replicas == 2
    assert {item.kind for item in anything.resources.search(group="apps")} >= {"Deployment", "StatefulSet"}


def test_the_async_client_lists_watches_and_deletes(kubectl: Any, core: client.CoreV1Api) -> None:
    async def follow(group: aio.client.CoreV1Api, start: str) -> list[tuple[str, str]]:
        events: list[tuple[str, str]] = []
        async with aio.watch.Watch() as stream:
            async for event in stream.stream(group.list_namespaced_config_map, NAMESPACE, resource_version=start):
                events.append((event["type"], event["object"].metadata.name))
                if event["type"] == "DELETED":
                    return events
        return events

    async def scenario() -> list[tuple[str, str]]:
        await aio.config.load_kube_config(str(kubectl.kubeconfig))
        async with aio.client.ApiClient() as opened:
            group = aio.client.CoreV1Api(opened)
            start = (await group.list_namespaced_config_map(NAMESPACE)).metadata.resource_version
            following = asyncio.create_task(follow(group, start))
            await group.create_namespaced_config_map(NAMESPACE, {"metadata": {"name": "async"}})
            await group.delete_namespaced_config_map("async", NAMESPACE)
            return await following

    assert asyncio.run(scenario()) == [("ADDED", "async"), ("DELETED", "async")]
