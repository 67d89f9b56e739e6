"""Networks that come and go in a pod whose first card is in use, on real namespaces."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kubevirt_py.api import names
from kubevirt_py.render.network.binding import extended, leaving, plan_links
from kubevirt_py.render.network.linknames import pod_link_name
from kubevirt_py.render.network.model import NetworkPlan, NetworkPlanError
from kubevirt_py.virt_handler.links import plumb, read_links, unplumb
from kubevirt_py.virt_handler.wiring import NotWired, Wiring
from tests.host.netlab import guest_on, needs_netns
from tests.host.test_network import OF, RESOLV, Lab, echo, lab, picture, running, served, vmi

__all__ = ["lab"]
pytestmark = needs_netns

CYCLES = 50
BLUE = {"name": "blue", "multus": {"networkName": "blue"}}
LINK = pod_link_name(BLUE)


def two(binding: str, **interface: Any) -> dict[str, Any]:
    """A spec with the pod's network and a second one."""
    spec = vmi(binding)
    spec["domain"]["devices"]["interfaces"].append({"name": "blue", "bridge": {}, **interface})
    spec["networks"].append(BLUE)
    return spec


def attach(lab: Lab) -> None:
    """What Multus does when a pod's annotation names another network."""
    peer = str(lab.pod.process.pid)
    lab.outside.ip("link", "add", "blue0", "type", "veth", "peer", "name", LINK, "netns", peer)
    lab.outside.ip("addr", "add", "10.77.0.1/24", "dev", "blue0")
    lab.outside.ip("link", "set", "blue0", "up")
    lab.pod.ip("addr", "add", "10.77.0.2/24", "dev", LINK)
    lab.pod.ip("link", "set", LINK, "up")


async def joined(lab: Lab, plan: NetworkPlan, spec: dict[str, Any]) -> NetworkPlan:
    return extended(plan, spec, await read_links(lab.pod.pidfd), **OF)


async def test_a_second_network_joins_and_serves_while_the_first_goes_on(lab: Lab) -> None:
    async with running(lab, vmi("masquerade")) as first:
        await lab.lease()
        assert await joined(lab, first, two("masquerade")) == first
        attach(lab)
        both = await joined(lab, first, two("masquerade"))
        (tap,) = await plumb(lab.pod.pidfd, both, {"blue"})
        assert tap.name == "blue"
        os.close(tap.fds[0])
        assert await echo(lab.guest, lab.outside, "10.244.1.5", 80) == "hello from 10.244.1.1"
    (tap,) = await plumb(lab.pod.pidfd, both, {"blue"})
    with guest_on(lab.guest, both.interfaces[1].mac, tap.fds):
        async with served(lab, both):
            lease = await lab.lease()
            assert lease["ip"] == "10.77.0.2"
            assert await echo(lab.guest, lab.outside, "10.77.0.2", 80) == "hello from 10.77.0.1"


async def test_a_network_without_gateway_is_nobodys_way_out(lab: Lab) -> None:
    """The guest hears of the network and what lies behind it, but keeps the default route of its first card."""
    attach(lab)
    lab.outside.ip("addr", "add", "fd77::1/64", "dev", "blue0", "nodad")
    lab.pod.ip("addr", "add", "fd77::2/64", "dev", LINK, "nodad")
    lab.pod.ip("-6", "route", "add", "2001:db8::/32", "via", "fd77::1")
    plan = plan_links(two("masquerade"), await read_links(lab.pod.pidfd), RESOLV, **OF)
    taps = {tap.name: tap.fds for tap in await plumb(lab.pod.pidfd, plan)}
    for fd in taps["default"]:
        os.close(fd)
    # What Linux otherwise leaves to a program of the guest's.
    lab.guest.run("sh", "-c", "echo 128 > /proc/sys/net/ipv6/conf/default/accept_ra_rt_info_max_plen")
    with guest_on(lab.guest, plan.interfaces[1].mac, taps["blue"]):
        async with served(lab, plan):
            heard = await lab.lease6()
            assert (heard["advert"]["lifetime"], heard["advert"]["prefix"]) == (0, "fd77::")
            assert heard["advert"]["routes"] == ["2001:db8::"]
            assert heard["lease"]["address"] == "fd77::2"
            routes = lab.guest.ip("-6", "route")
            assert "default" not in routes
            assert "fd77::/64 dev eth0" in routes
            assert await echo(lab.outside, lab.guest, "fd77::1", 80) == "hello from fd77::2"
            assert await echo(lab.guest, lab.outside, "fd77::2", 80) == "hello from fd77::1"
            assert await echo(lab.outside, lab.guest, "2001:db8::1", 80) == "hello from fd77::2"


