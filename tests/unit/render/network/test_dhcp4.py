"""Our DHCPv4 against scapy's codec, and against noise."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP

from kubevirt_py.render.network import dhcp4
from kubevirt_py.render.network.model import Lease4, Route

MAC, EVERYONE = "02:5a:ee:0a:fd:31", "ff:ff:ff:ff:ff:ff"
FOREIGN = "192.0.2.9"
LEASE = Lease4(
    mac=MAC,
    address="10.0.2.2/24",
    server="10.0.2.1",
    router="10.0.2.1",
    mtu=1450,
    hostname="vm1",
    domain="default.svc.cluster.local",
    nameservers=("10.96.0.10", "10.96.0.11"),
    search=("default.svc.cluster.local", "svc.cluster.local"),
    ntp_servers=("192.0.2.123", "not-an-address"),
    boot_file="pxelinux.0",
    tftp_server="tftp.example",
    private=((240, "private"), (12, "not private")),
)


def client(kind: str, *options: Any, mac: str = MAC, **fields: Any) -> bytes:
    chaddr = bytes.fromhex(mac.replace(":", "")) + bytes(10)
    return bytes(BOOTP(chaddr=chaddr, xid=0x1234, **fields) / DHCP(options=[("message-type", kind), *options, "end"]))


def heard(reply: bytes | None) -> tuple[BOOTP, dict[Any, Any]]:
    """The reply as scapy reads it, its options by name; values of repeated positions as a tuple."""
    assert reply is not None
    packet = BOOTP(reply)
    options = {o[0]: o[1] if len(o) == 2 else o[1:] for o in packet[DHCP].options if isinstance(o, tuple)}
    return packet, options


def test_discover_is_offered_the_whole_configuration() -> None:
    packet, options = heard(dhcp4.answer(client("discover"), LEASE))
    assert (packet.op, packet.xid, packet.yiaddr, packet.siaddr) == (2, 0x1234, "10.0.2.2", "10.0.2.1")
    assert packet.chaddr[:6] == bytes.fromhex(MAC.replace(":", ""))
    assert options["message-type"] == dhcp4.OFFER
    assert options["server_id"] == options["router"] == "10.0.2.1"
    assert options["lease_time"] == 0xFFFFFFFF
    assert options["subnet_mask"] == "255.255.255.0"
    assert options["name_server"] == ("10.96.0.10", "10.96.0.11")
    assert options["interface-mtu"] == 1450
    assert options["hostname"] == b"vm1"
    assert options["domain"] == b"default.svc.cluster.local"
    assert options["NTP_server"] == "192.0.2.123"
    assert options["tftp_server_name"] == b"tftp.example"
    assert options["boot-file-name"] == b"pxelinux.0"
    assert options[240] == b"private"


def test_request_is_acknowledged_with_what_was_offered() -> None:
    wanted = (("requested_addr", "10.0.2.2"), ("server_id", "10.0.2.1"))
    packet, options = heard(dhcp4.answer(client("request", *wanted), LEASE))
    _, offered = heard(dhcp4.answer(client("discover"), LEASE))
    assert (packet.yiaddr, options.pop("message-type")) == ("10.0.2.2", dhcp4.ACK)
    offered.pop("message-type")
    assert options == offered


def test_renewal_by_client_address_is_acknowledged() -> None:
    packet, options = heard(dhcp4.answer(client("request", ciaddr="10.0.2.2"), LEASE))
    assert (packet.ciaddr, packet.yiaddr, options["message-type"]) == ("10.0.2.2", "10.0.2.2", dhcp4.ACK)


@pytest.mark.parametrize("where", [{"ciaddr": FOREIGN}, {}])
def test_a_foreign_address_is_refused(where: dict[str, str]) -> None:
    options = () if where else (("requested_addr", FOREIGN),)
    packet, told = heard(dhcp4.answer(client("request", *options, **where), LEASE))
    assert (packet.yiaddr, told) == ("0.0.0.0", {"message-type": dhcp4.NAK, "server_id": "10.0.2.1"})


def test_inform_is_told_the_configuration_without_a_lease() -> None:
    packet, options = heard(dhcp4.answer(client("inform", ciaddr="10.0.2.2"), LEASE))
    assert (packet.yiaddr, options["message-type"]) == ("0.0.0.0", dhcp4.ACK)
    assert "lease_time" not in options
    assert options["interface-mtu"] == 1450


@pytest.mark.parametrize(
    "data",
    [
        client("discover", mac="02:00:00:00:00:99"),
        client("request", ("server_id", "192.0.2.1"), ("requested_addr", "10.0.2.2")),
        client("request", ("server_id", "192.0.2.1"), ciaddr="10.0.2.2"),
        client("discover", giaddr="192.0.2.1"),
        client("decline", ("requested_addr", "10.0.2.2")),
        client("release", ciaddr="10.0.2.2"),
        client("discover", op=2),
        client("discover")[:236],
        client("discover") + bytes(1500),
        client("discover")[:-2] + b"\x0c\xff",
        b"",
    ],
    ids=[
        "other-mac",
        "other-server",
        "renewal-of-another",
        "relayed",
        "decline",
        "release",
        "reply",
        "cut",
        "huge",
        "overrun",
        "empty",
    ],
)
def test_silence(data: bytes) -> None:
    assert dhcp4.answer(data, LEASE) is None


def test_routes_are_on_link_first_and_split_over_options() -> None:
    routes = (Route("0.0.0.0/0", "169.254.1.1"), Route("169.254.1.1/32"), Route("10.96.0.0/12", "169.254.1.1"))
    assert dhcp4.encode_routes(routes) == bytes.fromhex("20a9fe010100000000 00a9fe0101 0c0a60a9fe0101".replace(" ", ""))
    many = tuple(Route(f"10.{n}.0.0/16", "10.0.2.1") for n in range(80))
    reply = dhcp4.answer(client("discover"), msgspec.structs.replace(LEASE, routes=many))
    assert reply is not None
    request = dhcp4.parse(b"\x01" + reply[1:])
    assert request is not None
    assert request.options[121] == dhcp4.encode_routes(many)


def test_an_answer_fits_one_packet_and_keeps_what_matters_most() -> None:
    long = msgspec.structs.replace(
        LEASE,
        search=tuple(f"{n}.{'x' * 60}.example" for n in range(32)),
        routes=tuple(Route(f"10.{n}.0.0/16", "10.0.2.1") for n in range(60)),
        private=tuple((code, "y" * 200) for code in range(224, 255)),
    )
    reply = dhcp4.answer(client("discover"), long)
    assert reply is not None
    read = dhcp4.parse(b"\x01" + reply[1:])
    assert read is not None
    assert (read.options[3], read.options[12]) == (bytes([10, 0, 2, 1]), b"vm1")
    assert 1200 < len(dhcp4.datagram(reply, long)[0]) <= 1450


def test_an_answer_is_no_larger_than_its_client_takes() -> None:
    long = msgspec.structs.replace(LEASE, search=tuple(f"{n}.{'x' * 60}.example" for n in range(8)))
    for stated, most in ((576, 576), (1472, 1450), (3, 576)):
        reply = dhcp4.answer(client("discover", ("max_dhcp_size", stated)), long)
        assert reply is not None
        assert len(dhcp4.datagram(reply, long)[0]) <= most
        assert heard(reply)[1]["router"] == "10.0.2.1"


def test_firmware_finds_the_server_of_its_boot_file_in_the_header() -> None:
    packet, options = heard(
        dhcp4.answer(client("discover"), msgspec.structs.replace(LEASE, tftp_server="198.51.100.7"))
    )
    assert (packet.siaddr, options["tftp_server_name"]) == ("198.51.100.7", b"198.51.100.7")


def test_search_list_is_dns_names() -> None:
    assert dhcp4.encode_search(("a.bc", "d")) == b"\x01a\x02bc\x00\x01d\x00"


@pytest.mark.parametrize(
    ("fields", "target", "hardware"),
    [
        ({}, "10.0.2.2", MAC),
        ({"flags": 0x8000}, "255.255.255.255", EVERYONE),
    ],
)
def test_offer_travels_to_the_client_or_to_all_by_its_flag(fields: dict[str, int], target: str, hardware: str) -> None:
    reply = dhcp4.answer(client("discover", **fields), LEASE)
    assert reply is not None
    packet, mac = dhcp4.datagram(reply, LEASE)
    assert mac == bytes.fromhex(hardware.replace(":", ""))
    read = IP(packet)
    assert (read.src, read.dst, read[UDP].sport, read[UDP].dport) == ("10.0.2.1", target, 67, 68)
    checksums = read.chksum, read[UDP].chksum
    del read.chksum, read[UDP].chksum
    again = IP(bytes(read))
    assert checksums == (again.chksum, again[UDP].chksum)


@pytest.mark.parametrize("flags", [0, 0x8000])
def test_a_renewal_is_answered_where_the_client_is(flags: int) -> None:
    """Whether it asked its server or, to rebind, all: the two messages are the same (RFC 2131, 4.3.6)."""
    reply = dhcp4.answer(client("request", ciaddr="10.0.2.2", flags=flags), LEASE)
    assert reply is not None
    packet, mac = dhcp4.datagram(reply, LEASE)
    assert (IP(packet).dst, mac) == ("10.0.2.2", bytes.fromhex(MAC.replace(":", "")))


@pytest.mark.parametrize("asked", [client("request", ("requested_addr", FOREIGN)), client("request", ciaddr=FOREIGN)])
def test_refusal_travels_to_all(asked: bytes) -> None:
    refusal = dhcp4.answer(asked, LEASE)
    assert refusal is not None
    packet, mac = dhcp4.datagram(refusal, LEASE)
    assert (IP(packet).dst, mac) == ("255.255.255.255", b"\xff" * 6)
    assert BOOTP(refusal).ciaddr == "0.0.0.0"


@given(st.binary(max_size=1600))
def test_noise_gets_no_answer(data: bytes) -> None:
    assert dhcp4.answer(data, LEASE) is None


@given(st.data(), st.sampled_from(["discover", "request", "inform"]))
def test_a_damaged_message_never_raises_nor_grows(data: st.DataObject, kind: str) -> None:
    message = bytearray(
        client(kind, ("requested_addr", "10.0.2.2"), ("client_id", b"\x01abc"), ("param_req_list", [1]))
    )
    for _ in range(data.draw(st.integers(1, 6))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    reply = dhcp4.answer(bytes(message), LEASE)
    if reply is not None:
        assert len(reply) < 576
        packet, _ = dhcp4.datagram(reply, LEASE)
        assert IP(packet).len == len(packet)
