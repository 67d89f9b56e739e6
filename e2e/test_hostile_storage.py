"""A tenant attacks by what lies in its storage: prepared before machines start, and swapped while they start.

The tenant's own pod has the claims of its machines at the paths where QEMU's pod has them, and QEMU's user: nobody can
do more to a volume. A random word lies in the claim `treasure`, which two machines are given and no other. Each attack
ends in a refusal that names the volume, or in a guest on whose disks neither that word is nor the launcher's own files.
A device node is the one trap that the tenant cannot set: no pod of a restricted namespace may make one.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e import machines, traps
from e2e.console import Console, console
from e2e.kubectl import Document, Namespace, condition, run, status
from e2e.test_network import server_pod

WORD = f"canary-{secrets.token_hex(8)}"
LAUNCHERS_OWN = "qemu:x:107:107"
"""Of the launcher's /etc/passwd, and of no guest's."""
REFUSED = {
    **dict.fromkeys(traps.LINKS, "Too many levels of symbolic links"),
    "of-another": "Permission denied; user 107 may not use it",
    "fifo": "neither a regular file nor a block device",
    "folder": "Is a directory",
    "socket": "No such device or address",
}
"""Traps that are no disks, by their claims, and what their owner is told."""
AT_START = ("backed", "backed-json", "elsewhere")
LOOK_BYTES = 64 << 10
ROUNDS, SWAPS = 8, 1000
"""In how many rounds a race has to end both ways, and how often files are swapped in each. Three disks at a time: that
all of them only ever end one way happens about once in a million."""
TRAPS = Path(traps.__file__).read_text()


class Tenant:
    """A namespace, and the pod in it that has all its claims."""

    def __init__(self, space: Namespace, node: str) -> None:
        self.space, self.node = space, node
        self.restarts, self.reader_uid = restarts(), ""

    def run(self, what: str, pod: str = "tenant", container: str = "main") -> str:
        """Have a part of traps.py done in a pod."""
        command = ("exec", "-i", pod, "-c", container, "--", "python3", "-", WORD, what)
        return self.space.kubectl(*command, stdin=TRAPS)

    @contextmanager
    def swapping(self) -> Iterator[None]:
        """Meanwhile the disks of the races and links change places, thousands of times."""

        def swaps() -> int:
            return int(self.space.kubectl("exec", "tenant", "-c", "swapper", "--", "cat", traps.COUNT))

        before = swaps()
        self.run("go", container="swapper")
        try:
            yield
            assert swaps() - before > SWAPS, "there was no race"
        finally:
            self.run("rest", container="swapper")

    def machine(self, name: str, *claims: str, memory: str = "64Mi") -> Document:
        """A VMI with these claims as disks, which have their names for serials."""
        document = machines.vmi(name, node=self.node, memory=memory, terminationGracePeriodSeconds=0)
        for claim in claims:
            disk = {"bus": "virtio", "readonly": claim == "treasure"}
            document = machines.with_disk(document, claim, source(claim), disk=disk, serial=claim)
        return document

    def outcomes(self, *documents: Document) -> dict[str, str]:
        """Start VMIs at once; for each the reason why it does not run, none where it does."""
        names = [document["metadata"]["name"] for document in documents]
        self.space.apply(*documents)
        ended = {name: self.space.until("vmi", name, is_decided, "running, or failed") for name in names}
        return {name: "" if phase(vmi) == "Running" else why(vmi) for name, vmi in ended.items()}


def phase(vmi: Document) -> str:
    return str(status(vmi, "phase"))


def is_decided(vmi: Document) -> bool:
    return phase(vmi) in ("Running", "Failed")


def why(vmi: Document) -> str:
    return str(condition(vmi, "Synchronized").get("message", ""))


def source(claim: str, **more: object) -> Document:
    return {"persistentVolumeClaim": {"claimName": claim, **more}}


def launcher_image() -> str:
    text = run("kubectl", "-n", "kubevirt", "get", "deployment", "virt-controller", "-o", "json")
    env = json.loads(text)["spec"]["template"]["spec"]["containers"][0]["env"]
    return next(str(one["value"]) for one in env if one["name"] == "LAUNCHER_IMAGE")


def tenant_pod(node: str) -> Document:
    """QEMU's user, another one, and one that swaps files when told to, each with all claims."""
    pod = server_pod("tenant", node)
    (base,) = pod["spec"]["containers"]
    base["volumeMounts"] = [{"name": claim, "mountPath": f"{traps.DISKS}/{claim}"} for claim in traps.CLAIMS]
    wait = ["sleep", "3000"]
    users = {"main": (107, wait), "another": (1001, wait), "swapper": (107, ["python3", "-c", TRAPS, WORD, "swap"])}
    pod["spec"]["containers"] = [
        {**base, "name": name, "command": command, "securityContext": {**base["securityContext"], "runAsUser": user}}
        for name, (user, command) in users.items()
    ]
    pod["spec"]["volumes"] = [{"name": claim, **source(claim)} for claim in traps.CLAIMS]
    return pod


