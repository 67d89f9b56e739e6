"""Consoles and port forwarding over websockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import WSCloseCode, WSMsgType, web

from kubevirt_py.api import kinds
from kubevirt_py.virt_api import agents, streams
from tests.unit.virt_api.apilab import BASE, Cloud

VMI_URL = f"{BASE}/namespaces/default/virtualmachineinstances/vm1"
VM_URL = f"{BASE}/namespaces/default/virtualmachines/vm1"
PROTOCOL = "plain.kubevirt.io"


@pytest.mark.parametrize("verb", ["console", "vnc"])
async def test_bytes_pass_both_ways(cloud: Cloud, verb: str) -> None:
    cloud.add_vmi()
    async with cloud.session.ws_connect(f"{VMI_URL}/{verb}", protocols=(PROTOCOL,)) as socket:
        assert socket.protocol == PROTOCOL
        await socket.send_bytes(b"\x00login\xff")
        assert await socket.receive_bytes() == b"\x00login\xff"
        await socket.send_str("typed")
        assert await socket.receive_bytes() == b"typed"
    assert cloud.agent.calls == [("GET", f"default/virtualmachineinstances/vm1/{verb}")]
    assert cloud.agent.client_names == ["kubevirt.io:system:client:virt-handler"]


async def test_a_large_message_arrives_whole(cloud: Cloud) -> None:
    cloud.add_vmi()
    data = bytes(range(256)) * 4096
    async with cloud.session.ws_connect(f"{VMI_URL}/vnc", protocols=(PROTOCOL,)) as socket:
        await socket.send_bytes(data)
        assert await socket.receive_bytes() == data


@pytest.mark.parametrize(
    ("agent_code", "client_code"),
    [(1000, WSCloseCode.OK), (1001, WSCloseCode.INTERNAL_ERROR), (1011, WSCloseCode.INTERNAL_ERROR)],
)
async def test_the_end_is_told_apart(cloud: Cloud, agent_code: int, client_code: int) -> None:
    cloud.add_vmi()
    cloud.agent.close_code = agent_code
    async with cloud.session.ws_connect(f"{VMI_URL}/console", protocols=(PROTOCOL,)) as socket:
        await socket.send_bytes(b"bye")
        message = await socket.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, client_code)


async def test_the_session_flag_reaches_the_agent_and_nothing_else(cloud: Cloud) -> None:
    cloud.add_vmi()
    url = f"{VMI_URL}/vnc?preserveSession=true&x=y"
    async with cloud.session.ws_connect(url, protocols=(PROTOCOL,)):
        pass
    assert cloud.agent.calls[0][1].endswith("/vnc?preserveSession=true")


REFUSALS: list[tuple[str, dict[str, Any], int]] = [
    ("console", {"spec": {"domain": {"devices": {"autoattachSerialConsole": False}}}}, 400),
    ("console", {"phase": "Failed"}, 409),
    ("console", {"phase": "Scheduling"}, 400),
    ("vnc", {"spec": {"domain": {"devices": {"autoattachGraphicsDevice": False}}}}, 400),
    ("vnc", {"phase": "Succeeded"}, 400),
    ("portforward/22", {}, 400),
    ("portforward/22", {"conditions": ("Paused",)}, 409),
    ("portforward/0", {}, 400),
    ("portforward/65536", {}, 400),
    ("portforward/ssh", {}, 400),
    ("portforward/22/sctp", {}, 400),
    ("portforward/22", {"interfaces": [{"name": "default", "ipAddress": "127.0.0.1"}]}, 400),
    ("portforward/22", {"interfaces": [{"name": "default", "ipAddress": "fe80::1"}]}, 400),
    ("portforward/22", {"interfaces": [{"name": "default", "ipAddress": "virt-api"}]}, 400),
]


@pytest.mark.parametrize(("path", "state", "code"), REFUSALS)
async def test_refusals_come_before_the_upgrade(cloud: Cloud, path: str, state: dict[str, Any], code: int) -> None:
    cloud.add_vmi(**state)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await cloud.session.ws_connect(f"{VMI_URL}/{path}", protocols=(PROTOCOL,))
    assert refused.value.status == code


async def test_a_plain_get_is_told_how_to_connect(cloud: Cloud) -> None:
    cloud.add_vmi()
    async with cloud.session.get(f"{VMI_URL}/console") as response:
        assert response.status == 400
        assert PROTOCOL in (await response.json())["message"]


async def test_no_agent_to_stream_from(cloud: Cloud) -> None:
    cloud.add_vmi()
    cloud.agent.refuse = (503, "console is in use")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await cloud.session.ws_connect(f"{VMI_URL}/vnc", protocols=(PROTOCOL,))
    assert refused.value.status == 503


async def test_an_agent_that_hangs_is_not_waited_for(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Event()

    async def hang(_request: web.Request) -> web.StreamResponse:
        await ended.wait()
        raise AssertionError

    monkeypatch.setattr(agents, "CALL_S", 0.2)
    monkeypatch.setattr(cloud.agent, "answer", hang)
    cloud.add_vmi()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await cloud.session.ws_connect(f"{VMI_URL}/vnc", protocols=(PROTOCOL,))
    assert refused.value.status == 503
    ended.set()


async def test_a_client_that_answers_no_ping_is_dropped(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.2)
    ended = asyncio.Event()

    async def until_the_end(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=(PROTOCOL,))
        await socket.prepare(request)
        assert (await socket.receive()).type is WSMsgType.CLOSE
        ended.set()
        return socket

    monkeypatch.setattr(cloud.agent, "answer", until_the_end)
    cloud.add_vmi()
    async with cloud.session.ws_connect(f"{VMI_URL}/console", protocols=(PROTOCOL,), autoping=False) as socket:
        assert (await socket.receive()).type is WSMsgType.PING
        async with asyncio.timeout(30):
            await ended.wait()


def test_a_minute_of_silence_ends_a_stream() -> None:
    """The library waits for an answer for half as long as between two pings."""
    assert streams.HEARTBEAT_S * 1.5 == 60


async def test_an_end_that_does_not_read_stops_the_other(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent stays with the sender: neither virt-api nor anything in between keeps it."""
    go_on, chunk, chunks = asyncio.Event(), bytes(1024 * 1024), 64
    heard = 0

    async def later(request: web.Request) -> web.StreamResponse:
        nonlocal heard
        socket = web.WebSocketResponse(protocols=(PROTOCOL,))
        await socket.prepare(request)
        await go_on.wait()
        async for message in socket:
            heard += len(message.data)
            if heard == chunks * len(chunk):
                await socket.close()
        return socket

    monkeypatch.setattr(cloud.agent, "answer", later)
    cloud.add_vmi()
    async with cloud.session.ws_connect(f"{VMI_URL}/vnc", protocols=(PROTOCOL,)) as socket:
        sent = 0

        async def send() -> None:
            nonlocal sent
            for _ in range(chunks):
                await socket.send_bytes(chunk)
                sent += 1

        sending = asyncio.create_task(send())
        done, _ = await asyncio.wait([sending], timeout=2)
        assert not done
        assert sent < chunks // 2
        go_on.set()
        await sending
        assert (await socket.receive()).type is WSMsgType.CLOSE
    assert heard == chunks * len(chunk)


