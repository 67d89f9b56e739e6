from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevirt_py.render.network.model import BridgePlan, InterfacePlan, NetworkPlan
from kubevirt_py.render.network.status import status_interfaces


def plan(binding: str, **fields: Any) -> NetworkPlan:
    interface = InterfacePlan(
        name="default",
        binding=binding,
        pod_link="eth0",
        mac="02:5a:ee:0a:fd:31",
        mtu=1500,
        tap="tap0",
        queues=2,
        bridge=BridgePlan(name="k6t-eth0", mac="02:00:00:00:00:00"),
        pod_addresses=("10.244.1.5", "fd00:10:244:1::5"),
        **fields,
    )
    return NetworkPlan((interface,))


DOMAIN = {
    "name": "default",
    "mac": "02:5a:ee:0a:fd:31",
    "infoSource": "domain",
    "podInterfaceName": "eth0",
    "queueCount": 2,
    "linkState": "up",
    "ipAddress": "10.244.1.5",
    "ipAddresses": ["10.244.1.5", "fd00:10:244:1::5"],
}


def reported(name: str, mac: str, *addresses: str) -> dict[str, Any]:
    return {"name": name, "hardware-address": mac, "ip-addresses": [{"ip-address": a, "prefix": 64} for a in addresses]}


ENS3 = reported("ens3", "02:5A:EE:0A:FD:31", "fe80::1", "192.0.2.7")


def test_the_pods_addresses_are_the_guests() -> None:
    assert status_interfaces(plan("masquerade")) == [DOMAIN]
    assert status_interfaces(plan("bridge", link_down=True)) == [{**DOMAIN, "linkState": "down"}]


def test_masquerade_keeps_the_pods_addresses_when_the_agent_reports() -> None:
    told = {**DOMAIN, "infoSource": "domain, guest-agent", "interfaceName": "ens3"}
    assert status_interfaces(plan("masquerade"), [ENS3]) == [told]


def test_bridge_reports_what_the_guest_uses() -> None:
    (entry,) = status_interfaces(plan("bridge"), [ENS3])
    assert (entry["ipAddress"], entry["ipAddresses"]) == ("192.0.2.7", ["192.0.2.7", "fe80::1"])
    (silent,) = status_interfaces(plan("bridge"), [reported("ens3", "02:5a:ee:0a:fd:31")])
    assert silent["ipAddress"] == "10.244.1.5"


def test_interfaces_of_the_guests_own_follow() -> None:
    agent = [reported("lo", "00:00:00:00:00:00", "127.0.0.1"), reported("docker0", "02:42:00:00:00:01", "172.17.0.1")]
    assert status_interfaces(plan("masquerade"), agent)[1:] == [
        {
            "interfaceName": "docker0",
            "mac": "02:42:00:00:00:01",
            "infoSource": "guest-agent",
            "ipAddress": "172.17.0.1",
            "ipAddresses": ["172.17.0.1"],
        }
    ]


def test_a_flood_of_interfaces_is_cut() -> None:
    addresses = [f"10.0.{n}.1" for n in range(200)]
    agent = [reported("x" * 5000, f"02:00:00:00:{n // 256:02x}:{n % 256:02x}", *addresses) for n in range(1000)]
    entries = status_interfaces(plan("masquerade"), agent)
    assert len(entries) == 33
    assert all(len(e.get("ipAddresses", ())) <= 16 and len(e.get("interfaceName", "")) <= 64 for e in entries)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=8,
)
LIKELY = st.fixed_dictionaries({"name": JSON, "hardware-address": JSON, "ip-addresses": JSON})


@pytest.mark.parametrize("binding", ["masquerade", "bridge"])
@given(agent=st.lists(JSON | LIKELY, max_size=4))
def test_any_json_is_read(binding: str, agent: list[Any]) -> None:
    assert status_interfaces(plan(binding), agent)[0]["mac"] == "02:5a:ee:0a:fd:31"
