"""What the agent must know of a guest after its own restart: one directory and one file per guest, agent-owned.

/run/kubevirt-agent/vms/<VMI UID>/ holds state.json and the sockets that QEMU listens on. No tenant can see it.
"""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import msgspec

from kubevirt_py.decide.guest_state import MemoryDump, Outcome
from kubevirt_py.plan import Key
from kubevirt_py.render.credentials import AgentCredential
from kubevirt_py.render.machine import Machine
from kubevirt_py.render.network.model import NetworkPlan

STATE = "state.json"
_UID_CHARACTERS = frozenset("0123456789abcdef-")

log = logging.getLogger(__name__)


class Freeze(msgspec.Struct, frozen=True):
    """The guest's file systems are frozen, or may be; `thaw_at` in seconds since 1970, None for never."""

    thaw_at: float | None = None


class Kept(msgspec.Struct, frozen=True):
    """A descriptor that QEMU inherited from the stub: its number there, and what it must lead to."""

    number: int
    device: int
    inode: int


class Record(msgspec.Struct, kw_only=True):
    """`machine` is None until the recipe is made. `pid` and `started` (clock ticks) name the process for ever."""

    namespace: str
    name: str
    uid: str
    pod_uid: str
    pid: int
    started: int
    device_id: str = ""
    device_inode: int = 0
    network: NetworkPlan | None = None
    machine: Machine | None = None
    wanted: Machine | None = None
    """What the machine is on its way to by hot-plug, None if it is there."""
    machine_type: str = ""
    selinux_context: str = ""
    grace_s: float = 30.0
    start_paused: bool = False
    """Whether the guest, where it stands before its first instruction, waits for a user, unless it was `resumed`."""
    ready: bool = False
    """Whether QEMU has been set up over QMP (VNC socket, links)."""
    resumed: bool = False
    rebooting_until: float = 0.0
    """Until when (seconds since 1970) an end of the guest is a reboot that a user asked for."""
    freeze: Freeze | None = None
    credentials: tuple[AgentCredential, ...] = ()
    secrets: dict[str, Kept] = {}
    """Directories of the Secrets that `credentials` name."""
    dump: MemoryDump | None = None
    """The dump of memory that is being made, or was made last, until its volume leaves."""
    outcome: Outcome | None = None

    @property
    def key(self) -> Key:
        return Key(self.namespace, self.name)


class _Process(msgspec.Struct):
    """The part of a Record that every version of the agent writes."""

    pid: int
    started: int


class Folder:
    """The directory of one guest."""

    def __init__(self, root: Path, uid: str) -> None:
        if not uid or not _UID_CHARACTERS.issuperset(uid):
            raise ValueError(f"{uid!r} is not the UID of an object")
        self.path = root / uid

    def socket(self, name: str) -> str:
        return str(self.path / f"{name}.sock")

    def save(self, record: Record) -> None:
        """Write the state whole or not at all."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self.path / f"{STATE}.new"
        draft.write_bytes(msgspec.json.encode(record))
        draft.replace(self.path / STATE)

    def load(self) -> Record | None:
        """The state, None if there is none that can be read."""
        try:
            return msgspec.json.decode((self.path / STATE).read_bytes(), type=Record)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError:
            log.exception("the state of a guest cannot be read", extra={"path": str(self.path)})
            return None

    def process(self) -> tuple[int, int] | None:
        """PID and start time (clock ticks) even from the state of another version; None where there are none."""
        try:
            found = msgspec.json.decode((self.path / STATE).read_bytes(), type=_Process)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None
        return found.pid, found.started

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def folders(root: Path) -> list[Folder]:
    """The directories of all guests this node's agent has known and not forgotten."""
    try:
        return [Folder(root, entry.name) for entry in os.scandir(root) if entry.is_dir()]
    except FileNotFoundError:
        return []
