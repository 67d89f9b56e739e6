"""HTTPS for virt-api alone: streams of guests, and what users ask of a running guest.

Paths are /v1/namespaces/{ns}/virtualmachineinstances/{name}/{verb}. Only a client certificate with virt-api's
role for this purpose is let in; whether the user may do this was virt-api's question.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from kubevirt_py.api import names
from kubevirt_py.api.durations import parse_duration
from kubevirt_py.kube.tls import peer_common_name
from kubevirt_py.plan import Document
from kubevirt_py.virt_handler import qmp, requests, vsock
from kubevirt_py.virt_handler.consoles import Consoles, copy_both
from kubevirt_py.virt_handler.guest import Guest
from kubevirt_py.virt_handler.guestagent import AgentRefused, AgentSilent
from kubevirt_py.virt_handler.guests import Guests
from kubevirt_py.virt_handler.screen import NoPicture

MESSAGE_BYTES = 1 << 20
HEARTBEAT_S = 60.0
BODY_BYTES = 1 << 20
CHUNK_BYTES = 64 << 10
ROOT = "/v1/namespaces/{namespace}/virtualmachineinstances/{name}"

log = logging.getLogger(__name__)

Verb = Callable[[Guest], Awaitable[None]]


class _FreezeOptions(msgspec.Struct, rename="camel"):
    unfreeze_timeout: str | None = None


class Server:
    """The handlers; `application()` wires them."""

    def __init__(self, guests: Guests, *, client: str = names.HANDLER_CLIENT) -> None:
        self._guests = guests
        self._consoles = Consoles()
        self._client = client

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=BODY_BYTES)
        for verb, socket in (("console", "serial0"), ("vnc", "vnc")):
            app.router.add_get(f"{ROOT}/{verb}", self._stream(socket))
        for verb, action in requests.ACTIONS.items():
            app.router.add_put(f"{ROOT}/{verb}", self._action(action))
        app.router.add_get(f"{ROOT}/usbredir", self._redirect_usb)
        app.router.add_get(f"{ROOT}/vsock", self._vsock)
        app.router.add_get(f"{ROOT}/vnc/screenshot", self._screenshot)
        app.router.add_put(f"{ROOT}/freeze", self._freeze)
        for verb, question in requests.QUESTIONS.items():
            app.router.add_get(f"{ROOT}/{verb}", self._question(question))
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        peer = peer_common_name(request.transport.get_extra_info("ssl_object") if request.transport else None)
        if peer != self._client:
            log.warning("a caller was refused", extra={"peer": peer[:128], "path": request.path[:256]})
            raise web.HTTPForbidden(text="only virt-api may call virt-handler")
        try:
            return await handler(request)
        except qmp.MonitorError as error:
            raise web.HTTPConflict(text=f"QEMU refused: {error}") from error
        except qmp.MonitorGone as error:
            raise web.HTTPServiceUnavailable(text=f"QEMU does not answer: {error}") from error
        except AgentSilent as error:
            raise web.HTTPServiceUnavailable(text=f"the guest agent does not answer: {error}") from error
        except AgentRefused as error:
            raise web.HTTPInternalServerError(text=f"the guest agent refused: {error}") from error

    def _guest(self, request: web.Request) -> Guest:
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        guest = self._guests.named(namespace, name)
        if guest is None:
            raise web.HTTPNotFound(text=f"VirtualMachineInstance {namespace}/{name} does not run on this node")
        return guest

    def _stream(self, socket: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            guest = self._guest(request)
            machine = guest.machine
            if machine is None or (machine.graphics is None if socket == "vnc" else not machine.devices.serial):
                wanted = "graphics device" if socket == "vnc" else "serial console"
                raise web.HTTPBadRequest(text=f"the guest has no {wanted}")
            path = guest.folder.socket(socket)
            if request.query.get("preserveSession") == "true" and self._consoles.busy(path):
                raise web.HTTPServiceUnavailable(text="another session is active; it was asked to be preserved")
            return await self._relay(request, guest, path)

        return handle

    async def _redirect_usb(self, request: web.Request) -> web.StreamResponse:
        guest = self._guest(request)
        sockets = guest.machine.devices.usb.sockets if guest.machine is not None else ()
        if not sockets:
            raise web.HTTPBadRequest(text="the guest has no slots for USB devices: set devices.clientPassthrough")
        with self._consoles.slot([guest.folder.socket(name) for name in sockets]) as path:
            if path is None:
                raise web.HTTPServiceUnavailable(text=f"all {len(sockets)} USB redirection slots are in use")
            return await self._relay(request, guest, path)

    async def _relay(self, request: web.Request, guest: Guest, path: str) -> web.StreamResponse:
        websocket = await _websocket(request)
        try:
            await self._consoles.relay(websocket, path)
        except (OSError, TimeoutError) as error:
            log.info("a stream failed", extra={"vmi": str(guest.key), "path": path, "error": str(error)})
            await websocket.close(code=1011, message=b"the guest's socket cannot be reached")
        return websocket

    async def _vsock(self, request: web.Request) -> web.StreamResponse:
        guest = self._guest(request)
        if guest.machine is None or guest.machine.devices.vsock is None:
            raise web.HTTPBadRequest(text="the guest has no VSOCK: set devices.autoattachVSOCK")
        port = int(request.query.get("port", "0"))
        try:
            stream = await vsock.connect(guest.machine.devices.vsock.cid, port)
        except (OSError, TimeoutError) as error:
            raise web.HTTPServiceUnavailable(text=f"VSOCK port {port} of the guest: {error or 'no answer'}") from error
        async with stream:
            websocket = await _websocket(request)
            await copy_both(websocket, stream)
            return websocket

    async def _screenshot(self, request: web.Request) -> web.StreamResponse:
        guest = self._guest(request)
        if guest.machine is None or guest.machine.graphics is None:
            raise web.HTTPBadRequest(text="the guest has no graphics device")
        try:
            async with guest.screen.picture(move_cursor=request.query.get("moveCursor") == "true") as file:
                size = os.fstat(file).st_size
                response = web.StreamResponse(headers={"Content-Type": "image/png", "Content-Length": str(size)})
                await response.prepare(request)
                for start in range(0, size, CHUNK_BYTES):
                    await response.write(os.pread(file, min(CHUNK_BYTES, size - start), start))
                await response.write_eof()
                return response
        except NoPicture as error:
            raise web.HTTPInternalServerError(text=str(error)) from error

    def _action(self, action: Verb) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            guest = self._guest(request)
            await action(guest)
            guest.poke()
            return web.Response()

        return handle

    async def _freeze(self, request: web.Request) -> web.StreamResponse:
        """The body is a FreezeUnfreezeTimeout."""
        guest = self._guest(request)
        try:
            options = msgspec.json.decode(await request.read() or b"{}", type=_FreezeOptions)
            given = options.unfreeze_timeout
            timeout_s = parse_duration(given).total_seconds() if given is not None else None
        except (msgspec.MsgspecError, ValueError) as error:
            raise web.HTTPBadRequest(text=f"unfreezeTimeout: {error}") from error
        await requests.freeze(guest, timeout_s)
        return web.Response()

    def _question(
        self, question: Callable[[Guest], Awaitable[Document]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            guest = self._guest(request)
            if not guest.agent.connected:
                raise web.HTTPConflict(text="VMI does not have guest agent connected")
            return web.Response(body=msgspec.json.encode(await question(guest)), content_type="application/json")

        return handle


async def _websocket(request: web.Request) -> web.WebSocketResponse:
    websocket = web.WebSocketResponse(
        protocols=(names.STREAM_PROTOCOL,), heartbeat=HEARTBEAT_S, max_msg_size=MESSAGE_BYTES, compress=False
    )
    await websocket.prepare(request)
    return websocket
