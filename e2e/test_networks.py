"""What a guest's networks can do, measured inside the guest: ports, protocols, packets, names, policies, more cards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e import machines
from e2e.console import Console, console
from e2e.kubectl import Failed, Namespace, condition, eventually, status
from e2e.leases import leased_again, renewed
from e2e.test_network import configured, server_pod
from e2e.test_resilience import kill_in

Document = dict[str, Any]
ECHO = """
import socket, sys, threading
def udp():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(("::", 5353))
    while True:
        data, peer = s.recvfrom(65536); s.sendto(b"udp:" + data, peer)
threading.Thread(target=udp, daemon=True).start()
s = socket.socket(socket.AF_INET6); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("::", 8080)); s.listen(8)
while True:
    c, _ = s.accept(); c.sendall(b"tcp:" + c.recv(64)); c.close()
"""
ASK = """
import socket, sys, time
kind, host, port, tries = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
s = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
s.settimeout(8 if kind == "tcp" else 2)
for left in reversed(range(tries)):
    try:
        s.connect((host, port))
        if kind == "udp": s.send(b"hello\\n")
        print(s.recv(64).decode()); break
    except OSError:  # the guest's netcat serves one peer after the other
        if not left: raise
        time.sleep(0.5)
"""
VM_ADDRESS6 = "fd10:0:2::2"
LISTED, HIDDEN, DATAGRAMS = 8080, 8081, 5353
SERVE = (
    f"for port in {LISTED} {HIDDEN}; do nc -ll -p $port -e /bin/hostname >/dev/null 2>&1 & done; "
    f"for port in {DATAGRAMS} {HIDDEN}; do f=/run/echo-$port; mkfifo $f; "
    "(while :; do nc.openbsd -6ulw 1 $port <$f | tee $f >/dev/null; done) & done; sleep 1"
)


def attachment(name: str, *subnets: str, **config: Any) -> Document:
    """A network of one node: a bridge, with addresses of each subnet for those who want some."""
    ipam = {"type": "host-local", "ranges": [[{"subnet": subnet}] for subnet in subnets]}
    plugin = {"type": "bridge", "bridge": f"e2e-{name}", "ipam": ipam, **config}
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name},
        "spec": {"config": json.dumps({"cniVersion": "0.3.1", "name": f"e2e-{name}", **plugin})},
    }


RED = attachment("red", "10.78.0.0/24", "fd78::/64")
GREEN = attachment("green", "10.79.0.0/24")


def service(name: str, selector: Document) -> Document:
    ports = [
        {"name": "tcp", "port": 80, "targetPort": LISTED},
        {"name": "hidden", "port": HIDDEN},
        {"name": "udp", "port": 53, "targetPort": DATAGRAMS, "protocol": "UDP"},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": selector, "ports": ports, "ipFamilyPolicy": "PreferDualStack"},
    }


def machine(node: str) -> Document:
    """A VM with the pod's network behind listed ports, a second network, a name of its own and a probe."""
    document = machines.vm("first", node=node, labels={"app": "first"})
    spec = document["spec"]["template"]["spec"]
    spec["domain"]["devices"]["interfaces"] = [
        {
            "name": "default",
            "masquerade": {},
            "ports": [{"port": LISTED}, {"port": 22}, {"port": DATAGRAMS, "protocol": "UDP"}],
        },
        {"name": "blue", "bridge": {}},
    ]
    spec["networks"] += [{"name": "blue", "multus": {"networkName": "blue"}}]
    spec |= {"hostname": "web", "subdomain": "farm"}
    spec["readinessProbe"] = {"tcpSocket": {"port": 22}, "periodSeconds": 1}
    return document


def spoken_for(node: str) -> Document:
    """A VMI whose network is passt, which listens on two ports."""
    document = machines.vmi("spoken", node=node, binding="passtBinding")
    ports = [{"port": LISTED}, {"port": DATAGRAMS, "protocol": "UDP"}]
    document["spec"]["domain"]["devices"]["interfaces"][0]["ports"] = ports
    return document


