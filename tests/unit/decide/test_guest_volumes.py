"""How far hotplugged volumes have come, as the node's agent says it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kubevirt_py.decide.guest_state import GuestState, MemoryDump, Plugged
from kubevirt_py.decide.guest_volumes import memory_kib, news, volumes
from kubevirt_py.plan import Document
from kubevirt_py.render.machine import Attachments, DiskFile, Facts, machine_from_vmi
from kubevirt_py.render.network.model import NetworkPlan

HOTPLUG = {"attachPodName": "hp-volume-x", "attachPodUID": "hp"}


def spec(*names: str) -> Document:
    disks = [{"name": name, "disk": {"bus": "scsi"}} for name in names]
    claims = [{"name": name, "persistentVolumeClaim": {"claimName": name, "hotpluggable": True}} for name in names]
    memory = {"guest": "1Gi", "maxGuest": "2Gi"}
    return {"domain": {"memory": memory, "devices": {"disks": disks}}, "volumes": claims}


def guest(*has: str, **plugged: Any) -> GuestState:
    files = {name: DiskFile(source=name) for name in has}
    machine = machine_from_vmi("default_vm", "uid", spec(*has), Facts(kvm=False), Attachments(disks=files))
    return GuestState(
        pod_uid="pod", machine=machine, machine_type="q35", network=NetworkPlan(), plugged=Plugged(**plugged)
    )


def entry(phase: str, name: str = "a", **more: str) -> Document:
    return {"name": name, "target": "", "hotplugVolume": HOTPLUG, "phase": phase, **more}


@pytest.mark.parametrize(
    ("old", "state", "phase", "reason", "words"),
    [
        ("Bound", guest(), "Bound", None, None),
        ("AttachedToNode", guest(), "AttachedToNode", None, None),
        (
            "AttachedToNode",
            guest(troubles={"a": "volume a: Permission denied"}),
            "AttachedToNode",
            "HotplugFailed",
            "volume a: Permission denied",
        ),
        (
            "AttachedToNode",
            guest(mounted=frozenset({"a"})),
            "MountedToPod",
            "VolumeMountedToPod",
            "Volume a has been mounted in virt-launcher pod",
        ),
        (
            "AttachedToNode",
            guest("a", mounted=frozenset({"a"})),
            "Ready",
            "VolumeReady",
            "Successfully attach hotplugged volume a to VM",
        ),
    ],
)
def test_a_volume_arrives(old: str, state: GuestState, phase: str, reason: str | None, words: str | None) -> None:
    (found,) = volumes(spec("a"), [entry(old)], state)
    assert (found["phase"], found.get("reason"), found.get("message")) == (phase, reason, words)
    assert found["hotplugVolume"] == HOTPLUG
    assert found["target"] == ("sda" if phase == "Ready" else "")


def test_a_disk_on_another_claim_is_not_the_volume() -> None:
    wanted = spec("a")
    wanted["volumes"][0]["persistentVolumeClaim"]["claimName"] = "other"
    trouble = {"a": "waiting for the guest to let go of disk a"}
    (found,) = volumes(wanted, [entry("AttachedToNode")], guest("a", mounted=frozenset({"a"}), troubles=trouble))
    assert (found["phase"], found["message"]) == ("MountedToPod", trouble["a"])


@pytest.mark.parametrize(
    ("held", "phase", "words"),
    [
        ({"held_volumes": frozenset({"a"})}, "Detaching", "was"),
        (
            {"held_volumes": frozenset({"a"}), "troubles": {"a": "waiting for the guest to let go of a"}},
            "Detaching",
            "waiting for the guest to let go of a",
        ),
        ({}, "UnMountedFromPod", "Volume a has been unmounted from virt-launcher pod"),
    ],
)
def test_a_volume_leaves_when_the_guest_lets_go(held: dict[str, Any], phase: str, words: str) -> None:
    (found,) = volumes(spec(), [entry("Detaching", message="was")], guest(**held))
    assert (found["phase"], found["message"]) == (phase, words)


def test_what_never_was_plugged_is_forgotten_when_its_volume_leaves() -> None:
    assert volumes(spec(), [{"name": "old", "target": "vdb"}], guest()) == []


def test_events_tell_of_each_step_once() -> None:
    old, ready = [entry("AttachedToNode")], [entry("Ready", reason="VolumeReady", message="there")]
    assert news(old, ready) == [("VolumeReady", "there")]
    assert news(ready, ready) == []
    assert news([], [{"name": "root", "target": "vda"}]) == []


def test_messages_are_cut() -> None:
    (found,) = volumes(spec("a"), [entry("AttachedToNode")], guest(troubles={"a": "x" * 10_000}))
    assert len(found["message"]) == 512


DUMP = {"volumes": [{"name": "a", "memoryDump": {"claimName": "a", "hotpluggable": True}}]}
BEGUN = {"volume": "a", "claim": "a", "file": "vm-a-1.memory.dump", "started": "s"}


@pytest.mark.parametrize(
    ("dump", "phase", "reason", "words", "times"),
    [
        (
            {},
            "MemoryDumpInProgress",
            "VolumeMountedToPod",
            "Memory dump Volume a is attached, getting memory dump",
            {"startTimestamp": "s"},
        ),
        (
            {"ended": "e"},
            "MemoryDumpCompleted",
            "VolumeReady",
            "Memory dump to Volume a has completed successfully",
            {"startTimestamp": "s", "endTimestamp": "e"},
        ),
        (
            {"ended": "e", "trouble": "No space left on device"},
            "MemoryDumpFailed",
            "MemoryDumpFailed",
            "Memory dump to pvc a failed: No space left on device",
            {"startTimestamp": "s", "endTimestamp": "e"},
        ),
    ],
)
def test_a_dump_tells_how_far_it_is(dump: Document, phase: str, reason: str, words: str, times: dict[str, str]) -> None:
    state = msgspec.structs.replace(guest(), dump=MemoryDump(**BEGUN, **dump))
    old = [entry("AttachedToNode")]
    found = volumes(DUMP, old, state)
    assert [(one["phase"], one["reason"], one["message"]) for one in found] == [(phase, reason, words)]
    assert found[0]["memoryDumpVolume"] == {"claimName": "a", "targetFileName": "vm-a-1.memory.dump", **times}
    assert news(old, found) == [(reason, words)]
    assert volumes(DUMP, found, state) == found


def test_a_dump_of_another_volume_is_not_this_ones() -> None:
    state = msgspec.structs.replace(guest(mounted=frozenset({"a"})), dump=MemoryDump(**{**BEGUN, "volume": "b"}))
    assert [one["phase"] for one in volumes(DUMP, [entry("AttachedToNode")], state)] == ["MountedToPod"]


def test_a_volume_leaves_when_its_dump_is_written() -> None:
    for held, phase in ((frozenset({"a"}), "Detaching"), (frozenset(), "UnMountedFromPod")):
        (found,) = volumes(spec(), [entry("Detaching")], guest(held_volumes=held))
        assert found["phase"] == phase


def test_a_utility_volume_comes_as_far_as_the_pod() -> None:
    utility = {"volumes": [], "utilityVolumes": [{"name": "a", "claimName": "a", "type": "Backup"}]}
    (found,) = volumes(utility, [entry("AttachedToNode")], guest(mounted=frozenset({"a"})))
    assert (found["phase"], found["target"]) == ("MountedToPod", "")
    assert "memoryDumpVolume" not in found


def test_memory_is_what_the_guest_took_and_what_it_is_offered() -> None:
    assert memory_kib(guest()) == (1 << 20, 1 << 20)
    assert memory_kib(guest(memory_bytes=512 << 20)) == ((1024 + 512) << 10, 1 << 20)


def test_the_entry_of_the_claim_of_the_state_is_kept() -> None:
    state = {"name": "state", "target": "", "persistentVolumeClaimInfo": {"claimName": "state"}}
    sealed = spec()
    sealed["domain"]["devices"]["tpm"] = {"persistent": True}
    assert volumes(sealed, [state], guest()) == [state]
    assert volumes(spec(), [state], guest()) == []
