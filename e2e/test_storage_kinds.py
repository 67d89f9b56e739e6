"""Every kind of volume on every bus, read inside one guest, and what its firmware and TPM remember over a restart."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest

from e2e import machines
from e2e.console import Console, console
from e2e.kubectl import Failed, Namespace, eventually, run, status

Document = dict[str, Any]

GATES = ("ContainerPathVolumes", "DownwardMetrics", "EnableVirtioFsStorageVolumes", "HostDisk")
NAME = "storage"
VARIABLE = "/sys/firmware/efi/efivars/Kept-6b7f3c1e-0d2a-4d5b-9c3f-2a1b0c9d8e7f"
LABELS = {"path": "meta/labels", "fieldRef": {"fieldPath": "metadata.labels"}}
VOLUMES: tuple[tuple[str, Document, Document], ...] = (
    ("keys", {"secret": {"secretName": "keys", "volumeLabel": "KEYS"}}, {"disk": {"bus": "virtio"}}),
    ("settings", {"configMap": {"name": "settings", "volumeLabel": "SETTINGS"}}, {"disk": {"bus": "scsi"}}),
    ("about", {"downwardAPI": {"fields": [LABELS], "volumeLabel": "ABOUT"}}, {"disk": {"bus": "sata"}}),
    ("account", {"serviceAccount": {"serviceAccountName": "robot"}}, {"disk": {"bus": "usb"}}),
    ("answers", {"sysprep": {"configMap": {"name": "answers"}}}, {"cdrom": {"bus": "sata"}}),
    (
        "data",
        {"persistentVolumeClaim": {"claimName": "data"}},
        {"disk": {"bus": "virtio"}, "serial": "data", "tag": "store"},
    ),
    ("scratch", {"emptyDisk": {"capacity": "16Mi"}}, {"disk": {"bus": "virtio"}, "serial": "scratch"}),
    ("metrics", {"downwardMetrics": {}}, {"disk": {"bus": "virtio"}, "serial": "metrics"}),
    (
        "drive",
        {"cloudInitConfigDrive": {"userData": "#!/bin/sh\necho by-drive >/run/told\n"}},
        {"disk": {"bus": "virtio"}},
    ),
)
ON_BUS = {"virtio": r"/virtio\d+/block/", "scsi": r"/virtio\d+/host\d+/", "sata": r"/ata\d+/", "usb": r"/usb\d+/"}
DEVICE = "$(basename $(dirname $(grep -l '^{}$' /sys/block/*/serial)))"

INJECTED = "/opt/injected"
PORT = "/dev/$(basename $(dirname $(grep -l vhostmd /sys/class/virtio-ports/*/name)))"

# A TPM command with the owner's empty password: header, handles, size of the session, the session, parameters.
OWNER, NV_INDEX, SESSION = "40000001", "01500001", "00000009" + "40000009" + "0000" + "00" + "0000"


def tpm_command(code: str, handles: str, parameters: str) -> bytes:
    body = bytes.fromhex(handles + SESSION + parameters)
    return bytes.fromhex("8002") + (10 + len(body)).to_bytes(4, "big") + bytes.fromhex(code) + body


NV_DEFINE = tpm_command("0000012a", OWNER, "0000" + "000e" + NV_INDEX + "000b" + "00020002" + "0000" + "0008")
NV_WRITE = tpm_command("00000137", OWNER + NV_INDEX, "0008" + b"remember".hex() + "0000")
NV_READ = tpm_command("0000014e", OWNER + NV_INDEX, "0008" + "0000")
EVENT = hashlib.sha256(b"of this guest").digest()
PCR = "/sys/class/tpm/tpm0/pcr-sha256/16"
PCR_EXTEND = tpm_command("00000182", "00000010", "00000001" + "000b" + EVENT.hex())
SUCCESS = bytes(4)


def ask_tpm(guest: Console, command: bytes) -> bytes:
    """The TPM's whole answer."""
    guest.run("printf '" + "".join(f"\\{byte:03o}" for byte in command) + "' > /tmp/command")
    guest.run("exec 3<>/dev/tpm0; cat /tmp/command >&3; dd bs=4096 count=1 <&3 2>/dev/null >/tmp/answer; exec 3>&-")
    return bytes.fromhex("".join(guest.run("od -An -v -tx1 /tmp/answer").split()))


