"""permitted-devices: host devices that machines may be given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kubevirt_py.plan import Document
from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.options import Command

if TYPE_CHECKING:
    from kubevirt_py.virtctl.session import Session


@click.command("permitted-devices", cls=Command)
def permitted_devices() -> None:
    """List the permitted devices for virtual machine instances.

    They are read from the KubeVirt resource in the namespace, so say where that is: -n kubevirt.
    """
    from kubevirt_py.virtctl import session

    click.echo(session.run("listing the permitted devices", _list))


async def _list(session: Session) -> str:
    from kubevirt_py.virtctl.installation import list_kubevirts

    found = await list_kubevirts(session, session.namespace)
    if not found:
        raise Failure(f'No KubeVirt resource in "{session.namespace}" namespace; give its namespace with -n')
    return describe(found[0])


def describe(kubevirt: Document) -> str:
    """The lists as text; devices of PCI, then mediated ones."""
    permitted = ((kubevirt.get("spec") or {}).get("configuration") or {}).get("permittedHostDevices") or {}
    host, gpu = (
        ", ".join(device["resourceName"] for device in permitted.get(kind) or ())
        for kind in ("pciHostDevices", "mediatedDevices")
    )
    return f"Permitted Devices: \nHost Devices: \n{host} \nGPU Devices: \n{gpu}"
