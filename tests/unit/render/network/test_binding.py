"""Plans and rule sets as files a human can review: one folder per case in tests/golden/network."""

from __future__ import annotations

import copy
import json
from typing import Any, NamedTuple

import msgspec
import pytest
import yaml

from kubevirt_py.render.network.binding import extended, leaving, plan_links
from kubevirt_py.render.network.linknames import pod_link_name
from kubevirt_py.render.network.model import LinkFacts, NetworkPlan, NetworkPlanError, ResolvFacts, Route
from kubevirt_py.render.network.nft import ruleset

RESOLV = ResolvFacts(("10.96.0.10", "fd00:10:96::a"), ("default.svc.cluster.local", "svc.cluster.local"))
ETH0 = LinkFacts(
    name="eth0",
    mac="0a:58:0a:f4:01:05",
    mtu=1450,
    addresses=("10.244.1.5/24", "fd00:10:244:1::5/64"),
    routes=(
        Route("0.0.0.0/0", "10.244.1.1"),
        Route("10.244.1.0/24"),
        Route("::/0", "fd00:10:244:1::1"),
        Route("fd00:10:244:1::/64"),
    ),
    kind="veth",
)
ETH0_IPV4 = msgspec.structs.replace(ETH0, addresses=ETH0.addresses[:1], routes=ETH0.routes[:2])
CALICO = msgspec.structs.replace(
    ETH0,
    addresses=("10.244.9.9/32",),
    routes=(Route("0.0.0.0/0", "169.254.1.1"), Route("169.254.1.1/32")),
)
DHCP_OPTIONS = {
    "bootFileName": "pxelinux.0",
    "tftpServerName": "tftp.example",
    "ntpServers": ["192.0.2.123"],
    "privateOptions": [{"option": 240, "value": "private"}],
}


def vmi(*interfaces: dict[str, Any], multiqueue: bool = False, **spec: Any) -> dict[str, Any]:
    networks = [{"name": i["name"], "pod": {}} for i in interfaces]
    devices = {"interfaces": list(interfaces), "networkInterfaceMultiqueue": multiqueue}
    return {"domain": {"devices": devices}, "networks": networks, **spec}


PLUGINS = {"managed": {"domainAttachmentType": "managedTap"}, "ready": {"domainAttachmentType": "tap"}}


def plan(spec: dict[str, Any], *links: LinkFacts, **options: Any) -> NetworkPlan:
    return plan_links(
        spec, links or (ETH0,), RESOLV, namespace="farm", name="vm1.example", uid="8d1b-2c", plugins=PLUGINS, **options
    )


def plugged(plugin: str) -> dict[str, Any]:
    """MULTUS with its second interface bound by a plugin."""
    interfaces = [MASQUERADE, {"name": "blue", "binding": {"name": plugin}}]
    return {**MULTUS, "domain": {"devices": {"interfaces": interfaces}}}


MASQUERADE = {"name": "default", "masquerade": {}}
BRIDGE = {"name": "default", "bridge": {}}
MULTUS = {
    "domain": {"devices": {"interfaces": [MASQUERADE, {"name": "blue", "bridge": {}}]}},
    "networks": [{"name": "default", "pod": {}}, {"name": "blue", "multus": {"networkName": "blue-net"}}],
}
BLUE = LinkFacts(name=pod_link_name(MULTUS["networks"][1]), mac="02:01:02:03:04:05", mtu=1500, kind="veth")
BLUE_DUAL = msgspec.structs.replace(
    BLUE,
    addresses=("10.77.0.2/24", "fd77::2/64"),
    routes=(Route("10.77.0.0/24"), Route("fd77::/64"), Route("fd79::/56", "fd77::9")),
)
BLUE_ROUTED = msgspec.structs.replace(BLUE_DUAL, routes=(*BLUE_DUAL.routes, Route("::/0", "fd77::1")))
CIDRS = {"vmNetworkCIDR": "10.11.12.0/24", "vmIPv6NetworkCIDR": "fd20:1::/120"}


class Given(NamedTuple):
    """A VMI's spec and the pod it comes to: its links, the guest's processors, whether it is in a mesh."""

    spec: dict[str, Any]
    links: tuple[LinkFacts, ...] = (ETH0,)
    options: dict[str, Any] = {}