@pytest.fixture(scope="module")
def net(shared: Namespace, nodes: tuple[str, ...]) -> Iterator[Namespace]:
    pod = server_pod("peer", nodes[0])
    pod["spec"]["containers"][0]["command"] = ["python3", "-c", ECHO]
    pod["metadata"]["annotations"] = {"k8s.v1.cni.cncf.io/networks": json.dumps([{"name": "blue"}, {"name": "red"}])}
    headless = service("farm", {"app": "first"})
    headless["spec"]["clusterIP"] = "None"
    shared.apply(
        attachment("blue", "10.77.0.0/24", mtu=9000),
        RED,
        pod,
        machine(nodes[0]),
        spoken_for(nodes[1]),
        service("peer", {"app": "peer"}),
        service("first", {"app": "first"}),
        headless,
    )
    shared.kubectl("wait", "pod/peer", "--for=condition=Ready", "--timeout=120s")
    for name in ("first", "spoken"):
        shared.until_phase(name, "Running")
        with console(shared.name, name) as guest:
            guest.login()
            assert configured(guest), guest.attempt("ip addr; ip route; ip -6 route")[0]
            guest.run(SERVE)
    yield shared


def ask(net: Namespace, kind: str, host: str, port: int, tries: int = 0) -> str:
    tries = tries or {"tcp": 1, "udp": 10}[kind]
    return net.kubectl("exec", "peer", "--", "python3", "-c", ASK, kind, host, str(port), str(tries)).strip()


def refuses(net: Namespace, host: str, port: int) -> None:
    """See that nobody answers at a port, by either protocol, and that this is said at once."""
    for kind in ("tcp", "udp"):
        with pytest.raises(Failed, match="refused"):
            ask(net, kind, host, port, tries=1)


def cluster_ips(net: Namespace, name: str) -> list[str]:
    found: list[str] = net.get("service", name)["spec"]["clusterIPs"]
    assert len(found) == 2
    return found


def interface(net: Namespace, name: str, vmi: str = "first") -> Document:
    """What the VMI's status says of one interface; empty if it says nothing."""
    entries = status(net.get("vmi", vmi), "interfaces") or []
    return next((entry for entry in entries if entry.get("name") == name), {})


def peer_addresses(net: Namespace, network: str) -> list[str]:
    text = net.get("pod", "peer")["metadata"]["annotations"]["k8s.v1.cni.cncf.io/network-status"]
    found: list[str] = next(e["ips"] for e in json.loads(text) if e["name"] == f"{net.name}/{network}")
    return found


def test_tcp_and_udp_through_a_service_into_the_guest(net: Namespace) -> None:
    for address in cluster_ips(net, "first"):
        assert ask(net, "tcp", address, 80) == "web"
        assert ask(net, "udp", address, 53) == "hello"


@pytest.mark.parametrize("name", ["first", "spoken"])
def test_tcp_and_udp_through_a_service_out_of_the_guest(net: Namespace, name: str) -> None:
    with console(net.name, name) as guest:
        guest.login()
        for address in cluster_ips(net, "peer"):
            assert guest.run(f"echo hello | nc.openbsd -w 5 {address} 80") == "tcp:hello"
            assert guest.run(f"echo hello | nc.openbsd -u -w 3 {address} 53") == "udp:hello"


def test_ports_that_are_not_listed_are_refused(net: Namespace) -> None:
    with console(net.name, "first") as guest:
        guest.login()
        assert guest.run(f"nc.openbsd -w 5 127.0.0.1 {HIDDEN} </dev/null") == "web"
        assert guest.run(f"echo hello | nc.openbsd -u -w 1 127.0.0.1 {HIDDEN}") == "hello"
    for address in cluster_ips(net, "first"):
        with pytest.raises(Failed, match="refused"):
            ask(net, "tcp", address, HIDDEN)
    for address in interface(net, "default")["ipAddresses"]:
        refuses(net, address, HIDDEN)


def test_passt_speaks_for_its_guest_on_its_ports_alone(net: Namespace) -> None:
    addresses = interface(net, "default", "spoken")["ipAddresses"]
    assert len(addresses) == 2
    for address in addresses:
        assert ask(net, "tcp", address, LISTED) == "spoken"
        assert ask(net, "udp", address, DATAGRAMS) == "hello"
        refuses(net, address, HIDDEN)


