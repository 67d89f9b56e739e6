"""console: the guest's serial line on the user's terminal."""

from __future__ import annotations

import click

from kubevirt_py.virtctl.options import Command


@click.command(cls=Command)
@click.argument("vmi")
@click.option("--timeout", type=int, default=5, show_default=True, help="Minutes to wait for the guest to run.")
def console(vmi: str, timeout: int) -> None:
    """Connect to the serial console of a virtual machine instance. Ctrl+] leaves."""
    from kubevirt_py.virtctl import serial, session

    session.run(
        f"connecting to the console of VirtualMachineInstance {vmi}",
        lambda connected: serial.attach(connected, vmi, timeout_s=timeout * 60),
    )