GIVEN = {
    "masquerade-dual-stack": Given(vmi(MASQUERADE)),
    "masquerade-ipv4-only": Given(vmi(MASQUERADE), (ETH0_IPV4,)),
    "masquerade-listed-ports": Given(
        vmi(
            {
                **MASQUERADE,
                "ports": [{"port": 80}, {"port": 443}, {"port": 53, "protocol": "UDP"}],
                "portRanges": [
                    {"protocol": "TCP", "start": 440, "end": 450},
                    {"protocol": "UDP", "start": 500, "end": 510},
                ],
            }
        )
    ),
    "masquerade-own-cidrs": Given({**vmi(MASQUERADE), "networks": [{"name": "default", "pod": CIDRS}]}),
    "masquerade-dhcp-options-multiqueue": Given(
        vmi({**MASQUERADE, "dhcpOptions": DHCP_OPTIONS}, multiqueue=True, hostname="web", subdomain="farm"),
        options={"vcpus": 4},
    ),
    "masquerade-link-down": Given(vmi({**MASQUERADE, "state": "down"}), (ETH0_IPV4,)),
    "bridge-dual-stack": Given(vmi(BRIDGE)),
    "bridge-gateway-outside-subnet": Given(vmi({**BRIDGE, "macAddress": "DE-AD-00-00-BE-EF"}), (CALICO,)),
    "bridge-secondary-without-addresses": Given(MULTUS, (ETH0_IPV4, BLUE)),
    "bridge-secondary-without-gateway": Given(MULTUS, (ETH0, BLUE_DUAL)),
    "bridge-secondary-with-gateway": Given(MULTUS, (ETH0, BLUE_ROUTED)),
    "masquerade-in-a-mesh": Given(vmi(MASQUERADE), options={"mesh": True}),
    "masquerade-in-a-mesh-listed-ports": Given(vmi({**MASQUERADE, "ports": [{"port": 80}]}), options={"mesh": True}),
    "plugin-managed-tap": Given(plugged("managed"), (ETH0_IPV4, BLUE)),
    "passt": Given(vmi({"name": "default", "passtBinding": {}})),
    "plugin-tap": Given(plugged("ready"), (ETH0_IPV4, BLUE)),
}


def case_plan(case: str, spec: dict[str, Any]) -> NetworkPlan:
    """The plan of a VMI's spec in the pod of a case."""
    return plan(spec, *GIVEN[case].links, **GIVEN[case].options)


CASES = {case: case_plan(case, given.spec) for case, given in GIVEN.items()}


@pytest.mark.parametrize("case", CASES)
def test_plan_and_rules(case: str, golden: Any) -> None:
    golden.check(f"network/{case}/plan.yaml", _yaml(CASES[case]))
    golden.check(f"network/{case}/nft.jsonl", "".join(json.dumps(c) + "\n" for c in ruleset(CASES[case])["nftables"]))


def _yaml(value: Any) -> str:
    return yaml.safe_dump(msgspec.to_builtins(value), sort_keys=False, width=120)


@pytest.mark.parametrize("case", CASES)
def test_a_kept_plan_is_the_plan(case: str) -> None:
    kept = msgspec.json.encode(CASES[case])
    assert msgspec.json.decode(kept, type=NetworkPlan) == CASES[case]


@pytest.mark.parametrize("case", CASES)
def test_link_names_fit_the_kernel(case: str) -> None:
    for interface in CASES[case].interfaces:
        names = [interface.tap, interface.bridge.name if interface.bridge else "", interface.pod_link]
        assert all(len(name) <= 15 for name in [*names, interface.moved.nic if interface.moved else ""])


def test_masquerade_mac_depends_on_the_vmi_and_interface_alone() -> None:
    (first,) = plan(vmi(MASQUERADE)).interfaces
    (moved,) = plan(vmi(MASQUERADE), msgspec.structs.replace(ETH0, mac="0a:00:00:00:00:09")).interfaces
    other = plan_links(vmi(MASQUERADE), (ETH0,), RESOLV, namespace="farm", name="vm1", uid="other").interfaces[0]
    assert first.mac == moved.mac != other.mac
    assert int(first.mac[:2], 16) & 0b11 == 0b10


