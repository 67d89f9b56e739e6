"""Our router advertisements against scapy's codec, and against noise."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers import inet6 as wire

from kubevirt_py.render.network import ndp
from kubevirt_py.render.network.macs import link_local
from kubevirt_py.render.network.model import RouterAdvert

ADVERT = RouterAdvert(
    mac="02:00:00:00:00:00",
    mtu=1450,
    prefix="fd10:0:2::/120",
    nameservers=("fd00:10:96::a",),
    search=("default.svc.cluster.local", "svc.cluster.local"),
)


def test_a_solicitation_is_answered_with_the_router_and_dhcpv6() -> None:
    reply = ndp.answer(bytes(wire.ICMPv6ND_RS() / wire.ICMPv6NDOptSrcLLAddr(lladdr="02:5a:ee:0a:fd:31")), ADVERT)
    assert reply is not None
    advert = wire.ICMPv6ND_RA(reply)
    assert (advert.M, advert.O, advert.routerlifetime, advert.chlim) == (1, 1, 65535, 64)
    assert advert[wire.ICMPv6NDOptSrcLLAddr].lladdr == "02:00:00:00:00:00"
    assert advert[wire.ICMPv6NDOptMTU].mtu == 1450
    prefix = advert[wire.ICMPv6NDOptPrefixInfo]
    assert (prefix.prefix, prefix.prefixlen, prefix.L, prefix.A) == ("fd10:0:2::", 120, 1, 0)
    assert advert[wire.ICMPv6NDOptRDNSS].dns == ["fd00:10:96::a"]
    assert advert[wire.ICMPv6NDOptDNSSL].searchlist == ["default.svc.cluster.local.", "svc.cluster.local."]


def test_what_is_not_known_is_not_said() -> None:
    bare = msgspec.structs.replace(ADVERT, prefix="", nameservers=(), search=())
    advert = wire.ICMPv6ND_RA(ndp.advertisement(bare))
    absent = (wire.ICMPv6NDOptPrefixInfo, wire.ICMPv6NDOptRDNSS, wire.ICMPv6NDOptDNSSL)
    assert not any(option in advert for option in absent)


def test_a_router_that_leads_only_to_its_own_network() -> None:
    """Lifetime 0 is no default router (RFC 4861, 4.2); routes are as RFC 4191 has them."""
    own = msgspec.structs.replace(ADVERT, default=False, routes=("fd79::/56", "2001:db8::7/128"))
    advert = wire.ICMPv6ND_RA(ndp.advertisement(own))
    assert (advert.M, advert.routerlifetime) == (1, 0)
    assert advert[wire.ICMPv6NDOptPrefixInfo].prefix == "fd10:0:2::"
    first = advert[wire.ICMPv6NDOptRouteInfo]
    second = first.payload[wire.ICMPv6NDOptRouteInfo]
    assert [(o.prefix, o.plen, o.prf, o.rtlifetime) for o in (first, second)] == [
        ("fd79::", 56, 0, 0xFFFFFFFF),
        ("2001:db8::7", 128, 0, 0xFFFFFFFF),
    ]
    assert advert[wire.ICMPv6NDOptRDNSS].dns == ["fd00:10:96::a"]


def test_an_advertisement_is_never_fragmented() -> None:
    long = msgspec.structs.replace(
        ADVERT,
        mtu=1280,
        routes=tuple(f"fd00:{n}::/64" for n in range(100)),
        nameservers=tuple(f"fd00::{n}" for n in range(8)),
        search=tuple(f"{n}.{'x' * 60}.example" for n in range(32)),
    )
    assert 500 < len(ndp.advertisement(long)) <= 1280 - 40


@pytest.mark.parametrize(
    "data",
    [b"", bytes(wire.ICMPv6ND_RS())[:7], bytes(wire.ICMPv6ND_RS()) + b"\x01\x00", bytes(wire.ICMPv6ND_RA()), bytes(8)],
    ids=["empty", "cut", "endless-option", "advertisement", "other"],
)
def test_silence(data: bytes) -> None:
    assert ndp.answer(data, ADVERT) is None


@given(st.binary(max_size=1600))
def test_noise_never_raises(tail: bytes) -> None:
    assert ndp.answer(tail, ADVERT) in (None, ndp.advertisement(ADVERT))
    assert ndp.answer(b"\x85\x00" + tail, ADVERT) in (None, ndp.advertisement(ADVERT))


def test_link_local_address_of_a_bridge() -> None:
    assert link_local("02:00:00:00:00:00") == "fe80::ff:fe00:0"
    assert link_local("0a:58:0a:f4:01:05") == "fe80::858:aff:fef4:105"
