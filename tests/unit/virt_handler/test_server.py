"""The server for virt-api: who gets in, streams with one session each, and what is refused."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import anyio
import pytest
import trustme
from anyio.abc import SocketStream

from kubevirt_py.api.names import HANDLER_CLIENT as CLIENT
from kubevirt_py.api.names import STREAM_PROTOCOL as PROTOCOL
from kubevirt_py.decide.guest_state import GuestInfo
from kubevirt_py.kube.tls import ReloadingServerContext
from kubevirt_py.reconcile.http import Listen, serving
from kubevirt_py.virt_handler import qmp
from kubevirt_py.virt_handler.guest import Guest
from kubevirt_py.virt_handler.guestagent import Channel
from kubevirt_py.virt_handler.server import Server
from tests.unit.virt_handler.agents import HONEST, agent, answering


class _Monitor:
    """Takes commands as a QMP session does."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.error: Exception | None = None

    async def execute(self, command: str, _arguments: Any = None) -> dict[str, Any]:
        self.commands.append(command)
        if self.error:
            raise self.error
        return {"status": "running"} if command == "query-status" else {}


class Lab:
    """A server with one guest, and clients of several names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = trustme.CA()
        self.monitor = _Monitor()
        self.rebooting = anyio.Event()
        usb = SimpleNamespace(sockets=("usbredir0", "usbredir1"))
        machine = SimpleNamespace(graphics=None, devices=SimpleNamespace(serial=True, usb=usb))
        self.freezes: list[float | None] = []
        self.guest: Any = SimpleNamespace(
            record=SimpleNamespace(machine=machine),
            steering=SimpleNamespace(expect_reboot=lambda: self.rebooting.set()),
            machine=machine,
            hosted=SimpleNamespace(save=lambda: None),
            folder=SimpleNamespace(socket=lambda name: str(folder / name)),
            key="default/vm",
            run_state="running",
            agent=SimpleNamespace(connected=True),
            freezer=SimpleNamespace(frozen=False, freeze=self._freeze),
            channel=Channel(str(folder / "agent")),
            monitor=self.monitor,
            poke=lambda: None,
        )
        self.port = 0

    async def _freeze(self, timeout_s: float | None) -> None:
        self.freezes.append(timeout_s)

    def named(self, namespace: str, name: str) -> Guest | None:
        found: Guest | None = self.guest if (namespace, name) == ("default", "vm") else None
        return found

    def client(self, name: str | None = CLIENT, ca: trustme.CA | None = None) -> aiohttp.ClientSession:
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        if name is not None:
            (ca or self.ca).issue_cert(common_name=name).configure_cert(context)
        return aiohttp.ClientSession(
            f"https://localhost:{self.port}/v1/namespaces/default/virtualmachineinstances/",
            connector=aiohttp.TCPConnector(ssl=context),
        )


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    made = Lab(tmp_path)
    certificate = made.ca.issue_cert("localhost")
    (tmp_path / "tls.crt").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    (tmp_path / "tls.key").write_bytes(certificate.private_key_pem.bytes())
    made.ca.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    tls = ReloadingServerContext(tmp_path, tmp_path / "ca.crt", True)
    app = Server(made).application()  # type: ignore[arg-type]
    async with serving(app, Listen("localhost", 0, tls.context)) as made.port:
        yield made


@asynccontextmanager
async def _serial(folder: Path, name: str = "serial0") -> AsyncIterator[None]:
    """An echoing serial port that serves one client at a time, as QEMU's does."""
    listener = await anyio.create_unix_listener(folder / name)
    busy = anyio.Lock()

    async def echo(stream: SocketStream) -> None:
        async with busy, stream:
            try:
                while True:
                    await stream.send(await stream.receive())
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, echo)
        yield
        tasks.cancel_scope.cancel()
    await listener.aclose()


async def test_only_virt_api_gets_in(lab: Lab) -> None:
    async with lab.client("kubevirt.io:system:node:virt-handler") as other, other.put("vm/pause") as answer:
        assert answer.status == 403
    for client in (lab.client(None), lab.client(CLIENT, trustme.CA())):
        async with client:
            with pytest.raises(aiohttp.ClientError):
                await client.put("vm/pause")
    assert lab.monitor.commands == []


@pytest.mark.parametrize(
    ("verb", "commands"),
    [("pause", ["stop"]), ("unpause", ["cont"]), ("reset", ["query-status", "system_reset"])],
)
async def test_verbs(lab: Lab, verb: str, commands: list[str]) -> None:
    async with lab.client() as client, client.put(f"vm/{verb}") as answer:
        assert answer.status == 200
    assert lab.monitor.commands == commands


async def test_soft_reboot_without_agent_presses_the_button(lab: Lab) -> None:
    lab.guest.agent.connected = False
    async with lab.client() as client, client.put("vm/softreboot") as answer:
        assert answer.status == 200
    assert lab.monitor.commands == ["system_powerdown"]
    assert lab.rebooting.is_set()


