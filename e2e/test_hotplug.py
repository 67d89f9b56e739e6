"""Disks, discs, CPUs and memory that come to one running guest and leave it, seen from inside."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from bench import hotplug
from e2e import machines
from e2e.console import Console, console
from e2e.installation import all_follow, configure
from e2e.kubectl import Document, Failed, Namespace, condition, eventually, run, status

NAME = "plugged"
BY_SERIAL = "d=/dev/$(basename $(dirname $(grep -l '^{}$' /sys/block/*/serial)))"


BLOCK = {"storageClassName": "block", "volumeMode": "Block"}
CLAIMS = (
    machines.claim("files", "32Mi"),
    machines.claim("raw", "16Mi", **BLOCK),
    machines.claim("disc", "8Mi", **BLOCK),
)


@pytest.fixture(scope="module")
def limited(shared: Namespace) -> Iterator[None]:
    """The machines of this namespace, and of no other, may use as many CPUs as they have."""
    run("kubectl", "label", "namespace", shared.name, f"limited={shared.name}")
    configure(autoCPULimitNamespaceLabelSelector={"matchLabels": {"limited": shared.name}})
    try:
        assert eventually(lambda: all_follow("virt-controller"), 60), "the limit reaches no virt-controller"
        yield
    finally:
        configure(autoCPULimitNamespaceLabelSelector=None)


@pytest.fixture(scope="module")
def machine(shared: Namespace, limited: None) -> Namespace:
    """One guest for all tests of this module; it has an empty drive, and room to grow."""
    vm = machines.vm(NAME, memory="1Gi")
    domain = vm["spec"]["template"]["spec"]["domain"]
    domain["cpu"] = {"sockets": 1, "maxSockets": 8}
    devices = domain["devices"]
    devices["disks"].append({"name": "drive", "cdrom": {"bus": "sata"}})
    shared.apply(*CLAIMS, hotplug.network(), vm)
    shared.until_phase(NAME, "Running")
    return shared


@pytest.fixture
def guest(machine: Namespace) -> Iterator[Console]:
    with console(machine.name, NAME) as opened:
        opened.login(180)
        yield opened


def volume(machine: Namespace, name: str) -> Document:
    found = status(machine.get("vmi", NAME), "volumeStatus") or []
    return next((one for one in found if one["name"] == name), {})


def until_ready(machine: Namespace, name: str, claim: str = "") -> Document:
    def ready(_: Document) -> bool:
        shown = volume(machine, name)
        there = status({"status": shown}, "persistentVolumeClaimInfo", "claimName")
        return shown.get("phase") == "Ready" and claim in ("", there)

    machine.until("vmi", NAME, ready, f"showing volume {name} Ready", 60)
    return volume(machine, name)


def until_left(machine: Namespace, name: str) -> None:
    machine.until("vmi", NAME, lambda _: not volume(machine, name), f"without volume {name}", 60)


def attachment_pods(machine: Namespace) -> list[Document]:
    return machine.items("pods", "kubevirt.io=hotplug-disk")


def test_a_disk_on_scsi_comes_and_goes_and_keeps_its_data_on_virtio(machine: Namespace, guest: Console) -> None:
    for bus in ("scsi", "virtio"):
        machine.virtctl("addvolume", NAME, "--volume-name", "files", "--bus", bus)
        shown = until_ready(machine, "files")
        (pod,) = attachment_pods(machine)
        assert shown["hotplugVolume"] == {
            "attachPodName": pod["metadata"]["name"],
            "attachPodUID": pod["metadata"]["uid"],
        }
        assert pod["metadata"]["ownerReferences"][0]["uid"] == machine.launcher_pods(NAME)[0]["metadata"]["uid"]
        disk = "d=/dev/sda" if bus == "scsi" else BY_SERIAL.format("files")
        guest.until(f"{disk}; test -b $d && echo there", "there")
        if bus == "scsi":
            guest.run(f"{disk}; echo kept | dd of=$d bs=512 count=1 conv=sync,fsync")
        assert guest.run(f"{disk}; head -c 4 $d") == "kept"
        machine.virtctl("removevolume", NAME, "--volume-name", "files")
        until_left(machine, "files")
        seen = "test -b /dev/sda" if bus == "scsi" else "grep -qs '^files$' /sys/block/*/serial"
        guest.until(f"{seen} || echo gone", "gone")
    assert eventually(lambda: not attachment_pods(machine), 30)
    assert "files" not in json.dumps(machine.get("vm", NAME)["spec"])


def test_a_block_device_comes_and_goes(machine: Namespace, guest: Console) -> None:
    machine.virtctl("addvolume", NAME, "--volume-name", "raw", "--bus", "virtio")
    until_ready(machine, "raw")
    guest.until(f"{BY_SERIAL.format('raw')}; test -b $d && echo there", "there")
    guest.run(f"{BY_SERIAL.format('raw')}; echo marked | dd of=$d bs=512 count=1 conv=sync,fsync")
    machine.virtctl("removevolume", NAME, "--volume-name", "raw")
    until_left(machine, "raw")
    guest.until("cat /sys/block/*/serial | grep -c '^raw$'", "0")


def test_a_disc_is_put_in_exchanged_and_taken_out(machine: Namespace, guest: Console) -> None:
    """It is the block device of the test before: what the guest wrote there it now reads from its drive."""
    root = machine.get("vm", NAME)["spec"]["template"]["spec"]["volumes"][0]
    for claim in ("raw", "disc", "raw"):
        source = {"persistentVolumeClaim": {"claimName": claim, "hotpluggable": True}}
        set_volumes(machine, [root, {"name": "drive", **source}])
        until_ready(machine, "drive", claim)
        if claim == "raw":
            guest.until("head -c 6 /dev/sr0", "marked")
        else:
            guest.until("head -c 6 /dev/sr0 | grep -c marked", "0")
        assert eventually(lambda: len(attachment_pods(machine)) == 1, 30)
    set_volumes(machine, [root])
    until_left(machine, "drive")
    guest.until("head -c 6 /dev/sr0 2>/dev/null || echo empty", "empty")
    assert not condition(machine.get("vm", NAME), "RestartRequired")


def set_volumes(machine: Namespace, volumes: list[Document]) -> None:
    patch = {"spec": {"template": {"spec": {"volumes": volumes}}}}
    machine.kubectl("patch", "vm", NAME, "--type", "merge", "-p", json.dumps(patch))


def resize(machine: Namespace, sockets: int, memory: str) -> None:
    domain = {"cpu": {"sockets": sockets}, "memory": {"guest": memory}}
    patch = {"spec": {"template": {"spec": {"domain": domain}}}}
    machine.kubectl("patch", "vm", NAME, "--type", "merge", "-p", json.dumps(patch))


def until_resized(machine: Namespace, sockets: int, memory: str) -> None:
    """The guest has it, its pod asks for as much, and nobody asks for a restart."""

    def reached(vmi: Document) -> bool:
        quiet = not condition(vmi, "HotVCPUChange") and not condition(vmi, "HotMemoryChange")
        has = status(vmi, "currentCPUTopology", "sockets"), status(vmi, "memory", "guestCurrent")
        return quiet and has == (sockets, memory)

    machine.until("vmi", NAME, reached, f"with {sockets} sockets and {memory}", 90)
    assert not condition(machine.get("vm", NAME), "RestartRequired")


QUOTA = "cd /sys/fs/cgroup; cat cpu.max 2>/dev/null || cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us"
"""Of version 2 and of version 1: microseconds of CPU in a period, and its length."""


def resources(machine: Namespace) -> tuple[str, Document, float]:
    """The pod's UID, what its machine asks for and may have, and how many CPUs the kernel lets it use."""
    (pod,) = machine.launcher_pods(NAME)
    (compute,) = (one for one in pod["spec"]["containers"] if one["name"] == "compute")
    command = ("exec", pod["metadata"]["name"], "-c", "compute", "--", "sh", "-c", QUOTA)
    quota, period = map(int, machine.kubectl(*command).split())
    return pod["metadata"]["uid"], compute["resources"], quota / period


