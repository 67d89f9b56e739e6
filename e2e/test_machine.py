"""What a guest finds in its machine: devices, addresses, firmware, and what follows when its watchdog barks."""

from __future__ import annotations

import contextlib
import json
import time

from e2e import machines
from e2e.console import Console, console
from e2e.installation import SYSTEM
from e2e.kubectl import Namespace, condition, eventually, status
from kubevirt_py.render.cpufeatures import KNOWN
from kubevirt_py.render.cpumodels import EMULATED
from kubevirt_py.render.machine.pinning import cpu_list

DAY_S = 86400
FIXED_DISK, FIXED_CARD = "0000:81:01.0", "0000:00:1d.0"
DEVICES = {
    "clientPassthrough": {},
    "inputs": [
        {"name": "tablet", "type": "tablet", "bus": "usb"},
        {"name": "keys", "type": "keyboard", "bus": "virtio"},
    ],
    "panicDevices": [{"model": "isa"}],
    "sound": {"name": "sound", "model": "ich9"},
    "video": {"type": "bochs"},
    "watchdog": {"name": "dog", "i6300esb": {"action": "poweroff"}},
}
FEATURES = [{"name": "aes"}, {"name": "sse4_1", "policy": "require"}, {"name": "avx2", "policy": "disable"}]
USED = r"""import glob, json, re
text = "".join(open(name).read() for name in glob.glob("/proc/1/task/*/status"))
sizes = re.findall(r"Size: +(\d+) kB\nKernelPageSize: +2048 kB", open("/proc/1/smaps").read())
print(json.dumps({"cpus": re.findall(r"Cpus_allowed_list:\t(\S+)", text), "huge_kib": sum(map(int, sizes))}))
"""
DATABASE = "db-d719b2cb-3d3a-4596-a3bc-dad00e67656f"
SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


def full() -> machines.Document:
    """A guest with one of each small device, a disk and a card at places of the user's choice."""
    machine = machines.with_disk(
        machines.vmi("full", memory="192Mi"),
        "extra",
        {"emptyDisk": {"capacity": "8Mi"}},
        disk={"bus": "virtio", "pciAddress": FIXED_DISK},
        serial="fixed",
    )
    machine = machines.with_disk(
        machine,
        "drive",
        {"cloudInitConfigDrive": {"userData": "#!/bin/sh\ntrue\n"}},
        disk={"bus": "virtio"},
        serial="drive",
        tag="told",
    )
    domain = machine["spec"]["domain"]
    domain |= {
        "cpu": {"sockets": 1, "cores": 2, "threads": 1, "features": FEATURES},
        "chassis": {"manufacturer": "Chassis Maker", "asset": "17, upper shelf", "sku": "box"},
        "clock": {"utc": {"offsetSeconds": DAY_S}},
        "firmware": {"serial": "serial-0042", "uuid": "5d307ca9-b3ef-428c-8861-06e72d69f223"},
        "ioThreadsPolicy": "auto",
        "rebootPolicy": "Reboot",
    }
    domain["devices"] |= DEVICES
    domain["devices"]["interfaces"][0] |= {"pciAddress": FIXED_CARD, "tag": "uplink"}
    for order, disk in enumerate(domain["devices"]["disks"], start=1):
        disk["bootOrder"] = order
    return machine


def drivers(guest: Console, pattern: str) -> str:
    """Names of input devices that the kernel found."""
    return guest.run(f"grep -i '^N: Name=.*{pattern}' /proc/bus/input/devices")


