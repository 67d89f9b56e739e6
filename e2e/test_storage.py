"""Disks: a claim keeps its data, an empty disk does not, secrets reach the guest and nobody else. Dumps of memory."""

from __future__ import annotations

import json

import pytest

from e2e import machines
from e2e.console import console
from e2e.kubectl import Document, Failed, Namespace, condition, status
from e2e.test_network import server_pod

IMAGE = "/claim/disk.img"
HASH_IMAGE = f"import hashlib; print(hashlib.sha256(open('{IMAGE}', 'rb').read()).hexdigest())"
MAKE_IMAGE = f"open('{IMAGE}', 'wb').write(b'first-of-all'.ljust(1 << 20, b'.'))"
PROCESSES = """
import contextlib, glob
for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        print(path, open(path, "rb").read())
"""
BY_SERIAL = "d=/dev/$(basename $(dirname $(grep -l '^{}$' /sys/block/*/serial)))"


@pytest.fixture(scope="module")
def keeper(shared: Namespace, nodes: tuple[str, ...]) -> Namespace:
    """One guest for the tests of claims as its disks, and of one that takes its memory."""
    shared.apply(*(machines.claim(name, "64Mi") for name in ("data", "base")), claim_pod("maker", "base", nodes[0]))
    shared.kubectl("wait", "--for=condition=Ready", "pod/maker", "--timeout=60s")
    shared.kubectl("exec", "maker", "--", "python3", "-c", MAKE_IMAGE)
    machine = machines.vm("keeper")
    machine = machines.with_disk(
        machine, "data", {"persistentVolumeClaim": {"claimName": "data"}}, disk={"bus": "virtio"}, serial="kept"
    )
    machine = machines.with_disk(
        machine, "scratch", {"emptyDisk": {"capacity": "16Mi"}}, disk={"bus": "virtio"}, serial="lost"
    )
    source = {"ephemeral": {"persistentVolumeClaim": {"claimName": "base"}}}
    machine = machines.with_disk(machine, "base", source, disk={"bus": "virtio"}, serial="over")
    seed = {"cloudInitConfigDrive": {"userData": "#!/bin/sh\n"}}
    shared.apply(machines.with_disk(machine, "seed", seed, disk={"bus": "virtio"}))
    shared.until_phase("keeper", "Running")
    return shared


def test_a_claim_keeps_its_data_over_a_restart_but_not_if_it_is_ephemeral(keeper: Namespace) -> None:
    first = keeper.get("vmi", "keeper")["metadata"]["uid"]
    firmware = keeper.get("vmi", "keeper")["spec"]["domain"]["firmware"]["uuid"]
    image = digest(keeper)
    with console(keeper.name, "keeper") as guest:
        guest.login()
        assert json.loads(guest.run("cat /run/seed/meta-data"))["uuid"] == firmware
        assert guest.run(f"{BY_SERIAL.format('over')}; head -c 12 $d") == "first-of-all"
        for serial in ("kept", "lost", "over"):
            guest.run(f"{BY_SERIAL.format(serial)}; echo marked-{serial} | dd of=$d bs=512 count=1 conv=sync,fsync")
    keeper.virtctl("restart", "keeper")
    keeper.until(
        "vmi",
        "keeper",
        lambda vmi: vmi and vmi["metadata"]["uid"] != first and status(vmi, "phase") == "Running",
        "running as a new instance",
    )
    with console(keeper.name, "keeper") as guest:
        guest.login()
        assert "marked-kept" in guest.run(f"{BY_SERIAL.format('kept')}; head -c 11 $d")
        assert "marked-lost" not in guest.run(f"{BY_SERIAL.format('lost')}; head -c 11 $d")
        assert guest.run(f"{BY_SERIAL.format('over')}; head -c 12 $d") == "first-of-all"
        assert json.loads(guest.run("cat /run/seed/meta-data"))["uuid"] == firmware, "cloud-init would run once more"
    assert digest(keeper) == image


