"""vnc: the graphical console in the user's own viewer."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import click

from kubevirt_py.api.names import STREAM_PROTOCOL
from kubevirt_py.virtctl.options import Command, Group
from kubevirt_py.virtctl.targets import VMI_PLURAL

if TYPE_CHECKING:
    from kubevirt_py.virtctl.session import Session

VIEWERS = {
    "remote-viewer": ("remote-viewer", "vnc://127.0.0.1:{port}"),
    "tiger": ("xtigervncviewer", "127.0.0.1::{port}"),
    "real": ("vncviewer", "127.0.0.1::{port}"),
}
"""Program and argument of each kind of viewer, in the order they are looked for."""


class _DefaultsToOpen(Group):
    """`vnc VMI` is `vnc open VMI`, beside `vnc screenshot VMI`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in self.commands:
            args = ["open", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_DefaultsToOpen)
def vnc() -> None:
    """Open the graphical console of a virtual machine instance."""


@vnc.command(cls=Command, name="open")
@click.argument("vmi")
@click.option("--proxy-only", is_flag=True, help="Start no viewer; print the local port as JSON and serve it.")
@click.option("--port", type=int, default=0, help="Local port; any free one by default.")
@click.option("--address", default="127.0.0.1", show_default=True, help="Local address, with --proxy-only.")
@click.option("--preserve-session", is_flag=True, help="Do not take the console from somebody who has it open.")
@click.option("--vnc-type", type=click.Choice(list(VIEWERS)), help="Kind of viewer to start.")
@click.option("--vnc-path", help="Program to start, with --vnc-type.")
def open_(
    vmi: str,
    proxy_only: bool,
    port: int,
    address: str,
    preserve_session: bool,
    vnc_type: str | None,
    vnc_path: str | None,
) -> None:
    """Open the graphical console of a virtual machine instance."""
    if address != "127.0.0.1" and not proxy_only:
        raise click.UsageError("--address needs --proxy-only: the viewer is started on this machine")
    viewer = None if proxy_only else _viewer(vnc_type, vnc_path)
    from kubevirt_py.virtctl import session

    session.run(
        f"connecting to the graphical console of VirtualMachineInstance {vmi}",
        lambda connected: _serve(connected, vmi, address, port, preserve_session, viewer),
    )


def _viewer(kind: str | None, path: str | None) -> tuple[str, str]:
    """Program and argument template. UsageError where there is none."""
    if path and not kind:
        raise click.UsageError("--vnc-path needs --vnc-type to know how to start the viewer")
    for name, (program, argument) in VIEWERS.items():
        found = path or shutil.which(program)
        if found and kind in (None, name):
            return found, argument
    raise click.UsageError("no VNC viewer found: install remote-viewer or vncviewer, or use --proxy-only")


async def _serve(
    session: Session, vmi: str, address: str, port: int, preserve: bool, viewer: tuple[str, str] | None
) -> None:
    import subprocess

    import anyio

    from kubevirt_py.kube.stream import open_websocket
    from kubevirt_py.virtctl import tunnel

    path = session.path(VMI_PLURAL, vmi, "vnc")
    params = {"preserveSession": "true"} if preserve else None
    socket = await open_websocket(session.client, path, (STREAM_PROTOCOL,), params)

    async def view(bound: int) -> bool:
        if viewer is None:
            click.echo(json.dumps({"port": bound}))
            return False
        program, argument = viewer
        command = [program, argument.format(port=bound)]
        await anyio.run_process(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return True

    await tunnel.serve_socket(socket, address, port, view)


@vnc.command(cls=Command)
@click.argument("vmi")
@click.option("-f", "--file", "path", required=True, help="File to write, - for standard output.")
@click.option("-m", "--move-cursor", is_flag=True, help="Move the pointer first, to wake a dark screen.")
def screenshot(vmi: str, path: str, move_cursor: bool) -> None:
    """Save a picture of the guest's screen."""
    from kubevirt_py.virtctl import session

    async def fetch(connected: Session) -> bytes:
        params = {"moveCursor": "true"} if move_cursor else None
        return await connected.client.request(
            "GET", connected.path(VMI_PLURAL, vmi, "vnc/screenshot"), params=params, headers={"Accept": "image/png"}
        )

    picture = session.run(f"taking a screenshot of VirtualMachineInstance {vmi}", fetch)
    with click.open_file(path, "wb") as file:
        file.write(picture)
