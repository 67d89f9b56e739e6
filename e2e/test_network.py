"""Guests on the cluster's network: to pods, Services and each other, over IPv4 and IPv6, in both directions."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from e2e import machines
from e2e.console import Console, console
from e2e.kubectl import VIRTCTL, Namespace, eventually, run, status
from e2e.leases import leased_again, renewed

SERVE = """
import http.server, socket
class Both(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"from-the-pod" + b"." * 20000)
    def log_message(self, *a): pass
Both(("::", 8080), Hello).serve_forever()
"""
ASK = "import socket,sys;s=socket.create_connection((sys.argv[1],int(sys.argv[2])),20);print(s.recv(7).decode())"
SSH_BANNER = "SSH-2.0"


def server_pod(name: str, node: str) -> dict[str, Any]:
    """A pod that serves HTTP on both families and has Python to ask others; our own image, which every node has."""
    image = json.loads(run("kubectl", "-n", "kubevirt", "get", "deployment", "virt-operator", "-o", "json"))
    container = {
        "name": "main",
        "image": image["spec"]["template"]["spec"]["containers"][0]["image"],
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", SERVE],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1001,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    selector = {"kubernetes.io/hostname": node}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"nodeSelector": selector, "containers": [container], "terminationGracePeriodSeconds": 0},
    }


def service(name: str, selector: dict[str, str], port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": selector, "ports": [{"port": port}], "ipFamilyPolicy": "PreferDualStack"},
    }


def addresses(vmi: dict[str, Any]) -> list[str]:
    """IPv4 and, where the cluster has it, IPv6 address of a machine."""
    found: list[str] = status(vmi, "interfaces")[0]["ipAddresses"]
    return found


@pytest.fixture(scope="module")
def net(shared: Namespace, nodes: tuple[str, ...]) -> Iterator[Namespace]:
    """Two masquerade guests on two nodes, one bridge guest, a pod and Services."""
    port = {"kubevirt.io/vm": "left"}
    shared.apply(
        server_pod("web", nodes[0]),
        service("web", {"app": "web"}, 8080),
        machines.vmi("left", node=nodes[0], labels=port),
        machines.vmi("right", node=nodes[1]),
        machines.vmi("bridged", node=nodes[1], binding="bridge"),
        service("left", port, 22),
    )
    shared.kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=120s")
    for name in ("left", "right", "bridged"):
        shared.until_phase(name, "Running")
        with console(shared.name, name) as guest:
            guest.login()
            assert configured(guest), f"{name} got no address"
    yield shared


def configured(guest: Console) -> bool:
    """Whether DHCP has given the guest an IPv4 route, and router advertisements an IPv6 one."""

    def look() -> bool:
        return guest.attempt("ip route | grep -q default")[1] == 0 and (
            guest.attempt("ip -6 addr show scope global | grep -q inet6")[1] == 0
        )

    return eventually(look, 60, 1)


def from_pod(net: Namespace, address: str, port: int) -> str:
    return net.kubectl("exec", "web", "--", "python3", "-c", ASK, address, str(port))


@pytest.mark.parametrize("name", ["left", "right", "bridged"])
def test_guest_to_pod_on_both_families(net: Namespace, name: str) -> None:
    pod_ips = [entry["ip"] for entry in net.get("pod", "web")["status"]["podIPs"]]
    assert len(pod_ips) == 2
    with console(net.name, name) as guest:
        guest.login()
        for address in pod_ips:
            host = f"[{address}]" if ":" in address else address
            assert "from-the-pod" in guest.run(f"wget -q -O - http://{host}:8080/ | head -c 12")
            assert guest.run(f"wget -q -O - http://{host}:8080/ | wc -c") == "20012"


@pytest.mark.parametrize("name", ["left", "bridged"])
def test_guest_to_service_by_address_and_name(net: Namespace, name: str) -> None:
    cluster_ips = net.get("service", "web")["spec"]["clusterIPs"]
    with console(net.name, name) as guest:
        guest.login()
        for address in cluster_ips:
            host = f"[{address}]" if ":" in address else address
            assert "from-the-pod" in guest.run(f"wget -q -O - http://{host}:8080/ | head -c 12")
        assert "from-the-pod" in guest.run("wget -q -O - http://web:8080/ | head -c 12")


@pytest.mark.parametrize("name", ["left", "right", "bridged"])
def test_pod_to_guest_on_both_families(net: Namespace, name: str) -> None:
    found = addresses(net.get("vmi", name))
    assert len(found) == 2, f"{name} reports {found}"
    for address in found:
        assert SSH_BANNER in from_pod(net, address, 22)


def test_pod_to_guest_through_a_service(net: Namespace) -> None:
    for address in net.get("service", "left")["spec"]["clusterIPs"]:
        assert SSH_BANNER in from_pod(net, address, 22)


@pytest.mark.parametrize(("here", "there"), [("left", "right"), ("right", "left"), ("left", "bridged")])
def test_guest_to_guest_across_nodes(net: Namespace, here: str, there: str) -> None:
    with console(net.name, here) as guest:
        guest.login()
        for address in addresses(net.get("vmi", there)):
            guest.run(f"ping -c 3 -W 5 {address}")
            assert SSH_BANNER in guest.run(f"nc -w 10 {address} 22 </dev/null | head -c 7")


def test_a_lease_of_the_pods_own_address_is_renewed(net: Namespace) -> None:
    address, address6 = addresses(net.get("vmi", "bridged"))
    with console(net.name, "bridged") as guest:
        guest.login()
        assert renewed(guest, "eth0", address, server="169.254.75.10")
        leased_again(guest, "eth0", address6)


def test_virtctl_forwards_a_port(net: Namespace) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*VIRTCTL, "-n", net.name, "port-forward", "vmi/left", f"{port}:22"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:

            def banner() -> bool:
                try:
                    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                        connection.settimeout(10)
                        return connection.recv(7) == SSH_BANNER.encode()
                except OSError:
                    return False

            assert eventually(banner, 60, 1)
        finally:
            process.terminate()


def test_virtctl_exposes_a_machine(net: Namespace) -> None:
    net.virtctl("expose", "vmi", "right", "--name", "right-ssh", "--port", "2222", "--target-port", "22")
    (address, *_) = net.get("service", "right-ssh")["spec"]["clusterIPs"]
    assert eventually(lambda: SSH_BANNER in from_pod(net, address, 2222), 30, 1)
