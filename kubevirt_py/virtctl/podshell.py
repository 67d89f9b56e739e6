"""The user's terminal at a container of a pod, as `kubectl attach -it` does it.

Source: Kubernetes' streaming protocol `v5.channel.k8s.io`: the first byte of a message is its channel.
"""

from __future__ import annotations

import os
import sys

import anyio
import msgspec

from kubevirt_py.api import kinds
from kubevirt_py.kube.api import object_path
from kubevirt_py.kube.errors import Unreachable
from kubevirt_py.kube.stream import open_websocket, read_bytes
from kubevirt_py.plan import Key
from kubevirt_py.virtctl import terminal
from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.session import Session

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
KEYS, ERRORS, SIZE = 0, 3, 4
CLOSE_S = 2.0


class _Status(msgspec.Struct):
    phase: str = ""


class _Pod(msgspec.Struct):
    status: _Status = msgspec.field(default_factory=_Status)


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


async def until_running(session: Session, name: str, timeout_s: float) -> None:
    """Failure where the pod does not run in time, or ends."""
    with anyio.move_on_after(timeout_s):
        while True:
            try:
                phase = await _next_end(session, name)
            except Unreachable:
                continue  # the watch's own limit; ask again
            if phase == "Running":
                return
            raise Failure(f"pod {name} ended with phase {phase or 'unknown'}; look at: kubectl describe pod {name}")
    raise Failure(f"timeout: pod {name} did not run within {timeout_s:g} s; look at: kubectl describe pod {name}")


async def _next_end(session: Session, name: str) -> str:
    """The first phase that is not Pending."""
    while True:
        events = session.client.watch(
            kinds.POD, namespace=session.namespace, fields=f"metadata.name={name}", initial=True
        )
        async for line in events:
            event = msgspec.json.decode(line, type=_Event)
            if event.type == "DELETED":
                return "deleted"
            if event.type in ("ADDED", "MODIFIED"):
                phase = msgspec.json.decode(event.object, type=_Pod).status.phase
                if phase not in ("", "Pending"):
                    return phase


async def attach(session: Session, name: str, container: str) -> None:
    """Until the container's program ends."""
    path = object_path(kinds.POD, Key(session.namespace, name), "attach")
    params = {"container": container, "stdin": "true", "stdout": "true", "tty": "true"}
    socket = await open_websocket(session.client, path, PROTOCOLS, params)
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()

    async def type_in() -> None:
        while data := await terminal.read(keyboard):
            await socket.send_bytes(bytes([KEYS]) + data)

    with terminal.raw_mode(keyboard):
        terminal.say("If you don't see a command prompt, try pressing enter.")
        if os.isatty(screen):
            columns, rows = os.get_terminal_size(screen)
            size = msgspec.json.encode({"Width": columns, "Height": rows})
            await socket.send_bytes(bytes([SIZE]) + size)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(type_in)
            while not isinstance(data := await read_bytes(socket), int):
                if data[:1] != bytes([ERRORS]):
                    await terminal.write(screen, data[1:])
            tasks.cancel_scope.cancel()
    with anyio.move_on_after(CLOSE_S, shield=True):
        await socket.close()
