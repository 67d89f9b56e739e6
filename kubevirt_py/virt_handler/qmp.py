"""QEMU's monitor: one Session per guest. The only importer of qemu.qmp.

What QEMU says is hostile: the library bounds a message to 10 MiB, every command here has a deadline, and events
go straight to a callback, so nothing queues up.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from qemu.qmp import (
    ConnectError,
    EventListener,
    ExecInterruptedError,
    ExecuteError,
    Message,
    QMPClient,
    QMPError,
    Runstate,
    StateError,
)

from kubevirt_py.reconcile.tracing import span

COMMAND_S = 10.0
CONNECT_S = 10.0
CLOSE_S = 5.0

EventSink = Callable[[str, Mapping[str, Any]], None]

logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)
_log = logging.getLogger(__name__)


class MonitorError(Exception):
    """QEMU refused a command: `kind` is QMP's error class, the text is QEMU's."""

    def __init__(self, command: str, kind: str, text: str) -> None:
        super().__init__(f"{command}: {text}")
        self.kind = kind


class MonitorGone(Exception):
    """The monitor cannot be reached, or did not answer in time. Says nothing about the guest's life."""


class _Sink(EventListener):
    """Hands each event on at once; the library's own listener keeps every event for ever."""

    def __init__(self, sink: EventSink) -> None:
        super().__init__()
        self._sink = sink

    async def put(self, event: Message) -> None:
        data = event.get("data")
        _log.debug("event of the monitor", extra={"event": event.get("event")})
        self._sink(str(event.get("event")), data if isinstance(data, dict) else {})


class Session:
    """A connected monitor. Get one from `monitor()`."""

    def __init__(self, client: QMPClient) -> None:
        self._client = client
        self._passing = anyio.Lock()
        """A descriptor and its command travel together: QEMU gives the last one to the next command that asks."""

    async def execute(
        self, command: str, arguments: Mapping[str, Any] | None = None, *, deadline_s: float = COMMAND_S
    ) -> Any:
        """The command's answer. Raises MonitorError when QEMU refuses, MonitorGone without an answer in time.

        After MonitorGone the command may still have run: ask for the state, do not repeat blindly.
        """
        # Arguments may hold what is secret, such as passwords.
        _log.debug("command to the monitor", extra={"command": command, "arguments": sorted(arguments or ())})
        try:
            with span(f"qmp {command}"), anyio.fail_after(deadline_s):
                return await self._client.execute(command, dict(arguments) if arguments else None)
        except ExecuteError as error:
            raise MonitorError(command, error.error_class, str(error)) from error
        except TimeoutError as error:
            raise MonitorGone(f"{command}: no answer within {deadline_s:g} s") from error
        except (StateError, ExecInterruptedError, QMPError, OSError) as error:
            raise MonitorGone(f"{command}: {error}") from error

    async def pass_descriptor(self, name: str, fd: int) -> None:
        """Give QEMU a copy of `fd`, known to it as `name`. The caller closes its own."""
        await self.execute_with(fd, "getfd", {"fdname": name})

    async def execute_with(self, fd: int, command: str, arguments: Mapping[str, Any]) -> Any:
        """As `execute`, for a command that takes a copy of `fd` along. The caller closes its own."""
        async with self._passing:
            try:
                self._client.send_fd_scm(fd)
            except (QMPError, OSError) as error:
                raise MonitorGone(f"passing a descriptor for {command}: {error}") from error
            return await self.execute(command, arguments)

    async def closed(self) -> None:
        """Returns when the connection has ended."""
        while self._client.runstate == Runstate.RUNNING:
            await self._client.runstate_changed()


@asynccontextmanager
async def monitor(path: str, sink: EventSink) -> AsyncIterator[Session]:
    """A new connection to the monitor at `path`; events go to `sink`, which must not block.

    A client is used for one connection only: after QEMU has gone it is of no further use.
    """
    client = QMPClient()
    client.register_listener(_Sink(sink))
    try:
        try:
            with anyio.fail_after(CONNECT_S):
                await client.connect(path)
        except (ConnectError, TimeoutError, OSError) as error:
            raise MonitorGone(f"connecting to {path}: {error}") from error
        yield Session(client)
    finally:
        with anyio.move_on_after(CLOSE_S, shield=True):
            try:
                await client.disconnect()
            except (QMPError, OSError, EOFError) as error:
                _log.debug("monitor closed", extra={"error": str(error)})