def digest(keeper: Namespace) -> str:
    """Of the image in the claim `base`, as its owner sees it."""
    return keeper.kubectl("exec", "maker", "--", "python3", "-c", HASH_IMAGE)


DUMPS = """
import json, os, struct
found = {}
for entry in os.scandir("/claim"):
    if entry.name.endswith(".memory.dump") and not entry.is_symlink():
        core = open(entry.path, "rb")
        head = core.read(64)
        start, size, count = (*struct.unpack_from("<Q", head, 32), *struct.unpack_from("<HH", head, 54))
        core.seek(start)
        rows = [struct.unpack_from("<IIQQQQQQ", core.read(size)) for _ in range(count)]
        whole = max(row[2] + row[5] for row in rows) <= os.path.getsize(entry.path)
        core_of_64_bits = head[:5] == b"\\x7fELF\\x02" and head[16:18] == b"\\4\\0"
        found[entry.name] = sum(row[5] for row in rows if row[0] == 1) if whole and core_of_64_bits else -1
print(json.dumps(found))
"""
PLANT = """
import datetime, os
open("/claim/mine", "w").write("kept")
for second in range(1, 300):
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=second)
    os.symlink("mine", f"/claim/keeper-core-{moment:%Y%m%d-%H%M%S}.memory.dump")
"""


def claim_pod(name: str, claim: str, node: str) -> Document:
    """A pod of the tenant's with a claim at /claim."""
    pod = server_pod(name, node)
    container = pod["spec"]["containers"][0]
    container["command"] = ["sleep", "1000"]
    container["securityContext"]["runAsUser"] = 107
    container["volumeMounts"] = [{"name": "claim", "mountPath": "/claim"}]
    pod["spec"]["volumes"] = [{"name": "claim", "persistentVolumeClaim": {"claimName": claim}}]
    return pod


def dumped(keeper: Namespace, *, after: str = "") -> str:
    """The file of the next dump, once all is as before."""

    def complete(vm: Document) -> bool:
        request = status(vm, "memoryDumpRequest") or {}
        return request.get("phase") == "Completed" and request["fileName"] != after

    file: str = keeper.until("vm", "keeper", complete, "dumped", 90)["status"]["memoryDumpRequest"]["fileName"]
    assert keeper.get("pvc", "core")["metadata"]["annotations"]["kubevirt.io/memory-dump"] == file
    assert not keeper.items("pods", "kubevirt.io=hotplug-disk")
    vmi = keeper.get("vmi", "keeper")
    left = {entry["name"] for entry in vmi["status"]["volumeStatus"]}
    assert left == {volume["name"] for volume in vmi["spec"]["volumes"]} - {"core"}
    return file


def test_memory_is_dumped_into_a_claim_and_the_guest_goes_on(keeper: Namespace) -> None:
    """Twice, the second time into a claim whose owner put links where the dump could be written."""
    with pytest.raises(Failed, match=r"pvc size \[64Mi\] should be bigger then"):
        keeper.virtctl("memory-dump", "get", "keeper", "--claim-name", "data")
    node = keeper.get("vmi", "keeper")["status"]["nodeName"]
    with console(keeper.name, "keeper") as guest:
        guest.login()
        guest.run("mark=$RANDOM; echo $mark > /tmp/mark")
        keeper.virtctl("memory-dump", "get", "keeper", "--claim-name", "core", "--create-claim")
        first = dumped(keeper)
        keeper.apply(claim_pod("reader", "core", node))
        keeper.kubectl("wait", "--for=condition=Ready", "pod/reader", "--timeout=60s")
        (size,) = (found := read_claim(keeper, DUMPS)).values()
        assert list(found) == [first]
        assert 96 << 20 <= size < 160 << 20
        guest.until('test "$(cat /tmp/mark)" = "$mark" && echo same', "same")
        read_claim(keeper, PLANT)
        keeper.virtctl("memory-dump", "get", "keeper")
        second = dumped(keeper, after=first)
        assert read_claim(keeper, DUMPS) == {second: size}
        assert keeper.kubectl("exec", "reader", "--", "cat", "/claim/mine") == "kept"
        guest.until('test "$(cat /tmp/mark)" = "$mark" && echo same', "same")
    keeper.virtctl("memory-dump", "remove", "keeper")
    vm = keeper.until("vm", "keeper", lambda vm: not status(vm, "memoryDumpRequest"), "without its dump", 30)
    assert "core" not in [volume["name"] for volume in vm["spec"]["template"]["spec"]["volumes"]]
    assert not condition(vm, "RestartRequired")


