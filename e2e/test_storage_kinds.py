"""Every kind of volume on every bus, read inside one guest, and what its firmware and TPM remember over a restart."""

from __future__ import annotations

import errno
import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from e2e import machines, shares
from e2e.console import Console, console
from e2e.gates import apply_when_gates_are_known, feature_gates
from e2e.kubectl import Namespace, eventually, run, status
from e2e.metrics import metrics_of, metrics_on_disk
from e2e.test_network import server_pod
from e2e.test_storage import claim_pod
from e2e.tpm import Tpm, sealing

Document = dict[str, Any]

GATES = (
    "ContainerPathVolumes",
    "DeclarativeHotplugVolumes",
    "DownwardMetrics",
    "EnableVirtioFsStorageVolumes",
    "ExperimentalIgnitionSupport",
    "HostDisk",
)
NAME = "storage"
VARIABLE = "/sys/firmware/efi/efivars/Kept-6b7f3c1e-0d2a-4d5b-9c3f-2a1b0c9d8e7f"
LABELS = {"path": "meta/labels", "fieldRef": {"fieldPath": "metadata.labels"}}
VOLUMES: tuple[tuple[str, Document, Document], ...] = (
    ("keys", {"secret": {"secretName": "keys", "volumeLabel": "KEYS"}}, {"disk": {"bus": "virtio"}}),
    ("settings", {"configMap": {"name": "settings", "volumeLabel": "SETTINGS"}}, {"disk": {"bus": "scsi"}}),
    ("about", {"downwardAPI": {"fields": [LABELS], "volumeLabel": "ABOUT"}}, {"disk": {"bus": "sata"}}),
    ("account", {"serviceAccount": {"serviceAccountName": "robot"}}, {"disk": {"bus": "usb"}}),
    ("answers", {"sysprep": {"configMap": {"name": "answers"}}}, {"cdrom": {"bus": "sata"}}),
    ("secrets", {"sysprep": {"secret": {"name": "answers"}}}, {"cdrom": {"bus": "scsi"}}),
    (
        "data",
        {"persistentVolumeClaim": {"claimName": "data"}},
        {"disk": {"bus": "virtio"}, "serial": "data", "tag": "store"},
    ),
    ("held", {"dataVolume": {"name": "held"}}, {"disk": {"bus": "virtio"}, "serial": "held"}),
    ("raw", {"persistentVolumeClaim": {"claimName": "raw"}}, {"disk": {"bus": "virtio"}, "serial": "raw"}),
    ("scratch", {"emptyDisk": {"capacity": "16Mi"}}, {"disk": {"bus": "virtio"}, "serial": "scratch"}),
    ("metrics", {"downwardMetrics": {}}, {"disk": {"bus": "virtio"}, "serial": "metrics"}),
    (
        "drive",
        {"cloudInitConfigDrive": {"userData": "#!/bin/sh\necho by-drive >/run/told\n"}},
        {"disk": {"bus": "virtio"}},
    ),
)
ON_BUS = {"virtio": r"/virtio\d+/block/", "scsi": r"/virtio\d+/host\d+/", "sata": r"/ata\d+/", "usb": r"/usb\d+/"}
KEPT, LOST = ("data", "held", "raw"), ("scratch",)
"""Disks by their serials, and what becomes of them over a restart."""
BLOCK = {"storageClassName": "block", "volumeMode": "Block"}
CLAIMS = (
    *(machines.claim(name, "32Mi") for name in ("data", "files", "held", "later")),
    machines.claim("raw", "16Mi", **BLOCK),
)
IGNITION = '{"ignition": {"version": "3.4.0"}, "storage": {"files": [{"path": "/etc/motd"}]}}'
DEVICE = "$(basename $(dirname $(grep -l '^{}$' /sys/block/*/serial)))"

INJECTED = "/opt/injected"
METRICS = f"/dev/{DEVICE.format('metrics')}"
PORT = "/dev/$(basename $(dirname $(grep -l vhostmd /sys/class/virtio-ports/*/name)))"

CANARY = f"canary-{secrets.token_hex(8)}"
OUT = "../" * 8
"""From the folder of a share to the root of whoever follows it."""

INDEX, SEALED = "01500001", "01500002"
WORDS, SEALED_WORDS = b"remember", b"of this boot alone"


@pytest.fixture(scope="module", autouse=True)
def gates(deployed: None) -> Iterator[None]:
    with feature_gates(*GATES):
        yield


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


