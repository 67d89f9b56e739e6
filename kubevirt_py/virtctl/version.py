"""version: of client and server."""

from __future__ import annotations

from typing import Any

import click

from kubevirt_py import __version__
from kubevirt_py.virtctl.options import Command

_FIELDS = ("gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform")


def _line(info: dict[str, Any]) -> str:
    pairs = ", ".join(f'{name[0].upper()}{name[1:]}:"{info.get(name, "")}"' for name in _FIELDS)
    return f"version.Info{{{pairs}}}"


@click.command(cls=Command)
@click.option("-c", "--client", is_flag=True, help="Client version only; asks no server.")
def version(client: bool) -> None:
    """Print the versions of client and server."""
    click.echo(f"Client Version: {_line({'gitVersion': f'v{__version__}'})}")
    if client:
        return
    from kubevirt_py.virtctl import session

    info = session.run("getting the server version", lambda connected: connected.get_json(f"{session.BASE}/version"))
    click.echo(f"Server Version: {_line(info)}")