@pytest.fixture(scope="module", autouse=True)
def gates(deployed: None) -> Iterator[None]:
    """The Alpha features of this module, switched on for its time."""
    path = ("spec", "configuration", "developerConfiguration", "featureGates")
    developer = json.loads(run("kubectl", "-n", "kubevirt", "get", "kubevirt", "kubevirt", "-o", "json"))
    for part in path:
        developer = developer.get(part) or {}
    before = list(developer)

    def set_gates(wanted: list[str]) -> None:
        patch = {"spec": {"configuration": {"developerConfiguration": {"featureGates": wanted}}}}
        run("kubectl", "-n", "kubevirt", "patch", "kubevirt", "kubevirt", "--type=merge", "-p", json.dumps(patch))

    set_gates(sorted({*before, *GATES}))
    yield
    set_gates(before)


def apply_when_gates_are_known(namespace: Namespace, document: Document) -> None:
    """Admission reads the gates a moment after they are set."""

    def accepted() -> bool:
        try:
            namespace.apply(document)
        except Failed as refusal:
            assert "feature gate" in str(refusal), refusal
            return False
        return True

    assert eventually(accepted, 30), "the feature gates do not reach admission"


def injection(namespace: str) -> tuple[Document, Document]:
    """Somebody else mounts a ConfigMap into each machine's pod, as webhooks of clouds do with tokens."""
    volume = 'Object.spec.volumes{name: "injected", configMap: Object.spec.volumes.configMap{name: "words"}}'
    mount = f'Object.spec.containers.volumeMounts{{name: "injected", mountPath: "{INJECTED}"}}'
    adding = [("/spec/volumes/-", volume), ("/spec/containers/0/volumeMounts/-", mount)]
    ops = ", ".join(f'JSONPatch{{op: "add", path: "{path}", value: {value}}}' for path, value in adding)
    place = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    pods = {"resourceRules": [rule], "objectSelector": {"matchLabels": {"kubevirt.io": "virt-launcher"}}}
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": f"inject-{namespace}"}}
    spec = {
        "matchConstraints": pods | place,
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": f"[{ops}]"}}],
    }
    policy = head | {"kind": "MutatingAdmissionPolicy", "spec": spec}
    return policy, head | {"kind": "MutatingAdmissionPolicyBinding", "spec": {"policyName": f"inject-{namespace}"}}