def test_sockets_and_memory_come_and_go_in_place(machine: Namespace, guest: Console) -> None:
    small = resources(machine)
    assert (small[1]["limits"]["cpu"], small[2]) == ("1", 1)
    before = int(guest.run("grep MemTotal /proc/meminfo | tr -dc 0-9"))
    guest.run("echo online_movable > /sys/devices/system/memory/auto_online_blocks")
    resize(machine, 2, "1280Mi")
    until_resized(machine, 2, "1280Mi")
    guest.until("cat /sys/devices/system/cpu/present", "0-1")
    guest.run("echo 1 > /sys/devices/system/cpu/cpu1/online")
    assert guest.run("nproc") == "2"
    assert int(guest.run("grep MemTotal /proc/meminfo | tr -dc 0-9")) >= before + 200 * 1024
    uid, large, cpus = resources(machine)
    assert uid == small[0]
    assert large["requests"]["cpu"] != small[1]["requests"]["cpu"]
    assert (large["limits"]["cpu"], cpus) == ("2", 2)
    resize(machine, 1, "1Gi")
    until_resized(machine, 1, "1Gi")
    assert guest.run("cat /sys/devices/system/cpu/present") == "0"
    assert int(guest.run("grep MemTotal /proc/meminfo | tr -dc 0-9")) == before
    assert eventually(lambda: resources(machine) == small, 30), "the kernel gives it what it no longer asks for"


