"""Processes beside QEMU: a TPM whose state is a file, also one that a tenant tampered with."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubevirt_py.virt_launcher import companions, files
from tests.host.agentlab import FakePod, Node, needs_qemu, place, vmi

pytestmark = [needs_qemu, pytest.mark.skipif(not shutil.which("swtpm"), reason="needs swtpm")]
TPM = {"devices": {"tpm": {}}}


async def test_a_guest_has_a_tpm_and_both_end_together(lab: Node, pods: list[FakePod]) -> None:
    key, pod = place(lab, vmi("sealed", **TPM))
    pods.append(pod)
    async with lab.agent():
        pod.start()
        await lab.until_phase(key, "Running")
        guest = lab.guests.of_pod(pod.uid)
        assert guest is not None
        assert (pod.folder / "private/tpm2.state").stat().st_size > 0
        assert (pod.folder / "private/tpm2.state").stat().st_uid == 107
        processes = (pod.cgroup / "cgroup.procs").read_text().split()
        assert len(processes) == 2
        await guest.monitor.execute("quit")
        await lab.until(lambda: not (pod.cgroup / "cgroup.procs").read_text().split(), "QEMU and the TPM to end")


def _ask(channel: socket.socket, command: bytes) -> bytes:
    channel.sendall(command)
    return channel.recv(4096)


def _owner(code: str, handles: str, parameters: str) -> bytes:
    """A TPM 2.0 command of the owner with its empty password."""
    body = bytes.fromhex(handles + "00000009" + "40000009" + "0000" + "00" + "0000" + parameters)
    return bytes.fromhex("8002") + (10 + len(body)).to_bytes(4, "big") + bytes.fromhex(code) + body


@contextlib.contextmanager
def _tpm(state: Path) -> Iterator[socket.socket]:
    """A TPM as the stub starts it, switched on as QEMU does; killed at the end like all of a pod."""
    table = {"tpm.state": files.open_below(str(state.parent), state.name, os.O_RDWR | os.O_CREAT)}
    process = companions.start_tpm(table)
    ours, theirs = socket.socketpair()
    with socket.socket(fileno=table["tpm"]) as control, ours:
        control.settimeout(20)
        ours.settimeout(20)
        socket.send_fds(control, [bytes.fromhex("00000010")], [theirs.fileno()])  # CMD_SET_DATAFD
        theirs.close()
        assert control.recv(4) == bytes(4)
        assert _ask(control, bytes.fromhex("00000002" + "00000000")) == bytes(4)  # CMD_INIT
        assert _ask(ours, bytes.fromhex("8001" + "0000000c" + "00000144" + "0000"))[6:10] == bytes(4)  # TPM2_Startup
        yield ours
        process.kill()
        process.wait(10)


def test_a_tpm_remembers_what_it_was_told_before_its_pod_was_killed(tmp_path: Path) -> None:
    owner, index = "40000001", "01500001"
    define = _owner("0000012a", owner, "0000" + "000e" + index + "000b" + "00020002" + "0000" + "0008")
    write = _owner("00000137", owner + index, "0008" + b"remember".hex() + "0000")
    read = _owner("0000014e", owner + index, "0008" + "0000")
    with _tpm(tmp_path / "tpm2.state") as tpm:
        assert _ask(tpm, define)[6:10] == bytes(4)
        assert _ask(tpm, write)[6:10] == bytes(4)
    with _tpm(tmp_path / "tpm2.state") as tpm:
        assert b"remember" in _ask(tpm, read)
    with _tpm(tmp_path / "another.state") as tpm:
        assert b"remember" not in _ask(tpm, read)


async def test_a_link_in_place_of_the_tpm_state_is_not_followed(lab: Node, pods: list[FakePod]) -> None:
    _, pod = place(lab, vmi("lured", **TPM))
    pods.append(pod)
    target = pod.folder / "private/launcher-file"
    target.write_text("not yours")
    target.chmod(0o666)
    (pod.folder / "private/tpm2.state").symlink_to("launcher-file")
    async with lab.agent():
        pod.start()
        assert await pod.exit_code() == 1
    assert target.read_text() == "not yours"
    assert b"tpm2.state: Too many levels of symbolic links" in pod.errors.read_bytes()
