"""The kube-dns Service is what pods expect, and five machines agree on it."""

from tricenter.dns import kube_dns


def test_the_service_answers_on_udp_and_tcp_under_the_usual_port_names() -> None:
    ports = kube_dns.service("10.96.0.10")["spec"]["ports"]
    assert [(port["name"], port["protocol"], port["port"]) for port in ports] == [
        ("dns", "UDP", 53),
        ("dns-tcp", "TCP", 53),
    ]


def test_slice_and_service_name_the_same_ports() -> None:
    """Endpoints are matched to ports by name."""
    service, item = kube_dns.service("10.96.0.10"), kube_dns.endpoint_slice("10.0.0.10")
    assert [p["name"] for p in service["spec"]["ports"]] == [p["name"] for p in item["ports"]]
    assert item["metadata"]["labels"]["kubernetes.io/service-name"] == service["metadata"]["name"]


def test_what_the_server_adds_is_no_difference() -> None:
    wanted = kube_dns.service("10.96.0.10")
    present = kube_dns.service("10.96.0.10")
    present["metadata"]["uid"] = "1"
    present["spec"]["ports"][0]["nodePort"] = 0
    assert kube_dns.contains(present, wanted)
    present["spec"]["ports"].append({"name": "metrics"})
    assert not kube_dns.contains(present, wanted)
    assert not kube_dns.contains({}, wanted)
