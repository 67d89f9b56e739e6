"""The console on a terminal and on pipes, as a user runs it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest

from tests.unit.virtctl.clusterlab import SUBRESOURCES, VMI_PATH, Cluster, status

CONSOLE = f"{SUBRESOURCES}/namespaces/work/virtualmachineinstances/vm1/console"
PROGRAM = [sys.executable, "-m", "kubevirt_py.virtctl.main", "console", "vm1"]
WAIT_S = 60


def _phase(cluster: Cluster, *phases: str) -> None:
    for phase in phases:
        cluster.answer("GET", VMI_PATH, 200, {"metadata": {"name": "vm1"}, "status": {"phase": phase}})


def _piped(text: bytes, *flags: str) -> tuple[int, bytes, str]:
    done = subprocess.run([*PROGRAM, *flags], input=text, capture_output=True, timeout=WAIT_S, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def test_the_guests_bytes_alone_are_on_standard_output(cluster: Cluster) -> None:
    cluster.sessions = [["say login: ", "close 1000"]]
    code, out, err = subprocess_with_open_stdin()
    assert (code, out) == (0, b"login: ")
    assert "Successfully connected to vm1 console. Press Ctrl+] or Ctrl+5 to exit console." in err
    assert "You were disconnected" in err


def subprocess_with_open_stdin(*flags: str) -> tuple[int, bytes, str]:
    """Standard input stays open and silent, so only the server ends the session."""
    reading, writing = os.pipe()
    try:
        done = subprocess.run([*PROGRAM, *flags], stdin=reading, capture_output=True, timeout=WAIT_S, check=False)
        return done.returncode, done.stdout, done.stderr.decode()
    finally:
        os.close(reading)
        os.close(writing)


def test_the_escape_key_leaves(cluster: Cluster) -> None:
    code, _, err = _piped(b"ls\n\x1dnot sent")
    assert code == 0
    assert "disconnected" not in err
    assert b"".join(cluster.heard) == b"ls\n"


def test_the_end_of_input_leaves(cluster: Cluster) -> None:
    assert _piped(b"ls\n")[0] == 0
    assert _piped(b"")[0] == 0


def test_a_broken_connection_is_made_again_while_the_guest_runs(cluster: Cluster) -> None:
    _phase(cluster, "Running")
    cluster.sessions = [["say one ", "drop"], ["say two ", "close 1011"], ["say three", "close 1000"]]
    code, out, err = subprocess_with_open_stdin()
    assert (code, out) == (0, b"one two three")
    assert err.count("connecting again") == 2
    assert "Connected again to vm1 console" in err


def test_a_broken_connection_ends_with_the_guest(cluster: Cluster) -> None:
    _phase(cluster, "Failed")
    cluster.sessions = [["say bye", "drop"]]
    code, out, err = subprocess_with_open_stdin()
    assert (code, out) == (0, b"bye")
    assert "the guest stopped" in err


def test_it_waits_until_the_guest_runs(cluster: Cluster) -> None:
    refusal = status(400, "BadRequest", "VMI is not running")
    cluster.answer("GET", CONSOLE, *refusal)
    cluster.answer("GET", CONSOLE, *refusal)
    cluster.answer("GET", CONSOLE, 200)
    _phase(cluster, "Scheduling")
    cluster.phases = ["Scheduling", "Scheduled", "Running"]
    cluster.sessions = [["say up", "close 1000"]]
    code, out, err = subprocess_with_open_stdin()
    assert (code, out) == (0, b"up")
    assert "Waiting for vm1 to run (phase Scheduling)." in err


@pytest.mark.parametrize(
    ("refusal", "phase"),
    [
        (status(400, "BadRequest", "No serial consoles are present."), "Running"),
        (status(401, "Unauthorized", 'User "me" cannot get "virtualmachineinstances/console"'), "Running"),
        (status(409, "Conflict", "VMI is in failed status"), "Failed"),
    ],
)
def test_refusals_end_at_once(cluster: Cluster, refusal: tuple[int, dict[str, str]], phase: str) -> None:
    cluster.answer("GET", CONSOLE, *refusal)
    _phase(cluster, phase)
    code, out, err = subprocess_with_open_stdin()
    assert (code, out) == (1, b"")
    assert refusal[1]["message"] in err


def test_no_such_machine(cluster: Cluster) -> None:
    cluster.answer("GET", CONSOLE, *status(404, "NotFound", 'virtualmachineinstances "vm1" not found'))
    cluster.answer("GET", VMI_PATH, *status(404, "NotFound", 'virtualmachineinstances "vm1" not found'))
    code, _, err = subprocess_with_open_stdin()
    assert code == 1
    assert 'virtualmachineinstances "vm1" not found' in err


def test_it_does_not_wait_longer_than_told(cluster: Cluster) -> None:
    cluster.answer("GET", CONSOLE, *status(400, "BadRequest", "VMI is not running"))
    _phase(cluster, "Scheduling")
    code, _, err = subprocess_with_open_stdin("--timeout", "0")
    assert code == 1
    assert "Timeout: vm1 did not run within 0 minutes" in err


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a pseudo-terminal."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def _read_until(descriptor: int, words: bytes) -> None:
    seen = b""
    while words not in seen:
        readable, _, _ = select.select([descriptor], [], [], WAIT_S)
        assert readable, f"no {words!r} in {seen!r}"
        seen += os.read(descriptor, 1024)


def test_a_terminal_is_raw_meanwhile_and_as_before_afterwards(cluster: Cluster, terminal: tuple[int, int]) -> None:
    ours, theirs = terminal
    before = termios.tcgetattr(theirs)
    with subprocess.Popen(PROGRAM, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        try:
            _read_until(ours, b"to exit console.")
            os.write(ours, b"a\x03b")
            _read_until(ours, b"A\x03B")
        except BaseException:
            process.kill()
            raise
        assert not termios.tcgetattr(theirs)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)
        os.write(ours, b"\x1d")
        assert process.wait(WAIT_S) == 0
    assert termios.tcgetattr(theirs) == before