@pytest.fixture(scope="module")
def tenant(shared: Namespace, nodes: tuple[str, ...]) -> Tenant:
    claims = (
        machines.claim(claim, "300Mi" if claim == "core" else "1Mi") for claim in traps.CLAIMS if claim != "state"
    )
    state = machines.claim("state", "1Mi")
    state["metadata"]["labels"] = {"persistent-state-for": "stateful"}
    shared.apply(*claims, state, tenant_pod(nodes[0]))
    shared.kubectl("wait", "--for=condition=Ready", "pod/tenant", "--timeout=120s")
    made = Tenant(shared, nodes[0])
    made.run("share", container="another")
    assert made.run("prepare").split() == ["device", "link"], "what the kernel forbids"
    shared.apply(reading_machine(made))
    return made


def reading_machine(tenant: Tenant) -> Document:
    """It runs all the time, with what looks like disks of other formats. One disk is rightly the launcher's passwd."""
    document = tenant.machine("reader", "treasure", *AT_START, "sparse", memory="96Mi")
    passwd = {"containerDisk": {"image": launcher_image(), "path": "/etc/passwd"}}
    document = machines.with_disk(document, "passwd", passwd, disk={"bus": "virtio"}, serial="passwd")
    vm = machines.vm("reader")
    vm["spec"]["template"]["spec"] = document["spec"]
    return vm


@pytest.fixture(scope="module")
def reader(tenant: Tenant) -> Namespace:
    tenant.reader_uid = tenant.space.until_phase("reader", "Running")["metadata"]["uid"]
    return tenant.space


@pytest.fixture
def guest(reader: Namespace) -> Iterator[Console]:
    with console(reader.name, "reader") as opened:
        opened.login(180)
        yield opened


def disks_with(guest: Console, text: str) -> list[str]:
    """The guest's disks with this text at their beginning, by their serials."""
    look = f"head -c {LOOK_BYTES} /dev/${{b##*/}} 2>/dev/null | grep -q '{text}'"
    name = "{ cat $b/serial 2>/dev/null || tail -c +5 $b/device/vpd_pg80; } && echo"
    return sorted(guest.run(f"for b in /sys/block/[vs]d*; do {look} && {name}; done; true").split())


def test_what_is_no_disk_starts_no_machine_and_its_owner_is_told(tenant: Tenant) -> None:
    """In the launcher's image /var/run is a link to /run: in its pod, that is where the claims are."""
    image = launcher_image()
    linked = {"containerDisk": {"image": image, "path": traps.TREASURE}}
    kernel, stateful = tenant.machine("kernel", "treasure"), tenant.machine("stateful", "treasure")
    kernel["spec"]["domain"]["firmware"] = {"kernelBoot": {"container": {"image": image, "kernelPath": traps.TREASURE}}}
    stateful["spec"]["domain"]["devices"]["tpm"] = {"persistent": True}
    attempts = {
        "container-disks/linked/": machines.with_disk(tenant.machine("image", "treasure"), "linked", linked),
        "container-disks/kernel-boot-volume/": kernel,
        f"vm-state/tpm2.state: {REFUSED['neighbour']}": stateful,
    }
    for claim in ("upwards", "of-another", "fifo"):
        attempts[f"{claim}/disk.img"] = tenant.machine(claim, "treasure", claim)
    found = tenant.outcomes(*attempts.values())
    for place, document in attempts.items():
        name = document["metadata"]["name"]
        assert place in found[name]
        assert REFUSED.get(name, "") in found[name]


def test_a_path_in_an_image_that_leads_out_of_it_is_refused(tenant: Tenant) -> None:
    machine = tenant.machine("outwards")
    boot = {"image": launcher_image(), "kernelPath": "/boot/../../treasure/disk.img"}
    machine["spec"]["domain"]["firmware"] = {"kernelBoot": {"container": boot}}
    assert "spec.domain.firmware.kernelBoot.container.kernelPath" in tenant.space.refused(machine)


def test_a_machine_that_starts_while_its_disk_is_swapped_has_the_disk_or_nothing(tenant: Tenant) -> None:
    ran = refused = 0
    for number in range(ROUNDS):
        racers = [tenant.machine(f"{race}-{number}", "treasure", race) for race in traps.RACES]
        with tenant.swapping():
            found = tenant.outcomes(*racers)
        for name, text in found.items():
            if text:
                refused += 1
                assert f"{name[:5]}/disk.img: {REFUSED['neighbour']}" in text
            else:
                ran += 1
                (pod,) = tenant.space.launcher_pods(name)
                assert set(tenant.run("held", pod["metadata"]["name"], "compute").split()) == {"good", "word"}
        tenant.space.kubectl("delete", "vmi", *found)
        if ran and refused:
            return
    pytest.fail(f"of {ran + refused} starts {ran} had the disk: the race never came out both ways")


