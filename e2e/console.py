"""A person at the serial console: `virtctl console` in a pseudo terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator

from e2e.kubectl import VIRTCTL, eventually

ESCAPE = "\x1d"
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Terminal control sequences; shells ask for the cursor's place after each prompt."""
USER, PASSWORD = "root", "tiny"


class Console:
    """Types into a guest's console and waits for what it answers."""

    def __init__(self, terminal: int, process: subprocess.Popen[bytes]) -> None:
        self._terminal, self._process = terminal, process
        self.seen = ""

    def send(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def expect(self, pattern: str, timeout_s: float = 60) -> re.Match[str]:
        """Wait until the pattern appears after what was matched before. Fails with what was on the screen."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = re.search(pattern, self.seen)
            if found:
                self.seen = self.seen[found.end() :]
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"{pattern!r} did not appear within {timeout_s:.0f} s; the screen:\n{self.seen}")
            if not self._read(min(left, 1.0)):
                raise AssertionError(f"the console ended while waiting for {pattern!r}; the screen:\n{self.seen}")

    def login(self, timeout_s: float = 180) -> None:
        """Reach a shell prompt, whether the guest is still booting, asks for a login, or is logged in already."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            assert self.open, f"virtctl console ended with {self._process.returncode}; the screen:\n{self.seen}"
            self.send("\n")
            with contextlib.suppress(AssertionError):
                if self.expect(r"login: $|[#$] $", 5).group().startswith("login"):
                    self.send(f"{USER}\n")
                    self.expect("assword: ?", 20)
                    self.send(f"{PASSWORD}\n")
                    self.expect(r"[#$] $", 20)
                return
        raise AssertionError(f"no login prompt within {timeout_s:.0f} s; the screen:\n{self.seen}")

    def run(self, command: str, timeout_s: float = 60) -> str:
        """Run a command in the guest's shell and return what it printed. Fails if it exits with an error."""
        output, code = self.attempt(command, timeout_s)
        assert code == 0, f"{command!r} exited with {code} in the guest:\n{output}"
        return output

    def attempt(self, command: str, timeout_s: float = 60) -> tuple[str, int]:
        """As `run`, but gives the exit code instead of failing. The marks are split so that the echo never matches."""
        self.send(f"echo beg''in; {command}; echo en''d=$?\n")
        self.expect(r"begin\r?\n", timeout_s)
        before = self.seen
        deadline = time.monotonic() + timeout_s
        while not (found := re.search(r"end=(\d+)\r?\n", before)):
            if time.monotonic() > deadline or not self._read(1.0):
                raise AssertionError(f"{command!r} did not end within {timeout_s:.0f} s; the screen:\n{self.seen}")
            before = self.seen
        output = before[: found.start()].replace("\r", "")
        self.seen = before[found.end() :]
        return output.strip(), int(found.group(1))

    def until(self, command: str, output: str, timeout_s: float = 60) -> None:
        """Repeat a command until it prints exactly `output`: what a guest does at its first boot takes a while."""
        seen = ""

        def look() -> bool:
            nonlocal seen
            seen = self.attempt(command)[0]
            return seen == output

        assert eventually(look, timeout_s, 1.0), f"{command!r} printed {seen!r} after {timeout_s:.0f} s, not {output!r}"

    @property
    def open(self) -> bool:
        """Whether virtctl still holds its connection."""
        return self._process.poll() is None

    def ended(self, timeout_s: float = 30) -> int:
        """Wait until virtctl exits and return its exit code."""
        deadline = time.monotonic() + timeout_s
        while self._process.poll() is None and time.monotonic() < deadline:
            self._read(0.5)
        assert self._process.poll() is not None, "virtctl console is still running"
        return int(self._process.returncode)

    def _read(self, timeout_s: float) -> bool:
        """Take what has arrived; False when the console has ended."""
        ready, _, _ = select.select([self._terminal], [], [], timeout_s)
        if not ready:
            return True
        try:
            data = os.read(self._terminal, 65536)
        except OSError:
            return False
        self.seen = CONTROL.sub("", self.seen + data.decode(errors="replace"))
        return bool(data)


@contextlib.contextmanager
def console(namespace: str, name: str) -> Iterator[Console]:
    """Open `virtctl console` and close it by its escape key."""
    master, slave = pty.openpty()
    command = [*VIRTCTL, "-n", namespace, "console", name, "--timeout", "2"]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    opened = Console(master, process)
    try:
        yield opened
    finally:
        if process.poll() is None:
            with contextlib.suppress(OSError):
                os.write(master, ESCAPE.encode())
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
        process.wait(10)
        os.close(master)
