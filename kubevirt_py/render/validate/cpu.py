"""spec.domain.cpu and the CPU part of spec.domain.resources."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from kubevirt_py.api.quantity import parse_quantity
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, NOT_SUPPORTED, REQUIRED, Cause, at_least, one_of, unique
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.cpufeatures import KNOWN, qemu_name
from kubevirt_py.render.machine.cpu import MAX_VCPUS
from kubevirt_py.render.machine.pinning import cpu_list
from kubevirt_py.render.resources import is_pinned, vcpus
from kubevirt_py.render.selectors import label_value

POLICIES = ("force", "require", "optional", "disable", "forbid")


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    cpu = spec["domain"].get("cpu") or {}
    base = f"{path}.domain.cpu"
    yield from _topology(cpu, base)
    yield from _model(cpu, base, config)
    yield from _features(cpu.get("features") or [], f"{base}.features", spec.get("architecture") or "")
    yield from _resources(spec["domain"].get("resources") or {}, f"{path}.domain.resources")
    yield from _dedicated(spec, path)
    yield from _realtime((cpu.get("realtime") or {}).get("mask") or "", f"{base}.realtime.mask")
    if not cpu.get("dedicatedCpuPlacement"):
        for key in ("isolateEmulatorThread", "realtime", "numa"):
            if cpu.get(key) not in (None, False):
                yield Cause(f"{base}.{key}", INVALID, f"{key} needs {base}.dedicatedCpuPlacement to be true")


def _dedicated(spec: Document, path: str) -> Iterator[Cause]:
    """The kubelet gives whole CPUs; an amount that is given as well must be that of the virtual CPUs."""
    if not is_pinned(spec):
        return
    for side in ("requests", "limits"):
        given = ((spec["domain"].get("resources") or {}).get(side) or {}).get("cpu")
        if given is not None and parse_quantity(given) != vcpus(spec):
            yield Cause(
                f"{path}.domain.resources.{side}.cpu",
                INVALID,
                f"with dedicatedCpuPlacement it must be {vcpus(spec)}, the number of virtual CPUs, or be left out",
            )


def _realtime(mask: str, field: str) -> Iterator[Cause]:
    try:
        cpu_list(mask)
    except ValueError:
        yield Cause(field, INVALID, f"{mask!r} is no list of virtual CPUs; write one such as 0-3,^1")


def _topology(cpu: Document, base: str) -> Iterator[Cause]:
    parts = {part: cpu.get(part, 1) for part in ("sockets", "cores", "threads")}
    for part, count in parts.items():
        yield from at_least(f"{base}.{part}", count, 1)
    per_socket = parts["cores"] * parts["threads"]
    total, limit = parts["sockets"] * per_socket, f"a guest can have at most {MAX_VCPUS} virtual CPUs"
    if total > MAX_VCPUS:
        yield Cause(base, INVALID, f"sockets x cores x threads is {total}; {limit}")
    most = cpu.get("maxSockets")
    if most is None:
        return
    if parts["sockets"] > most:
        yield Cause(f"{base}.sockets", INVALID, f"{parts['sockets']} sockets are more than maxSockets ({most})")
    if most * per_socket > MAX_VCPUS:
        yield Cause(f"{base}.maxSockets", INVALID, f"maxSockets x cores x threads is {most * per_socket}; {limit}")


def _model(cpu: Document, base: str, config: ClusterConfig) -> Iterator[Cause]:
    """Its name is part of a label of the nodes that have it."""
    yield from label_value(f"{base}.model", cpu.get("model") or "")
    if cpu.get("model") in config.obsolete_cpu_models:
        yield Cause(f"{base}.model", INVALID, f"{cpu['model']!r} is an obsolete CPU model in this cluster")


def _features(features: list[Document], base: str, architecture: str) -> Iterator[Cause]:
    """Each feature once, however it is spelt."""
    for index, feature in enumerate(features):
        name = feature["name"]
        if not name:
            yield Cause(f"{base}[{index}].name", REQUIRED, "a CPU feature needs a name")
        elif architecture == "amd64" and qemu_name(name) not in KNOWN:
            yield Cause(f"{base}[{index}].name", NOT_SUPPORTED, f"QEMU has no CPU feature {name!r}; mind the spelling")
        yield from one_of(f"{base}[{index}].policy", feature.get("policy"), POLICIES)
    named = ((f"{base}[{index}].name", qemu_name(feature["name"])) for index, feature in enumerate(features))
    yield from unique(named, "CPU feature")


def _resources(resources: Document, base: str) -> Iterator[Cause]:
    amounts: dict[str, Fraction] = {}
    for side in ("requests", "limits"):
        given = (resources.get(side) or {}).get("cpu")
        if given is None:
            continue
        amounts[side] = parse_quantity(given)
        if amounts[side] <= 0:
            yield Cause(
                f"{base}.{side}.cpu", INVALID, f"must be more than 0, not {given}; leave it out for the default"
            )
    if "limits" in amounts and amounts.get("requests", Fraction(0)) > amounts["limits"]:
        yield Cause(
            f"{base}.requests.cpu",
            INVALID,
            f"{resources['requests']['cpu']} is more than the limit of {resources['limits']['cpu']}",
        )