@pytest.fixture(scope="module")
def injected(shared: Namespace) -> Iterator[None]:
    documents = injection(shared.name)
    run("kubectl", "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))
    yield
    for document in documents:
        run("kubectl", "delete", document["kind"], document["metadata"]["name"])


def _claim(name: str) -> Document:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "32Mi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module")
def machine(shared: Namespace, injected: None) -> Namespace:
    """The namespace with the machine running: UEFI and a TPM that remember, all volumes, three shares."""
    plain = [
        {"kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"password": "s3cret", ".hidden": "too"}},
        {"kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"color": "blue"}},
        {"kind": "ConfigMap", "metadata": {"name": "answers"}, "data": {"autounattend.xml": "<unattend/>"}},
        {"kind": "ConfigMap", "metadata": {"name": "words"}, "data": {"note": "from-others"}},
        {"kind": "ServiceAccount", "metadata": {"name": "robot"}},
    ]
    shared.apply(*({"apiVersion": "v1", **one} for one in plain), _claim("data"), _claim("files"))
    document = machines.vm(NAME, memory="512Mi", labels={"color": "green"})
    for name, volume, disk in VOLUMES:
        document = machines.with_disk(document, name, volume, **disk)
    spec = document["spec"]["template"]["spec"]
    spec["volumes"] += [
        {"name": "share", "configMap": {"name": "settings"}},
        {"name": "files", "persistentVolumeClaim": {"claimName": "files"}},
        {"name": "given", "containerPath": {"path": INJECTED}},
    ]
    devices = spec["domain"]["devices"]
    devices["filesystems"] = [{"name": name, "virtiofs": {}} for name in ("share", "files", "given")]
    devices |= {"tpm": {"persistent": True}, "downwardMetrics": {}}
    devices["interfaces"][0]["tag"] = "uplink"
    spec["domain"]["firmware"] = {"bootloader": {"efi": {"secureBoot": False, "persistent": True}}}
    apply_when_gates_are_known(shared, document)
    shared.until_phase(NAME, "Running")
    with console(shared.name, NAME) as guest:
        guest.login(240)
    return shared


@pytest.fixture
def guest(machine: Namespace) -> Iterator[Console]:
    with console(machine.name, NAME) as opened:
        opened.login()
        yield opened


def test_small_files_are_disks_on_every_bus(machine: Namespace, guest: Console) -> None:
    expected = {
        "KEYS": ("virtio", "cat /mnt/password /mnt/.hidden", "s3crettoo"),
        "SETTINGS": ("scsi", "cat /mnt/color", "blue"),
        "ABOUT": ("sata", "grep color /mnt/meta/labels", 'color="green"'),
        "cfgdata": ("usb", "cat /mnt/namespace", machine.name),
        "unattendCD": ("sata", "cat /mnt/autounattend.xml", "<unattend/>"),
    }
    label = "dd if=/dev/$b bs=8 skip=4101 count=4 2>/dev/null | tr -cd A-Za-z"
    listed = guest.run(f"for b in $(ls /sys/block); do echo $({label}) $(readlink -f /sys/block/$b); done")
    places = dict(line.split() for line in listed.splitlines() if len(line.split()) == 2)
    for label, (bus, command, content) in expected.items():
        path = places[label]
        assert re.search(ON_BUS[bus], path), f"{label} is at {path}, not on {bus}"
        guest.run(f"mount -o ro -t iso9660 /dev/{path.rpartition('/')[2]} /mnt")
        assert guest.run(command) == content
        guest.run("umount /mnt")
    assert "/sr" in places["unattendCD"]


def test_shares_show_files_of_the_cluster_and_keep_the_guests(machine: Namespace, guest: Console) -> None:
    guest.run(
        "mkdir -p /run/share /run/files && mount -t virtiofs share /run/share && mount -t virtiofs files /run/files"
    )
    assert guest.run("cat /run/share/color") == "blue"
    assert guest.attempt("echo red > /run/share/color")[1] != 0
    guest.run("echo from-the-guest > /run/files/first && sync")
    (pod,) = machine.launcher_pods(NAME)
    told = machine.kubectl("logs", pod["metadata"]["name"], "-c", "virtiofs-files")
    assert "panic" not in told
    machine.kubectl("patch", "configmap", "settings", "--type=merge", "-p", '{"data": {"color": "green"}}')
    guest.until("cat /run/share/color", "green", 150)


def test_what_others_mount_into_the_pod_is_shared_and_nothing_else(machine: Namespace, guest: Console) -> None:
    guest.run("mkdir -p /run/given && mount -t virtiofs given /run/given")
    assert guest.run("ls /run/given; cat /run/given/note") == "note\nfrom-others"
    assert guest.attempt("echo mine > /run/given/note")[1] != 0
    (pod,) = machine.launcher_pods(NAME)
    (server,) = [one for one in pod["spec"]["initContainers"] if one["name"] == "virtiofs-given"]
    assert [mount["name"] for mount in server["volumeMounts"]] == ["virtiofs-containers", "injected"]


def test_a_config_drive_is_followed_and_tells_of_tagged_devices(guest: Console) -> None:
    guest.until("cat /run/told", "by-drive")
    card, disk = json.loads(guest.run("cat /run/seed/meta-data"))["devices"]
    assert (card["type"], card["bus"], card["tags"]) == ("nic", "pci", ["uplink"])
    assert guest.run(f"cat /sys/bus/pci/devices/{card['address']}/virtio*/net/*/address") == card["mac"]
    assert (disk["type"], disk["bus"], disk["tags"]) == ("disk", "pci", ["store"])
    assert guest.run(f"cat /sys/bus/pci/devices/{disk['address']}/virtio*/block/*/serial") == disk["serial"] == "data"


def metrics_of(text: bytes) -> dict[tuple[str, str], str]:
    found = {}
    for one in ElementTree.fromstring(text):
        found[one.get("context", ""), one.findtext("name", "")] = one.findtext("value", "")
    return found


def metrics_on_disk(guest: Console) -> dict[tuple[str, str], str]:
    """What the disk says; a reader that comes while it is written comes again."""
    command = f"dd if=/dev/{DEVICE.format('metrics')} bs=4096 count=1 iflag=direct 2>/dev/null | od -An -v -tx1"
    body = b""

    def whole() -> bool:
        nonlocal body
        data = bytes.fromhex("".join(guest.run(command).split()))
        signature, busy, checksum, length = struct.unpack_from(">4siii", data)
        body = data[16 : 16 + length]
        assert signature == b"mvbd"
        return not busy and checksum == sum(body)

    assert eventually(whole, 30), "the disk of metrics is never whole"
    return metrics_of(body)


def test_metrics_of_the_host_come_by_a_port_and_by_a_disk_also_in_a_flood(machine: Namespace, guest: Console) -> None:
    node = status(machine.get("vmi", NAME), "nodeName")
    ask = f"exec 3<>{PORT}; printf 'GET /metrics/XML\\n\\n' >&3; sed '/<.metrics>/q' <&3; exec 3>&-"
    told, read = metrics_of(guest.run(ask).encode()), metrics_on_disk(guest)
    for found in (told, read):
        assert found["host", "HostName"] == node
        assert found["vm", "ResourceMemoryLimit"] == str(512 << 10)
    assert told.keys() == read.keys()
    assert guest.attempt(f"echo mine > /dev/{DEVICE.format('metrics')}")[1] != 0
    guest.run(f"(yes | tr -d '\\n' > {PORT}) >/dev/null 2>&1 & true")
    assert eventually(lambda: int(metrics_on_disk(guest)["host", "Time"]) > int(read["host", "Time"]), 60)
    guest.run("killall yes")


def test_all_is_kept_over_a_restart_but_the_empty_disk(machine: Namespace) -> None:
    with console(machine.name, NAME) as guest:
        guest.login()
        guest.run("modprobe efivarfs; mount -t efivarfs none /sys/firmware/efi/efivars")
        guest.run("mkdir -p /run/kept; mount -t virtiofs files /run/kept; echo from-the-guest > /run/kept/note; sync")
        guest.run(f"printf '\\007\\000\\000\\000kept' > {VARIABLE}")
        assert ask_tpm(guest, NV_DEFINE)[6:10] == SUCCESS
        assert ask_tpm(guest, NV_WRITE)[6:10] == SUCCESS
        measured = guest.run("cat /sys/class/tpm/tpm0/pcr-sha256/0")
        assert int(measured, 16), "the firmware measured nothing"
        assert ask_tpm(guest, PCR_EXTEND)[6:10] == SUCCESS
        assert guest.run(f"cat {PCR}").lower() == hashlib.sha256(bytes(32) + EVENT).hexdigest()
        for serial in ("data", "scratch"):
            guest.run(f"echo marked | dd of=/dev/{DEVICE.format(serial)} bs=512 count=1 conv=sync,fsync")
    first = machine.get("vmi", NAME)["metadata"]["uid"]
    machine.virtctl("restart", NAME)
    machine.until(
        "vmi",
        NAME,
        lambda vmi: vmi and vmi["metadata"]["uid"] != first and status(vmi, "phase") == "Running",
        "running as a new instance",
    )
    with console(machine.name, NAME) as guest:
        guest.login(240)
        guest.run("modprobe efivarfs; mount -t efivarfs none /sys/firmware/efi/efivars")
        assert guest.run(f"tail -c 4 {VARIABLE}") == "kept"
        assert b"remember" in ask_tpm(guest, NV_READ)
        assert guest.run("cat /sys/class/tpm/tpm0/pcr-sha256/0") == measured
        assert int(guest.run(f"cat {PCR}"), 16) == 0, "the TPM was not reset with its machine"
        assert "marked" in guest.run(f"head -c 6 /dev/{DEVICE.format('data')}")
        assert "marked" not in guest.run(f"head -c 6 /dev/{DEVICE.format('scratch')}")
        guest.run("mkdir -p /run/files && mount -t virtiofs files /run/files")
        assert guest.run("cat /run/files/note") == "from-the-guest"
    (claim,) = machine.items("pvc", f"persistent-state-for={NAME}")
    assert claim["metadata"]["ownerReferences"][0]["kind"] == "VirtualMachine"


def test_a_host_disk_needs_a_namespace_that_permits_it_and_is_made(own: Namespace) -> None:
    path = f"/var/tmp/{own.name}.img"
    source = {"hostDisk": {"path": path, "type": "DiskOrCreate", "capacity": "8Mi"}}
    document = machines.with_disk(machines.vmi("hosted"), "host", source, disk={"bus": "virtio"}, serial="host")
    apply_when_gates_are_known(own, document)
    own.until(
        "vmi",
        "hosted",
        lambda vmi: any("PodSecurity" in one.get("message", "") for one in status(vmi, "conditions") or ()),
        "refused by Pod Security",
    )
    run("kubectl", "label", "--overwrite", "namespace", own.name, "pod-security.kubernetes.io/enforce=privileged")
    own.kubectl("delete", "vmi", "hosted")
    own.apply(document)
    own.until_phase("hosted", "Running")
    with console(own.name, "hosted") as guest:
        guest.login()
        assert guest.run(f"cat /sys/block/{DEVICE.format('host')}/size") == str((8 << 20) // 512)