@pytest.fixture(scope="module")
def machine(shared: Namespace, injected: None) -> Namespace:
    """The namespace with the machine running: UEFI and a TPM that remember, all volumes, three shares."""
    plain = [
        {"kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"password": "s3cret", ".hidden": "too"}},
        {"kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"color": "blue"}},
        {"kind": "ConfigMap", "metadata": {"name": "answers"}, "data": {"autounattend.xml": "<unattend/>"}},
        {"kind": "Secret", "metadata": {"name": "answers"}, "stringData": {"unattend.xml": "<hidden/>"}},
        {"kind": "ConfigMap", "metadata": {"name": "words"}, "data": {"note": "from-others"}},
        {"kind": "ServiceAccount", "metadata": {"name": "robot"}},
    ]
    shared.apply(*({"apiVersion": "v1", **one} for one in plain), *CLAIMS)
    document = machines.vm(NAME, memory="512Mi", labels={"color": "green"})
    for name, volume, disk in VOLUMES:
        document = machines.with_disk(document, name, volume, **disk)
    document["spec"]["template"]["metadata"]["annotations"] = {"kubevirt.io/ignitiondata": IGNITION}
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
    authority = machine.get("configmap", "kube-root-ca.crt")["data"]["ca.crt"].strip()
    expected = (
        ("KEYS", "virtio", "cat /mnt/password /mnt/.hidden", "s3crettoo"),
        ("SETTINGS", "scsi", "cat /mnt/color", "blue"),
        ("ABOUT", "sata", "grep color /mnt/meta/labels", 'color="green"'),
        ("cfgdata", "usb", "cat /mnt/namespace; echo; cat /mnt/ca.crt", f"{machine.name}\n{authority}"),
        ("unattendCD", "sata", "cat /mnt/autounattend.xml", "<unattend/>"),
        ("unattendCD", "scsi", "cat /mnt/unattend.xml", "<hidden/>"),
    )
    label = "dd if=/dev/$b bs=8 skip=4101 count=4 2>/dev/null | tr -cd A-Za-z"
    listed = guest.run(f"for b in $(ls /sys/block); do echo $({label}) $(readlink -f /sys/block/$b); done")
    places = [line.split() for line in listed.splitlines() if len(line.split()) == 2]
    for label, bus, command, content in expected:
        found = [path for named, path in places if named == label and re.search(ON_BUS[bus], path)]
        assert len(found) == 1, f"not one disk {label} on {bus}: {places}"
        assert ("/sr" in found[0]) == (label == "unattendCD")
        guest.run(f"mount -o ro -t iso9660 /dev/{found[0].rpartition('/')[2]} /mnt")
        assert guest.run(command) == content
        if label == "cfgdata":
            assert user_of(guest.run("cat /mnt/token")) == f"system:serviceaccount:{machine.name}:robot"
        guest.run("umount /mnt")


def user_of(token: str) -> str:
    """Whom the API server takes the bearer of a token for."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    made = json.loads(run("kubectl", "create", "-f", "-", "-o", "json", stdin=json.dumps(review)))
    assert made["status"].get("authenticated"), made["status"]
    name: str = made["status"]["user"]["username"]
    return name


def test_an_ignition_file_lies_with_the_firmware(guest: Console) -> None:
    assert guest.run("cat /sys/firmware/qemu_fw_cfg/by_name/opt/com.coreos/config/raw") == IGNITION


def test_a_disk_grows_with_its_claim(machine: Namespace, guest: Console) -> None:
    sectors = f"cat /sys/block/{DEVICE.format('data')}/size"
    assert guest.run(sectors) == str((32 << 20) // 512)
    guest.run(f"echo before | dd of=/dev/{DEVICE.format('data')} bs=512 count=1 conv=sync,fsync")
    grown = {"spec": {"resources": {"requests": {"storage": "48Mi"}}}}
    machine.kubectl("patch", "pvc", "data", "--type=merge", "-p", json.dumps(grown))
    guest.until(sectors, str((48 << 20) // 512))
    assert guest.run(f"head -c 6 /dev/{DEVICE.format('data')}") == "before"


def test_a_data_volume_comes_to_a_running_guest_and_leaves_it(machine: Namespace, guest: Console) -> None:
    spec = machine.get("vm", NAME)["spec"]["template"]["spec"]
    disks, volumes = spec["domain"]["devices"]["disks"], spec["volumes"]
    disk = {"name": "later", "serial": "later", "disk": {"bus": "virtio"}}
    source = {"name": "later", "dataVolume": {"name": "later", "hotpluggable": True}}
    set_disks(machine, [*disks, disk], [*volumes, source])
    seen = "grep -c '^later$' /sys/block/*/serial | grep -c ':1$'"
    guest.until(seen, "1")
    guest.run(f"echo plugged | dd of=/dev/{DEVICE.format('later')} bs=512 count=1 conv=sync,fsync")
    assert guest.run(f"head -c 7 /dev/{DEVICE.format('later')}") == "plugged"
    set_disks(machine, disks, volumes)
    guest.until(seen, "0")


def set_disks(machine: Namespace, disks: list[Document], volumes: list[Document]) -> None:
    spec = {"domain": {"devices": {"disks": disks}}, "volumes": volumes}
    patch = {"spec": {"template": {"spec": spec}}}
    machine.kubectl("patch", "vm", NAME, "--type=merge", "-p", json.dumps(patch))


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


@pytest.fixture(scope="module")
def tenant(machine: Namespace, tmp_path_factory: pytest.TempPathFactory) -> shares.Tenant:
    """The owner of the share `files`, which sets its traps. A word lies beside the share, with its server alone."""
    node = machine.get("vmi", NAME)["status"]["nodeName"]
    machine.apply(claim_pod("tenant", "files", node))
    machine.kubectl("wait", "--for=condition=Ready", "pod/tenant", "--timeout=60s")
    made = shares.Tenant(machine)
    made.give_fuse(tmp_path_factory.mktemp("fuse"))
    at_server(machine, f"echo {CANARY} >{shares.CANARY}")
    return made


def at_server(machine: Namespace, command: str) -> str:
    """What a shell prints beside the server of the share `files`."""
    (pod,) = machine.launcher_pods(NAME)
    name = pod["metadata"]["name"]
    return machine.kubectl("exec", name, "-c", "virtiofs-files", "--", "sh", "-c", command).strip()


def test_links_in_a_share_lead_to_what_the_guest_has(machine: Namespace, tenant: shares.Tenant, guest: Console) -> None:
    guest.run("umount -at virtiofs; mkdir -p /run/files; mount -t virtiofs files /run/files; cd /run/files")
    share = "/var/run/kubevirt-private/vmi-disks/files"
    for link in (*shares.LINKS, "evil/canary", f"root{shares.CANARY}"):
        assert at_server(machine, f"cat {share}/{link}") == CANARY, "the trap would catch nobody"
        output, code = guest.attempt(f"cat {link}")
        assert code and CANARY not in output
    guest.run(f"echo of-the-guest >{shares.CANARY}")
    for link in (*shares.LINKS, "evil/canary", f"root{shares.CANARY}"):
        assert guest.run(f"cat {link}") == "of-the-guest"
        guest.run(f"echo of-the-guest >{link}")
    assert at_server(machine, f"cat {shares.CANARY}") == CANARY
    assert guest.run("cat inner again") == f"{shares.NOTE}\n{shares.NOTE}"
    assert guest.run("{ echo by-the-guest >fifo & }; cat fifo") == "by-the-guest"
    output, code = guest.attempt("mknod null c 1 3")
    assert code and "not permitted" in output
    guest.run(f"cp fuse /tmp/; cd /; umount /run/files; rm {shares.CANARY}")


def test_names_that_only_a_hostile_kernel_sends_lead_nowhere(
    machine: Namespace, tenant: shares.Tenant, guest: Console
) -> None:
    """The guest has let go of its driver, and asks by one of its own."""
    assert shares.ask(guest, ("read", "note"), ("read", "race|canary")) == [shares.NOTE, shares.HARMLESS]
    upwards = ("..", "race|..", "race|..|..", "../..", OUT, "/")
    assert {*shares.ask(guest, *(("is", path) for path in upwards))} <= tenant.inodes | errors(*REFUSALS)
    read = [*shares.LINKS, "evil|canary", "root|tmp|canary", "evil/canary", f"root{shares.CANARY}", f"{OUT}tmp/canary"]
    read += [shares.CANARY, f"..|{OUT}tmp|canary", "..|..|..|..|tmp|canary", "..|tmp|canary", "fifo", "socket"]
    assert {*shares.ask(guest, *(("read", path) for path in read))} <= errors(*REFUSALS)
    out = f"{OUT}tmp/planted"
    changes = [(verb, path) for verb in CHANGES for path in (out, "evil|planted", "evil/planted", "/tmp/planted")]
    changes += [("take", f"{OUT}tmp/canary"), ("remove", f"{OUT}tmp/canary"), ("remove", shares.CANARY)]
    assert {*shares.ask(guest, *changes)} <= errors(*REFUSALS)
    assert at_server(machine, "ls -A /tmp") == "canary"
    assert at_server(machine, f"cat {shares.CANARY}") == CANARY
    with tenant.swapping():
        found = shares.ask(guest, ("read", "race|canary"), times=300)
    assert {shares.HARMLESS} < {*found} <= {shares.HARMLESS, *errors(*REFUSALS)}
    guest.run("mount -t virtiofs files /run/files")
    assert guest.run("cat /run/files/note") == shares.NOTE


CHANGES = ("make", "folder", "fifo", "link", "symlink", "give")
REFUSALS = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EBADF, errno.EACCES, errno.EXDEV)


def errors(*numbers: int) -> set[str]:
    return {f"error {number}" for number in numbers}


def test_a_config_drive_is_followed_and_tells_of_tagged_devices(guest: Console) -> None:
    guest.until("cat /run/told", "by-drive")
    card, disk = json.loads(guest.run("cat /run/seed/meta-data"))["devices"]
    assert (card["type"], card["bus"], card["tags"]) == ("nic", "pci", ["uplink"])
    assert guest.run(f"cat /sys/bus/pci/devices/{card['address']}/virtio*/net/*/address") == card["mac"]
    assert (disk["type"], disk["bus"], disk["tags"]) == ("disk", "pci", ["store"])
    assert guest.run(f"cat /sys/bus/pci/devices/{disk['address']}/virtio*/block/*/serial") == disk["serial"] == "data"


def test_metrics_of_the_host_come_by_a_port_and_by_a_disk_also_in_a_flood(machine: Namespace, guest: Console) -> None:
    node = status(machine.get("vmi", NAME), "nodeName")
    ask = f"exec 3<>{PORT}; printf 'GET /metrics/XML\\n\\n' >&3; sed '/<.metrics>/q' <&3; exec 3>&-"
    told, read = metrics_of(guest.run(ask).encode()), metrics_on_disk(guest, METRICS)
    for found in (told, read):
        assert found["host", "HostName"] == node
        assert found["vm", "ResourceMemoryLimit"] == str(512 << 10)
    assert told.keys() == read.keys()
    assert guest.attempt(f"echo mine > {METRICS}")[1] != 0
    guest.run(f"(yes | tr -d '\\n' > {PORT}) >/dev/null 2>&1 & true")
    assert eventually(lambda: int(metrics_on_disk(guest, METRICS)["host", "Time"]) > int(read["host", "Time"]), 60)
    guest.run("killall yes")


def test_what_is_sealed_to_a_boot_opens_after_the_same_boot_alone(machine: Namespace, guest: Console) -> None:
    tpm = Tpm(guest)
    measured = tpm.pcr(0)
    assert any(measured), "the firmware measured nothing"
    tpm.define(SEALED, len(SEALED_WORDS), policy=sealing(measured))
    tpm.write(SEALED, SEALED_WORDS)
    assert tpm.unseal(SEALED, len(SEALED_WORDS)) == SEALED_WORDS
    tpm.extend(0, b"another firmware")
    assert tpm.pcr(0) != measured
    assert tpm.unseal(SEALED, len(SEALED_WORDS)) is None
    booted, instance = guest.run("cat /proc/sys/kernel/random/boot_id"), machine.get("vmi", NAME)["metadata"]["uid"]
    guest.send("reboot\n")
    guest.expect("Restarting system", 60)
    guest.login(240)
    assert guest.run("cat /proc/sys/kernel/random/boot_id") != booted
    assert machine.get("vmi", NAME)["metadata"]["uid"] == instance
    assert tpm.pcr(0) == measured
    assert tpm.unseal(SEALED, len(SEALED_WORDS)) == SEALED_WORDS


def test_all_is_kept_over_a_restart_but_the_empty_disk(machine: Namespace) -> None:
    event = b"of this guest"
    with console(machine.name, NAME) as guest:
        guest.login()
        guest.run("modprobe efivarfs; mount -t efivarfs none /sys/firmware/efi/efivars")
        guest.run("mkdir -p /run/kept; mount -t virtiofs files /run/kept; echo from-the-guest > /run/kept/note; sync")
        guest.run(f"printf '\\007\\000\\000\\000kept' > {VARIABLE}")
        tpm = Tpm(guest)
        tpm.define(INDEX, len(WORDS))
        tpm.write(INDEX, WORDS)
        measured = tpm.pcr(0)
        tpm.extend(16, event)
        assert tpm.pcr(16) == hashlib.sha256(bytes(32) + hashlib.sha256(event).digest()).digest()
        for serial in (*KEPT, *LOST):
            guest.run(f"echo marked | dd of=/dev/{DEVICE.format(serial)} bs=512 count=1 conv=sync,fsync")
            assert guest.run(f"head -c 6 /dev/{DEVICE.format(serial)}") == "marked"
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
        tpm = Tpm(guest)
        assert tpm.read(INDEX, len(WORDS)) == WORDS
        assert tpm.pcr(0) == measured
        assert tpm.unseal(SEALED, len(SEALED_WORDS)) == SEALED_WORDS
        assert not any(tpm.pcr(16)), "the TPM was not reset with its machine"
        for serial in (*KEPT, *LOST):
            kept = "marked" in guest.run(f"head -c 6 /dev/{DEVICE.format(serial)}")
            assert kept == (serial in KEPT), serial
        guest.run("mkdir -p /run/files && mount -t virtiofs files /run/files")
        assert guest.run("cat /run/files/note") == "from-the-guest"
    (claim,) = machine.items("pvc", f"persistent-state-for={NAME}")
    assert claim["metadata"]["ownerReferences"][0]["kind"] == "VirtualMachine"


def test_a_host_disk_needs_a_namespace_that_permits_it_and_is_a_file_of_the_node(own: Namespace) -> None:
    path = f"/var/tmp/{own.name}.img"
    source = {"hostDisk": {"path": path, "type": "DiskOrCreate", "capacity": "8Mi"}}
    apply_when_gates_are_known(own, hosted(source))
    own.until(
        "vmi",
        "hosted",
        lambda vmi: any("PodSecurity" in one.get("message", "") for one in status(vmi, "conditions") or ()),
        "refused by Pod Security",
    )
    run("kubectl", "label", "--overwrite", "namespace", own.name, "pod-security.kubernetes.io/enforce=privileged")
    own.kubectl("delete", "vmi", "hosted")
    own.apply(hosted(source))
    node = own.until_phase("hosted", "Running")["status"]["nodeName"]
    disk = f"/dev/{DEVICE.format('host')}"
    look_at_node(own, node)
    try:
        with console(own.name, "hosted") as guest:
            guest.login()
            assert guest.run(f"cat /sys/block/{DEVICE.format('host')}/size") == str((8 << 20) // 512)
            guest.run(f"echo by-the-first | dd of={disk} bs=512 count=1 conv=sync,fsync")
        assert on_node(own, f"print(open({path!r}).read(12))") == "by-the-first"
        own.kubectl("delete", "vmi", "hosted")
        own.apply(hosted({"hostDisk": {"path": path, "type": "Disk"}}, node=node))
        own.until_phase("hosted", "Running")
        with console(own.name, "hosted") as guest:
            guest.login()
            assert guest.run(f"head -c 12 {disk}") == "by-the-first"
    finally:
        on_node(own, f"import os; os.unlink({path!r})")


def hosted(source: Document, **where: str) -> Document:
    return machines.with_disk(machines.vmi("hosted", **where), "host", source, disk={"bus": "virtio"}, serial="host")


def look_at_node(own: Namespace, node: str) -> None:
    """The pod `looker`, which has the node's /var/tmp."""
    pod = server_pod("looker", node)
    container = pod["spec"]["containers"][0]
    container["command"] = ["sleep", "1000"]
    container["securityContext"]["runAsUser"] = 107
    container["volumeMounts"] = [{"name": "node", "mountPath": "/var/tmp"}]
    pod["spec"]["volumes"] = [{"name": "node", "hostPath": {"path": "/var/tmp"}}]
    own.apply(pod)
    own.kubectl("wait", "--for=condition=Ready", "pod/looker", "--timeout=60s")


def on_node(own: Namespace, script: str) -> str:
    """What a script of Python prints in the pod `looker`."""
    return own.kubectl("exec", "looker", "--", "python3", "-c", script).strip()