async def test_a_network_with_a_router_of_its_own_is_left_to_it(lab: Lab) -> None:
    """The pod's kernel makes itself an address by what the router says. The guest is to hear that, and not from us."""
    attach(lab)
    lab.pod.ip("addr", "flush", "dev", LINK, "scope", "global")
    lab.pod.ip("addr", "add", "2001:db8:9::5/64", "dev", LINK, "nodad", "valid_lft", "3600", "preferred_lft", "1800")
    (link,) = (one for one in await read_links(lab.pod.pidfd) if one.name == LINK)
    assert link.learned == link.addresses == ("2001:db8:9::5/64",)
    plan = plan_links(two("masquerade"), await read_links(lab.pod.pidfd), RESOLV, **OF)
    blue = plan.interfaces[1]
    assert (blue.lease6, blue.advert, blue.pod_addresses) == (None, None, ())
    assert plan.interfaces[0].lease6 is not None


async def test_a_network_that_leaves_gives_its_link_back(lab: Lab) -> None:
    """So the CNI plugin finds what it has made; 50 times, and nothing is left."""
    async with running(lab, vmi("masquerade")) as first:
        before = picture(lab.pod)
        absent = two("masquerade", state="absent")
        for _ in range(CYCLES):
            attach(lab)
            both = await joined(lab, first, two("masquerade"))
            (tap,) = await plumb(lab.pod.pidfd, both, {"blue"})
            os.close(tap.fds[0])
            for _again in range(2):
                await unplumb(lab.pod.pidfd, leaving(both, absent), first)
            assert LINK in lab.pod.ip("-br", "link")
            lab.pod.ip("link", "del", LINK)
        assert picture(lab.pod) == before


class Hosted:
    """As much of virt_handler.hosted.Hosted as its wiring asks for."""

    def __init__(self, lab: Lab, plan: NetworkPlan) -> None:
        self.record = SimpleNamespace(network=plan, machine=None, wanted=None, **OF)
        self.pidfd = lab.pod.pidfd
        self.key = "default/vm1"
        self.saved = 0
        self.attached: list[str] = []
        self.network = "blue"

    def pod(self) -> Any:
        annotations = {
            names.NETWORKS_ANNOTATION: json.dumps([{"interface": LINK, "namespace": "farm", "name": self.network}]),
            names.NETWORK_STATUS_ANNOTATION: json.dumps([{"interface": name} for name in self.attached]),
        }
        return SimpleNamespace(metadata=SimpleNamespace(annotations=annotations))

    def network_bindings(self) -> dict[str, Any]:
        return {}

    def save(self) -> None:
        self.saved += 1

    def changed(self) -> None:
        assert self.saved, "what is told of is kept first"


async def test_wiring_follows_links_and_cards(lab: Lab) -> None:
    async with running(lab, vmi("masquerade")) as first:
        hosted = Hosted(lab, first)
        wiring = Wiring(cast("Any", hosted))
        assert [wire.name for wire in await wiring.follow(two("masquerade"))] == ["default"]
        attach(lab)
        assert [wire.name for wire in await wiring.follow(two("masquerade"))] == ["default"], "not finished yet"
        hosted.attached = ["eth0", LINK]
        assert [wire.name for wire in await wiring.follow(two("masquerade"))] == ["default", "blue"]
        held = await wiring.open(["tap.blue.0"])
        with pytest.raises(NotWired, match=r"interface blue cannot be wired: .* already runs"):
            await wiring.open(["tap.blue.0"])
        hosted.record.machine = SimpleNamespace(
            nics=[SimpleNamespace(name="blue")], platform=SimpleNamespace(kvm=False), cpu=SimpleNamespace(count=1)
        )
        absent = two("masquerade", state="absent")
        assert len(await wiring.follow(absent)) == 2, "QEMU still has the card"
        hosted.record.machine.nics = []
        os.close(held["tap.blue.0"])
        assert [wire.name for wire in await wiring.follow(absent)] == ["default"]
        assert LINK in lab.pod.ip("-br", "link")
        moved = two("masquerade")
        moved["networks"] = [*moved["networks"][:1], {"name": "blue", "multus": {"networkName": "green"}}]
        assert [wire.name for wire in await wiring.follow(moved)] == ["default"], "the link is the old network's"
        lab.pod.ip("link", "del", LINK)
        attach(lab)
        hosted.network = "green"
        assert [wire.name for wire in await wiring.follow(moved)] == ["default", "blue"]


