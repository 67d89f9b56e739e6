"""Streams by websocket: consoles are passed through to the node agent, ports are dialled here.

Nothing is buffered beyond what one message and the sockets hold: a slow side slows the other down.
"""

from __future__ import annotations

import ipaddress
import weakref

import aiohttp
import anyio
import msgspec
from aiohttp import WSCloseCode, web
from anyio.abc import ConnectedUDPSocket, SocketStream

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import VirtualMachine
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.stream import Websocket, read_bytes
from kubevirt_py.plan import Key
from kubevirt_py.virt_api import machines
from kubevirt_py.virt_api.agents import HEARTBEAT_S, Agents
from kubevirt_py.virt_api.answers import VM_RESOURCE, Handler, Refused, conflict

DIAL_S = 10.0
CLOSE_S = 5.0
CHUNK_BYTES = 64 * 1024

Guest = SocketStream | ConnectedUDPSocket


class Streams:
    """Handlers of the streaming verbs. `close_all` ends every open stream cleanly before a shutdown."""

    def __init__(self, api: Api, agents: Agents) -> None:
        self._api = api
        self._agents = agents
        self._open: weakref.WeakSet[web.WebSocketResponse] = weakref.WeakSet()

    @property
    def vmi_handlers(self) -> dict[str, Handler]:
        """By subresource name."""
        consoles = {verb: self._passing(verb, check) for verb, check in machines.STREAM_CHECKS.items()}
        return consoles | {"portforward": self.forward_vmi_port, "vsock": self.open_vsock}

    async def close_all(self, _app: web.Application | None = None) -> None:
        """Tell every client that we go away; good clients connect again, to the next replica."""
        with anyio.move_on_after(CLOSE_S):
            async with anyio.create_task_group() as tasks:
                for socket in list(self._open):
                    tasks.start_soon(_close, socket, WSCloseCode.GOING_AWAY, "virt-api is shutting down")

    def _passing(self, verb: str, check: machines.Check) -> Handler:
        async def serve(request: web.Request) -> web.StreamResponse:
            socket = _new_socket(request)
            machine = await machines.read(self._api, _key(request))
            check(machine)
            return await self._pass_on(request, socket, machine, verb, _only(request, "preserveSession"))

        return serve

    async def _pass_on(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        machine: machines.Machine,
        verb: str,
        params: dict[str, str],
    ) -> web.StreamResponse:
        agent = await self._agents.stream(machine, verb, params)
        try:
            await socket.prepare(request)
            self._open.add(socket)
            await relay(socket, agent)
        finally:
            with anyio.move_on_after(CLOSE_S, shield=True):
                await agent.close()
        return socket

    async def open_vsock(self, request: web.Request) -> web.StreamResponse:
        """`vsock`: a port of the guest, as it is: what guests need to check a certificate is not served to them."""
        socket = _new_socket(request)
        machine = await machines.read(self._api, _key(request))
        machines.check_vsock(machine)
        port = request.query.get("port", "")
        if not port.isascii() or not port.isdigit() or not 1 <= int(port) < 2**32:
            raise Refused(400, f"port {port!r} is not a number from 1 to {2**32 - 1}")
        if request.query.get("tls", "true") != "false":
            raise Refused(501, "TLS over VSOCK is not available in this version: ask with tls=false")
        return await self._pass_on(request, socket, machine, "vsock", {"port": port})

    async def forward_vmi_port(self, request: web.Request) -> web.StreamResponse:
        """`portforward` of a VMI."""
        socket, port, udp = _new_socket(request), _port(request), _is_udp(request)
        machine = await machines.read(self._api, _key(request))
        return await self._forward(request, socket, machine, port, udp)

    async def forward_vm_port(self, request: web.Request) -> web.StreamResponse:
        """`portforward` of a VM: of the VMI it owns."""
        socket, port, udp = _new_socket(request), _port(request), _is_udp(request)
        key = _key(request)
        vm = msgspec.json.decode(await self._api.get(kinds.VM, key), type=VirtualMachine)
        if not vm.status.created:
            raise conflict(VM_RESOURCE, key.name, "VM is not running: it has no instance")
        machine = await machines.read(self._api, key)
        owner = machine.vmi.metadata.controller
        if owner is None or owner.uid != vm.metadata.uid:
            raise conflict(VM_RESOURCE, key.name, "the VMI of this name does not belong to the VM")
        return await self._forward(request, socket, machine, port, udp)

    async def _forward(
        self, request: web.Request, socket: web.WebSocketResponse, machine: machines.Machine, port: int, udp: bool
    ) -> web.StreamResponse:
        machines.check_portforward(machine)
        address = _guest_address(machine)
        try:
            with anyio.fail_after(DIAL_S):
                if udp:
                    guest: Guest = await anyio.create_connected_udp_socket(address, port)
                else:
                    guest = await anyio.connect_tcp(address, port)
        except (OSError, TimeoutError) as error:
            words = str(error.__cause__ or error) or "timed out"
            raise Refused(500, f"cannot reach port {port} of {machine.name} at {address}: {words}") from error
        async with guest:
            await socket.prepare(request)
            self._open.add(socket)
            await carry(socket, guest)
        return socket