def test_the_traps_would_catch_who_follows_them(tenant: Tenant, reader: Namespace) -> None:
    """Whoever opens by name, or looks for a format, reads what is not on the disk."""
    assert tenant.run("follow").split() == ["neighbour", "upwards"]
    (pod,) = reader.launcher_pods("reader")
    for claim in AT_START:
        image, copy = f"{traps.DISKS}/{claim}/disk.img", "/dev/shm/copy"
        command = f"qemu-img convert -U -O raw {image} {copy}; head -c 1000 {copy}"
        read = reader.kubectl("exec", pod["metadata"]["name"], "-c", "compute", "--", "sh", "-c", command)
        assert WORD in read, claim


def test_images_that_name_other_files_are_bytes_to_a_guest(guest: Console) -> None:
    assert disks_with(guest, WORD) == ["treasure"]
    assert disks_with(guest, LAUNCHERS_OWN) == ["passwd"]
    assert disks_with(guest, "QFI") == list(AT_START)
    assert disks_with(guest, "begin") == ["sparse"]


def test_a_memory_dump_replaces_nothing_but_dumps(tenant: Tenant, reader: Namespace) -> None:
    tenant.run("occupy")
    reader.virtctl("memory-dump", "get", "reader", "--claim-name", "core")
    vm = reader.until("vm", "reader", lambda vm: status(vm, "memoryDumpRequest", "phase") == "Failed", "not dumped", 60)
    assert "Memory dump to pvc core failed" in (message := status(vm, "memoryDumpRequest", "message"))
    assert "File exists" in message
    reader.virtctl("memory-dump", "remove", "reader")
    reader.until("vm", "reader", lambda vm: not status(vm, "memoryDumpRequest"), "without its dump", 30)


def plug(reader: Namespace, *claims: str) -> dict[str, str]:
    """Have these claims, and no others, plugged into the reader; for each why it is not, none where it is."""
    spec = reader.get("vm", "reader")["spec"]["template"]["spec"]
    volumes = [volume for volume in spec["volumes"] if not is_plugged(volume)]
    names = {volume["name"] for volume in volumes}
    disks = [disk for disk in spec["domain"]["devices"]["disks"] if disk["name"] in names]
    volumes += [{"name": claim, **source(claim, hotpluggable=True)} for claim in claims]
    disks += [{"name": claim, "disk": {"bus": "scsi"}, "serial": claim} for claim in claims]
    changed = {"volumes": volumes, "domain": {"devices": {"disks": disks}}}
    patch = {"spec": {"template": {"spec": changed}}}
    reader.kubectl("patch", "vm", "reader", "--type", "merge", "-p", json.dumps(patch))

    def decided(vmi: Document) -> bool:
        found = plugged(vmi)
        return found.keys() == set(claims) and all(one["phase"] == "Ready" or told(one) for one in found.values())

    found = plugged(reader.until("vmi", "reader", decided, "with what it was to have", 90))
    return {claim: "" if found[claim]["phase"] == "Ready" else told(found[claim]) for claim in claims}


def is_plugged(volume: Document) -> bool:
    return bool(volume.get("persistentVolumeClaim", {}).get("hotpluggable"))


def plugged(vmi: Document) -> dict[str, Document]:
    return {one["name"]: one for one in status(vmi, "volumeStatus") or () if "hotplugVolume" in one}


def told(volume: Document) -> str:
    """Why a volume does not come, where it is known."""
    message = str(volume.get("message", ""))
    return message if "disk.img" in message else ""


def test_traps_are_not_plugged_and_what_is_swapped_meanwhile_is_the_disk_or_nothing(
    tenant: Tenant, reader: Namespace, guest: Console
) -> None:
    fixed = {**REFUSED, "known": "", "plugged-backed": ""}
    came = refused = 0
    for _ in range(ROUNDS):
        with tenant.swapping():
            found = plug(reader, *fixed, *traps.RACES)
        for claim, text in fixed.items():
            assert text in found[claim]
            assert bool(text) == (claim in found[claim])
        there = [race for race in traps.RACES if not found[race]]
        assert all(REFUSED["neighbour"] in found[race] for race in traps.RACES if race not in there)
        assert disks_with(guest, WORD) == sorted([*(["known"] if fixed else []), "treasure"])
        assert disks_with(guest, "harmless") == there
        if fixed:
            assert disks_with(guest, "QFI") == sorted([*AT_START, "plugged-backed"])
        came, refused = came + len(there), refused + len(traps.RACES) - len(there)
        if came and refused:
            return
        plug(reader)
        fixed = {}
    pytest.fail(f"of {came + refused} disks {came} came: the race never came out both ways")


def test_the_node_and_the_guest_beside_all_this_noticed_nothing(tenant: Tenant, reader: Namespace) -> None:
    assert tenant.run("unharmed") == ""
    assert reader.get("vmi", "reader")["metadata"]["uid"] == tenant.reader_uid
    assert restarts() == tenant.restarts


def restarts() -> dict[str, int]:
    """How often the container of each agent was started again."""
    pods = json.loads(run("kubectl", "-n", "kubevirt", "get", "pods", "-l", "kubevirt.io=virt-handler", "-o", "json"))
    return {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods["items"]}
