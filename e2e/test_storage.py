"""Disks: a claim keeps its data, an empty disk does not, secrets reach the guest and nobody else."""

from __future__ import annotations

import json

from e2e import machines
from e2e.console import console
from e2e.kubectl import Namespace, status

CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "64Mi"}}},
}
BY_SERIAL = "d=/dev/$(basename $(dirname $(grep -l '^{}$' /sys/block/*/serial)))"


def test_a_claim_keeps_its_data_over_a_restart(own: Namespace) -> None:
    machine = machines.vm("keeper")
    machine = machines.with_disk(
        machine, "data", {"persistentVolumeClaim": {"claimName": "data"}}, disk={"bus": "virtio"}, serial="kept"
    )
    machine = machines.with_disk(
        machine, "scratch", {"emptyDisk": {"capacity": "16Mi"}}, disk={"bus": "virtio"}, serial="lost"
    )
    own.apply(CLAIM, machine)
    first = own.until_phase("keeper", "Running")["metadata"]["uid"]
    with console(own.name, "keeper") as guest:
        guest.login()
        for serial in ("kept", "lost"):
            guest.run(f"{BY_SERIAL.format(serial)}; echo marked-{serial} | dd of=$d bs=512 count=1 conv=sync,fsync")
    own.virtctl("restart", "keeper")
    own.until(
        "vmi",
        "keeper",
        lambda vmi: vmi and vmi["metadata"]["uid"] != first and status(vmi, "phase") == "Running",
        "running as a new instance",
    )
    with console(own.name, "keeper") as guest:
        guest.login()
        assert "marked-kept" in guest.run(f"{BY_SERIAL.format('kept')}; head -c 11 $d")
        assert "marked-lost" not in guest.run(f"{BY_SERIAL.format('lost')}; head -c 11 $d")


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
    assert "s3cret-words" not in json.dumps(own.get("vmi", "told"))
    (pod,) = own.launcher_pods("told")
    path = f"/var/run/kubevirt-ephemeral-disks/cloud-init-data/{own.name}/told/noCloud.iso"
    size = own.kubectl("exec", pod["metadata"]["name"], "-c", "compute", "--", "stat", "-c", "%s", path)
    assert int(size) % 4096 == 0 < int(size)


def test_one_disk_boots_by_bios_and_by_uefi(own: Namespace) -> None:
    bios, uefi = machines.vmi("bios"), machines.vmi("uefi", memory="384Mi")
    uefi["spec"]["domain"]["firmware"] = {"bootloader": {"efi": {"secureBoot": False}}}
    own.apply(bios, uefi)
    for name, code in (("bios", 1), ("uefi", 0)):
        own.until_phase(name, "Running")
        with console(own.name, name) as guest:
            guest.login(180)
            assert guest.attempt("test -d /sys/firmware/efi")[1] == code


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
