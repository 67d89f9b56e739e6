"""Our DHCPv6 against scapy's codec, and against noise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers import dhcp6 as wire

from kubevirt_py.render.network import dhcp6
from kubevirt_py.render.network.model import Lease6

LEASE = Lease6(
    address="fd10:0:2::2",
    server_mac="02:00:00:00:00:00",
    nameservers=("fd00:10:96::a",),
    search=("default.svc.cluster.local",),
)
FOREVER = 0xFFFFFFFF
CLIENT = wire.DHCP6OptClientId(duid=wire.DUID_LL(lladdr="02:5a:ee:0a:fd:31"))
SERVER = wire.DHCP6OptServerId(duid=wire.DUID_LL(lladdr="02:00:00:00:00:00"))
OTHER = wire.DHCP6OptServerId(duid=wire.DUID_LL(lladdr="02:00:00:00:00:99"))


def association(*addresses: str, iaid: int = 7) -> Any:
    return wire.DHCP6OptIA_NA(iaid=iaid, ianaopts=[wire.DHCP6OptIAAddress(addr=a) for a in addresses])


def heard(message: Any, kind: Any = wire.DHCP6_Reply) -> Any:
    """The answer as scapy reads it; checks what every answer carries."""
    reply = dhcp6.answer(bytes(message), LEASE)
    assert reply is not None
    packet = kind(reply)
    assert packet.msgtype == kind().msgtype
    assert packet.trid == message.trid
    assert bytes(packet[wire.DHCP6OptServerId].duid) == dhcp6.server_duid(LEASE)
    return packet


def addresses(packet: Any, index: int = 1) -> dict[str, int]:
    """Addresses of one association and how long they live."""
    found = packet.getlayer(wire.DHCP6OptIA_NA, index)
    return {o.addr: o.validlft for o in found.ianaopts if isinstance(o, wire.DHCP6OptIAAddress)}


def test_solicit_is_advertised_the_address_and_resolver() -> None:
    packet = heard(wire.DHCP6_Solicit(trid=0xABCDEF) / CLIENT / association(), wire.DHCP6_Advertise)
    assert packet[wire.DHCP6OptIA_NA].iaid == 7
    assert packet[wire.DHCP6OptPref].prefval == 255
    assert addresses(packet) == {"fd10:0:2::2": FOREVER}
    assert bytes(packet[wire.DHCP6OptClientId].duid) == bytes(CLIENT.duid)
    assert packet[wire.DHCP6OptDNSServers].dnsservers == ["fd00:10:96::a"]
    assert packet[wire.DHCP6OptDNSDomains].dnsdomains == ["default.svc.cluster.local."]


def test_rapid_commit_is_bound_at_once() -> None:
    packet = heard(wire.DHCP6_Solicit(trid=1) / CLIENT / wire.DHCP6OptRapidCommit() / association())
    assert wire.DHCP6OptRapidCommit in packet
    assert addresses(packet) == {"fd10:0:2::2": FOREVER}


@pytest.mark.parametrize(
    "message",
    [
        wire.DHCP6_Request(trid=1) / CLIENT / SERVER / association("fd10:0:2::2"),
        wire.DHCP6_Request(trid=1) / CLIENT / SERVER / association(),
        wire.DHCP6_Renew(trid=1) / CLIENT / SERVER / association("fd10:0:2::2"),
        wire.DHCP6_Rebind(trid=1) / CLIENT / association("fd10:0:2::2"),
    ],
    ids=["request", "request-any", "renew", "rebind"],
)
def test_the_address_is_bound_for_ever(message: Any) -> None:
    assert addresses(heard(message)) == {"fd10:0:2::2": FOREVER}


@pytest.mark.parametrize("kind", [wire.DHCP6_Renew(trid=1) / CLIENT / SERVER, wire.DHCP6_Rebind(trid=1) / CLIENT])
def test_a_foreign_address_ends_at_renewal(kind: Any) -> None:
    packet = heard(kind / association("2001:db8::9"))
    assert addresses(packet) == {"fd10:0:2::2": FOREVER, "2001:db8::9": 0}


def test_a_second_association_gets_none() -> None:
    packet = heard(wire.DHCP6_Request(trid=1) / CLIENT / SERVER / association() / association(iaid=8))
    assert addresses(packet, 1) == {"fd10:0:2::2": FOREVER}
    second = packet.getlayer(wire.DHCP6OptIA_NA, 2)
    assert (second.iaid, second.ianaopts[0].statuscode) == (8, 2)


@pytest.mark.parametrize(("address", "status"), [("fd10:0:2::2", 0), ("2001:db8::9", 4)])
def test_confirm_says_whether_the_address_fits_the_link(address: str, status: int) -> None:
    packet = heard(wire.DHCP6_Confirm(trid=1) / CLIENT / association(address))
    assert packet[wire.DHCP6OptStatusCode].statuscode == status


@pytest.mark.parametrize("kind", [wire.DHCP6_Release, wire.DHCP6_Decline])
def test_giving_the_address_up_is_noted(kind: Any) -> None:
    packet = heard(kind(trid=1) / CLIENT / SERVER / association("fd10:0:2::2"))
    assert packet[wire.DHCP6OptStatusCode].statuscode == 0
    assert wire.DHCP6OptIA_NA not in packet


def test_information_request_needs_no_identity() -> None:
    packet = heard(wire.DHCP6_InfoRequest(trid=1))
    assert packet[wire.DHCP6OptDNSServers].dnsservers == ["fd00:10:96::a"]
    assert wire.DHCP6OptClientId not in packet


@pytest.mark.parametrize(
    "message",
    [
        wire.DHCP6_Solicit(trid=1) / association(),
        wire.DHCP6_Solicit(trid=1) / CLIENT / SERVER / association(),
        wire.DHCP6_Request(trid=1) / CLIENT / association(),
        wire.DHCP6_Request(trid=1) / CLIENT / OTHER / association(),
        wire.DHCP6_Renew(trid=1) / CLIENT / OTHER / association("fd10:0:2::2"),
        wire.DHCP6_Renew(trid=1) / CLIENT / association("fd10:0:2::2"),
        wire.DHCP6_Rebind(trid=1) / CLIENT / SERVER / association("fd10:0:2::2"),
        wire.DHCP6_InfoRequest(trid=1) / OTHER,
        wire.DHCP6_Solicit(trid=1) / CLIENT / CLIENT / association(),
        wire.DHCP6_Advertise(trid=1) / CLIENT / SERVER / association(),
        wire.DHCP6_RelayForward(),
    ],
    ids=[
        *("no-client", "solicit-to-one", "request-to-none", "other", "renewal-of-another", "renewal-of-none"),
        *("rebinding-to-one", "info-other", "two-clients", "advertise", "relay"),
    ],
)
def test_silence(message: Any) -> None:
    assert dhcp6.answer(bytes(message), LEASE) is None


@given(st.binary(max_size=1600))
def test_noise_never_raises_nor_grows(data: bytes) -> None:
    reply = dhcp6.answer(data, LEASE)
    assert reply is None or len(reply) <= 2 * len(data) + 200


@given(st.data())
def test_a_damaged_message_never_raises_nor_grows(data: st.DataObject) -> None:
    message = bytearray(bytes(wire.DHCP6_Rebind(trid=1) / CLIENT / association("fd10:0:2::2", "2001:db8::9")))
    for _ in range(data.draw(st.integers(1, 6))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    reply = dhcp6.answer(bytes(message), LEASE)
    assert reply is None or len(reply) <= 2 * len(message) + 200
