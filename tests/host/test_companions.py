"""Processes beside QEMU: a TPM whose state is a file, also one that a tenant tampered with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.host.agentlab import FakePod, Node, needs_qemu, node, place, vmi

pytestmark = [needs_qemu, pytest.mark.skipif(not shutil.which("swtpm"), reason="needs swtpm")]
TPM = {"devices": {"tpm": {}}}


@pytest.fixture
def lab() -> Iterator[Node]:
    with node() as made:
        yield made


@pytest.fixture
def pods() -> Iterator[list[FakePod]]:
    made: list[FakePod] = []
    yield made
    for pod in made:
        pod.stop()


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