def test_a_guest_finds_all_its_devices_and_ends_by_its_watchdog(own: Namespace) -> None:
    own.apply(full())
    vmi = own.until_phase("full", "Running")
    assert status(vmi, "currentCPUTopology") == {"sockets": 1, "cores": 2, "threads": 1}
    assert str(status(vmi, "machine", "type")).startswith("pc-q35-")
    (pod,) = own.launcher_pods("full")
    told = own.kubectl("exec", pod["metadata"]["name"], "-c", "compute", "--", "qemu-system-x86_64", "-cpu", "help")
    models, features = told.split("Recognized CPUID flags:")
    assert set(features.split()) == KNOWN and set(models.split()) >= set(EMULATED), "the tables are of another QEMU"
    with console(own.name, "full") as guest:
        guest.login()
        assert guest.run("grep -c ^processor /proc/cpuinfo") == "2"
        flags = guest.run("grep -m 1 ^flags /proc/cpuinfo").split()
        assert {"aes", "sse4_1", "avx"}.issubset(flags) and "avx2" not in flags
        assert guest.run("cat /sys/devices/system/cpu/cpu1/topology/core_siblings_list") == "0-1"
        assert guest.run("cat /sys/class/dmi/id/product_uuid") == "5d307ca9-b3ef-428c-8861-06e72d69f223"
        assert guest.run("cat /sys/class/dmi/id/product_serial") == "serial-0042"
        assert guest.run("cat /sys/class/dmi/id/sys_vendor") == "KubeVirt"
        assert guest.run("cat /sys/class/dmi/id/chassis_vendor") == "Chassis Maker"
        assert guest.run("cat /sys/class/dmi/id/chassis_asset_tag") == "17, upper shelf"
        assert guest.run(f"cat /sys/bus/pci/devices/{FIXED_DISK}/virtio*/block/*/serial") == "fixed"
        assert guest.run(f"ls /sys/bus/pci/devices/{FIXED_CARD}/virtio*/net") == "eth0"
        card, disk = json.loads(guest.run("cat /run/seed/meta-data"))["devices"]
        assert (card["address"], card["mac"]) == (FIXED_CARD, guest.run("cat /sys/class/net/eth0/address"))
        assert guest.run(f"cat /sys/bus/pci/devices/{disk['address']}/virtio*/block/*/serial") == "drive"
        assert guest.run("cat /sys/class/misc/hw_random/rng_current").startswith("virtio_rng")
        assert guest.run("head -c 16 /dev/hwrng | wc -c") == "16"
        assert "QEMU USB Tablet" in drivers(guest, "tablet")
        assert "QEMU Virtio Keyboard" in drivers(guest, "virtio")
        assert guest.run("cat /sys/bus/pci/devices/*/class | grep -c 0x0403") == "1"
        assert guest.run("cat /sys/bus/pci/devices/0000:00:01.0/device") == "0x1111"
        assert guest.run("ls -d /sys/bus/acpi/devices/QEMU0001*")
        assert abs(int(guest.run("date +%s")) - time.time() - DAY_S) < 60
        guest.send("watchdog -F -T 2 -t 60 /dev/watchdog\n")
        vmi = own.until_phase("full", "Failed", 60)
    assert "WatchdogExpired" in {event["reason"] for event in own.events("full")}


def test_a_guest_on_a_cpu_and_huge_pages_of_its_own_ends_at_its_reboot(own: Namespace) -> None:
    machine = machines.vmi("ending")
    domain = machine["spec"]["domain"]
    domain["rebootPolicy"] = "Terminate"
    domain["cpu"] = {"cores": 1, "dedicatedCpuPlacement": True, "numa": {"guestMappingPassthrough": {}}}
    domain["memory"]["hugepages"] = {"pageSize": "2Mi"}
    own.apply(machine)
    vmi = own.until_phase("ending", "Running")
    assert status(vmi, "qosClass") == "Guaranteed"
    (pod,) = own.launcher_pods("ending")
    used = json.loads(own.kubectl("exec", pod["metadata"]["name"], "-c", "compute", "--", "python3", "-c", USED))
    (cpu,) = {cpu for cpus in used["cpus"] for cpu in cpu_list(cpus)}
    assert len(used["cpus"]) > 1, "all of QEMU's threads are on the one CPU that the pod has"
    assert used["huge_kib"] == 96 << 10
    agent = agent_of(str(status(vmi, "nodeName")))
    assert eventually(lambda: cpu not in cpus_of(agent), 30), "nobody else is on it"
    with console(own.name, "ending") as guest:
        guest.login()
        assert guest.run("cat /sys/devices/system/node/node0/cpulist") == "0"
        guest.send("reboot\n")
        own.until_phase("ending", "Succeeded")