def test_a_cpu_that_is_wanted_again_before_the_guest_let_go_is_there(machine: Namespace, guest: Console) -> None:
    """A paused guest was asked to let go of a CPU; when it runs on it does, though nobody wants that any more."""
    resize(machine, 2, "1Gi")
    until_resized(machine, 2, "1Gi")
    guest.until("cat /sys/devices/system/cpu/present", "0-1")
    machine.virtctl("pause", "vm", NAME)
    resize(machine, 1, "1Gi")
    machine.until("vmi", NAME, lambda vmi: bool(condition(vmi, "HotVCPUChange")), "asked for its CPU")
    assert eventually(lambda: any("let go of cpu sockets" in one["note"] for one in machine.events(NAME)), 60)
    resize(machine, 2, "1Gi")
    until_resized(machine, 2, "1Gi")
    machine.virtctl("unpause", "vm", NAME)
    guest.until("dmesg | grep -c 'CPU1 has been hot-added'", "3", 60)


def test_less_than_at_the_start_needs_a_restart(machine: Namespace) -> None:
    resize(machine, 2, "512Mi")
    machine.until("vm", NAME, lambda vm: condition(vm, "RestartRequired").get("status") == "True", "to be restarted")
    resize(machine, 2, "1Gi")
    machine.until("vm", NAME, lambda vm: not condition(vm, "RestartRequired"), "as its template says")


def test_what_cannot_be_plugged_is_refused_in_words(machine: Namespace) -> None:
    with pytest.raises(Failed, match="Unable to remove volume \\[root\\] because it is not hotpluggable"):
        machine.virtctl("removevolume", NAME, "--volume-name", "root")
    with pytest.raises(Failed, match="nothing"):
        machine.virtctl("addvolume", NAME, "--volume-name", "nothing")


def test_a_guest_waits_for_the_volume_it_boots_with(shared: Namespace) -> None:
    """Also at the start a hotpluggable volume comes by its own pod, before the first instruction."""
    vmi = machines.vmi("early", memory="64Mi")
    source = {"persistentVolumeClaim": {"claimName": "disc", "hotpluggable": True}}
    shared.apply(machines.with_disk(vmi, "early", source, disk={"bus": "virtio"}, serial="early"))
    found = shared.until_phase("early", "Running")
    assert [one["phase"] for one in found["status"]["volumeStatus"] if one["name"] == "early"] == ["Ready"]
    run("kubectl", "-n", shared.name, "delete", "vmi", "early", "--wait=false")