def test_a_guest_has_its_network_back_after_passt_was_killed(net: Namespace) -> None:
    (pod,) = net.launcher_pods("spoken")
    kill_in(pod, "/usr/bin/passt")

    def again(pod: Document) -> bool:
        (passt,) = (one for one in status(pod, "initContainerStatuses") if one["name"] == "passt")
        return passt["restartCount"] == 1 and "running" in passt["state"]

    net.until("pod", pod["metadata"]["name"], again, "with a new passt", 60)
    for address in interface(net, "default", "spoken")["ipAddresses"]:

        def answered(address: str = address) -> bool:
            try:
                return ask(net, "tcp", address, LISTED) == "spoken" and ask(net, "udp", address, DATAGRAMS) == "hello"
            except Failed:
                return False

        assert eventually(answered, 60), f"nobody answers at {address}"
    with console(net.name, "spoken") as guest:
        guest.login()
        for address in cluster_ips(net, "peer"):
            assert guest.run(f"echo hello | nc.openbsd -w 5 {address} 80") == "tcp:hello"


def test_packets_of_full_size_on_the_second_network(net: Namespace) -> None:
    assert interface(net, "blue")["infoSource"].endswith("multus-status")
    (peer,) = peer_addresses(net, "blue")
    with console(net.name, "first") as guest:
        guest.login()
        assert guest.run("cat /sys/class/net/eth1/mtu") == "9000"
        for size in (8972, 20000):
            assert " 0% packet loss" in guest.run(f"ping -c 3 -W 5 -s {size} {peer}")
        assert "tcp:hello" in guest.run(f"echo hello | nc.openbsd -w 5 {peer} 8080")


def test_a_lease_is_renewed(net: Namespace) -> None:
    with console(net.name, "first") as guest:
        guest.login()
        assert renewed(guest, "eth0", "10.0.2.2", server="10.0.2.1")
        assert renewed(guest, "eth1", interface(net, "blue")["ipAddress"], server="169.254.75.11")
        leased_again(guest, "eth0", VM_ADDRESS6)


def test_names_in_a_subdomain(net: Namespace) -> None:
    full = f"web.farm.{net.name}.svc.cluster.local"
    lookup = f"import socket;print(*sorted({{i[4][0] for i in socket.getaddrinfo('{full}',22)}}))"
    addresses = interface(net, "default")["ipAddresses"]
    assert eventually(
        lambda: net.kubectl("exec", "peer", "--", "python3", "-c", lookup, check=False).split() == sorted(addresses), 30
    )
    with console(net.name, "first") as guest:
        guest.login()
        assert guest.run("hostname") == "web"
        assert guest.run("awk '/^search/ { print $2 }' /etc/resolv.conf") == full.removeprefix("web.")
        assert addresses[0] in guest.run("nslookup -type=a web 2>&1; true") or addresses[0] in guest.run("nslookup web")


def test_a_probe_over_the_network_makes_the_machine_ready(net: Namespace) -> None:
    net.until("vmi", "first", lambda vmi: condition(vmi, "Ready").get("status") == "True", "ready", 60)


def test_a_network_policy_keeps_others_out(net: Namespace) -> None:
    (address, *_) = interface(net, "default")["ipAddresses"]
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "closed"},
        "spec": {"podSelector": {"matchLabels": {"app": "first"}}, "policyTypes": ["Ingress"]},
    }

    def open_to_peer() -> bool:
        try:
            return ask(net, "tcp", address, LISTED) == "web"
        except Failed:
            return False

    assert open_to_peer()
    net.apply(policy)
    assert eventually(lambda: not open_to_peer(), 60)
    net.kubectl("delete", "networkpolicy", "closed")
    assert eventually(open_to_peer, 60)


def change(net: Namespace, interfaces: list[Document], networks: list[Document]) -> None:
    spec = {"domain": {"devices": {"interfaces": interfaces}}, "networks": networks}
    net.kubectl("patch", "vm", "first", "--type=merge", "-p", json.dumps({"spec": {"template": {"spec": spec}}}))


def template(net: Namespace) -> tuple[list[Document], list[Document]]:
    spec = net.get("vm", "first")["spec"]["template"]["spec"]
    return spec["domain"]["devices"]["interfaces"], spec["networks"]


def until_guest(guest: Console, command: str, output: str, timeout_s: float = 60) -> None:
    guest.until(f"{command} 2>/dev/null", output, timeout_s)


def test_the_cable_is_pulled_and_put_back(net: Namespace) -> None:
    interfaces, networks = template(net)
    with console(net.name, "first") as guest:
        guest.login()
        for state, carrier in (("down", "0"), ("up", "1")):
            interfaces[1]["state"] = state
            change(net, interfaces, networks)
            until_guest(guest, "cat /sys/class/net/eth1/carrier", carrier)

            def shown(state: str = state) -> bool:
                return bool(interface(net, "blue").get("linkState") == state)

            assert eventually(shown, 30)


