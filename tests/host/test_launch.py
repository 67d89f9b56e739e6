"""A guest's whole life on one node: stub, agent and a real QEMU, without Kubernetes."""

from __future__ import annotations

import os
import signal

import anyio
import pytest

from kubevirt_py.decide.guest_state import POWERED_OFF
from kubevirt_py.virt_handler import launch, requests
from tests.host.agentlab import DEVICE, FakePod, Node, needs_qemu, place, serial_console, vmi

pytestmark = needs_qemu


async def test_guest_runs_reports_and_powers_off(lab: Node, pods: list[FakePod]) -> None:
    document = vmi("one")
    key, pod = place(lab, document)
    pods.append(pod)
    async with lab.agent():
        pod.start()
        await lab.until_phase(key, "Running")
        status = lab.status(key)
        assert status["machine"]["type"].startswith("pc-q35-")
        assert status["memory"]["guestAtBoot"] == "64Mi"
        assert status["currentCPUTopology"] == {"cores": 1, "sockets": 1, "threads": 1}
        assert {"name": "root", "target": "vda"} in status["volumeStatus"]
        wanted = {"Ready": "True", "LiveMigratable": "False", "StorageLiveMigratable": "False"}
        assert {c["type"]: c["status"] for c in status["conditions"]} == wanted
        assert [e.note for e in lab.office.events] == [
            "VirtualMachineInstance defined.",
            "VirtualMachineInstance started.",
        ]
        uid = document["metadata"]["uid"]
        assert os.stat(f"/proc/{lab.guests.of_pod(pod.uid).record.pid}").st_uid == 107  # type: ignore[union-attr]
        async with serial_console(lab, uid) as console:
            await console.send(b"p")
            await lab.until_phase(key, "Succeeded")
        assert await pod.exit_code() == 0
        assert lab.office.events[-1].reason == "Stopped"
        await lab.until(lambda: not (lab.root / "vms" / uid).exists(), "the guest's folder to be removed")
        assert not lab.devices.inode(DEVICE)


async def test_annotations_of_a_vmi_tune_its_machine(lab: Node, pods: list[FakePod]) -> None:
    document = vmi("tuned")
    annotations = {"kubevirt.io/free-page-reporting-disabled": "true", "kubevirt.io/disablePCIHole64": "true"}
    document["metadata"]["annotations"] = annotations
    key, pod = place(lab, document)
    pods.append(pod)
    async with lab.agent():
        pod.start()
        await lab.until_phase(key, "Running")
        pid = lab.guests.of_pod(pod.uid).record.pid  # type: ignore[union-attr]
        words = await anyio.Path(f"/proc/{pid}/cmdline").read_text()
        assert "virtio-balloon-pci" in words
        assert "free-page-reporting" not in words
        assert "q35-pcihost.pci-hole64-size=0" in words


async def test_guest_outlives_its_agents(lab: Node, pods: list[FakePod]) -> None:
    document = vmi("two")
    key, pod = place(lab, document)
    pods.append(pod)
    uid = document["metadata"]["uid"]
    async with lab.agent():
        pod.start()
        await lab.until_phase(key, "Running")
        pid = lab.guests.of_pod(pod.uid).record.pid  # type: ignore[union-attr]
    for _ in range(2):
        async with lab.agent():
            await lab.until(lambda: lab.guests.of_pod(pod.uid) is not None, "the guest to be found again")
            assert lab.guests.of_pod(pod.uid).record.pid == pid  # type: ignore[union-attr]
            async with serial_console(lab, uid):
                assert lab.status(key)["phase"] == "Running"
    # It ends while nobody looks, and the next agent still learns how.
    async with serial_console(lab, uid) as console:
        await console.send(b"p")
        async with lab.agent():
            await lab.until_phase(key, "Succeeded")
            assert await pod.exit_code() == 0


async def test_stub_waits_for_an_agent(lab: Node, pods: list[FakePod]) -> None:
    key, pod = place(lab, vmi("patient"))
    pods.append(pod)
    pod.start()
    await lab.until(lambda: b"waiting" in pod.errors.read_bytes(), "the stub to find nobody")
    async with lab.agent():
        await lab.until_phase(key, "Running")