async def test_a_card_that_is_not_wired_yet_keeps_no_other_from_its_answers(lab: Lab) -> None:
    async with running(lab, vmi("masquerade")) as first:
        attach(lab)
    both = await joined(lab, first, two("masquerade"))
    (tap,) = await plumb(lab.pod.pidfd, both, {"default"})
    with guest_on(lab.guest, both.interfaces[0].mac, tap.fds):
        async with served(lab, both):
            assert (await lab.lease())["ip"] == "10.0.2.2"


async def test_the_proxy_of_a_mesh_hears_what_is_for_the_guest(lab: Lab) -> None:
    """Only SSH goes past it; and what it passes on reaches the guest."""
    links = await read_links(lab.pod.pidfd)
    plan = plan_links(vmi("masquerade"), links, RESOLV, mesh=True, **OF)
    (tap,) = await plumb(lab.pod.pidfd, plan)
    with guest_on(lab.guest, plan.interfaces[0].mac, tap.fds):
        async with served(lab, plan):
            await lab.lease()
            assert await echo(lab.pod, lab.outside, "10.244.1.5", 80) == "hello from 10.244.1.1"
            assert await echo(lab.guest, lab.outside, "10.244.1.5", 22) == "hello from 10.244.1.1"
            assert await echo(lab.guest, lab.pod, "127.0.0.1", 81) == "hello from 10.0.2.1"
            assert await echo(lab.pod, lab.pod, "127.0.0.1", 15020) == "hello from 127.0.0.1"


async def test_a_tap_that_a_plugin_made_is_opened_as_it_is(lab: Lab) -> None:
    spec = vmi("binding")
    spec["domain"]["devices"]["interfaces"] = [{"name": "blue", "binding": {"name": "fast"}}]
    spec["networks"] = [BLUE]
    plugins = {"fast": {"domainAttachmentType": "tap"}}
    lab.pod.ip("tuntap", "add", LINK, "mode", "tap")
    plan = plan_links(spec, await read_links(lab.pod.pidfd), RESOLV, plugins=plugins, **OF)
    (handle,) = await plumb(lab.pod.pidfd, plan)
    with guest_on(lab.guest, plan.interfaces[0].mac, handle.fds):
        lab.pod.ip("addr", "add", "10.9.0.1/24", "dev", LINK)
        lab.guest.ip("addr", "add", "10.9.0.2/24", "dev", "eth0")
        assert await echo(lab.guest, lab.pod, "10.9.0.2", 80) == "hello from 10.9.0.1"


async def test_a_macvtap_that_a_plugin_made_is_opened_by_its_number(lab: Lab) -> None:
    """It forwards what comes for its own address only, and is a device file of the host's, whoever made the link."""
    attach(lab)
    lab.pod.ip("addr", "flush", "dev", LINK)
    lab.pod.ip("link", "set", LINK, "name", "under0")
    lab.pod.ip("link", "add", "link", "under0", "name", LINK, "type", "macvtap", "mode", "bridge")
    spec = vmi("binding")
    spec["domain"]["devices"]["interfaces"] = [{"name": "blue", "binding": {"name": "fast"}}]
    spec["networks"] = [BLUE]
    links = await read_links(lab.pod.pidfd)
    plan = plan_links(spec, links, RESOLV, plugins={"fast": {"domainAttachmentType": "tap"}}, **OF)
    (link,) = (one for one in links if one.name == LINK)
    assert plan.interfaces[0].mac == link.mac
    (handle,) = await plumb(lab.pod.pidfd, plan)
    with guest_on(lab.guest, link.mac, handle.fds):
        lab.guest.ip("addr", "add", "10.77.0.2/24", "dev", "eth0")
        assert await echo(lab.guest, lab.outside, "10.77.0.2", 80) == "hello from 10.77.0.1"


async def test_a_link_that_is_no_tap_is_named(lab: Lab) -> None:
    attach(lab)
    spec = vmi("binding")
    spec["domain"]["devices"]["interfaces"] = [{"name": "blue", "binding": {"name": "fast"}}]
    spec["networks"] = [BLUE]
    plan = plan_links(
        spec, await read_links(lab.pod.pidfd), RESOLV, plugins={"fast": {"domainAttachmentType": "tap"}}, **OF
    )
    with pytest.raises(NetworkPlanError, match=f"link {LINK} of the pod is of kind veth; a tap or macvtap is needed"):
        await plumb(lab.pod.pidfd, plan)
