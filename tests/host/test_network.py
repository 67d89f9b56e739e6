"""Bindings on real namespaces: what a guest gets, and who reaches whom."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec
import pytest

from kubevirt_py.render.network.binding import plan_links
from kubevirt_py.render.network.model import NetworkPlan, PortRange, ResolvFacts
from kubevirt_py.virt_handler.dhcp import serve
from kubevirt_py.virt_handler.links import TapBusy, plumb, read_links
from kubevirt_py.virt_handler.netns import in_netns
from kubevirt_py.virt_handler.nft import NftError
from tests.host.netlab import Namespace, guest_on, namespace, needs_netns

pytestmark = needs_netns

RESOLV = ResolvFacts(("10.96.0.10", "fd00:10:96::a"), ("default.svc.cluster.local", "svc.cluster.local"))
OF = {"namespace": "farm", "name": "vm1", "uid": "0000-1111"}
DHCP_SERVER = "169.254.75.10"
"""Of the first card behind the bridge binding."""
GUEST_IPV6 = Path(__file__).with_name("guest_ipv6.py")
UDHCPC_SCRIPT = """#!/bin/sh
case $1 in deconfig) exit 0 ;; esac
env > LEASE
ip link set $interface mtu $mtu
ip addr replace $ip/$mask dev $interface
if [ -n "$staticroutes" ]; then
    set -- $staticroutes
    while [ $# -ge 2 ]; do
        if [ $2 = 0.0.0.0 ]; then ip route replace $1 dev $interface; else ip route replace $1 via $2; fi
        shift 2
    done
elif [ -n "$router" ]; then
    ip route replace default via $router
fi
"""


@dataclass
class Lab:
    outside: Namespace
    pod: Namespace
    guest: Namespace
    tmp: Path

    async def lease(self) -> dict[str, str]:
        """What udhcpc heard; it also configures the guest's eth0."""
        script, lease = self.tmp / "udhcpc.sh", self.tmp / "lease"
        script.write_text(UDHCPC_SCRIPT.replace("LEASE", str(lease)))
        script.chmod(0o755)
        options = [f"-O{name}" for name in ("search", "mtu", "ntpsrv", "bootfile", "tftp", "staticroutes", "240")]
        await self.in_guest("busybox", "udhcpc", "-i", "eth0", "-nqf", "-t5", "-T1", *options, "-s", str(script))
        return dict(line.split("=", 1) for line in lease.read_text().splitlines() if "=" in line)

    async def lease6(self) -> dict[str, Any]:
        """What the guest hears by router advertisement and DHCPv6; it also configures the guest's eth0."""
        mac = self.guest.ip("-o", "link", "show", "eth0").partition("link/ether ")[2].split()[0]
        heard: dict[str, Any] = json.loads(await self.in_guest(sys.executable, str(GUEST_IPV6), mac))
        await self.in_guest("ip", "addr", "add", f"{heard['lease']['address']}/128", "dev", "eth0", "nodad")
        return heard

    async def in_guest(self, *command: str) -> str:
        return await asyncio.to_thread(self.guest.run, *command)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """The outside is the pod's router; the pod looks as a CNI plugin leaves it (routed, /24 and /64)."""
    with namespace() as outside, namespace() as pod, namespace() as guest:
        guest.run("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad")
        for quiet in (outside, pod):
            # The kernel solicits routers at a time of its own.
            quiet.run("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/router_solicitations")
        pod_mac, peer = "0a:58:0a:f4:01:05", str(pod.process.pid)
        outside.ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "address", pod_mac, "netns", peer)
        for side, last in ((outside, "1"), (pod, "5")):
            side.ip("link", "set", "eth0", "mtu", "1450", "up")
            side.ip("addr", "add", f"10.244.1.{last}/24", "dev", "eth0")
            side.ip("addr", "add", f"fd00:10:244:1::{last}/64", "dev", "eth0", "nodad")
        outside.ip("addr", "add", "192.0.2.1/32", "dev", "lo")
        outside.ip("addr", "add", "2001:db8::1/128", "dev", "lo")
        pod.ip("route", "add", "default", "via", "10.244.1.1")
        pod.ip("-6", "route", "add", "default", "via", "fd00:10:244:1::1")
        yield Lab(outside, pod, guest, tmp_path)