def read_claim(keeper: Namespace, script: str) -> Document:
    text = keeper.kubectl("exec", "reader", "--", "python3", "-c", script)
    found: Document = json.loads(text or "{}")
    return found


def test_user_data_from_a_secret_reaches_only_the_guest(own: Namespace) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "first-boot"},
        "stringData": {"userdata": "#!/bin/sh\necho s3cret-words > /tmp/made\n"},
    }
    source = {"cloudInitNoCloud": {"secretRef": {"name": "first-boot"}}}
    machine = machines.vmi("told", memory="192Mi")
    own.apply(secret, machines.with_disk(machine, "cloudinit", source, cdrom={"bus": "sata"}))
    own.until_phase("told", "Running")
    with console(own.name, "told") as guest:
        guest.login()
        guest.until("cat /tmp/made", "s3cret-words")
    (pod,) = own.launcher_pods("told")
    name = pod["metadata"]["name"]
    seen = {
        "VMI": json.dumps(own.get("vmi", "told")),
        "pod": json.dumps(pod),
        "processes": own.kubectl("exec", name, "-c", "compute", "--", "python3", "-c", PROCESSES),
        "log": own.kubectl("logs", name, "-c", "compute"),
        "events": own.kubectl("get", "events", "-o", "json"),
    }
    assert "first-boot" in seen["pod"]
    assert "qemu-system" in seen["processes"]
    assert [place for place, text in seen.items() if "s3cret-words" in text] == []
    path = f"/var/run/kubevirt-ephemeral-disks/cloud-init-data/{own.name}/told/noCloud.iso"
    size = own.kubectl("exec", name, "-c", "compute", "--", "stat", "-c", "%s", path)
    assert int(size) % 4096 == 0 < int(size)


def test_one_disk_boots_by_bios_and_by_uefi(own: Namespace) -> None:
    bios, uefi = machines.vmi("bios"), machines.vmi("uefi", memory="384Mi")
    bios["spec"]["volumes"][0]["containerDisk"]["path"] = "/disk/tiny.qcow2"
    data = {"cloudInitConfigDrive": {"userData": "#!/bin/sh\necho from-config-drive > /tmp/made\n"}}
    bios = machines.with_disk(bios, "cloudinit", data, disk={"bus": "virtio"})
    uefi["spec"]["domain"]["firmware"] = {"bootloader": {"efi": {"secureBoot": False}}}
    own.apply(bios, uefi)
    for name, code in (("bios", 1), ("uefi", 0)):
        own.until_phase(name, "Running")
        with console(own.name, name) as guest:
            guest.login(180)
            assert guest.attempt("test -d /sys/firmware/efi")[1] == code
            if name == "bios":
                guest.until("cat /tmp/made", "from-config-drive")


def test_a_kernel_boots_from_an_image(own: Namespace) -> None:
    machine = machines.vmi("direct", memory="192Mi")
    machine["spec"]["domain"]["devices"]["disks"] = []
    machine["spec"]["volumes"] = []
    machine["spec"]["domain"]["firmware"] = {
        "kernelBoot": {
            "kernelArgs": "console=ttyS0 marked=yes",
            "container": {
                "image": f"{machines.REGISTRY}/kernel-boot:devel",
                "kernelPath": "/boot/vmlinuz",
                "initrdPath": "/boot/initrd",
            },
        }
    }
    own.apply(machine)
    own.until_phase("direct", "Running")
    with console(own.name, "direct") as guest:
        guest.login()
        assert "marked=yes" in guest.run("cat /proc/cmdline")
