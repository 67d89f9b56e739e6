"""Whether a VirtualMachine(Cluster)Instancetype or a VirtualMachine(Cluster)Preference may be created or changed."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.api.instancetype_v1beta1 import VirtualMachineInstancetype
from kubevirt_py.api.preference_v1beta1 import VirtualMachinePreference
from kubevirt_py.api.quantity import parse_quantity
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, NOT_SUPPORTED, REQUIRED, Cause, at_least, one_of, unique
from kubevirt_py.render.parse import parse_causes, without_nulls
from kubevirt_py.render.selectors import label_key, labels_causes
from kubevirt_py.render.validate.memory import LEAST_BYTES, PAGE_SIZES
from kubevirt_py.render.validate.text import dns_label

IO_THREAD_POLICIES = ("shared", "auto", "supplementalPool")
TOPOLOGIES = ("sockets", "cores", "threads", "spread", "any")
DEPRECATED_TOPOLOGIES = (
    "preferSockets",
    "preferCores",
    "preferThreads",
    "preferSpread",
    "preferAny",
)
SPREADS = ("SocketsCores", "SocketsCoresThreads", "CoresThreads")
THREADS_PER_CORE = 2
"""All that processors have, so a spread over cores and threads has no other ratio."""


def validate_instancetype(document: Document) -> list[Cause]:
    """Causes against an instance type of either scope."""
    if causes := parse_causes(VirtualMachineInstancetype, document):
        return causes
    spec = without_nulls(document["spec"])
    cpu = spec["cpu"]
    return [
        *at_least("spec.cpu.guest", cpu["guest"], 1),
        *at_least("spec.cpu.maxSockets", cpu.get("maxSockets"), 1),
        *_pinning(cpu),
        *_memory(spec["memory"]),
        *one_of("spec.ioThreadsPolicy", spec.get("ioThreadsPolicy"), IO_THREAD_POLICIES),
        *labels_causes(spec.get("nodeSelector") or {}, "spec.nodeSelector"),
        *(cause for key in spec.get("annotations") or {} for cause in label_key(f"spec.annotations[{key}]", key)),
        *_devices(spec),
    ]


def _pinning(cpu: Document) -> Iterator[Cause]:
    if cpu.get("dedicatedCPUPlacement"):
        return
    for key in ("isolateEmulatorThread", "realtime", "numa"):
        if cpu.get(key) not in (None, False):
            yield Cause(f"spec.cpu.{key}", INVALID, f"{key} needs spec.cpu.dedicatedCPUPlacement to be true")


def _memory(memory: Document) -> Iterator[Cause]:
    guest = parse_quantity(memory["guest"])
    if guest < LEAST_BYTES:
        yield Cause("spec.memory.guest", INVALID, f"must be at least 1Mi, not {memory['guest']}")
    if (most := memory.get("maxGuest")) is not None and parse_quantity(most) < guest:
        yield Cause("spec.memory.maxGuest", INVALID, f"must not be less than spec.memory.guest, {memory['guest']}")
    if "hugepages" not in memory:
        return
    size = memory["hugepages"].get("pageSize")
    if size is None:
        yield Cause("spec.memory.hugepages.pageSize", REQUIRED, f"set one of: {', '.join(PAGE_SIZES)}")
    else:
        yield from one_of("spec.memory.hugepages.pageSize", size, PAGE_SIZES)
    if memory.get("overcommitPercent"):
        text = "overcommitPercent and hugepages should not be requested together: huge pages cannot be overcommitted"
        yield Cause("spec.memory.overcommitPercent", INVALID, text)


def _devices(spec: Document) -> Iterator[Cause]:
    named = [
        (f"spec.{kind}[{index}]", device)
        for kind in ("gpus", "hostDevices")
        for index, device in enumerate(spec.get(kind) or ())
    ]
    for field, device in named:
        if not device.get("name"):
            yield Cause(f"{field}.name", REQUIRED, "a device needs a name")
    yield from unique(((f"{field}.name", device.get("name")) for field, device in named), "device name")


def validate_preference(document: Document) -> list[Cause]:
    """Causes against a preference of either scope."""
    if causes := parse_causes(VirtualMachinePreference, document):
        return causes
    spec = without_nulls(document["spec"])
    requirements = spec.get("requirements") or {}
    return [
        *_topology(spec.get("cpu") or {}),
        *_firmware(spec.get("firmware") or {}),
        *_requirements(requirements),
        *at_least("spec.preferSpreadSocketToCoreRatio", spec.get("preferSpreadSocketToCoreRatio"), 0),
        *at_least("spec.preferredTerminationGracePeriodSeconds", spec.get("preferredTerminationGracePeriodSeconds"), 0),
        *dns_label("spec.preferredSubdomain", spec.get("preferredSubdomain") or None),
        *(cause for key in spec.get("annotations") or {} for cause in label_key(f"spec.annotations[{key}]", key)),
    ]


def _topology(cpu: Document) -> Iterator[Cause]:
    given = cpu.get("preferredCPUTopology")
    if given and given not in (*TOPOLOGIES, *DEPRECATED_TOPOLOGIES):
        yield Cause(
            "spec.cpu.preferredCPUTopology",
            NOT_SUPPORTED,
            f"{given!r} is not supported; use one of: {', '.join(TOPOLOGIES)}",
        )
    spread = cpu.get("spreadOptions") or {}
    yield from one_of("spec.cpu.spreadOptions.across", spread.get("across"), SPREADS)
    ratio = spread.get("ratio")
    yield from at_least("spec.cpu.spreadOptions.ratio", ratio, 0)
    if spread.get("across") == "CoresThreads" and ratio not in (None, 0, THREADS_PER_CORE):
        text = f"only a ratio of {THREADS_PER_CORE} is possible across cores and threads: a core has two threads"
        yield Cause("spec.cpu.spreadOptions.ratio", INVALID, text)
    features = cpu.get("preferredCPUFeatures") or []
    pairs = ((f"spec.cpu.preferredCPUFeatures[{index}].name", each["name"]) for index, each in enumerate(features))
    yield from unique(pairs, "CPU feature")


def _firmware(firmware: Document) -> Iterator[Cause]:
    efi = "preferredEfi" in firmware or firmware.get("preferredUseEfi")
    if efi and firmware.get("preferredUseBios"):
        yield Cause("spec.firmware.preferredUseBios", INVALID, "prefer either BIOS or EFI, not both")


def _requirements(given: Document) -> Iterator[Cause]:
    yield from at_least("spec.requirements.cpu.guest", (given.get("cpu") or {}).get("guest"), 1)
    memory = given.get("memory")
    if memory is not None and parse_quantity(memory["guest"]) <= 0:
        yield Cause("spec.requirements.memory.guest", INVALID, f"must be more than 0, not {memory['guest']}")