def vmi(binding: str, *, mq: bool = False, **interface: Any) -> dict[str, Any]:
    return {
        "domain": {
            "devices": {
                "interfaces": [{"name": "default", binding: {}, **interface}],
                "networkInterfaceMultiqueue": mq,
            }
        },
        "networks": [{"name": "default", "pod": {}}],
    }


@contextlib.asynccontextmanager
async def running(lab: Lab, spec: dict[str, Any], vcpus: int = 1) -> AsyncIterator[NetworkPlan]:
    """Plumbs the pod, plugs the guest in and serves it."""
    plan = plan_links(spec, await read_links(lab.pod.pidfd), RESOLV, **OF, vcpus=vcpus)
    (tap,) = await plumb(lab.pod.pidfd, plan)
    with guest_on(lab.guest, plan.interfaces[0].mac, tap.fds):
        async with served(lab, plan):
            yield plan


@contextlib.asynccontextmanager
async def served(lab: Lab, plan: NetworkPlan) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve, lab.pod.pidfd, plan)
        try:
            yield
        finally:
            tasks.cancel_scope.cancel()


async def echo(
    server: Namespace, client: Namespace, address: str, port: int, *, udp: bool = False, size: int = 0
) -> str:
    """What a client hears from a server that answers with `hello from` and the peer's address.

    With `size` it sends a datagram of so many bytes and gets it back.
    """
    family = "6" if ":" in address else "4"
    kind = "udp" if udp else "tcp"
    daemon = server.start("python3", "-c", ECHO_SERVER, family, kind, str(port))
    assert daemon.stdout is not None
    await asyncio.to_thread(daemon.stdout.readline)
    try:
        return (
            await asyncio.to_thread(client.run, "python3", "-c", ECHO_CLIENT, kind, address, str(port), str(size))
        ).strip()
    finally:
        daemon.kill()


ECHO_SERVER = """
import socket, sys
family = socket.AF_INET6 if sys.argv[1] == "6" else socket.AF_INET
kind = socket.SOCK_DGRAM if sys.argv[2] == "udp" else socket.SOCK_STREAM
server = socket.socket(family, kind)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", int(sys.argv[3])))
if sys.argv[2] == "tcp":
    server.listen()
print(flush=True)
while True:
    if sys.argv[2] == "udp":
        heard, peer = server.recvfrom(65536)
        server.sendto(heard if len(heard) > 100 else b"hello from " + peer[0].encode(), peer)
    else:
        connection, peer = server.accept()
        connection.sendall(b"hello from " + peer[0].encode())
        connection.close()
"""
ECHO_CLIENT = """
import random, socket, sys
kind = socket.SOCK_DGRAM if sys.argv[1] == "udp" else socket.SOCK_STREAM
client = socket.socket(socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET, kind)
client.settimeout(3)
try:
    client.connect((sys.argv[2], int(sys.argv[3])))
    sent = random.randbytes(int(sys.argv[4])) or b"hi"
    client.send(sent)
    heard = client.recv(65536)
    print(f"{len(sent)} bytes came back" if heard == sent else heard.decode())
except OSError as error:
    print("failed:", error)
"""


