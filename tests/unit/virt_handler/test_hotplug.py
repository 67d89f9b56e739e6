"""What a running machine's agent does where a real QEMU could be met at the wrong moment only by luck."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.machine import Attachments, Facts, machine_from_vmi
from kubevirt_py.render.machine.cpu import following
from kubevirt_py.virt_handler.hotplug import HotPlug

CPU = {"sockets": 1, "cores": 1, "threads": 1, "maxSockets": 4}
SPEC: Document = {"domain": {"cpu": CPU, "memory": {"guest": "64Mi"}, "devices": {}}}


async def test_a_guest_that_lets_go_of_a_cpu_while_qemu_is_asked_is_looked_at_again() -> None:
    """Its word came between the question and the answer, and was then forgotten: the CPU never came back."""
    machine = machine_from_vmi("default_vm", "u", SPEC, Facts(kvm=False), Attachments())
    machine = msgspec.structs.replace(machine, cpu=following(machine.cpu, machine.cpu, 2))
    record = SimpleNamespace(machine=machine, wanted=None)
    present = [{"name": "vcpu-1-0-0", "type": "child<max-x86_64-cpu>"}]

    async def execute(_command: str, arguments: Document | None = None, **_: Any) -> list[Document]:
        if arguments != {"path": "/machine/peripheral"}:
            return []
        answer = list(present)
        if present:
            present.clear()
            hotplug._on_event("ACPI_DEVICE_OST", {"info": {"slot-type": "CPU"}})
        return answer

    hosted, monitor = SimpleNamespace(record=record), SimpleNamespace(execute=execute)
    hotplug = HotPlug(cast("Any", hosted), cast("Any", monitor), cast("Any", None), lambda: None)
    await hotplug._check_cpus()
    assert record.wanted is None
    await hotplug._check_cpus()
    assert record.wanted is not None and record.wanted.cpu.sockets == 1
