"""memory-dump: the guest's memory, written into a claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kubevirt_py.plan import Document
from kubevirt_py.render.memory_dump import claim_bytes, guest_memory
from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.options import Command, Group, report
from kubevirt_py.virtctl.targets import VM_PLURAL
from kubevirt_py.virtctl.unavailable import download

if TYPE_CHECKING:
    from kubevirt_py.virtctl.session import Session


@click.group(cls=Group, name="memory-dump")
def memory_dump() -> None:
    """Dump the memory of a running virtual machine to a claim."""


memory_dump.add_command(download)


@memory_dump.command(cls=Command)
@click.argument("vm")
@click.option("--claim-name", default="", help="Claim for the dump; the one of the last dump by default.")
@click.option("--create-claim", is_flag=True, help="Make the claim, large enough for the guest's memory.")
@click.option("--storage-class", default="", help="Storage class of the claim that is made.")
@click.option(
    "--access-mode",
    type=click.Choice(("ReadWriteOnce", "ReadWriteMany")),
    help="Access mode of the claim that is made.",
)
def get(vm: str, claim_name: str, create_claim: bool, storage_class: str, access_mode: str | None) -> None:
    """Dump the memory now.

    Example: virtctl memory-dump get testvm --claim-name=dump --create-claim
    """
    if create_claim and not claim_name:
        raise click.UsageError("--create-claim needs --claim-name")
    if (storage_class or access_mode) and not create_claim:
        raise click.UsageError("--storage-class and --access-mode need --create-claim")
    from kubevirt_py.virtctl import session

    async def work(connected: Session) -> None:
        if create_claim:
            await _create_claim(connected, vm, claim_name, storage_class, access_mode or "ReadWriteOnce")
            report(f"PVC {connected.namespace}/{claim_name} created")
        options = {"claimName": claim_name} if claim_name else {}
        await connected.put(VM_PLURAL, vm, "memorydump", options)

    session.run(f"dumping the memory of VirtualMachine {vm}", work)
    report(f"Successfully submitted memory dump request of VM {vm}")


@memory_dump.command(cls=Command)
@click.argument("vm")
def remove(vm: str) -> None:
    """Forget the memory dump; the claim stays."""
    from kubevirt_py.virtctl import session

    session.run(
        f"removing the memory dump of VirtualMachine {vm}",
        lambda connected: connected.put(VM_PLURAL, vm, "removememorydump", {}),
    )
    report(f"Successfully submitted remove memory dump association of VM {vm}")


async def _create_claim(session: Session, vm: str, name: str, storage_class: str, access_mode: str) -> None:
    """Raises ApiError where the machine does not run, or a claim of this name is there."""
    import msgspec

    from kubevirt_py.api import kinds
    from kubevirt_py.plan import Key

    vmi = msgspec.json.decode(await session.client.get(kinds.VMI, Key(session.namespace, vm)))
    if not (memory := guest_memory(vmi["spec"])):
        raise Failure("the machine does not say how much memory it has; make the claim yourself")
    spec: Document = {
        "accessModes": [access_mode],
        "resources": {"requests": {"storage": str(claim_bytes(memory))}},
    }
    if storage_class:
        spec["storageClassName"] = storage_class
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}
    await session.client.create(kinds.PVC, session.namespace, claim)
