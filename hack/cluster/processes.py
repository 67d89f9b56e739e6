"""Start, recognise and end the long-running processes of a cluster."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

from hack.cluster.progress import ClusterError


@dataclass(frozen=True)
class Daemon:
    """A process that outlives the command that starts it.

    `enter` is a command prefix that changes namespaces. `inputs` are files read only at start: when one of them
    changes, the process is started anew.
    """

    name: str
    argv: tuple[str, ...]
    enter: tuple[str, ...] = ()
    inputs: tuple[Path, ...] = ()
    path: str = ""
    stop_signal: signal.Signals = signal.SIGTERM


def run(argv: Sequence[str], *, stdin: str | None = None, check: bool = True) -> str:
    """Run a short command and return what it wrote; raises ClusterError with its complaint when it fails."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True)
    if check and done.returncode:
        raise ClusterError(
            f"{' '.join(argv)}: exit code {done.returncode}\n{done.stderr.strip() or done.stdout.strip()}"
        )
    return done.stdout


def start_time(pid: int) -> str:
    """When a living process started, in clock ticks since boot; "" when it is gone or a zombie.

    Together with the pid this identifies a process over pid reuse.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def kill_all(pids: Iterable[int], number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to every process that still exists."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def wait_gone(pids: Iterable[int], timeout_s: float) -> set[int]:
    """Wait until the processes are gone; returns those that are not at the end."""
    deadline = time.monotonic() + timeout_s
    left = {pid for pid in pids if start_time(pid)}
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = {pid for pid in left if start_time(pid)}
    return left


class _Record(TypedDict):
    """What is kept of a started daemon; `start` tells its pid from a later user of the same number."""

    pid: int
    start: str
    digest: str
    signal: int


class Supervisor:
    """Daemons of one cluster, each with a record in `records` and a log in `logs`."""

    def __init__(self, records: Path, logs: Path) -> None:
        self._records = records
        self._logs = logs

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def pid(self, name: str) -> int | None:
        """The pid of a living daemon."""
        record = self._read(name)
        return record["pid"] if record and start_time(record["pid"]) == record["start"] else None

    def names(self) -> list[str]:
        return sorted(path.stem for path in self._records.glob("*.json"))

    def ensure(self, daemon: Daemon) -> bool:
        """Start the daemon unless it already runs just so; True when it was started."""
        digest = _digest(daemon)
        record = self._read(daemon.name)
        if self.pid(daemon.name):
            if record and record["digest"] == digest:
                return False
            self.stop([daemon.name])
        self._records.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        pid = self._spawn(daemon)
        fresh: _Record = {
            "pid": pid,
            "start": start_time(pid),
            "digest": digest,
            "signal": int(daemon.stop_signal),
        }
        path = self._records / f"{daemon.name}.json"
        path.with_suffix(".new").write_text(json.dumps(fresh))
        path.with_suffix(".new").rename(path)
        return True

    def _spawn(self, daemon: Daemon) -> int:
        path = f"{daemon.path}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".removeprefix(":")
        log = str(self.log(daemon.name))
        # What the caller's shell left open, such as a lock, would be held for as long as the daemon lives.
        inherited = [number for name in os.listdir("/proc/self/fd") if (number := int(name)) > 2]
        return os.posix_spawnp(
            "env",
            ["env", "--chdir=/", *daemon.enter, *daemon.argv],
            {"PATH": path, "HOME": "/root"},
            file_actions=(
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                *((os.POSIX_SPAWN_CLOSE, number) for number in inherited),
            ),
            setsid=True,
        )

    def stop(self, names: Sequence[str], timeout_s: float = 5) -> None:
        """End daemons and forget them; what does not go by itself within the time is killed."""
        pids = {name: pid for name in names if (pid := self.pid(name))}
        for name, pid in pids.items():
            record = self._read(name)
            kill_all([pid], signal.Signals(record["signal"]) if record else signal.SIGTERM)
        left = wait_gone(pids.values(), timeout_s)
        kill_all(left)
        wait_gone(left, timeout_s)
        for name in names:
            (self._records / f"{name}.json").unlink(missing_ok=True)

    def tail(self, name: str, lines: int = 15) -> str:
        """The end of a daemon's log, for error messages."""
        try:
            return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    def _read(self, name: str) -> _Record | None:
        try:
            return cast("_Record", json.loads((self._records / f"{name}.json").read_text()))
        except (FileNotFoundError, json.JSONDecodeError):
            return None


def _digest(daemon: Daemon) -> str:
    digest = hashlib.sha256(repr((daemon.enter, daemon.argv, daemon.path)).encode())
    for path in daemon.inputs:
        digest.update(path.read_bytes())
    return digest.hexdigest()