def test_a_card_comes_and_goes_while_the_guest_runs(net: Namespace, own: Namespace) -> None:
    """Its network is another namespace's, and has no gateway: it must not become the guest's way out."""
    own.apply(RED)
    interfaces, networks = template(net)
    red = {"name": "red", "bridge": {}}
    networks_with_red = [*networks, {"name": "red", "multus": {"networkName": f"{own.name}/red"}}]
    change(net, [*interfaces, red], networks_with_red)
    with console(net.name, "first") as guest:
        guest.login()
        until_guest(guest, "cat /sys/class/net/eth2/operstate | tr -d ' ' | head -c 2; echo", "up")
        entry = interface(net, "red")
        assert entry["infoSource"].startswith("domain")
        assert guest.run("cat /sys/class/net/eth2/address") == entry["mac"]
        guest.until(f"ip -4 addr show eth2 | grep -c '{entry['ipAddress']}/24'", "1", 40)
        (given,) = [address for address in entry["ipAddresses"] if ":" in address]
        for card, address in (("eth0", VM_ADDRESS6), ("eth2", given)):
            # An address is nobody's source while the guest still looks whether others have it.
            guest.until(f"ip -6 addr show {card} | grep 'inet6 {address}/' | grep -vc tentative", "1", 40)
        guest.until("ip -6 route show dev eth2 | grep -c '^fd78::/64 '", "1", 40)
        assert "eth2" not in (ways := guest.run("{ ip -6 route; ip route; } | grep ^default")), ways
        for address in peer_addresses(net, "red"):
            assert "tcp:hello" in guest.run(f"echo hello | nc.openbsd -w 5 {address} 8080")
        own.apply(GREEN)
        change(net, [*interfaces, red], [*networks, {"name": "red", "multus": {"networkName": f"{own.name}/green"}}])
        guest.until("ip -4 addr show eth2 2>/dev/null | grep -c 'inet 10.79.0.'", "1", 60)
        assert guest.run("cat /sys/class/net/eth2/address") == entry["mac"], "it is the same card"
        change(net, [*interfaces, red | {"state": "absent"}], template(net)[1])
        until_guest(guest, "test -e /sys/class/net/eth2 || echo gone", "gone")
    (pod,) = net.launcher_pods("web")  # its label has the host name

    def detached() -> bool:
        text = net.get("pod", pod["metadata"]["name"])["metadata"]["annotations"]["k8s.v1.cni.cncf.io/network-status"]
        return not interface(net, "red") and f"{own.name}/" not in text

    assert eventually(detached, 60)
    assert eventually(lambda: [one["name"] for one in template(net)[0]] == ["default", "blue"], 60)


def test_a_machine_waits_for_the_definition_of_its_network(own: Namespace, nodes: tuple[str, ...]) -> None:
    document = machines.vm("early", node=nodes[0])
    spec = document["spec"]["template"]["spec"]
    spec["domain"]["devices"]["interfaces"] += [{"name": "late", "bridge": {}}]
    spec["networks"] += [{"name": "late", "multus": {"networkName": "late"}}]
    own.apply(document)
    vmi = own.until("vmi", "early", lambda vmi: condition(vmi, "Synchronized"), "refused", 30)
    found = condition(vmi, "Synchronized")
    assert (found["status"], found["reason"]) == ("False", "FailedCreate")
    text = f"Failed to locate network attachment definition {own.name}/late; create it and the VM starts"
    assert found["message"] == text
    assert eventually(lambda: text in [event["note"] for event in own.events("early")], 30)
    own.until("vm", "early", lambda vm: condition(vm, "Synchronized").get("message") == text, "told of it", 30)
    assert not own.launcher_pods("early")
    own.apply(attachment("late", "10.80.0.0/24"))
    vmi = own.until_phase("early", "Running")
    assert not condition(vmi, "Synchronized")


def test_hardware_addresses_outlive_a_restart(net: Namespace) -> None:
    before = {name: interface(net, name)["mac"] for name in ("default", "blue")}
    uid = net.get("vmi", "first")["metadata"]["uid"]
    net.virtctl("restart", "first")
    net.until("vmi", "first", lambda vmi: vmi and vmi["metadata"]["uid"] != uid, "made anew")
    net.until_phase("first", "Running")
    assert {name: interface(net, name)["mac"] for name in before} == before