async def test_masquerade_ipv4_lease_and_traffic_both_ways(lab: Lab) -> None:
    async with running(lab, vmi("masquerade")):
        lease = await lab.lease()
        assert (lease["ip"], lease["mask"], lease["router"]) == ("10.0.2.2", "24", "10.0.2.1")
        assert (lease["dns"], lease["mtu"], lease["hostname"]) == ("10.96.0.10", "1450", "vm1")
        assert lease["search"] == "default.svc.cluster.local svc.cluster.local"
        assert lease["lease"] == "4294967295"
        await lab.in_guest("busybox", "ping", "-c1", "-W3", "192.0.2.1")
        assert await echo(lab.outside, lab.guest, "192.0.2.1", 8080) == "hello from 10.244.1.5"
        assert await echo(lab.guest, lab.outside, "10.244.1.5", 80) == "hello from 10.244.1.1"
        assert await echo(lab.guest, lab.outside, "10.244.1.5", 5353, udp=True) == "hello from 10.244.1.1"
        assert await echo(lab.guest, lab.pod, "127.0.0.1", 80) == "hello from 10.0.2.1"
        assert await echo(lab.guest, lab.pod, "10.244.1.5", 80) == "hello from 10.244.1.5"


async def test_masquerade_ipv6_router_lease_and_traffic_both_ways(lab: Lab) -> None:
    async with running(lab, vmi("masquerade")):
        heard = await lab.lease6()
        assert heard["advert"] == {
            "router": "fe80::ff:fe00:0",
            "managed": 1,
            "lifetime": 65535,
            "mtu": 1450,
            "router_mac": "02:00:00:00:00:00",
            "prefix": "fd10:0:2::",
            "routes": [],
            "dns": ["fd00:10:96::a"],
        }
        assert heard["lease"] == {
            "address": "fd10:0:2::2",
            "valid": 0xFFFFFFFF,
            "renewed": {"9": "fd10:0:2::2", "10": "fd10:0:2::2"},
            "dns": ["fd00:10:96::a"],
            "search": ["default.svc.cluster.local.", "svc.cluster.local."],
        }
        await lab.in_guest("busybox", "ping6", "-c1", "-W3", "2001:db8::1")
        assert await echo(lab.outside, lab.guest, "2001:db8::1", 8080) == "hello from fd00:10:244:1::5"
        assert await echo(lab.guest, lab.outside, "fd00:10:244:1::5", 80) == "hello from fd00:10:244:1::1"
        assert await echo(lab.guest, lab.outside, "fd00:10:244:1::5", 5353, udp=True) == "hello from fd00:10:244:1::1"
        assert await echo(lab.guest, lab.pod, "fd00:10:244:1::5", 80) == "hello from fd00:10:244:1::5"


async def test_masquerade_in_a_pod_without_ipv6(lab: Lab) -> None:
    lab.pod.ip("-6", "addr", "flush", "dev", "eth0", "scope", "global")
    async with running(lab, vmi("masquerade")) as plan:
        assert plan.interfaces[0].lease6 is None
        await lab.lease()
        assert await echo(lab.guest, lab.outside, "10.244.1.5", 80) == "hello from 10.244.1.1"
        assert "inet6" not in lab.pod.ip("addr", "show", "k6t-eth0")


async def test_masquerade_in_a_pod_without_ipv4_and_with_a_network_of_its_own(lab: Lab) -> None:
    lab.pod.ip("-4", "addr", "flush", "dev", "eth0")
    spec = vmi("masquerade")
    spec["networks"][0]["pod"]["vmIPv6NetworkCIDR"] = "fd20:1::/120"
    async with running(lab, spec) as plan:
        assert plan.interfaces[0].lease4 is None
        assert (await lab.lease6())["lease"]["address"] == "fd20:1::2"
        assert await echo(lab.outside, lab.guest, "2001:db8::1", 8080) == "hello from fd00:10:244:1::5"
        assert await echo(lab.guest, lab.outside, "fd00:10:244:1::5", 80) == "hello from fd00:10:244:1::1"


async def test_masquerade_forwards_only_listed_ports(lab: Lab) -> None:
    spec = vmi("masquerade", ports=[{"port": 80}, {"port": 53, "protocol": "UDP"}], portRanges=[])
    async with running(lab, spec):
        await lab.lease()
        await lab.lease6()
        for pod, peer in (("10.244.1.5", "10.244.1.1"), ("fd00:10:244:1::5", "fd00:10:244:1::1")):
            assert await echo(lab.guest, lab.outside, pod, 80) == f"hello from {peer}"
            assert await echo(lab.guest, lab.outside, pod, 53, udp=True) == f"hello from {peer}"
            assert (await echo(lab.guest, lab.outside, pod, 81)).startswith("failed")
            assert (await echo(lab.guest, lab.outside, pod, 80, udp=True)).startswith("failed")
            assert await echo(lab.pod, lab.outside, pod, 82) == f"hello from {peer}"