def test_a_vm_keeps_its_macs_over_restarts() -> None:
    """Its firmware's UUID stays while VMIs, pods and the links of Multus come and go."""
    spec = copy.deepcopy(MULTUS)
    spec["domain"]["firmware"] = {"uuid": "5d307ca9-b3ef-428c-8861-06e72d69f223"}
    other = msgspec.structs.replace(BLUE, mac="02:01:02:03:04:99")
    before = plan_links(spec, (ETH0, BLUE), RESOLV, namespace="farm", name="vm1", uid="one")
    after = plan_links(spec, (ETH0, other), RESOLV, namespace="farm", name="vm1", uid="two")
    assert [one.mac for one in before.interfaces] == [one.mac for one in after.interfaces]
    assert len({one.mac for one in before.interfaces}) == 2


@pytest.mark.parametrize("copied_to", [{"namespace": "barn"}, {"name": "vm2"}])
def test_a_copy_of_a_vm_has_addresses_of_its_own(copied_to: dict[str, str]) -> None:
    """Whoever writes a VM's manifest down and changes its name has its firmware's UUID in it."""
    spec = copy.deepcopy(MULTUS)
    spec["domain"]["firmware"] = {"uuid": "5d307ca9-b3ef-428c-8861-06e72d69f223"}
    one = {"namespace": "farm", "name": "vm1", "uid": "one"}
    both = [plan_links(spec, (ETH0, BLUE), RESOLV, **whose) for whose in (one, {**one, "uid": "two", **copied_to})]
    assert not {i.mac for i in both[0].interfaces} & {i.mac for i in both[1].interfaces}


def test_an_interface_joins_when_its_link_has_arrived() -> None:
    first = plan(vmi(MASQUERADE))
    kept = {"namespace": "farm", "name": "vm1.example", "uid": "8d1b-2c"}
    assert extended(first, MULTUS, (ETH0,), **kept) == first
    both = extended(first, MULTUS, (ETH0, BLUE), **kept)
    assert both == plan(MULTUS, ETH0, BLUE)
    assert extended(both, MULTUS, (), **kept) == both


def test_an_interface_leaves_when_it_is_absent_or_gone_from_the_spec() -> None:
    both = plan(MULTUS, ETH0, BLUE)
    absent = copy.deepcopy(MULTUS)
    absent["domain"]["devices"]["interfaces"][1]["state"] = "absent"
    assert leaving(both, MULTUS) == ()
    assert [one.name for one in leaving(both, absent)] == ["blue"]
    assert [one.name for one in leaving(both, vmi(MASQUERADE))] == ["blue"]


def test_rules_of_interfaces_that_have_left_are_removed() -> None:
    both, first = plan(MULTUS, ETH0, BLUE), plan(vmi(MASQUERADE))
    tables = [
        (verb, command[verb]["table"]["family"])
        for command in ruleset(first, both.interfaces[1:])["nftables"]
        for verb in command
        if "table" in command[verb]
    ]
    assert tables[-2:] == [("add", "bridge"), ("delete", "bridge")]


def test_only_virtio_has_several_queues() -> None:
    spec = vmi({**MASQUERADE, "model": "e1000e"}, multiqueue=True)
    assert plan(spec, vcpus=4).interfaces[0].queues == 1
    assert plan(vmi(MASQUERADE, multiqueue=True), vcpus=1000).interfaces[0].queues == 256


def test_absent_interfaces_are_left_out_and_down_ones_marked() -> None:
    assert plan(vmi({**MASQUERADE, "state": "absent"})).interfaces == ()
    assert plan(vmi({**MASQUERADE, "state": "down"})).interfaces[0].link_down
    assert plan({"domain": {}}).interfaces == ()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({**vmi(MASQUERADE), "networks": []}, r"interfaces\[0\].name: spec.networks has no network 'default'"),
        (MULTUS, "network 'blue': the pod has no link pod[0-9a-f]{11}; it has eth0; check the CNI"),
        (vmi({"name": "default", "binding": {"name": "x"}}), "no network binding plugin is named 'x'"),
        (
            vmi({"name": "default", "sriov": {}}),
            r"interfaces\[0\]: the binding is not supported; use masquerade, passt",
        ),
    ],
)
def test_what_cannot_be_plumbed_is_named(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkPlanError, match=message):
        plan(spec)
