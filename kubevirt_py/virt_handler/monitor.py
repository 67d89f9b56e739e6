"""The connection to one guest's QEMU, made again whenever it is lost."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import anyio

from kubevirt_py.virt_handler import qmp
from kubevirt_py.virt_handler.hosted import Hosted
from kubevirt_py.virt_handler.seqpacket import ERROR_CHARACTERS

RECONNECT_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

SetUp = Callable[[qmp.Session], Awaitable[None]]

log = logging.getLogger(__name__)


class Monitor:
    """`set_up` runs on each new connection before anybody else may use it."""

    def __init__(self, hosted: Hosted, set_up: SetUp) -> None:
        self.trouble = ""
        """What QEMU refused when it was set up, in its own words."""
        self.connects = 0
        """How many connections there have been; who missed events in between sees it change."""
        self._hosted = hosted
        self._set_up = set_up
        self._session: qmp.Session | None = None
        self._listeners: list[qmp.EventSink] = []

    @property
    def connected(self) -> bool:
        return self._session is not None

    @contextmanager
    def listening(self, sink: qmp.EventSink) -> Iterator[None]:
        """Hand each of QEMU's events to `sink`, which runs in the monitor's reader and must not block."""
        self._listeners.append(sink)
        try:
            yield
        finally:
            self._listeners.remove(sink)

    async def execute(
        self, command: str, arguments: Mapping[str, Any] | None = None, *, deadline_s: float = qmp.COMMAND_S
    ) -> Any:
        """Run a QMP command. Raises MonitorGone and MonitorError as qmp does."""
        session = self._connected(command)
        with anyio.CancelScope(shield=True):
            return await session.execute(command, arguments, deadline_s=deadline_s)

    async def execute_with(self, fd: int, command: str, arguments: Mapping[str, Any]) -> Any:
        """As qmp.Session does."""
        session = self._connected(command)
        with anyio.CancelScope(shield=True):
            return await session.execute_with(fd, command, arguments)

    async def pass_descriptor(self, name: str, fd: int) -> None:
        """As qmp.Session does."""
        session = self._connected("getfd")
        with anyio.CancelScope(shield=True):
            await session.pass_descriptor(name, fd)

    async def follow(self) -> None:
        """Keep a connection, until cancelled."""
        attempt = 0
        vmi = str(self._hosted.key)
        while True:
            try:
                async with qmp.monitor(self._hosted.folder.socket("qmp"), self._on_event) as session:
                    await self._set_up(session)
                    self._note_trouble("")
                    attempt = 0
                    self._session = session
                    self.connects += 1
                    self._on_event("CONNECTED", {})
                    await session.closed()
            except qmp.MonitorGone as error:
                log.info("no monitor yet", extra={"vmi": vmi, "error": str(error)})
            except qmp.MonitorError as error:
                self._note_trouble(f"QEMU refused to set up the guest, trying again: {error}"[:ERROR_CHARACTERS])
            finally:
                self._session = None
            await anyio.sleep(RECONNECT_S[min(attempt, len(RECONNECT_S) - 1)])
            attempt += 1

    def _connected(self, command: str) -> qmp.Session:
        if self._session is None:
            raise qmp.MonitorGone(f"{command}: the monitor of {self._hosted.key} is not connected")
        return self._session

    def _on_event(self, event: str, data: Mapping[str, Any]) -> None:
        for sink in tuple(self._listeners):
            sink(event, data)

    def _note_trouble(self, text: str) -> None:
        if text != self.trouble:
            self.trouble = text
            extra = {"vmi": str(self._hosted.key), "error": text or "none any more"}
            log.warning("setting up a guest", extra=extra)
            self._hosted.changed()
