"""One guest: follows its QEMU over QMP and its process by pidfd, and does what decide.guest_control says."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Mapping
from typing import Any, Protocol

import anyio

from kubevirt_py.api import names
from kubevirt_py.api.views import HostedInstance, Pod
from kubevirt_py.decide import guest_control, phases
from kubevirt_py.decide.guest_control import Command, Control
from kubevirt_py.decide.guest_state import (
    IO_ERROR,
    PANIC,
    POWERED_OFF,
    PRELAUNCH,
    GuestInfo,
    GuestState,
    Outcome,
    outcome_of_shutdown,
    outcome_of_state,
)
from kubevirt_py.plan import Key
from kubevirt_py.render.machine import Machine
from kubevirt_py.render.network.model import NetworkPlan
from kubevirt_py.virt_handler import dhcp, guestagent, qmp
from kubevirt_py.virt_handler.hooks import Hooks
from kubevirt_py.virt_handler.peers import sigterm_pending
from kubevirt_py.virt_handler.records import Folder, Record
from kubevirt_py.virt_handler.seqpacket import ERROR_CHARACTERS, Connection
from kubevirt_py.virt_handler.setup import set_up

TICK_S = 5.0
CALM_S = 0.02
"""Least time between two looks at a guest, however many events it makes."""
RECONNECT_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
AGENT_POLL_S = 120.0
STEP_S = 30.0
CHANNEL = "channel0"

log = logging.getLogger(__name__)


class Home(Protocol):
    """What a guest asks of the agent it lives in."""

    def vmi(self, key: Key, uid: str) -> HostedInstance | None: ...

    def pod(self, uid: str) -> Pod | None: ...

    def changed(self, guest: Guest) -> None: ...

    def tell(self, guest: Guest, reason: str, note: str, *, warning: bool = False) -> None: ...

    async def is_deleted(self, key: Key, uid: str) -> bool: ...


class Guest:
    """Lives from exec of QEMU (or from re-attachment) to the end of its process. Owns the pidfd; -1 if none is left."""

    def __init__(self, record: Record, folder: Folder, pidfd: int, home: Home) -> None:
        self.record = record
        self.folder = folder
        self.pidfd = pidfd
        self.key = record.key
        self.uid = record.uid
        self.exited = pidfd < 0
        self.run_state = ""
        self.trouble = ""
        self.agent_connected = False
        self.info: GuestInfo | None = None
        self.monitor: qmp.Session | None = None
        self.agent = guestagent.Channel(folder.socket("agent"))
        self.following = anyio.CancelScope()
        """Cancelled when the process turns out to be no guest after all."""
        self._home = home
        self._poke = anyio.Event()
        self._agent_poke = anyio.Event()
        self._channel_open = False
        self._stale = True
        self._hooks = Hooks(str(record.key))
        self._hook_answered_at: float | None = None
        self._stop_at: float | None = None
        self._powerdown_at: float | None = None
        self._quit_at: float | None = None
        self._ended_at: float | None = None
        self._io_errors = 0
        self._io_error_at: float | None = None

    # What others see

    @property
    def state(self) -> GuestState | None:
        """None until the recipe was made."""
        if self.record.machine is None:
            return None
        return GuestState(
            pod_uid=self.record.pod_uid,
            machine=self.record.machine,
            machine_type=self.record.machine_type or self.record.machine.platform.type,
            network=self.record.network or NetworkPlan(),
            run_state=self.run_state,
            exited=self.exited,
            outcome=self.record.outcome,
            agent_connected=self.agent_connected,
            info=self.info,
            trouble=self.trouble,
        )

    @property
    def machine(self) -> Machine | None:
        return self.record.machine

    def poke(self) -> None:
        """Something about this guest or its VMI changed: think again soon."""
        self._poke.set()

    def stop_for(self, hook: Connection) -> None:
        """A preStop hook asks for the guest's end and waits for it."""
        self._hooks.add(hook)
        self.poke()

    # Living

    async def run(self) -> None:
        """Follow the guest until its process is gone; then all that is left is its report."""
        try:
            async with anyio.create_task_group() as tasks:
                for task in (self._follow_monitor, self._serve_network, self._steer, self._follow_agent):
                    tasks.start_soon(task)
                await anyio.wait_readable(self.pidfd)
                tasks.cancel_scope.cancel()
            self.exited = True
            await self._answer_hooks()
            log.info("QEMU has ended", extra={"vmi": str(self.key), "outcome": str(self.record.outcome)})
            self._home.changed(self)
        finally:
            self._hooks.close()

    def close(self) -> None:
        """Give up the pidfd."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    async def _serve_network(self) -> None:
        """DHCP and router advertisements, again after trouble: guests renew for ever."""
        plan = self.record.network
        attempt = 0
        while plan is not None and plan.interfaces:
            try:
                await dhcp.serve(self.pidfd, plan)
                return
            except OSError as error:
                log.warning("cannot serve DHCP", extra={"vmi": str(self.key), "error": str(error)})
            await anyio.sleep(RECONNECT_S[min(attempt, len(RECONNECT_S) - 1)])
            attempt += 1

    # The monitor

    async def _follow_monitor(self) -> None:
        attempt = 0
        while True:
            try:
                async with qmp.monitor(self.folder.socket("qmp"), self._on_event) as session:
                    self._set_channel(await set_up(session, self.record, self.folder))
                    self.monitor = session
                    self._note_trouble("")
                    attempt = 0
                    self._stale = True
                    self.poke()
                    await session.closed()
            except qmp.MonitorGone as error:
                log.info("no monitor yet", extra={"vmi": str(self.key), "error": str(error)})
            except qmp.MonitorError as error:
                self._note_trouble(f"QEMU refused to set up the guest, trying again: {error}"[:ERROR_CHARACTERS])
            finally:
                self.monitor = None
            await anyio.sleep(RECONNECT_S[min(attempt, len(RECONNECT_S) - 1)])
            attempt += 1

    def _note_trouble(self, text: str) -> None:
        if text != self.trouble:
            self.trouble = text
            log.warning("setting up a guest", extra={"vmi": str(self.key), "error": text or "none any more"})
            self._home.changed(self)

    def _on_event(self, event: str, data: Mapping[str, Any]) -> None:
        """Runs in the monitor's reader: notes what cannot be asked later, and leaves the rest to `_steer`."""
        if event == "SHUTDOWN" and not (self.record.rebooting and self._stop_at is None and data.get("guest")):
            self._end(outcome_of_shutdown(data, None))
        elif event == "GUEST_PANICKED":
            self._end(PANIC)
        elif event == "VSERPORT_CHANGE" and data.get("id") == CHANNEL:
            self._set_channel(bool(data.get("open")))
        elif event == "BLOCK_IO_ERROR":
            log.warning("the guest's disk failed", extra={"vmi": str(self.key), "disk": str(data.get("device"))[:64]})
        self._stale = True
        self.poke()

    def _end(self, outcome: Outcome) -> None:
        """The guest has ended; the first word about it stands, also after a restart of the agent."""
        if self.record.outcome is None:
            self.record.outcome = outcome
            self._ended_at = anyio.current_time()
            self.folder.save(self.record)
            self._home.changed(self)

    async def execute(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Run a QMP command. Raises MonitorGone and MonitorError as qmp does."""
        if self.monitor is None:
            raise qmp.MonitorGone(f"{command}: the monitor of {self.key} is not connected")
        with anyio.CancelScope(shield=True):
            return await self.monitor.execute(command, arguments)

    # Steering

    async def _steer(self) -> None:
        while True:
            again_s = TICK_S
            try:
                with anyio.fail_after(STEP_S):
                    again_s = min(TICK_S, await self._step())
            except qmp.MonitorGone as error:
                log.info("the monitor has gone", extra={"vmi": str(self.key), "error": str(error)})
                again_s = 1.0
            except (qmp.MonitorError, TimeoutError) as error:
                log.warning("steering failed", extra={"vmi": str(self.key), "error": str(error)})
                again_s = 1.0
            await anyio.sleep(CALM_S)
            with anyio.move_on_after(again_s):
                await self._poke.wait()
            self._poke = anyio.Event()

    async def _step(self) -> float:
        await self._refresh()
        await self._look_for_stop()
        if self.record.outcome is not None:
            await self._answer_hooks()
        following = guest_control.control(self._control())
        for command in following.commands:
            await self._perform(command)
        if following.commands:
            return 0.0 if following.again_s is None else following.again_s
        return TICK_S if following.again_s is None else following.again_s

    async def _refresh(self) -> None:
        if not self._stale or self.monitor is None:
            return
        self._stale = False
        before = self.run_state
        self.run_state = str((await self.monitor.execute("query-status")).get("status"))
        if self.run_state == before:
            return
        if self.run_state == IO_ERROR:
            self._io_error_at = anyio.current_time()
        outcome = outcome_of_state(self.run_state)
        if outcome is not None and not (self.record.rebooting and outcome is POWERED_OFF):
            self._end(outcome)
        self._home.changed(self)

    async def _look_for_stop(self) -> None:
        if self._stop_at is not None:
            return
        vmi, pod = self._home.vmi(self.key, self.uid), self._home.pod(self.record.pod_uid)
        wanted = bool(self._hooks) or sigterm_pending(self.record.pid)
        wanted = wanted or (pod is not None and pod.metadata.deletion_timestamp is not None)
        if vmi is None:
            wanted = wanted or await self._home.is_deleted(self.key, self.uid)
        else:
            wanted = wanted or vmi.metadata.deletion_timestamp is not None or vmi.phase in phases.FINAL
        if wanted:
            self._stop_at = anyio.current_time()
            # A guest that is to end is not started again, even if it went off for a reboot a moment ago.
            outcome = outcome_of_state(self.run_state)
            if self.record.rebooting and outcome is not None:
                self._end(outcome)

    def _control(self) -> Control:
        record, vmi = self.record, self._home.vmi(self.key, self.uid)
        pod = self._home.pod(record.pod_uid)
        # Whoever deletes a VMI has its pod deleted, and then the kubelet calls the hook.
        going = [view for view in (vmi, pod) if view is not None and view.metadata.deletion_timestamp is not None]
        return Control(
            now=anyio.current_time(),
            run_state=self.run_state,
            reachable=self.monitor is not None,
            start_paused=record.start_paused,
            resumed=record.resumed,
            stop_at=self._stop_at,
            destroy=vmi is not None and vmi.phase in phases.FINAL,
            grace_s=self._grace_s(),
            powerdown_at=self._powerdown_at,
            quit_at=self._quit_at,
            outcome=record.outcome,
            ended_at=self._ended_at,
            reported=vmi is None or vmi.phase in phases.FINAL,
            rebooting=record.rebooting,
            hook_expected=bool(going),
            hook_answered_at=self._hook_answered_at,
            sigterm=record.outcome is not None and sigterm_pending(record.pid),
            io_errors=self._io_errors,
            io_error_at=self._io_error_at,
        )

    def _grace_s(self) -> float:
        """The guest's own grace period, or what a shorter one of the pod's deletion leaves of it."""
        pod = self._home.pod(self.record.pod_uid)
        given = pod.metadata.deletion_grace_period_seconds if pod is not None else None
        return self.record.grace_s if given is None else min(self.record.grace_s, max(0.0, given - 2.0))

    async def _perform(self, command: Command) -> None:
        log.info("command", extra={"vmi": str(self.key), "command": command.value})
        now = anyio.current_time()
        if command is Command.POWERDOWN:
            if self._powerdown_at is None:
                self._home.tell(self, names.SHUTTING_DOWN, "Signaled Graceful Shutdown")
            self._powerdown_at = now
        elif command is Command.CONTINUE and self.run_state == IO_ERROR:
            self._io_errors += 1
            self._io_error_at = now
        elif command is Command.QUIT:
            await self._quit(now)
            return
        elif command is Command.KILL:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            return
        await self.execute(command.value)
        self._stale = True
        if command is Command.RESET and self.record.rebooting:
            self.record.rebooting = False
            self.folder.save(self.record)

    async def _quit(self, now: float) -> None:
        if self.record.outcome is None:
            acpi = self.record.machine is None or self.record.machine.platform.acpi
            self._home.tell(self, names.DELETED, "Signaled Deletion")
            self._end(guest_control.quit_outcome(self._grace_s(), acpi, self.run_state))
            if self._hooks:
                return  # the hook is answered first, and the next look quits
        self._quit_at = now
        try:
            await self.execute("quit")
        except qmp.MonitorGone as error:
            log.info("QEMU did not answer quit", extra={"vmi": str(self.key), "error": str(error)})

    async def _answer_hooks(self) -> None:
        if await self._hooks.answer():
            self._hook_answered_at = anyio.current_time()

    # What users ask

    async def pause(self) -> None:
        await self.execute("stop")

    async def unpause(self) -> None:
        if self.run_state == PRELAUNCH:
            self.record.resumed = True
            self.folder.save(self.record)
        await self.execute("cont")

    async def reset(self) -> None:
        await self.execute("system_reset")

    async def soft_reboot(self) -> None:
        """By the agent in the guest where there is one; else the power button, and on again after the shutdown."""
        if self.agent_connected:
            await self.agent.reboot()
            return
        self.record.rebooting = True
        self.folder.save(self.record)
        await self.execute("system_powerdown")

    # The agent in the guest

    def _set_channel(self, is_open: bool) -> None:
        self._channel_open = is_open
        self._agent_poke.set()

    async def _follow_agent(self) -> None:
        """Asks the guest's agent when it appears and every two minutes; says at once when it has gone."""
        while True:
            self._agent_poke = anyio.Event()
            if self._channel_open:
                info = await self.agent.inform()
                self._note_agent(connected=self._channel_open, info=info or self.info)
            else:
                self._note_agent(connected=False, info=None)
            with anyio.move_on_after(AGENT_POLL_S if self._channel_open else None):
                await self._agent_poke.wait()

    def _note_agent(self, *, connected: bool, info: GuestInfo | None) -> None:
        if (connected, info) != (self.agent_connected, self.info):
            self.agent_connected, self.info = connected, info
            self._home.changed(self)