async def test_an_agent_dies_while_it_hands_the_recipe_over(
    lab: Node, pods: list[FakePod], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = vmi(
        "handover",
        devices={"interfaces": [{"name": "default", "masquerade": {}}]},
        networks=[{"name": "default", "pod": {}}],
    )
    key, pod = place(lab, document, network=True)
    pods.append(pod)
    reached = anyio.Event()

    async def die(*_: object) -> None:
        reached.set()
        await anyio.sleep_forever()

    with monkeypatch.context() as patch:
        patch.setattr(launch, "_hand_over", die)
        async with lab.agent():
            pod.start()
            with anyio.fail_after(30):
                await reached.wait()
    async with lab.agent():
        await lab.until_phase(key, "Running")
        assert lab.status(key)["interfaces"][0]["ipAddress"] == "10.244.9.2"


async def test_deleted_guest_is_powered_down(lab: Node, pods: list[FakePod]) -> None:
    document = vmi("three")
    key, pod = place(lab, document)
    pods.append(pod)
    async with lab.agent():
        pod.start()
        await lab.until_phase(key, "Running")
        async with serial_console(lab, document["metadata"]["uid"]):
            pass
        lab.put_vmi(
            {
                **document,
                "metadata": {**document["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"},
                "status": lab.status(key),
            }
        )
        await lab.until_phase(key, "Succeeded")
        assert await pod.exit_code() == 0
        assert "ShuttingDown" in [event.reason for event in lab.office.events]


async def test_hook_returns_when_the_guest_is_off(lab: Node, pods: list[FakePod]) -> None:
    document = vmi("four")
    key, pod = place(lab, document)
    pods.append(pod)
    async with lab.agent():
        pod.start()
        await lab.until_phase(key, "Running")
        async with serial_console(lab, document["metadata"]["uid"]):
            pass
        hook = pod.command("shutdown")
        await lab.until(lambda: hook.poll() is not None, "the hook to return")
        assert hook.returncode == 0
        assert pod.process is not None
        pod.process.send_signal(signal.SIGTERM)  # as the kubelet does after the hook
        await lab.until_phase(key, "Succeeded")
        assert await pod.exit_code() == 0


async def test_pause_and_a_signal_that_qemu_blocks(lab: Node, pods: list[FakePod]) -> None:
    document = vmi("five")
    key, pod = place(lab, document)
    pods.append(pod)
    async with lab.agent():
        pod.start()
        await lab.until_phase(key, "Running")
        guest = lab.guests.named("default", "five")
        assert guest is not None
        await requests.pause(guest)
        await lab.until(lambda: guest.run_state == "paused", "the guest to be paused")
        paused = [c for c in lab.status(key)["conditions"] if c["type"] == "Paused"]
        assert [c["reason"] for c in paused] == ["PausedByUser"]
        await requests.reset(guest)
        await lab.until(lambda: guest.run_state == "prelaunch", "the reset of the paused guest")
        await guest.steering._step()
        assert (await guest.monitor.execute("query-status"))["status"] == "prelaunch"
        assert [c["reason"] for c in lab.status(key)["conditions"] if c["type"] == "Paused"] == ["PausedByUser"]
        await requests.unpause(guest)
        await lab.until(lambda: guest.run_state == "running", "the guest to run on")
        async with serial_console(lab, document["metadata"]["uid"]):
            pass
        os.kill(guest.record.pid, signal.SIGTERM)
        await lab.until_phase(key, "Succeeded")


async def test_guest_that_ignores_the_button_is_forced(lab: Node, pods: list[FakePod]) -> None:
    document = vmi("deaf", grace_s=2)
    key, pod = place(lab, document)
    pods.append(pod)
    pod.disk("root", b"\xfa\xf4".ljust(510, b"\0") + b"\x55\xaa" + bytes((1 << 20) - 512))  # cli; hlt
    async with lab.agent():
        pod.start()
        await lab.until_phase(key, "Running")
        hook = pod.command("shutdown")
        await lab.until_phase(key, "Failed")
        await lab.until(lambda: hook.poll() is not None, "the hook to return")
        assert hook.returncode == 0
        assert await pod.exit_code() == 0
        assert [event.reason for event in lab.office.events[-3:]] == ["ShuttingDown", "Deleted", "Stopped"]


async def test_killed_qemu_is_a_failure(lab: Node, pods: list[FakePod]) -> None:
    key, pod = place(lab, vmi("six"))
    pods.append(pod)
    async with lab.agent():
        pod.start()
        await lab.until_phase(key, "Running")
        assert pod.process is not None
        pod.process.kill()
        await lab.until_phase(key, "Failed")
        assert lab.office.events[-1].type == "Warning"


async def test_panic_is_a_failure(lab: Node, pods: list[FakePod]) -> None:
    document = vmi("seven", devices={"panicDevices": [{"model": "pvpanic"}]})
    key, pod = place(lab, document)
    pods.append(pod)
    async with lab.agent():
        pod.start()
        await lab.until_phase(key, "Running")
        async with serial_console(lab, document["metadata"]["uid"]) as console:
            await console.send(b"x")
            await lab.until_phase(key, "Failed")
        assert {"GuestPanicked", "Stopped"} <= {event.reason for event in lab.office.events}


async def test_impossible_spec_ends_the_pod_with_words(lab: Node, pods: list[FakePod]) -> None:
    key, pod = place(lab, vmi("eight", devices={"disks": [{"name": "root", "disk": {"bus": "floppy"}}]}))
    pods.append(pod)
    async with lab.agent():
        pod.start()
        assert await pod.exit_code() == 1
        assert b"bus 'floppy' is unknown" in pod.errors.read_bytes()
        condition = next(c for c in lab.status(key)["conditions"] if c["type"] == "Synchronized")
        assert condition["status"] == "False" and "floppy" in condition["message"]
        assert not lab.devices.inode(DEVICE)
        assert list((lab.root / "vms").glob("*")) == []


async def test_a_host_that_cannot_prepare_a_guest_gives_up_with_words(
    lab: Node, pods: list[FakePod], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = vmi(
        "unlucky",
        devices={"interfaces": [{"name": "default", "masquerade": {}}]},
        networks=[{"name": "default", "pod": {}}],
    )
    key, pod = place(lab, document, network=True)
    pods.append(pod)
    tries = []

    async def fail(*_: object) -> None:
        tries.append(1)
        raise OSError("no such luck")

    monkeypatch.setattr(launch, "plumb", fail)
    async with lab.agent():
        pod.start()
        assert await pod.exit_code() == 1
        assert b"no such luck" in pod.errors.read_bytes()
        assert len(tries) == 5
        assert "no such luck" in str(lab.status(key)["conditions"])


async def test_stranger_is_not_served(lab: Node, pods: list[FakePod]) -> None:
    """A pod that no VMI names gets nothing, though it has the socket."""
    document = vmi("nine")
    key, pod = place(lab, document)
    pods.append(pod)
    lab.put_vmi({**document, "status": {"phase": "Scheduled", "activePods": {"another": "node"}}})
    async with lab.agent():
        pod.start()
        with anyio.move_on_after(2):
            await pod.exit_code()
        assert lab.guests.of_pod(pod.uid) is None
        assert lab.status(key)["phase"] == "Scheduled"


async def test_network_and_cloud_init(lab: Node, pods: list[FakePod]) -> None:
    document = vmi(
        "ten",
        devices={
            "disks": [{"name": "root", "disk": {"bus": "virtio"}}, {"name": "ci", "disk": {"bus": "virtio"}}],
            "interfaces": [{"name": "default", "masquerade": {}}],
        },
        networks=[{"name": "default", "pod": {}}],
        volumes=[{"name": "ci", "cloudInitNoCloud": {"userData": "#!/bin/sh\necho hi\n"}}],
    )
    key, pod = place(lab, document, network=True)
    pods.append(pod)
    async with lab.agent():
        pod.start()
        await lab.until_phase(key, "Running")
        interface = lab.status(key)["interfaces"][0]
        assert interface["ipAddress"] == "10.244.9.2" and interface["name"] == "default"
        iso = pod.folder / "ephemeral/cloud-init-data/default/ten/noCloud.iso"
        assert iso.stat().st_size % 4096 == 0
        assert b"#!/bin/sh\necho hi\n" in iso.read_bytes()
        assert b"cidata" in iso.read_bytes()[32768 : 32768 + 2048]


async def test_vnc_speaks_to_whoever_has_the_path(lab: Node, pods: list[FakePod]) -> None:
    document = vmi(
        "screen",
        devices={
            "autoattachGraphicsDevice": True,
            "interfaces": [{"name": "default", "masquerade": {}, "state": "down"}],
        },
        networks=[{"name": "default", "pod": {}}],
    )
    key, pod = place(lab, document, network=True)
    pods.append(pod)
    async with lab.agent():
        pod.start()
        await lab.until_phase(key, "Running")
        assert lab.status(key)["interfaces"][0]["linkState"] == "down"
    for _ in range(2):
        # QEMU keeps the socket over the agent's lives.
        async with lab.agent():
            path = str(lab.root / "vms" / document["metadata"]["uid"] / "vnc.sock")
            async with await anyio.connect_unix(path) as viewer:
                with anyio.fail_after(30):
                    assert await viewer.receive(12) == b"RFB 003.008\n"


async def test_a_guest_that_sleeps_is_woken_to_be_powered_down(lab: Node, pods: list[FakePod]) -> None:
    document = vmi("asleep")
    key, pod = place(lab, document)
    pods.append(pod)
    async with lab.agent():
        pod.start()
        await lab.until_phase(key, "Running")
        guest = lab.guests.named("default", "asleep")
        assert guest is not None
        async with serial_console(lab, document["metadata"]["uid"]) as console:
            await console.send(b"z")
            await lab.until(lambda: guest.run_state == "suspended", "the guest to sleep")
        hook = pod.command("shutdown")
        await lab.until(lambda: hook.poll() is not None, "the hook to return")
        assert guest.record.outcome == POWERED_OFF
