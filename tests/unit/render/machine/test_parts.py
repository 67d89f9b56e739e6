"""Rules of the machine's parts that no single command line shows: places, pins, threads, room to grow."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from kubevirt_py.render.machine import Attachments, DiskFile, Facts, Machine, NicWire, argv, machine_from_vmi
from kubevirt_py.render.machine.pci import Layout
from kubevirt_py.render.machine.pinning import cpu_list


def machine(
    *disks: str, nics: int = 0, running: Machine | None = None, facts: Facts | None = None, **domain: Any
) -> Machine:
    """A machine with virtio disks and cards."""
    devices = {
        "disks": [{"name": name, "disk": {"bus": "virtio"}} for name in disks],
        "interfaces": [{"name": f"n{index}", "masquerade": {}} for index in range(nics)],
    }
    spec = {"domain": {"memory": {"guest": "1Gi"}, "devices": devices | domain.pop("devices", {}), **domain}}
    files = Attachments(
        disks={name: DiskFile() for name in disks},
        nics=tuple(NicWire(name=f"n{index}", mac=f"02:00:00:00:00:0{index}") for index in range(nics)),
    )
    return machine_from_vmi("default_vm", "uid", spec, facts or Facts(kvm=False), files, running)


def test_a_running_machine_keeps_all_places_and_newcomers_stand_where_they_will_after_a_restart() -> None:
    before = machine("a", nics=1)
    after = machine("a", "b", nics=2, running=before)
    assert before.places.items() <= after.places.items()
    assert after.ports == before.ports
    assert after.places == machine("a", "b", nics=2).places


def test_what_leaves_frees_its_place_and_moves_nothing() -> None:
    before = machine("a", "b", "c")
    without = machine("a", "c", running=before)
    assert without.places["disk-c"] == before.places["disk-c"]
    again = machine("a", "c", "d", running=without)
    assert again.places["disk-d"] == before.places["disk-b"]


def test_a_running_machine_without_free_ports_says_so() -> None:
    before = machine("a", devices={"disableHotplug": True})
    with pytest.raises(ValueError, match="no free PCI port for another disk; restart it"):
        machine("a", "b", running=before, devices={"disableHotplug": True})


@pytest.mark.parametrize(("guest", "free"), [("1Gi", 3), ("2Gi", 3), ("3Gi", 6)])
def test_free_ports_are_those_that_upstream_promises(guest: str, free: int) -> None:
    found = machine("a", nics=1, memory={"guest": guest})
    used = {place.bus for place in found.places.values()}
    assert len([port for port in found.ports if port.id not in used]) >= free


@pytest.mark.parametrize("board", ["pc", "q35"])
def test_a_machine_with_one_of_everything_has_room(board: str) -> None:
    everything = {
        "inputs": [{"name": "pointer", "type": "tablet", "bus": "virtio"}],
        "clientPassthrough": {},
        "panicDevices": [{"model": "pvpanic"}],
        "rng": {},
        "sound": {"name": "sound"},
        "watchdog": {"name": "watchdog", "i6300esb": {}},
        "disks": [{"name": "root", "disk": {"bus": "sata"}}],
    }
    memory = {"guest": "1Gi", "maxGuest": "4Gi"}
    found = machine("root", nics=2, devices=everything, machine={"type": board}, memory=memory)
    assert len(set(found.places.values())) == len(found.places)


def test_conventional_devices_go_on_where_no_root_ports_are() -> None:
    """Old guests have all their disks as conventional devices; root ports make way for them."""
    names = [f"d{index}" for index in range(8)]
    found = machine(*names, nics=5, devices={"useVirtioTransitional": True})
    places = [place.addr for place in found.places.values() if place.bus == "pcie.0"]
    assert len(places) == len(set(places))
    assert not {int(place, 16) for place in places} & {port.slot for port in found.ports}


def test_no_two_devices_share_a_place() -> None:
    found = machine(
        *"abcdefghijkl", nics=5, devices={"rng": {}, "sound": {}, "watchdog": {"name": "w", "i6300esb": {}}}
    )
    assert len(set(found.places.values())) == len(found.places)


def test_an_address_that_the_spec_names_is_given_to_no_other_device() -> None:
    """Though others are placed before it, by the same rule."""
    taken = machine("a", machine={"type": "pc"}).places["disk-a"]
    card = {"name": "n0", "masquerade": {}, "pciAddress": f"0000:00:{int(taken.addr, 16):02x}.0"}
    found = machine("a", nics=1, devices={"interfaces": [card]}, machine={"type": "pc"})
    assert found.places["nic.n0"] == taken
    assert found.places["disk-a"] != taken


def test_an_address_that_is_no_place_is_refused() -> None:
    layout = Layout(q35=True)
    for address, words in {
        "0000:00:02.0": "free ones on bus 00 are 0000:00:1d.0",
        "0001:81:00.0": "not a PCI address",
        "0000:40:00.0": "use 00 or a bus from 81 on",
    }.items():
        with pytest.raises(ValueError, match=words):
            layout.fix("nic.a", address)
    layout.fix("nic.a", "0000:81:00.0")
    with pytest.raises(ValueError, match="too near"):
        layout.fix("nic.b", "0000:82:00.0")


@pytest.mark.parametrize(
    ("bus", "file", "sizes"),
    [
        ("virtio", DiskFile(blocks=(4096, 4096)), (4096, 4096)),
        ("virtio", DiskFile(blocks=(1 << 20, 1 << 20)), (4096, 4096)),
        ("virtio", DiskFile(blocks=(512, 1 << 20), block=True), (512, 1 << 20)),
        ("sata", DiskFile(blocks=(4096, 4096), block=True), (512, 4096)),
        ("virtio", DiskFile(), (None, None)),
    ],
    ids=["a file", "a file on a network's file system", "a device", "SATA", "storage that does not tell"],
)
def test_blocks_of_the_storage_are_told_as_far_as_guests_take_them(
    bus: str, file: DiskFile, sizes: tuple[int | None, int | None]
) -> None:
    disk = {"name": "root", "disk": {"bus": bus}, "blockSize": {"matchVolume": {}}}
    spec = {"domain": {"memory": {"guest": "64Mi"}, "devices": {"disks": [disk]}}}
    found = machine_from_vmi("default_vm", "uid", spec, Facts(kvm=False), Attachments(disks={"root": file})).disks[0]
    assert (found.logical_block, found.physical_block) == sizes


def test_no_volumes_name_gives_two_devices_one_id() -> None:
    bridged = [{"name": "disc", "cdrom": {"bus": "usb"}}, {"name": "disc-usb", "cdrom": {"bus": "sata"}}]
    words = " ".join(argv(machine("x", devices={"disks": [*bridged, {"name": "x", "disk": {"bus": "virtio"}}]})))
    found = re.findall(r"-device \S*?\bid=([^,\s]+)", words)
    assert {"disk-disc", "disk-disc-usb"} < set(found)
    assert len(found) == len(set(found))


def test_cpu_lists_are_the_kernels() -> None:
    assert cpu_list("0-3,^1,8\n") == (0, 2, 3, 8)
    assert cpu_list("") == ()
    with pytest.raises(ValueError):
        cpu_list("a-b")


def test_dedicated_cpus_that_the_pod_did_not_get_are_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="the pod has 0 CPUs of its own, the guest needs 2"):
        machine(cpu={"cores": 2, "dedicatedCpuPlacement": True})


def test_pins_give_the_guest_the_first_cpus_and_the_rest_to_qemu() -> None:
    facts = Facts(kvm=True, cells={0: (2, 3), 1: (6, 7)})
    found = machine("a", facts=facts, ioThreadsPolicy="shared", cpu={"cores": 2, "dedicatedCpuPlacement": True})
    assert found.pins is not None
    assert (found.pins.vcpus, found.pins.emulator, found.pins.io_threads) == ((2, 3), (6,), {"pool0": 7})


def test_memory_of_a_running_machine_changes_only_by_what_is_plugged() -> None:
    before = machine(memory={"guest": "1Gi", "maxGuest": "2Gi"})
    after = machine(running=before, memory={"guest": "1280Mi", "maxGuest": "2Gi"})
    assert after.memory.size_kib == before.memory.size_kib
    assert after.memory.plug is not None
    assert after.memory.plug.requested_kib == 256 << 10
    for guest in ("512Mi", "3Gi", "1281Mi"):
        with pytest.raises(ValueError, match="can be 1024Mi to 2048Mi in steps of 2Mi"):
            machine(running=before, memory={"guest": guest})


def test_memory_of_any_size_has_a_backend_of_the_size_that_qemu_makes_of_it() -> None:
    args = argv(machine(memory={"guest": "1000M"}, devices={"filesystems": [{"name": "share", "virtiofs": {}}]}))
    assert "size=976568k" in args
    assert "memory-backend-memfd,id=ram,size=976568k,share=on" in args


def test_locked_memory_has_nothing_to_plug() -> None:
    locked = machine(memory={"guest": "1Gi", "maxGuest": "4Gi", "reservedOverhead": {"memLock": "Required"}}).memory
    assert locked.locked
    assert locked.plug is None


def test_memory_of_huge_pages_has_nothing_to_plug() -> None:
    memory = {"guest": "1Gi", "maxGuest": "4Gi", "hugepages": {"pageSize": "2Mi"}}
    found = machine(memory=memory)
    assert found.memory.plug is None
    with pytest.raises(ValueError, match="can only change where"):
        machine(running=found, memory=memory | {"guest": "2Gi"})


def test_the_balloon_and_the_firmware_follow_the_cluster() -> None:
    facts = Facts(kvm=False, smbios={"product": "Cloud"}, free_page_reporting=False, balloon_stats_s=5)
    found = machine(facts=facts)
    assert found.devices.balloon_stats_s == 5
    assert "free-page-reporting" not in " ".join(argv(found))
    assert found.firmware.system["product"] == "Cloud"


@pytest.mark.parametrize(
    ("board", "bridge"), [("q35", "q35-pcihost"), ("pc-q35-7.2", "q35-pcihost"), ("pc", "i440FX-pcihost")]
)
def test_each_board_can_keep_its_pci_devices_below_4_gib(board: str, bridge: str) -> None:
    words = argv(machine(facts=Facts(kvm=False, pci_hole64=False), machine={"type": board}))
    assert f"{bridge}.pci-hole64-size=0" in words
    assert not [word for word in argv(machine(machine={"type": board})) if "hole64" in word]


def test_a_machine_survives_being_written_down() -> None:
    facts = Facts(kvm=True, cells={0: (1, 2, 3)})
    found = machine("a", nics=1, facts=facts, cpu={"cores": 2, "dedicatedCpuPlacement": True, "realtime": {}})
    assert msgspec.json.decode(msgspec.json.encode(found), type=Machine) == found