async def test_bridge_gives_the_guest_the_pods_addresses(lab: Lab) -> None:
    async with running(lab, vmi("bridge")) as plan:
        lease = await lab.lease()
        assert (lease["ip"], lease["mask"], lease["router"]) == ("10.244.1.5", "24", "10.244.1.1")
        assert (lease["dns"], lease["mtu"]) == ("10.96.0.10", "1450")
        assert "staticroutes" not in lease
        heard = await lab.lease6()
        assert heard["lease"]["address"] == "fd00:10:244:1::5"
        assert heard["lease"]["renewed"] == {"9": "fd00:10:244:1::5", "10": "fd00:10:244:1::5"}
        assert plan.interfaces[0].mac == "0a:58:0a:f4:01:05"
        for outside, gateway in (("192.0.2.1", "10.244.1.1"), ("2001:db8::1", "fd00:10:244:1::1")):
            pod = "10.244.1.5" if "." in gateway else "fd00:10:244:1::5"
            assert await echo(lab.outside, lab.guest, outside, 8080) == f"hello from {pod}"
            assert await echo(lab.guest, lab.outside, pod, 80) == f"hello from {gateway}"
            assert await echo(lab.guest, lab.outside, pod, 5353, udp=True) == f"hello from {gateway}"
        kept = {link.name: link for link in await read_links(lab.pod.pidfd)}
        assert kept["eth0"].addresses == ("10.244.1.5/24", "fd00:10:244:1::5/64")
        assert kept["eth0-nic"].addresses == ()


@pytest.mark.parametrize("binding", ["masquerade", "bridge"])
async def test_what_comes_in_fragments_arrives_whole_both_ways(lab: Lab, binding: str) -> None:
    async with running(lab, vmi(binding)):
        await lab.lease()
        await lab.lease6()
        for outside, pod in (("10.244.1.1", "10.244.1.5"), ("fd00:10:244:1::1", "fd00:10:244:1::5")):
            await lab.in_guest("busybox", "ping", "-c1", "-W3", "-s20000", outside)
            assert await echo(lab.outside, lab.guest, outside, 8080, udp=True, size=20000) == "20000 bytes came back"
            assert await echo(lab.guest, lab.outside, pod, 5353, udp=True, size=20000) == "20000 bytes came back"


async def test_bridge_keeps_router_and_dhcp_talk_off_the_pod_network(lab: Lab) -> None:
    sniffer = lab.outside.start(sys.executable, "-c", SNIFFER)
    assert sniffer.stdout is not None
    await asyncio.to_thread(sniffer.stdout.readline)
    async with running(lab, vmi("bridge")):
        await lab.lease()
        await lab.lease6()
        await lab.in_guest("busybox", "arping", "-c1", "-w5", "-I", "eth0", DHCP_SERVER)
        # The last frame that the sniffer waits for: all that could have leaked came before it.
        await lab.in_guest("busybox", "ping", "-c1", "-W3", "10.244.1.1")
        seen = await asyncio.to_thread(sniffer.stdout.readline)
        asked = lab.outside.run("busybox", "arping", "-c1", "-w1", "-I", "eth0", DHCP_SERVER, check=False)
    assert json.loads(seen) == []
    assert "Received 0 response" in asked


