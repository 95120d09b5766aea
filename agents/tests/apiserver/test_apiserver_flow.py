"""A flood of requests delays itself: what keeps the site alive gets its seat, what is too much gets 429."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aetcd import rpc
from apiserver_harness import START_SECONDS, EtcdProcess, Running, client_session, make_config
from hypothesis import given
from hypothesis import strategies as st
from simulated_time import run as simulate
from simulated_time import simulated

from tricenter.apiserver import assembly, deadline, errors, main, requestinfo
from tricenter.apiserver.auth.user import NOBODY, User
from tricenter.apiserver.bootstrap import bootstrap
from tricenter.apiserver.deadline import Overdue
from tricenter.apiserver.flow import defaults, limits, schemas
from tricenter.apiserver.flow.seats import Level, Rejected, Seat

_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


def user(name: str, *groups: str) -> User:
    return User(name, groups=(*groups, "system:authenticated"))


@pytest.mark.parametrize(
    ("who", "method", "path", "schema"),
    [
        (user("admin", "system:masters"), "GET", "/api/v1/pods", "exempt"),
        (NOBODY, "GET", "/readyz", "probes"),
        (NOBODY, "GET", "/api/v1/pods", "global-default"),
        (user("system:kube-scheduler"), "PUT", f"{_LEASES}/a", "system-leader-election"),
        (user("system:kube-scheduler"), "GET", "/api/v1/pods", "kube-scheduler"),
        (user("system:node:n", "system:nodes"), "PUT", f"{_LEASES}/n", "system-node-high"),
        (user("system:node:n", "system:nodes"), "PATCH", "/api/v1/nodes/n/status", "system-node-high"),
        (user("system:node:n", "system:nodes"), "GET", "/api/v1/pods", "system-nodes"),
        (user("system:tricenter:dns"), "GET", "/api/v1/services", "tricenter-agents"),
        (user("system:serviceaccount:kube-system:x"), "GET", "/api/v1/pods", "kube-system-service-accounts"),
        (user("system:serviceaccount:a:x", "system:serviceaccounts"), "GET", "/api/v1/pods", "service-accounts"),
        (
            user("system:serviceaccount:a:x", "system:serviceaccounts"),
            "PUT",
            f"{_LEASES}/x",
            "workload-leader-election",
        ),
        (user("alice"), "GET", "/api/v1/pods", "global-default"),
    ],
)
def test_requests_find_their_schema(who: User, method: str, path: str, schema: str) -> None:
    info = requestinfo.parse(method, path, {})
    known = schemas.compiled(defaults.schemas())
    assert next(item for item in known if item.matches(who, info)).name == schema


def test_every_default_schema_has_its_level() -> None:
    levels = {level["metadata"]["name"] for level in defaults.levels()}
    assert {schema.level for schema in schemas.compiled(defaults.schemas())} == levels


@pytest.mark.parametrize(
    ("objects", "limit", "seats"),
    [(0, "", 1), (100, "", 1), (101, "", 2), (10_000, "", 10), (10_000, "500", 5), (10_000, "0", 10), (50, "500", 1)],
)
def test_lists_take_seats_by_their_size(objects: int, limit: str, seats: int) -> None:
    assert limits.width(objects, limit) == seats


def level(seats: int, queue: int = 50) -> Level:
    made = Level("x", Overdue(15.0))
    made.configure("", seats=seats, exempt=False, queue_length=queue)
    return made


@simulated
async def test_flows_are_served_in_turn() -> None:
    one = level(1)
    first = await one.acquire(("s", "first"), 1, 5)
    order: list[str] = []

    async def request(flow: str) -> None:
        seat = await one.acquire(("s", flow), 1, 5)
        order.append(flow)
        await asyncio.sleep(0)
        seat.release()

    flood = [asyncio.create_task(request("flood")) for _ in range(20)]
    await asyncio.sleep(0)
    quiet = asyncio.create_task(request("quiet"))
    await asyncio.sleep(0)
    first.release()
    await asyncio.gather(*flood, quiet)
    assert order.index("quiet") <= 1
    assert (one.in_use, one.executing, one.waiting) == (0, 0, 0)


@simulated
async def test_a_wide_request_is_not_passed_for_ever() -> None:
    one = level(3)
    held = [await one.acquire(("s", "a"), 1, 5) for _ in range(3)]
    wide = asyncio.create_task(one.acquire(("s", "wide"), 10, 5))
    await asyncio.sleep(0)
    small = asyncio.create_task(one.acquire(("s", "small"), 1, 5))
    await asyncio.sleep(0)
    for seat in held[:2]:
        seat.release()
    await asyncio.sleep(0)
    assert not small.done()
    held[2].release()
    seat = await wide
    assert one.in_use == 3, "no request is wider than its level"
    seat.release()
    (await small).release()


@simulated
async def test_what_does_not_fit_is_rejected_with_its_reason() -> None:
    full = level(1, queue=1)
    await full.acquire(("s", "a"), 1, 5)
    waiting = asyncio.create_task(full.acquire(("s", "a"), 1, 0.01))
    await asyncio.sleep(0)
    with pytest.raises(Rejected, match="queue-full"):
        await full.acquire(("s", "a"), 1, 5)
    with pytest.raises(Rejected, match="time-out"):
        await waiting
    assert full.waiting == 0
    none = level(1, queue=0)
    await none.acquire(("s", "a"), 1, 5)
    with pytest.raises(Rejected, match="concurrency-limit"):
        await none.acquire(("s", "a"), 1, 5)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 6), st.booleans()), max_size=40), st.integers(1, 8))
def test_seats_are_never_exceeded_and_always_come_back(requests: list[tuple[str, int, bool]], seats: int) -> None:
    async def run() -> None:
        one = level(seats)

        async def request(flow: str, width: int, *, leaves: bool) -> None:
            seat = await one.acquire(("s", flow), width, 5)
            try:
                assert one.in_use <= one.seats
                await asyncio.sleep(0)
                if leaves:
                    await asyncio.sleep(0)
            finally:
                seat.release()
                seat.release()

        tasks = [asyncio.create_task(request(flow, width, leaves=leaves)) for flow, width, leaves in requests]
        await asyncio.sleep(0)
        for task, (_, _, leaves) in zip(tasks, requests, strict=True):
            if leaves:
                task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [error for error in ended if isinstance(error, AssertionError | Rejected)]
        assert (one.in_use, one.executing, one.waiting) == (0, 0, 0)

    simulate(run())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("1m30s", 90),
        ("100ms", 0.1),
        ("1.5h", 5400),
        ("0", 0),
        ("-1s", -1),
        ("5", None),
        ("x", None),
        ("", None),
    ],
)
def test_durations_are_go_s(text: str, seconds: float | None) -> None:
    assert deadline.duration(text) == seconds


def test_deadlines() -> None:
    info = requestinfo.parse("GET", "/api/v1/pods", {})
    assert deadline.seconds(info, {}, 60) == 60
    assert deadline.seconds(info, {"timeout": "5s"}, 60) == 5
    assert deadline.seconds(info, {"timeout": "5m"}, 60) == 60
    assert deadline.seconds(requestinfo.parse("GET", "/api/v1/pods", {"watch": "1"}), {}, 60) is None
    with pytest.raises(errors.BadRequest, match="invalid timeout"):
        deadline.seconds(info, {"timeout": "soon"}, 60)


# --- with a server ---


async def figure(server: Running, name: str, labels: str) -> float:
    """What a metric of flow control says; 0 before it says anything."""
    line = f"apiserver_flowcontrol_{name}{{{labels}}} "
    async with server.session.get(f"{server.base}/metrics") as answer:
        found = [text for text in (await answer.text()).splitlines() if text.startswith(line)]
    return float(found[0].removeprefix(line)) if found else 0.0


@pytest.fixture
async def small(etcd: EtcdProcess, pki: Path) -> AsyncIterator[Running]:
    """A server with few seats and a thousand big objects."""
    parts = assembly.assemble(make_config(etcd, pki, max_requests=60, request_seconds=3600.0))
    following = asyncio.create_task(parts.mirror.run())
    await asyncio.wait_for(parts.mirror.synced.wait(), START_SECONDS)
    await bootstrap.run(parts)
    pad = "x" * 5000
    for number in range(1000):
        value = b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c%d","namespace":"default","uid":"u"},'
        value = value % number + b'"data":{"pad":"%b"}}' % pad.encode()
        put = rpc.RequestOp(request_put=rpc.PutRequest(key=b"/registry/configmaps/default/c%d" % number, value=value))
        await parts.etcd.txn(rpc.TxnRequest(success=[put]))
    async with main.listening(parts), client_session(pki, "admin") as session:
        server = Running(parts, session)
        rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        await server.call("POST", f"{rbac}/clusterroles", {"metadata": {"name": "a"}, "rules": rules})
        binding = {
            "metadata": {"name": "a"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "a"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}],
        }
        await server.call("POST", f"{rbac}/clusterrolebindings", binding)
        await parts.fresh.wait()
        yield server
    following.cancel()
    await asyncio.wait({following})
    await parts.etcd.close()


async def test_a_storm_of_lists_does_not_starve_leases(small: Running, pki: Path) -> None:
    codes: list[int] = []
    stop = asyncio.Event()

    async def storm(alice: Any) -> None:
        while not stop.is_set():
            url = f"{small.base}/api/v1/configmaps"
            async with alice.get(url, headers={"Accept-Encoding": "identity"}) as answer:
                codes.append(answer.status)
                await answer.read()
                if answer.status == 429:
                    assert answer.headers["Retry-After"] == "1"
                    await asyncio.sleep(0.02)

    async with client_session(pki, "alice") as alice, client_session(pki, "node") as node:
        flood = [asyncio.create_task(storm(alice)) for _ in range(80)]
        kubelet = Running(small.parts, node)
        lease = {"metadata": {"name": "n1"}, "spec": {"holderIdentity": "n1", "leaseDurationSeconds": 40}}
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        async with asyncio.timeout(120):
            while not {200, 429} <= set(codes):  # one user's eighty lists at once are more than fifty in the queue
                await asyncio.sleep(0.01)
        code, made = await kubelet.call("POST", path, lease)
        assert code == 201
        earlier = []
        for number in range(20):
            made["spec"]["leaseTransitions"] = number
            before = codes.count(200)
            code, made = await kubelet.call("PUT", f"{path}/n1", made)
            earlier.append(codes.count(200) - before)
            assert code == 200
        stop.set()
        await asyncio.gather(*flood)
    assert sorted(earlier)[10] < 50, "a heartbeat waits until the lists that came before it have been served"


async def test_a_watch_holds_its_seat_only_at_the_start(small: Running, pki: Path) -> None:
    async with client_session(pki, "alice") as session:
        watches = [
            await session.get(f"{small.base}/api/v1/secrets?watch=1&resourceVersion=0&timeoutSeconds=600")
            for _ in range(12)
        ]
        assert [watch.status for watch in watches] == [200] * 12
        assert await figure(small, "current_executing_requests", 'priority_level="global-default"') == 0
        text = await (await small.session.get(f"{small.base}/metrics")).text()
        assert 'apiserver_flowcontrol_nominal_limit_seats{priority_level="global-default"} 5.0' in text
        for watch in watches:
            watch.close()


async def test_answers_name_their_schema_and_the_objects_configure_the_levels(small: Running, pki: Path) -> None:
    root = f"/apis/{defaults.GROUP}/v1"
    _, schema = await small.call("GET", f"{root}/flowschemas/global-default")
    async with client_session(pki, "alice") as session:
        async with session.get(f"{small.base}/api/v1/pods") as answer:
            assert answer.headers["X-Kubernetes-PF-FlowSchema-UID"] == schema["metadata"]["uid"]
        spec = {**schema["spec"], "matchingPrecedence": 500}
        spec["rules"][0]["subjects"] = [{"kind": "User", "user": {"name": "alice"}}]
        spec["priorityLevelConfiguration"] = {"name": "system"}
        code, made = await small.call("POST", f"{root}/flowschemas", {"metadata": {"name": "alices"}, "spec": spec})
        assert code == 201
        await small.parts.fresh.wait()
        async with session.get(f"{small.base}/api/v1/pods") as answer:
            assert answer.headers["X-Kubernetes-PF-FlowSchema-UID"] == made["metadata"]["uid"]


async def test_what_every_cluster_has_comes_back(small: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    root = f"/apis/{defaults.GROUP}/v1"
    merge = {"Content_Type": "application/merge-patch+json"}
    system, last = f"{root}/prioritylevelconfigurations/system", f"{root}/flowschemas/catch-all"
    mine = f"{root}/flowschemas/global-default"
    code, status = await small.call("PATCH", last, {"spec": {"matchingPrecedence": 5}}, **merge)
    assert (code, status["details"]["causes"][0]["field"]) == (422, "spec")
    await small.call("DELETE", last)
    await small.call("PATCH", system, {"spec": {"limited": {"nominalConcurrencyShares": 1}}}, **merge)
    taken = {"metadata": {"annotations": {defaults.AUTOUPDATE: "false"}}, "spec": {"matchingPrecedence": 9000}}
    await small.call("PATCH", mine, taken, **merge)
    await small.parts.fresh.wait()
    monkeypatch.setattr(bootstrap, "_KEEP_SECONDS", 0.05)
    keeping = asyncio.create_task(bootstrap.keep(small.parts))
    async with asyncio.timeout(30):
        while (await small.call("GET", last))[0] != 200:
            await asyncio.sleep(0.02)
        while (await small.call("GET", system))[1]["spec"]["limited"]["nominalConcurrencyShares"] != 30:
            await asyncio.sleep(0.02)
    keeping.cancel()
    _, kept = await small.call("GET", mine)
    assert kept["spec"]["matchingPrecedence"] == 9000, "who takes a suggestion over keeps it"
    written = await small.parts.fresh.wait()
    await bootstrap.run(small.parts)
    assert await small.parts.fresh.wait() == written, "what is as it should be is not written again"


async def test_requests_end_in_time(small: Running) -> None:
    """A body that never comes, and a client that sets its own limit."""

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    url = f"{small.base}/api/v1/namespaces/default/configmaps?timeout=300ms"
    async with small.session.post(url, data=body(), headers={"Content-Type": "application/json"}) as answer:
        status = await answer.json()
    assert (answer.status, status["reason"]) == (504, "Timeout")
    code, status = await small.call("GET", "/api/v1/pods?timeout=soon")
    assert (code, status["reason"]) == (400, "BadRequest")


async def test_bodies_and_lines_have_limits(small: Running) -> None:
    big = b'{"metadata":{"name":"a"},"data":{"k":"' + b"x" * 3_200_000 + b'"}}'
    code, status = await small.call("POST", "/api/v1/namespaces/default/configmaps", big)
    assert (code, status["reason"]) == (413, "RequestEntityTooLarge")
    selector = ",".join(f"key{number}!=v" for number in range(2000))
    code, _ = await small.call("GET", f"/api/v1/namespaces/default/secrets?labelSelector={selector}")
    assert code == 200
    async with small.session.get(f"{small.base}/api/v1/pods?labelSelector={'x' * 100_000}") as answer:
        assert answer.status in (400, 414, 431)


def test_a_seat_comes_back_once() -> None:
    one = level(2)
    seat = Seat(one, 1)
    one.in_use = one.executing = 2
    seat.release()
    seat.release()
    assert one.in_use == 1


async def test_a_client_that_does_not_read_loses_its_connection_and_its_seats(small: Running, pki: Path) -> None:
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.load_cert_chain(pki / "alice.crt", pki / "alice.key")
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    port = small.parts.config.port

    def ask() -> ssl.SSLSocket:
        plain.connect(("127.0.0.1", port))
        sock = context.wrap_socket(plain, server_hostname="127.0.0.1")
        sock.sendall(b"GET /api/v1/configmaps?timeout=3s HTTP/1.1\r\nHost: x\r\n\r\n" * 4)
        return sock

    async def seats() -> float:
        return await figure(small, "current_executing_seats", 'priority_level="global-default"')

    async def begun() -> float:
        return await figure(
            small, "dispatched_requests_total", 'flow_schema="global-default",priority_level="global-default"'
        )

    sock = await asyncio.to_thread(ask)
    async with asyncio.timeout(120):  # the first of the lists holds its seats until its time is over
        while not await begun():
            await asyncio.sleep(0.05)
        while await seats():
            await asyncio.sleep(0.05)
    assert await begun() == 1, "the connection goes with a list that nobody reads, and with it the lists behind that"
    sock.close()


@simulated
async def test_what_is_overdue_ends_and_nothing_else() -> None:
    overdue = deadline.Overdue(0.05)
    ended: list[str] = []

    async def work(name: str, seconds: float) -> str:
        try:
            await asyncio.sleep(seconds)
        finally:
            ended.append(name)
        return name

    async def request(name: str, seconds: float) -> str:
        try:
            return await overdue.within(0.05, work(name, seconds))
        except TimeoutError:
            return "late"

    slow, quick = asyncio.create_task(request("slow", 30)), asyncio.create_task(request("quick", 0))
    gone = asyncio.create_task(request("gone", 30))
    assert await quick == "quick"
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await slow == "late"
    assert slow.cancelling() == 0, "the task goes on as if nobody had cancelled it"
    assert ended == ["quick", "gone", "slow"]
    assert await overdue.within(None, work("free", 0)) == "free"
    with pytest.raises(TimeoutError):
        await overdue.within(0.01, work("own", 30))