def agent_of(node: str) -> str:
    """Name of the pod of a node's agent."""
    agents = SYSTEM.items("pods", "kubevirt.io=virt-handler")
    return next(str(pod["metadata"]["name"]) for pod in agents if pod["spec"]["nodeName"] == node)


def cpus_of(agent: str) -> tuple[int, ...]:
    text = SYSTEM.kubectl("exec", agent, "-c", "virt-handler", "--", "cat", "/proc/self/status")
    return next(cpu_list(line.split()[1]) for line in text.splitlines() if line.startswith("Cpus_allowed_list:"))


def test_secure_boot_is_enrolled_and_in_force(own: Namespace) -> None:
    machine = machines.vmi("secure", memory="512Mi")
    machine["spec"]["domain"] |= {"firmware": {"bootloader": {"efi": {}}}, "features": {"smm": {}}}
    own.apply(machine)
    own.until_phase("secure", "Running")
    with console(own.name, "secure") as guest:
        guest.login(240)
        guest.run("modprobe efivarfs; mount -t efivarfs none /sys/firmware/efi/efivars")
        assert guest.run(f"tail -c 1 {SECURE_BOOT} | hexdump -e '1/1 \"%d\"'") == "1"
        assert guest.run(f"tail -c 1 {SECURE_BOOT.replace('SecureBoot', 'SetupMode')} | hexdump -e '1/1 \"%d\"'") == "0"
        keys = ("PK-8be4df61-93ca-11d2-aa0d-00e098032b8c", "KEK-8be4df61-93ca-11d2-aa0d-00e098032b8c", DATABASE)
        for key in keys:
            assert int(guest.run(f"wc -c < /sys/firmware/efi/efivars/{key}")) > 1000, f"{key} holds no certificate"
        assert "Secure boot enabled" in guest.run("dmesg | grep -i 'secure boot'")


def test_boot_order_is_followed_to_its_end_and_no_further(own: Namespace) -> None:
    """A disc that boots nothing comes before the disk; then the network does; then an empty disk, and the guest's own
    has no order at all."""
    disc = machines.with_disk(
        machines.vmi("next", startStrategy="Paused"),
        "disc",
        machines.user_data("true"),
        cdrom={"bus": "sata"},
        bootOrder=1,
    )
    disc["spec"]["domain"]["devices"]["disks"][0]["bootOrder"] = 2
    empty = machines.with_disk(
        machines.vmi("never", startStrategy="Paused"),
        "empty",
        {"emptyDisk": {"capacity": "1Mi"}},
        disk={"bus": "virtio"},
        bootOrder=1,
    )
    network = machines.vmi("network", startStrategy="Paused")
    network["spec"]["domain"]["devices"]["interfaces"][0] |= {"bootOrder": 1, "model": "rtl8139"}
    network["spec"]["domain"]["devices"]["disks"][0]["bootOrder"] = 2
    for machine in (disc, empty, network):
        machine["spec"]["domain"]["firmware"] = {"bootloader": {"bios": {"useSerial": True}}}
    own.apply(disc, empty, network)
    tries = {"next": ("Booting from DVD/CD", "Booting from Hard Disk", "login: ")}
    tries["network"] = ("Booting from ROM", "iPXE", "Booting from Hard Disk")
    tries["never"] = ("Booting from Hard Disk", "not a bootable disk", "No bootable device")
    with contextlib.ExitStack() as consoles:
        guests = {}
        for name in tries:
            own.until("vmi", name, lambda vmi: condition(vmi, "Paused").get("status") == "True", "waiting")
            guests[name] = consoles.enter_context(console(own.name, name))
            guests[name].expect("Successfully connected", 60)
        for name in tries:  # together, for each shows its boot menu for ten seconds
            own.virtctl("unpause", "vmi", name)
        for name, lines in tries.items():
            for line in ("Press ESC for boot menu", *lines):
                guests[name].expect(line, 120)
