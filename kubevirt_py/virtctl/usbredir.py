"""usbredir: a USB device of this computer, in the guest."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import click

from kubevirt_py.api.names import STREAM_PROTOCOL
from kubevirt_py.virtctl.options import Command
from kubevirt_py.virtctl.targets import VMI_PLURAL

if TYPE_CHECKING:
    from kubevirt_py.virtctl.session import Session

PROGRAM = "usbredirect"
DEVICE = re.compile(r"[0-9a-fA-F]{1,4}:[0-9a-fA-F]{1,4}|\d{1,3}-\d{1,3}")


@click.command(cls=Command)
@click.argument("words", nargs=-1, required=True, metavar="[VENDOR:PRODUCT|BUS-DEVICE] VMI")
@click.option("--no-launch", is_flag=True, help="Start no program; print the local address to connect one to.")
def usbredir(words: tuple[str, ...], no_launch: bool) -> None:
    """Redirect a USB device to a virtual machine instance.

    Example: virtctl usbredir 0951:1666 testvmi
    """
    *devices, vmi = words
    if len(devices) != (0 if no_launch else 1):
        raise click.UsageError("give a device and a VMI, or --no-launch and a VMI")
    for device in devices:
        if not DEVICE.fullmatch(device):
            raise click.UsageError(
                f"{device!r} is not a device: use vendor:product, as 0951:1666, or bus-device, as 1-4"
            )
        if not shutil.which(PROGRAM):
            raise click.UsageError(
                f"there is no {PROGRAM} on this computer: install usbredir's tools or use --no-launch"
            )
    from kubevirt_py.virtctl import session

    session.run(
        f"redirecting a USB device to VirtualMachineInstance {vmi}", lambda connected: _serve(connected, vmi, devices)
    )


async def _serve(session: Session, vmi: str, devices: list[str]) -> None:
    import anyio

    from kubevirt_py.kube.stream import open_websocket
    from kubevirt_py.virtctl import tunnel

    socket = await open_websocket(session.client, session.path(VMI_PLURAL, vmi, "usbredir"), (STREAM_PROTOCOL,))

    async def redirect(port: int) -> bool:
        if not devices:
            click.echo(f"User can connect usbredir client at: 127.0.0.1:{port}")
            return False
        command = [PROGRAM, "--device", devices[0], "--to", f"127.0.0.1:{port}"]
        await anyio.run_process(command, check=False, stdout=None, stderr=None)
        return True

    await tunnel.serve_socket(socket, "127.0.0.1", 0, redirect)