SNIFFER = """
import json, socket
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
sock.bind(("eth0", 0))
sock.settimeout(20)
print(flush=True)
leaked = []
while True:
    frame, (_, _, direction, _, _) = sock.recvfrom(2000)
    if direction == socket.PACKET_OUTGOING:
        continue
    ether, ip = frame[12:14], frame[14:]
    if ether == b"\\x08\\x00" and ip[9] == 1:
        break
    if ether == b"\\x08\\x06" and ip[24:26] == b"\\xa9\\xfe":
        leaked.append("arp")
    if ether == b"\\x08\\x00" and ip[9] == 17 and ip[22:24] in (b"\\0\\x43", b"\\0\\x44"):
        leaked.append("dhcp")
    if ether == b"\\x86\\xdd" and ip[6] == 17 and ip[42:44] in (b"\\x02\\x22", b"\\x02\\x23"):
        leaked.append("dhcp6")
    if ether == b"\\x86\\xdd" and ip[6] == 58 and ip[40] in (133, 134):
        leaked.append(f"icmp6 {ip[40]} from {frame[6:12].hex()}")
print(json.dumps(leaked), flush=True)
"""


async def test_bridge_hands_over_a_gateway_outside_the_subnet(lab: Lab) -> None:
    """The pod as Calico leaves it: a /32, and a link-local gateway reached on-link."""
    lab.pod.ip("addr", "flush", "dev", "eth0")
    lab.pod.ip("addr", "add", "10.244.9.9/32", "dev", "eth0")
    lab.pod.ip("route", "add", "169.254.1.1", "dev", "eth0", "scope", "link")
    lab.pod.ip("route", "add", "default", "via", "169.254.1.1", "dev", "eth0")
    lab.outside.ip("addr", "add", "169.254.1.1/32", "dev", "eth0")
    lab.outside.ip("route", "add", "10.244.9.9", "dev", "eth0")
    async with running(lab, vmi("bridge")):
        lease = await lab.lease()
        assert (lease["ip"], lease["mask"]) == ("10.244.9.9", "32")
        assert lease["staticroutes"] == "169.254.1.1/32 0.0.0.0 0.0.0.0/0 169.254.1.1"
        assert await echo(lab.guest, lab.outside, "10.244.9.9", 80) == "hello from 10.244.1.1"
        assert await echo(lab.outside, lab.guest, "192.0.2.1", 80) == "hello from 10.244.9.9"


@pytest.mark.parametrize("gateway", [True, False])
@pytest.mark.parametrize(
    ("binding", "server", "address"),
    [("masquerade", "10.0.2.1", "10.0.2.2"), ("bridge", DHCP_SERVER, "10.244.1.5")],
)
async def test_a_lease_is_renewed(lab: Lab, binding: str, server: str, address: str, gateway: bool) -> None:
    """Asked from the address, of the server alone and of all (RFC 2131, 4.3.2: RENEWING, REBINDING).

    Behind bridge the server is in no subnet of the guest, which has the one or the other way to it.
    """
    lab.pod.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter")  # as some nodes have it
    if not gateway:
        lab.pod.ip("route", "del", "default")
    async with running(lab, vmi(binding)) as plan:
        await lab.lease()
        for asked in (server, "255.255.255.255"):
            heard = json.loads(await lab.in_guest(sys.executable, "-c", RENEW, plan.interfaces[0].mac, address, asked))
            assert heard == {"from": [server, 67], "kind": "ack", "address": address, "forever": True}


RENEW = """
import json, socket, sys
from scapy.layers.dhcp import BOOTP, DHCP
mac, address, asked = sys.argv[1:]
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(5)
client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
client.bind((address, 68))
message = BOOTP(chaddr=bytes.fromhex(mac.replace(":", "")) + bytes(10), ciaddr=address, xid=7)
client.sendto(bytes(message / DHCP(options=[("message-type", "request"), "end"])), (asked, 67))
data, peer = client.recvfrom(2000)
reply = BOOTP(data)
options = {option[0]: option[1] for option in reply[DHCP].options if isinstance(option, tuple)}
kind = {5: "ack", 6: "nak"}[options["message-type"]]
forever = options["lease_time"] == 0xFFFFFFFF
print(json.dumps({"from": peer, "kind": kind, "address": reply.yiaddr, "forever": forever}))
"""


