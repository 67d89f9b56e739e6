"""What does not fit one frame arrives whole: fragments and streams, both ways, on both families, by each binding."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from typing import Any

import pytest

from e2e import machines
from e2e.console import Console, console
from e2e.kubectl import Namespace, status
from e2e.test_network import configured, server_pod

Document = dict[str, Any]
STREAM, FROM_POD, DATAGRAMS = 9000, 9001, 9002
STREAM_BYTES = 4 << 20
DATAGRAM_BYTES = 16000
"""Eleven fragments or more. The guest's netcat takes 16 KiB at once."""
PEER = f"""
import hashlib, random, socket, threading
def udp():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(("::", {DATAGRAMS}))
    while True:
        data, peer = s.recvfrom(65536)
        s.sendto(data if len(data) == {DATAGRAM_BYTES} else b"in parts: %d" % len(data), peer)
def tcp(port, serve):
    s = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        with s.accept()[0] as c: serve(c)
def digest(c):
    found, size = hashlib.sha256(), 0
    while data := c.recv(65536): found.update(data); size += len(data)
    c.sendall(b"%d bytes: %s" % (size, found.hexdigest().encode()))
threading.Thread(target=udp, daemon=True).start()
threading.Thread(target=tcp, args=({STREAM}, digest), daemon=True).start()
tcp({FROM_POD}, lambda c: c.sendall(random.Random(1).randbytes({STREAM_BYTES})))
"""
SEND = """
import random, socket, sys
host, port, size, kind = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), socket.SocketKind[sys.argv[4]]
with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as s:
    s.connect((host, port)); s.sendall(random.Random(1).randbytes(size))
"""
GUESTS = ("masqueraded", "bridged", "spoken")


def guest_of(name: str, binding: str, node: str) -> Document:
    """A VMI with one listed port of each protocol, as far as the binding knows lists, and memory for a stream."""
    document = machines.vmi(name, node=node, binding=binding, memory="160Mi")
    if binding != "bridge":
        ports = [{"port": STREAM}, {"port": DATAGRAMS, "protocol": "UDP"}]
        document["spec"]["domain"]["devices"]["interfaces"][0]["ports"] = ports
    return document


@pytest.fixture(scope="module")
def net(shared: Namespace, nodes: tuple[str, ...]) -> Iterator[Namespace]:
    """A pod, and on the other node a guest of each binding."""
    pod = server_pod("peer", nodes[0])
    pod["spec"]["containers"][0]["command"] = ["python3", "-c", PEER]
    bindings = ("masquerade", "bridge", "passtBinding")
    guests = [guest_of(name, binding, nodes[1]) for name, binding in zip(GUESTS, bindings, strict=True)]
    shared.apply(pod, *guests)
    shared.kubectl("wait", "pod/peer", "--for=condition=Ready", "--timeout=120s")
    for name in GUESTS:
        shared.until_phase(name, "Running")
        with console(shared.name, name) as guest:
            guest.login(180)
            assert configured(guest), guest.attempt("ip addr; ip route; ip -6 route")[0]
            guest.run(f"dd if=/dev/urandom of=/tmp/stream bs=1M count={STREAM_BYTES >> 20} 2>/dev/null")
            guest.run(f"head -c {DATAGRAM_BYTES} /tmp/stream >/tmp/datagram")
    yield shared


@pytest.fixture(params=GUESTS)
def guest(request: pytest.FixtureRequest, net: Namespace) -> Iterator[Console]:
    with console(net.name, request.param) as opened:
        opened.login()
        opened.run(f"vmi={request.param}")
        yield opened


def peers(net: Namespace) -> list[str]:
    found = [entry["ip"] for entry in status(net.get("pod", "peer"), "podIPs")]
    assert len(found) == 2
    return found


def addresses(net: Namespace, guest: Console) -> list[str]:
    found: list[str] = status(net.get("vmi", guest.run("echo $vmi")), "interfaces")[0]["ipAddresses"]
    assert len(found) == 2
    return found


def digest(guest: Console, source: str) -> str:
    """SHA-256 of what a file, or a command with a pipe behind it, gives in the guest."""
    return guest.run(f"{source} sha256sum | cut -c1-64", 120)


def sent_by_pod(size: int) -> str:
    return hashlib.sha256(random.Random(1).randbytes(size)).hexdigest()


def send(net: Namespace, address: str, port: int, size: int, kind: str) -> None:
    net.kubectl("exec", "peer", "--", "python3", "-c", SEND, address, str(port), str(size), kind)


def listening(guest: Console, port: int, table: str) -> None:
    """Wait for a socket without peer."""
    guest.until(f"grep -c ':{port:04X} [0-9A-F]*:0000 ' /proc/net/{table}", "1", 20)


def test_fragments_both_ways(net: Namespace, guest: Console) -> None:
    sent = digest(guest, "</tmp/datagram")
    for address in peers(net):
        assert " 0% packet loss" in guest.run(f"ping -c 3 -W 5 -s 20000 {address}")
        answer = f"nc.openbsd -u -w 3 {address} {DATAGRAMS} </tmp/datagram |"
        assert digest(guest, answer) == sent
    for address in addresses(net, guest):
        guest.run(f"rm -f /tmp/got; {{ timeout 30 nc.openbsd -6ul {DATAGRAMS} </dev/null >/tmp/got & }}")
        listening(guest, DATAGRAMS, "udp6")
        send(net, address, DATAGRAMS, DATAGRAM_BYTES, "SOCK_DGRAM")
        guest.until("wc -c </tmp/got", str(DATAGRAM_BYTES), 20)
        assert digest(guest, "</tmp/got") == sent_by_pod(DATAGRAM_BYTES)
        guest.run("killall nc.openbsd; wait")


def test_streams_both_ways(net: Namespace, guest: Console) -> None:
    sent = digest(guest, "</tmp/stream")
    for address in peers(net):
        assert guest.run(f"nc.openbsd -N -w 20 {address} {STREAM} </tmp/stream", 120) == f"{STREAM_BYTES} bytes: {sent}"
        assert digest(guest, f"nc.openbsd -w 60 {address} {FROM_POD} </dev/null |") == sent_by_pod(STREAM_BYTES)
    for address in addresses(net, guest):
        guest.run(f"{{ timeout 60 nc.openbsd -6l {STREAM} </dev/null | sha256sum >/tmp/got & }}")
        listening(guest, STREAM, "tcp6")
        send(net, address, STREAM, STREAM_BYTES, "SOCK_STREAM")
        guest.run("wait")
        assert guest.run("cut -c1-64 /tmp/got") == sent_by_pod(STREAM_BYTES)
