"""The status of one VMI at stations of its life, as its writers leave it: tests/golden/status/<station>.yaml."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jsonpatch
import msgspec
import pytest
import yaml

from kubevirt_py.api import views
from kubevirt_py.decide import guest as agent
from kubevirt_py.decide import vmi as controller
from kubevirt_py.decide.eviction import Guest, launcher_eviction
from kubevirt_py.decide.guest_agent import BASIC
from kubevirt_py.decide.guest_state import PANIC, GuestInfo, GuestState, MemoryDump, Plugged
from kubevirt_py.decide.vmi_snapshot import VmiSnapshot
from kubevirt_py.plan import Document, JsonPatch
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.defaults import default_vmi
from kubevirt_py.render.hotplug_volumes import with_volumes
from kubevirt_py.render.machine import Attachments, DiskFile, Facts, NicWire, machine_from_vmi
from kubevirt_py.render.network.binding import plan_links
from kubevirt_py.render.network.model import LinkFacts, ResolvFacts
from tests.unit.decide.scene import NOW, after, ago, created, pod, view, vmi, vmi_snapshot

MAC = "02:00:00:00:00:01"
SPEC: Document = yaml.safe_load("""
domain:
  cpu: {cores: 1, sockets: 2, threads: 1}
  memory: {guest: 64Mi}
  devices:
    autoattachVSOCK: true
    disks:
    - {name: root, disk: {bus: virtio}}
    - {name: seed, disk: {bus: virtio}}
    - {name: extra, disk: {bus: scsi}}
    interfaces: [{name: default, masquerade: {}, macAddress: "02:00:00:00:00:01"}]
networks: [{name: default, pod: {}}]
volumes:
- {name: root, persistentVolumeClaim: {claimName: root}}
- {name: seed, cloudInitNoCloud: {userData: "#!/bin/sh"}}
- {name: extra, dataVolume: {name: extra, hotpluggable: true}}
- {name: core, memoryDump: {claimName: core, hotpluggable: true}}
""")
CARD = {"name": "enp1s0", "mac": MAC, "addresses": ["10.0.2.2"]}
OS = {
    "id": "debian",
    "kernelRelease": "6.1.0",
    "kernelVersion": "#1 SMP",
    "machine": "x86_64",
    "name": "Debian",
    "prettyName": "Debian GNU/Linux 12 (bookworm)",
    "version": "12 (bookworm)",
    "versionId": "12",
}


def claim(name: str) -> Document:
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "annotations": {"cdi.kubevirt.io/storage.preallocation": "true"},
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "volumeMode": "Filesystem",
            "resources": {"requests": {"storage": "1Gi"}},
        },
        "status": {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "2Gi"}},
    }


def seen(machine: Document, *attachments: Document) -> VmiSnapshot:
    """What virt-controller sees once the VMI's pod runs, with the pods that bring volumes."""
    return replace(
        vmi_snapshot(machine, pod("Running", container={"running": {"startedAt": ago(1)}})),
        claims={name: view(claim(name), views.PersistentVolumeClaim) for name in ("root", "extra", "core")},
        attachments=tuple(view(one, views.Pod) for one in attachments),
    )


def looked_at(machine: Document, *attachments: Document) -> Document:
    """The VMI after virt-controller has looked at it."""
    return after(machine, controller.decide(seen(machine, *attachments)))


def told(machine: Document, guest: GuestState) -> Document:
    """The VMI after virt-handler has told of its guest."""
    hosted = view(machine, views.HostedInstance)
    (action,) = agent.decide(agent.Snapshot(vmi=hosted, guest=guest, now=NOW)).do
    assert isinstance(action, JsonPatch)
    result: Document = jsonpatch.apply_patch(machine, list(action.ops))
    return result


def guest(*plugged: str, **changes: Any) -> GuestState:
    """A guest that runs, with these volumes plugged."""
    spec = with_volumes(SPEC, plugged)
    files = {"root": DiskFile(), "seed": DiskFile(size_bytes=374784)}
    files |= {name: DiskFile(source=name) for name in plugged}
    wires = (NicWire(name="default", mac=MAC),)
    attached = Attachments(disks=files, nics=wires, vsock_cid=3)
    machine = machine_from_vmi("default_testvm", "vmi-uid", spec, Facts(kvm=False), attached)
    link = LinkFacts(name="eth0", mac="0a:58:0a:f4:01:05", mtu=1450, addresses=("10.244.1.5/24",), kind="veth")
    state = GuestState(
        pod_uid="pod-uid-0",
        machine=machine,
        machine_type="pc-q35-10.0",
        network=plan_links(spec, (link,), ResolvFacts((), ()), namespace="testns", name="testvm", uid="vmi-uid"),
        run_state="running",
        agent_connected=True,
        info=GuestInfo(os=OS, commands=tuple(sorted(BASIC)), interfaces=(CARD,)),
        selinux_context="system_u:object_r:container_file_t:s0:c1,c2",
    )
    return msgspec.structs.replace(state, **changes)


def admitted() -> Document:
    """As admission stores it."""
    return default_vmi(vmi(spec=SPEC), ClusterConfig(), NOW, lambda: "uuid")


def placed() -> Document:
    """Its pod has a node."""
    return looked_at(vmi(spec=SPEC))


def running() -> Document:
    return told(placed(), guest())


def plugged() -> Document:
    """A volume has been plugged, the memory dumped, the guest frozen meanwhile."""
    machine = looked_at(running())
    (body,) = created(controller.decide(seen(machine)))
    serving = body | {
        "metadata": body["metadata"] | {"uid": "attachment-uid", "creationTimestamp": ago(5)},
        "status": {"phase": "Running", "containerStatuses": [{"name": "hotplug-disk", "ready": True}]},
    }
    dump = MemoryDump(
        volume="core",
        claim="core",
        file="testvm-core-20260501-115900.memory.dump",
        started=ago(60),
        passed=True,
        ended=ago(5),
    )
    there = Plugged(mounted=frozenset({"extra", "core"}), held_volumes=frozenset({"extra"}))
    return told(looked_at(machine, serving), guest("extra", plugged=there, dump=dump, frozen=True))


def crashed() -> Document:
    """The guest's system panicked."""
    return told(vmi("Running"), guest(outcome=PANIC))


def evicted() -> Document:
    """Its pod was to be evicted, and somebody else is to move it."""
    machine = vmi("Running", spec={"evictionStrategy": "External"})
    answer = launcher_eviction(view(pod(), views.Pod), msgspec.convert(machine, Guest), "", {})
    result: Document = jsonpatch.apply_patch(machine, list(answer.ops))
    return result


STATIONS: dict[str, Callable[[], Document]] = {
    station.__name__: station for station in (admitted, placed, running, plugged, crashed, evicted)
}


@pytest.mark.parametrize("station", STATIONS)
def test_status_is_as_reviewed(station: str, golden: Any) -> None:
    status = {"status": STATIONS[station]()["status"]}
    golden.check(f"status/{station}.yaml", yaml.safe_dump(status, sort_keys=False, width=110))