@pytest.fixture
def local_guests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test's own sockets stand for guests: elsewhere loopback addresses are refused."""
    monkeypatch.setattr(streams, "_guest_address", lambda machine: machine.interfaces[0].ip_address)


@pytest_asyncio.fixture
async def tcp_guest() -> AsyncIterator[int]:
    """Echoes in upper case and hangs up after a line that says bye."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
            if line == b"bye\n":
                break
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


class UdpGuest(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data.upper(), addr)  # type: ignore[attr-defined]


LOCAL = [{"name": "default", "ipAddress": "127.0.0.1"}]


@pytest.mark.usefixtures("local_guests")
@pytest.mark.parametrize("tail", ["", "/tcp"])
async def test_tcp_is_forwarded(cloud: Cloud, tcp_guest: int, tail: str) -> None:
    cloud.add_vmi(interfaces=LOCAL)
    url = f"{VMI_URL}/portforward/{tcp_guest}{tail}"
    async with cloud.session.ws_connect(url, protocols=(PROTOCOL,)) as socket:
        await socket.send_bytes(b"hello\n")
        assert await socket.receive_bytes() == b"HELLO\n"
        await socket.send_bytes(b"bye\n")
        assert await socket.receive_bytes() == b"BYE\n"
        message = await socket.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, WSCloseCode.OK)


@pytest.mark.usefixtures("local_guests")
async def test_udp_is_forwarded_by_datagram(cloud: Cloud) -> None:
    cloud.add_vmi(interfaces=LOCAL)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(UdpGuest, local_addr=("127.0.0.1", 0))
    try:
        port = transport.get_extra_info("sockname")[1]
        async with cloud.session.ws_connect(f"{VMI_URL}/portforward/{port}/udp", protocols=(PROTOCOL,)) as socket:
            for word in (b"one", b"two"):
                await socket.send_bytes(word)
                assert await socket.receive_bytes() == word.upper()
    finally:
        transport.close()


@pytest.mark.usefixtures("local_guests")
async def test_a_vm_forwards_to_the_instance_it_owns(cloud: Cloud, tcp_guest: int) -> None:
    cloud.add_vm(status={"created": True})
    cloud.add_vmi(interfaces=LOCAL, owner=cloud.uid(kinds.VM))
    async with cloud.session.ws_connect(f"{VM_URL}/portforward/{tcp_guest}", protocols=(PROTOCOL,)) as socket:
        await socket.send_bytes(b"hello\n")
        assert await socket.receive_bytes() == b"HELLO\n"


@pytest.mark.usefixtures("local_guests")
@pytest.mark.parametrize("created", [False, True], ids=["not created", "somebody else's instance"])
async def test_a_vm_without_its_own_instance_forwards_nothing(cloud: Cloud, tcp_guest: int, created: bool) -> None:
    cloud.add_vm(status={"created": created})
    cloud.add_vmi(interfaces=LOCAL, owner="another")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await cloud.session.ws_connect(f"{VM_URL}/portforward/{tcp_guest}", protocols=(PROTOCOL,))
    assert refused.value.status == 409


@pytest.mark.usefixtures("local_guests")
async def test_an_address_that_only_the_guest_names_is_not_dialled(cloud: Cloud, tcp_guest: int) -> None:
    only_guest = {"interfaceName": "dummy0", "infoSource": "guest-agent", "ipAddress": "127.0.0.1"}
    secondary = {"name": "lan", "podInterfaceName": "pod1234", "ipAddress": "127.0.0.1"}
    cloud.add_vmi(interfaces=[secondary, only_guest])
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await cloud.session.ws_connect(f"{VMI_URL}/portforward/{tcp_guest}", protocols=(PROTOCOL,))
    assert refused.value.status == 400


@pytest.mark.usefixtures("local_guests")
async def test_a_closed_port_is_told_before_the_upgrade(cloud: Cloud) -> None:
    cloud.add_vmi(interfaces=LOCAL)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await cloud.session.ws_connect(f"{VMI_URL}/portforward/1", protocols=(PROTOCOL,))
    assert refused.value.status == 500


async def test_a_shutdown_says_that_it_goes_away(cloud: Cloud) -> None:
    cloud.add_vmi()
    async with cloud.session.ws_connect(f"{VMI_URL}/console", protocols=(PROTOCOL,)) as socket:
        await socket.send_bytes(b"x")
        await socket.receive_bytes()
        await cloud.app.shutdown()
        message = await socket.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, WSCloseCode.GOING_AWAY)


@pytest.mark.parametrize(
    ("query", "devices", "code"),
    [
        ("port=22&tls=false", {}, 400),
        ("port=none&tls=false", {"autoattachVSOCK": True}, 400),
        ("port=0&tls=false", {"autoattachVSOCK": True}, 400),
        ("port=22", {"autoattachVSOCK": True}, 501),
    ],
)
async def test_vsock_refuses(cloud: Cloud, query: str, devices: dict[str, Any], code: int) -> None:
    cloud.add_vmi(spec={"domain": {"devices": devices}})
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await cloud.session.ws_connect(f"{VMI_URL}/vsock?{query}", protocols=(PROTOCOL,))
    assert refused.value.status == code


async def test_vsock_passes_on_the_port(cloud: Cloud) -> None:
    cloud.add_vmi(spec={"domain": {"devices": {"autoattachVSOCK": True}}})
    async with cloud.session.ws_connect(f"{VMI_URL}/vsock?port=22&tls=false", protocols=(PROTOCOL,)) as socket:
        await socket.send_bytes(b"hello")
        assert await socket.receive_bytes() == b"hello"
    assert cloud.agent.calls[-1][1].endswith("/vsock?port=22")