async def test_lease_carries_the_users_dhcp_options(lab: Lab) -> None:
    options = {
        "bootFileName": "pxelinux.0",
        "tftpServerName": "tftp.example",
        "ntpServers": ["192.0.2.123", "192.0.2.124"],
        "privateOptions": [{"option": 240, "value": "private"}],
    }
    async with running(lab, vmi("masquerade", dhcpOptions=options)):
        lease = await lab.lease()
    assert (lease["bootfile"], lease["tftp"]) == ("pxelinux.0", "tftp.example")
    assert lease["ntpsrv"] == "192.0.2.123 192.0.2.124"
    assert bytes.fromhex(lease["opt240"]) == b"private"


async def test_a_guest_fills_no_memory_of_the_node_with_addresses(lab: Lab) -> None:
    async with running(lab, vmi("masquerade")) as plan:
        await lab.in_guest(sys.executable, "-c", MANY_ADDRESSES)
        assert (await lab.lease())["ip"] == "10.0.2.2", "all that was sent before has passed"
        known = lab.pod.run("bridge", "fdb", "show", "dev", "tap0")
        assert f"{plan.interfaces[0].mac} master k6t-eth0 static" in known
        assert "02:aa" not in known
        neighbours = lab.pod.ip("neigh", "show", "dev", "k6t-eth0")
        assert "100.64." not in neighbours
        assert 0 < neighbours.count("fe80::aa:") < 100


MANY_ADDRESSES = """
import socket
from scapy.layers.inet6 import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether
card = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
card.bind(("eth0", 0))
for number in range(200):
    mac = f"02:aa:00:00:00:{number:02x}"
    who = ARP(hwsrc=mac, psrc=f"100.64.0.{number}", pdst="10.0.2.1")
    card.send(bytes(Ether(dst="ff:ff:ff:ff:ff:ff", src=mac) / who))
    ask = IPv6(src=f"fe80::aa:{number:x}", dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt="fd10:0:2::1")
    card.send(bytes(Ether(dst="33:33:ff:00:00:01", src=mac) / ask / ICMPv6NDOptSrcLLAddr(lladdr=mac)))
"""


async def test_the_pods_loopback_is_not_the_guests(lab: Lab) -> None:
    """The pod's own may reach the guest by it; the guest, whatever its kernel was told, nothing of the pod."""
    async with running(lab, vmi("masquerade")):
        await lab.lease()
        assert await echo(lab.guest, lab.pod, "127.0.0.1", 80) == "hello from 10.0.2.1"
        lab.guest.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet")
        lab.guest.ip("addr", "flush", "dev", "lo")
        lab.guest.ip("route", "add", "127.0.0.1", "via", "10.0.2.1", "dev", "eth0")
        assert "via 10.0.2.1 dev eth0" in lab.guest.ip("route", "get", "127.0.0.1")
        assert (await echo(lab.pod, lab.guest, "127.0.0.1", 15000)).startswith("failed")


@pytest.mark.parametrize("binding", ["masquerade", "bridge"])
async def test_plumbing_again_with_the_same_plan_changes_nothing(lab: Lab, binding: str) -> None:
    async with running(lab, vmi(binding)) as plan:
        with pytest.raises(TapBusy, match="tap0 exists: a machine already runs in this pod"):
            await plumb(lab.pod.pidfd, plan)
        before = picture(lab.pod)
    (tap,) = await plumb(lab.pod.pidfd, plan)
    with guest_on(lab.guest, plan.interfaces[0].mac, tap.fds):
        after = picture(lab.pod)
    assert after == before


def picture(pod: Namespace) -> str:
    """Links, addresses, routes and rules, without what the kernel makes up: the tap's hardware address, and what comes
    late, which is the link-local address of the pod's own link and whether a link has found its carrier.
    """
    links = re.sub(r"^(tap0 .*) (\S+:){5}\S+", r"\1", pod.ip("-br", "link"), flags=re.M)
    addresses = re.sub(r"(^eth0.*) fe80\S+", r"\1", pod.ip("-br", "addr"), flags=re.M)
    routes = re.sub(r"^(fe80::/64|multicast ff00::/8) dev eth0 .*\n", "", pod.ip("-6", "route"), flags=re.M)
    seen = "\n".join([links, addresses, routes, pod.ip("route"), pod.run("nft", "list", "ruleset")])
    return re.sub(r"(?<=[\w-]) +(UP|DOWN|UNKNOWN|LOWERLAYERDOWN) +|NO-CARRIER,|,LOWER_UP| linkdown", " ", seen)