async def test_what_cannot_be_done_is_said(lab: Lab) -> None:
    async with lab.client() as client:
        async with client.put("elsewhere/pause") as answer:
            assert (answer.status, "does not run on this node" in await answer.text()) == (404, True)
        async with client.get("vm/vnc") as answer:
            assert (answer.status, "no graphics device" in await answer.text()) == (400, True)
        lab.monitor.error = qmp.MonitorGone("stop: no answer within 10 s")
        async with client.put("vm/pause") as answer:
            assert answer.status == 503
        lab.monitor.error = qmp.MonitorError("stop", "GenericError", "not now")
        async with client.put("vm/pause") as answer:
            assert (answer.status, await answer.text()) == (409, "QEMU refused: stop: not now")
        lab.guest.agent.connected = False
        async with client.get("vm/guestosinfo") as answer:
            assert answer.status == 409


async def test_questions_to_the_agent(lab: Lab) -> None:
    async with agent(lab.folder / "agent", answering(HONEST)), lab.client() as client:
        async with client.get("vm/guestosinfo") as answer:
            info = await answer.json()
            assert (info["kind"], info["os"], info["userList"]) == (
                "VirtualMachineInstanceGuestAgentInfo",
                {"id": "debian", "name": "Debian GNU/Linux", "prettyName": "Debian 13", "versionId": "13"},
                [{"userName": "root", "domain": "", "loginTime": 1.5}],
            )
        async with client.get("vm/userlist") as answer:
            assert (await answer.json())["items"] == [{"userName": "root", "domain": "", "loginTime": 1.5}]
        async with client.get("vm/filesystemlist") as answer:
            assert (await answer.json())["kind"] == "VirtualMachineInstanceFileSystemList"
        lab.guest.freezer.frozen, lab.guest.agent.info = True, GuestInfo(hostname="as it was")
        async with client.get("vm/guestosinfo") as answer:
            info = await answer.json()
            assert (info["hostname"], info["fsFreezeStatus"]) == ("as it was", "frozen")


@pytest.mark.parametrize(("verb", "socket"), [("console", "serial0"), ("vnc", "vnc")])
async def test_a_second_session_ends_the_first_cleanly(lab: Lab, verb: str, socket: str) -> None:
    lab.guest.machine.graphics = SimpleNamespace()
    async with _serial(lab.folder, socket), lab.client() as client:
        first = await client.ws_connect(f"vm/{verb}", protocols=(PROTOCOL,))
        assert first.protocol == PROTOCOL
        await first.send_bytes(b"hello")
        assert await first.receive_bytes(timeout=10) == b"hello"
        second = await client.ws_connect(f"vm/{verb}", protocols=(PROTOCOL,))
        ending = await first.receive(timeout=10)
        assert (ending.type, first.close_code) == (aiohttp.WSMsgType.CLOSE, 1000)
        await second.send_bytes(b"again")
        assert await second.receive_bytes(timeout=10) == b"again"
        async with client.get(f"vm/{verb}", params={"preserveSession": "true"}) as answer:
            assert answer.status == 503
        await second.send_bytes(b"still here")
        assert await second.receive_bytes(timeout=10) == b"still here"
        await second.close()


async def test_a_console_ends_with_its_guest(lab: Lab, tmp_path: Path) -> None:
    listener = await anyio.create_unix_listener(tmp_path / "serial0")

    async def hang_up(stream: SocketStream) -> None:
        await stream.send(b"bye")
        await stream.aclose()

    async with anyio.create_task_group() as tasks, lab.client() as client:
        tasks.start_soon(listener.serve, hang_up)
        console = await client.ws_connect("vm/console")
        assert await console.receive_bytes(timeout=10) == b"bye"
        assert (await console.receive(timeout=10)).type == aiohttp.WSMsgType.CLOSE
        tasks.cancel_scope.cancel()
    await listener.aclose()


async def test_a_console_that_cannot_be_reached_is_closed(lab: Lab) -> None:
    async with lab.client() as client:
        console = await client.ws_connect("vm/console")
        ending = await console.receive(timeout=10)
        assert (ending.type, console.close_code) == (aiohttp.WSMsgType.CLOSE, 1011)


async def test_a_freeze_says_how_long(lab: Lab) -> None:
    async with lab.client() as client:
        for body, status in (({}, 200), ({"unfreezeTimeout": "1m30s"}, 200), ({"unfreezeTimeout": "soon"}, 400)):
            async with client.put("vm/freeze", json=body) as answer:
                assert answer.status == status
    assert lab.freezes == [None, 90.0]


async def test_usb_redirection_has_a_slot_for_each_client_until_they_are_used_up(lab: Lab) -> None:
    async with (
        _serial(lab.folder, "usbredir0"),
        _serial(lab.folder, "usbredir1"),
        lab.client() as client,
        client.ws_connect("vm/usbredir", protocols=(PROTOCOL,)) as first,
    ):
        async with client.ws_connect("vm/usbredir", protocols=(PROTOCOL,)) as second:
            for socket in (first, second):
                await socket.send_bytes(b"hello")
                assert await socket.receive_bytes() == b"hello"
            async with client.get("vm/usbredir") as answer:
                assert answer.status == 503
        with anyio.fail_after(10):
            while True:
                try:
                    async with client.ws_connect("vm/usbredir", protocols=(PROTOCOL,)) as third:
                        await third.send_bytes(b"again")
                        assert await third.receive_bytes() == b"again"
                        return
                except aiohttp.WSServerHandshakeError:
                    await anyio.sleep(0.01)
