"""Holds a serial console: waits until the guest runs, passes bytes, connects again when the way there breaks."""

from __future__ import annotations

import sys
from enum import Enum

import aiohttp
import anyio
import msgspec
from aiohttp import WSCloseCode

from kubevirt_py.api import kinds
from kubevirt_py.api.names import STREAM_PROTOCOL
from kubevirt_py.api.views import VirtualMachineInstance
from kubevirt_py.kube.errors import ApiError, NotFound, Unreachable
from kubevirt_py.kube.stream import open_websocket, read_bytes
from kubevirt_py.plan import Key
from kubevirt_py.virtctl import terminal
from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.session import Session
from kubevirt_py.virtctl.targets import VMI_PLURAL

ESCAPE = 29
"""Ctrl+] and Ctrl+5."""
RETRY_S = 1.0
CLOSE_S = 2.0
TRANSIENT = (500, 502, 503, 504)


class End(Enum):
    """Why a connection ended."""

    LEFT = "the user left"
    CLOSED = "the server closed it"
    BROKEN = "it broke"


async def attach(session: Session, vmi: str, *, timeout_s: float) -> None:
    """Run the console until the user leaves or the guest is gone.

    Raises ApiError where there is no such console, Failure where the guest does not run in time.
    """
    first = True
    while True:
        socket = await _connect(session, vmi, timeout_s)
        verb = "Successfully connected" if first else "Connected again"
        end = await _hold(socket, f"{verb} to {vmi} console. Press Ctrl+] or Ctrl+5 to exit console.")
        first = False
        if end is End.LEFT:
            return
        if end is End.CLOSED or await _phase(session, vmi) != "Running":
            terminal.say(
                "You were disconnected from the console: the guest stopped, or somebody else opened its console."
            )
            return
        terminal.say(f"Lost the connection to {vmi} console while the guest runs; connecting again.")


async def _connect(session: Session, vmi: str, timeout_s: float) -> aiohttp.ClientWebSocketResponse:
    path = session.path(VMI_PLURAL, vmi, "console")
    waiting = False
    with anyio.move_on_after(timeout_s):
        while True:
            try:
                return await open_websocket(session.client, path, (STREAM_PROTOCOL,))
            except ApiError as error:
                phase = await _phase(session, vmi)
                lost_way = isinstance(error, Unreachable) or error.status in TRANSIENT
                if phase in ("Succeeded", "Failed") or (phase == "Running" and not lost_way):
                    raise
            if not waiting:
                terminal.say(f"Waiting for {vmi} to run (phase {phase or 'not set'}).")
                waiting = True
            if phase == "Running":
                await anyio.sleep(RETRY_S)
            else:
                await _until_running(session, vmi)
    raise Failure(f"Timeout: {vmi} did not run within {timeout_s / 60:g} minutes; look at: kubectl describe vmi {vmi}")


async def _phase(session: Session, vmi: str) -> str:
    """The VMI's phase; NotFound where there is none."""
    found = await session.client.get(kinds.VMI, Key(session.namespace, vmi))
    return msgspec.json.decode(found, type=VirtualMachineInstance).status.phase


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


async def _until_running(session: Session, vmi: str) -> None:
    """Return when something that may end the wait has happened."""
    events = session.client.watch(
        kinds.VMI, namespace=session.namespace, fields=f"metadata.name={vmi}", since="", initial=True, timeout_s=300
    )
    try:
        async for line in events:
            event = msgspec.json.decode(line, type=_Event)
            if event.type == "DELETED":
                raise NotFound(404, "NotFound", f'virtualmachineinstances.kubevirt.io "{vmi}" was deleted')
            if event.type not in ("ADDED", "MODIFIED"):
                continue
            phase = msgspec.json.decode(event.object, type=VirtualMachineInstance).status.phase
            if phase in ("Running", "Succeeded", "Failed"):
                return
    except Unreachable:
        await anyio.sleep(RETRY_S)


async def _hold(socket: aiohttp.ClientWebSocketResponse, greeting: str) -> End:
    """Pass bytes both ways until either side ends. The greeting tells that keys go to the guest now."""
    ends: list[End] = []
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()

    async def type_in(scope: anyio.CancelScope) -> None:
        try:
            while data := await terminal.read(keyboard):
                before, escape, _ = data.partition(bytes([ESCAPE]))
                if before:
                    await socket.send_bytes(before)
                if escape:
                    break
            ends.append(End.LEFT)
        except ConnectionError:
            ends.append(End.BROKEN)
        scope.cancel()

    async def show(scope: anyio.CancelScope) -> None:
        while not isinstance(data := await read_bytes(socket), int):
            await terminal.write(screen, data)
        ends.append(End.CLOSED if data == WSCloseCode.OK else End.BROKEN)
        scope.cancel()

    with terminal.raw_mode(keyboard):
        terminal.say(greeting)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(type_in, tasks.cancel_scope)
            tasks.start_soon(show, tasks.cancel_scope)
    with anyio.move_on_after(CLOSE_S, shield=True):
        await socket.close()
    return ends[0]