async def test_plumbing_finishes_a_move_that_was_cut_short(lab: Lab) -> None:
    """The agent died after it had renamed the pod's link: the kept plan still knows all of it."""
    plan = plan_links(vmi("bridge"), await read_links(lab.pod.pidfd), RESOLV, **OF)
    lab.pod.ip("link", "set", "eth0", "down")
    lab.pod.ip("link", "set", "eth0", "name", "eth0-nic")
    kept = msgspec.json.decode(msgspec.json.encode(plan), type=NetworkPlan)
    (tap,) = await plumb(lab.pod.pidfd, kept)
    with guest_on(lab.guest, plan.interfaces[0].mac, tap.fds):
        async with served(lab, kept):
            await lab.lease()
            assert await echo(lab.guest, lab.outside, "10.244.1.5", 80) == "hello from 10.244.1.1"


async def test_a_second_server_goes_on_where_the_first_ended(lab: Lab) -> None:
    async with running(lab, vmi("masquerade")) as plan:
        await lab.lease()
    (tap,) = await plumb(lab.pod.pidfd, plan)
    with guest_on(lab.guest, plan.interfaces[0].mac, tap.fds):
        for _ in range(2):
            async with served(lab, plan):
                assert (await lab.lease())["ip"] == "10.0.2.2"


async def test_serving_ends_with_the_pods_process(lab: Lab) -> None:
    plan = plan_links(vmi("masquerade"), await read_links(lab.pod.pidfd), RESOLV, **OF)
    for fd in (await plumb(lab.pod.pidfd, plan))[0].fds:
        os.close(fd)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve, lab.pod.pidfd, plan)
        lab.pod.process.kill()


async def test_a_process_that_is_gone_is_named_so(lab: Lab) -> None:
    lab.pod.process.kill()
    lab.pod.process.wait()
    with pytest.raises(ProcessLookupError, match="network namespace"):
        await read_links(lab.pod.pidfd)


async def test_multiqueue_opens_a_descriptor_per_vcpu(lab: Lab) -> None:
    async with running(lab, vmi("masquerade", mq=True), vcpus=4) as plan:
        assert plan.interfaces[0].queues == 4
        assert "multi_queue" in lab.pod.ip("-d", "link", "show", "tap0")
        assert (await lab.lease())["ip"] == "10.0.2.2"


async def test_namespace_work_leaves_the_agent_where_it_was(lab: Lab) -> None:
    before = os.readlink("/proc/self/ns/net")
    inside = await in_netns(lab.pod.pidfd, lambda: os.readlink("/proc/thread-self/ns/net"))
    assert inside == os.readlink(lab.pod.path) != before
    later = await anyio.to_thread.run_sync(os.readlink, "/proc/thread-self/ns/net")
    assert os.readlink("/proc/thread-self/ns/net") == later == before


async def test_a_refused_rule_set_closes_the_taps_and_says_why(lab: Lab) -> None:
    plan = plan_links(vmi("masquerade"), await read_links(lab.pod.pidfd), RESOLV, **OF)
    forward = msgspec.structs.replace(plan.interfaces[0].forward4, ports=(PortRange("nonsense", 1, 1),))
    broken = NetworkPlan((msgspec.structs.replace(plan.interfaces[0], forward4=forward),))
    with pytest.raises(NftError, match=r"nft ended with 1: .*nonsense"):
        await plumb(lab.pod.pidfd, broken)
    assert "tap0" not in lab.pod.ip("link")
    for fd in (await plumb(lab.pod.pidfd, plan))[0].fds:
        os.close(fd)
