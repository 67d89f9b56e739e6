"""One guest, from exec of its QEMU (or from re-attachment) to the end of its process."""

from __future__ import annotations

import logging

import anyio

from kubevirt_py.decide.guest_state import GuestState
from kubevirt_py.decide.guest_volumes import memory_kib
from kubevirt_py.render.machine import Machine
from kubevirt_py.render.network.model import NetworkPlan
from kubevirt_py.virt_handler import guestcommands, qmp
from kubevirt_py.virt_handler.agentwatch import AgentWatch
from kubevirt_py.virt_handler.credentials import Credentials
from kubevirt_py.virt_handler.downwardmetrics import DownwardMetrics
from kubevirt_py.virt_handler.expansion import Expansion
from kubevirt_py.virt_handler.freezer import Freezer
from kubevirt_py.virt_handler.guestagent import TEXT, AgentError, Channel
from kubevirt_py.virt_handler.guestclock import GuestClock
from kubevirt_py.virt_handler.hosted import Home, Hosted
from kubevirt_py.virt_handler.hotplug import HotPlug
from kubevirt_py.virt_handler.memorydump import MemoryDumps
from kubevirt_py.virt_handler.monitor import Monitor
from kubevirt_py.virt_handler.records import Folder, Record
from kubevirt_py.virt_handler.screen import Screen
from kubevirt_py.virt_handler.setup import set_up
from kubevirt_py.virt_handler.steering import Steering
from kubevirt_py.virt_handler.wiring import Wiring

FAREWELL_S = 3.0
"""How long a guest's agent may take over the wish for its guest's end before the power button is pressed; never more
than a third of the time that there is."""

log = logging.getLogger(__name__)


class Guest:
    """Puts the parts together and keeps them going; each part has its own subject and state."""

    def __init__(self, record: Record, folder: Folder, pidfd: int, home: Home) -> None:
        self.hosted = Hosted(record, folder, pidfd, home)
        self.exited = pidfd < 0
        self.channel = Channel(folder.socket("agent"))
        self.monitor = Monitor(self.hosted, self._set_up)
        self.agent = AgentWatch(self.hosted, self.monitor, self.channel)
        self.freezer = Freezer(self.hosted, self.monitor, self.channel)
        self.screen = Screen(self.monitor)
        self.credentials = Credentials(self.hosted, self.channel, self.agent)
        self.clock = GuestClock(self.hosted, self.monitor, self.channel, self.agent)
        self.wiring = Wiring(self.hosted)
        self.hotplug = HotPlug(self.hosted, self.monitor, self.wiring, self._changed_devices)
        self.dumps = MemoryDumps(self.hosted, self.monitor, self.hotplug.bringing, self._memory_bytes)
        self.expansion = Expansion(self.hosted, self.monitor)
        self.metrics = DownwardMetrics(self.hosted)
        self.steering = Steering(self.hosted, self.monitor, lambda: self.hotplug.incomplete, self._end_by_agent)
        self.key = record.key
        self.uid = record.uid
        self.following = anyio.CancelScope()
        """Cancelled when the process turns out to be no guest after all."""

    @property
    def record(self) -> Record:
        return self.hosted.record

    @property
    def folder(self) -> Folder:
        return self.hosted.folder

    @property
    def machine(self) -> Machine | None:
        return self.record.machine

    @property
    def run_state(self) -> str:
        return self.steering.run_state

    @property
    def state(self) -> GuestState | None:
        """None until the recipe was made."""
        if self.record.machine is None:
            return None
        return GuestState(
            pod_uid=self.record.pod_uid,
            machine=self.record.machine,
            machine_type=self.record.machine_type or self.record.machine.platform.type,
            selinux_context=self.record.selinux_context,
            network=self.record.network or NetworkPlan(),
            run_state=self.run_state,
            start_paused=self.record.start_paused,
            exited=self.exited,
            outcome=self.record.outcome,
            agent_connected=self.agent.connected,
            info=self.agent.info,
            frozen=self.freezer.frozen,
            credentials=self.credentials.outcome,
            trouble=self.monitor.trouble,
            plugged=self.hotplug.state,
            dump=self.record.dump,
        )

    def poke(self) -> None:
        """Something about this guest or its VMI changed: think again soon."""
        self.steering.poke()
        self.hotplug.poke()
        self.expansion.poke()
        self.dumps.poke()

    async def run(self) -> None:
        """Follow the guest until its process is gone; then all that is left is its report."""
        try:
            async with anyio.create_task_group() as tasks:
                followers = (
                    self.steering.run,
                    self.agent.run,
                    self.freezer.run,
                    self.credentials.run,
                    self.clock.run,
                    self.metrics.run,
                    self.dumps.run,
                )
                for part in (*followers, self.hotplug.run, self.expansion.run, self.wiring.serve, self.monitor.follow):
                    tasks.start_soon(part)
                await anyio.wait_readable(self.hosted.pidfd)
                tasks.cancel_scope.cancel()
            self.exited = True
            await self.steering.answer_hooks()
            log.info("QEMU has ended", extra={"vmi": str(self.key), "outcome": str(self.record.outcome)})
            self.hosted.changed()
        finally:
            self.steering.close()

    async def _end_by_agent(self, left_s: float) -> bool:
        """Whether the agent in the guest shuts it down, who has `left_s` in all."""
        if not self.agent.connected or self.freezer.frozen:
            return False
        try:
            with anyio.fail_after(min(FAREWELL_S, left_s / 3)):
                await guestcommands.shut_down(self.channel, "powerdown")
        except (AgentError, TimeoutError) as error:
            log.info("the agent does not end its guest", extra={"vmi": str(self.key), "error": repr(error)[:TEXT]})
            return False
        return True

    def _memory_bytes(self) -> int | None:
        state = self.state
        return memory_kib(state)[0] << 10 if state is not None and state.alive else None

    def _changed_devices(self) -> None:
        """A guest that waited for its volumes may begin, and so may what is to be done with a volume that came."""
        self.steering.poke()
        self.dumps.poke()
        self.hosted.changed()

    async def _set_up(self, session: qmp.Session) -> None:
        heard = self.agent.heard
        is_open = await set_up(session, self.record, self.folder)
        if self.agent.heard == heard:  # else QEMU has told of a later state already
            self.agent.found(is_open=is_open)