async def relay(client: web.WebSocketResponse, agent: aiohttp.ClientWebSocketResponse) -> None:
    """Pass messages both ways until either side ends, then close the client with a code that says how."""
    ends: list[int] = []

    async def pump(source: Websocket, target: Websocket, scope: anyio.CancelScope) -> None:
        try:
            while not isinstance(data := await read_bytes(source), int):
                await target.send_bytes(data)
            ends.append(data if source is agent else WSCloseCode.OK)
        except ConnectionError:
            ends.append(WSCloseCode.ABNORMAL_CLOSURE if target is agent else WSCloseCode.OK)
        scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pump, client, agent, tasks.cancel_scope)
        tasks.start_soon(pump, agent, client, tasks.cancel_scope)
    if ends[0] == WSCloseCode.OK:
        await _close(client, WSCloseCode.OK)
    else:
        await _close(client, WSCloseCode.INTERNAL_ERROR, "lost the connection to virt-handler")


async def carry(client: web.WebSocketResponse, guest: Guest) -> None:
    """As `relay`, between a client and a socket to the guest; for UDP a message is a datagram."""
    lost: list[str] = []

    async def to_guest(scope: anyio.CancelScope) -> None:
        try:
            while not isinstance(data := await read_bytes(client), int):
                await guest.send(data)
        except (anyio.BrokenResourceError, OSError):
            lost.append("the guest closed the connection")
        scope.cancel()

    async def from_guest(scope: anyio.CancelScope) -> None:
        try:
            async for data in guest:
                await client.send_bytes(data)
        except (anyio.BrokenResourceError, OSError):
            lost.append("the guest closed the connection")
        scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(to_guest, tasks.cancel_scope)
        tasks.start_soon(from_guest, tasks.cancel_scope)
    await _close(client, WSCloseCode.INTERNAL_ERROR if lost else WSCloseCode.OK, *lost[:1])


async def _close(socket: web.WebSocketResponse, code: WSCloseCode, message: str = "") -> None:
    with anyio.move_on_after(CLOSE_S, shield=True):
        await socket.close(code=code, message=message.encode())


def _new_socket(request: web.Request) -> web.WebSocketResponse:
    """A websocket for this request. Refused 400 for a plain GET."""
    socket = web.WebSocketResponse(
        protocols=(names.STREAM_PROTOCOL,), heartbeat=HEARTBEAT_S, timeout=CLOSE_S, compress=False
    )
    if not socket.can_prepare(request):
        raise Refused(400, f"{request.path} is a stream: connect by websocket with subprotocol {names.STREAM_PROTOCOL}")
    return socket


def _key(request: web.Request) -> Key:
    return Key(request.match_info["namespace"], request.match_info["name"])


def _only(request: web.Request, *wanted: str) -> dict[str, str]:
    return {name: request.query[name] for name in wanted if name in request.query}


def _port(request: web.Request) -> int:
    text = request.match_info["port"]
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise Refused(400, f"port {text!r} is not a number from 1 to 65535")
    return int(text)


def _is_udp(request: web.Request) -> bool:
    protocol = request.match_info.get("protocol", "tcp")
    if protocol not in ("tcp", "udp"):
        raise Refused(400, f"protocol {protocol!r} is not tcp or udp")
    return protocol == "udp"


def _guest_address(machine: machines.Machine) -> str:
    """The guest's first address. What a guest reports may not point us at ourselves or our node."""
    text = machine.interfaces[0].ip_address
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise Refused(400, f"{machine.name}: the reported address {text!r} is not an IP address") from error
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        raise Refused(400, f"{machine.name}: the reported address {text} cannot be a guest's")
    return str(address)
