"""Functions that answer otherwise for a field of a VMI: by name, how they are asked about one, and a VMI to ask about.

`test_vmi_fields.py` takes the field out of the VMI, or changes it, and asks again.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec
import yaml

from kubevirt_py.api.views import HostedInstance, Pod
from kubevirt_py.decide.eviction import Guest
from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.machine import Facts
from kubevirt_py.virt_handler.guestagent import AgentRefused
from tests.unit.decide.scene import view
from tests.unit.render.machine.test_machine import machine_of


class Decision(NamedTuple):
    """`ask(function, vmi)` is the function's answer about a VMI; `about` is one that the fields matter to."""

    ask: Callable[[Any, Document], Any]
    about: Document


def _filled(fill: Any, vmi: Document) -> Document:
    spec: Document = copy.deepcopy(vmi["spec"])
    fill(spec, ClusterConfig())
    return spec


def _evicted(launcher_eviction: Any, vmi: Document) -> Any:
    return launcher_eviction(Pod(), msgspec.convert(vmi, Guest), "", {})


class _Contrary:
    """An agent that refuses each command, and repeats it."""

    async def ask(self, command: str, _answer: Any, arguments: Document | None = None, **_: Any) -> Any:
        raise AgentRefused(f"{command} {arguments}")


def _answered(answer: Any, vmi: Document) -> list[Document]:
    """Both probes."""
    hosted = SimpleNamespace(vmi=lambda: view(vmi, HostedInstance))
    asked = SimpleNamespace(
        hosted=hosted, channel=_Contrary(), run_state="running", freezer=SimpleNamespace(frozen=False)
    )
    return [asyncio.run(answer(asked, name)) for name in ("livenessProbe", "readinessProbe")]


def _tagged(tagged_devices: Any, vmi: Document) -> Any:
    return tagged_devices(vmi["spec"], machine_of(vmi))


def _vmi(text: str) -> Document:
    document: Document = yaml.safe_load(text)
    return document


DECISIONS = {
    "decide/eviction.launcher_eviction": Decision(
        _evicted, _vmi("{spec: {evictionStrategy: LiveMigrate}, status: {phase: Running}}")
    ),
    "decide/migratable.copies_disks": Decision(
        lambda copies_disks, vmi: copies_disks(vmi["spec"]),
        _vmi("{spec: {volumes: [{name: a, hostDisk: {path: /vms/a.img, type: Disk, shared: true}}]}}"),
    ),
    "render/default_devices.fill": Decision(
        _filled, _vmi("{spec: {architecture: amd64, domain: {firmware: {}, devices: {autoattachPodInterface: false}}}}")
    ),
    "render/hotplug_volumes.dump_volume": Decision(
        lambda dump_volume, vmi: dump_volume(vmi["spec"]),
        _vmi("{spec: {utilityVolumes: [{name: core, claimName: core, type: MemoryDump}]}}"),
    ),
    "render/machine/pinning.pins": Decision(
        lambda pins, vmi: pins(vmi["spec"]["domain"], Facts(kvm=True, cells={0: (2, 3, 4)}), 2, ()),
        _vmi('{spec: {domain: {cpu: {dedicatedCpuPlacement: true, realtime: {mask: "1"}}}}}'),
    ),
    "render/machine/tags.tagged_devices": Decision(
        _tagged,
        _vmi("""
        files: {a: {}}
        spec:
          domain:
            memory: {guest: 64Mi}
            devices:
              disks: [{name: a, disk: {bus: virtio}, tag: database}]
              interfaces: [{name: b, bridge: {}, tag: uplink}]
        """),
    ),
    "render/scheduling.node_selector": Decision(
        lambda node_selector, vmi: node_selector(vmi["spec"], ClusterConfig()), _vmi("{spec: {architecture: arm64}}")
    ),
    "render/start.starts_paused": Decision(
        lambda starts_paused, vmi: starts_paused(vmi["spec"]), _vmi("{spec: {startStrategy: Paused}}")
    ),
    "virt_handler/probes.answer": Decision(
        _answered,
        _vmi("""
        spec:
          livenessProbe: {exec: {command: [test, -e, /alive]}}
          readinessProbe: {exec: {command: [test, -e, /ready]}}
        """),
    ),
}
