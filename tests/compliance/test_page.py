"""The main job: a page, from a client on the internet, over VIP, director, nginx and pod."""

from __future__ import annotations

import re
from typing import Any

import pytest

import site_inventory

SHOP = site_inventory.ROOT / "examples/shop"


@pytest.fixture(scope="module")
def shop(kubectl: Any) -> None:
    """The example shop, applied and rolled out with real kubectl; it stays for who looks at the site afterwards."""
    kubectl("apply", f"--filename={SHOP}")
    kubectl("rollout", "status", "deployment/shop", "--timeout=300s")


@pytest.fixture
def client(site: Any, connect: Any) -> Any:
    """The machine on the internet side."""
    return connect(next(m for m in site.group("internet") if not m.get("machine_asn")).name)


def page(client: Any, site: Any) -> Any:
    """Fetch the shop's page from the client; returns testinfra's result, the status in its last line."""
    address = site["site_ingress_vip"]
    return client.run(
        f"curl --silent --show-error --max-time 20 --resolve shop.example:80:{address} --write-out '\\n%{{http_code}}' http://shop.example/"
    )


def ipvs_connections(site: Any, connect: Any) -> int:
    """Connections that all directors have forwarded to the ingress VIP."""
    total = 0
    for director in site.group("director"):
        stats = connect(director.name).run("ipvsadm --list --numeric --stats --exact").stdout
        total += sum(int(n) for n in re.findall(rf"^TCP\s+{site['site_ingress_vip']}:80\s+(\d+)", stats, re.MULTILINE))
    return total


def test_the_page_comes_through_a_director(shop: None, site: Any, client: Any, connect: Any, eventually: Any) -> None:
    eventually(lambda: page(client, site).stdout.endswith("\n200"))
    before = ipvs_connections(site, connect)
    answers = [page(client, site) for _ in range(5)]
    assert all(answer.stdout.endswith("\n200") for answer in answers), answers
    assert all("shop" in answer.stdout.lower() for answer in answers)
    # the kernel adds its counters up every two seconds
    eventually(lambda: ipvs_connections(site, connect) >= before + 5)


def test_pods_of_the_shop_run_in_two_centers_or_more(shop: None, site: Any, kubectl: Any) -> None:
    lines = kubectl("get", "pods", "--selector=app=shop", "--output=wide").splitlines()
    # Columns are aligned; split by words, a restarted pod's "1 (13m ago)" would be three.
    column = lines[0].index("NODE")
    nodes = [line[column:].split()[0] for line in lines[1:] if "Running" in line]
    assert len(nodes) == 4, lines
    assert len({site.machines[node]["center_name"] for node in nodes}) >= 2, lines


def test_an_unknown_host_name_is_not_found(shop: None, site: Any, client: Any) -> None:
    answer = client.run(
        f"curl --silent --max-time 20 --write-out '%{{http_code}}' -o /dev/null http://{site['site_ingress_vip']}/"
    )
    assert answer.stdout == "404"


def test_the_ingress_shows_its_public_address(shop: None, site: Any, kubectl: Any, eventually: Any) -> None:
    eventually(lambda: site["site_ingress_vip"] in kubectl("get", "ingress", "shop"))


def test_a_load_balancer_service_gets_a_public_address_and_serves(
    shop: None, site: Any, kubectl: Any, client: Any, eventually: Any
) -> None:
    name = "compliance-lb"
    kubectl("expose", "deployment/shop", f"--name={name}", "--type=LoadBalancer", "--port=8088", "--target-port=80")
    try:
        path = "jsonpath={.status.loadBalancer.ingress[0].ip}"
        address = eventually(lambda: kubectl("get", "service", name, f"--output={path}"))
        assert address != site["site_ingress_vip"]
        fetch = f"curl --silent --max-time 3 --write-out '%{{http_code}}' -o /dev/null http://{address}:8088/"
        eventually(lambda: client.run(fetch).stdout == "200")
    finally:
        kubectl("delete", "service", name)
