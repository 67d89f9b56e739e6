"""guestosinfo, userlist, fslist: what the guest agent tells, as JSON."""

from __future__ import annotations

import json

import click

from kubevirt_py.virtctl.options import Command
from kubevirt_py.virtctl.targets import VMI_PLURAL


def _show(vmi: str, verb: str, what: str) -> None:
    from kubevirt_py.virtctl import session

    document = session.run(
        f"getting {what} of VirtualMachineInstance {vmi}",
        lambda connected: connected.get_json(connected.path(VMI_PLURAL, vmi, verb)),
    )
    click.echo(json.dumps(document, indent=2))


@click.command(cls=Command)
@click.argument("vmi")
def guestosinfo(vmi: str) -> None:
    """Show what the guest agent tells of the guest."""
    _show(vmi, "guestosinfo", "guest OS info")


@click.command(cls=Command)
@click.argument("vmi")
def userlist(vmi: str) -> None:
    """Show the users logged in to the guest."""
    _show(vmi, "userlist", "the users")


@click.command(cls=Command)
@click.argument("vmi")
def fslist(vmi: str) -> None:
    """Show the file systems mounted in the guest."""
    _show(vmi, "filesystemlist", "the file systems")
