"""port-forward: local TCP and UDP ports, or standard input and output, joined to a guest's port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from kubevirt_py.api.names import STREAM_PROTOCOL
from kubevirt_py.virtctl import targets
from kubevirt_py.virtctl.options import Command

if TYPE_CHECKING:
    from kubevirt_py.virtctl.session import Session


@dataclass(frozen=True)
class Forward:
    """One `[protocol/]local[:remote]`."""

    protocol: str
    local: int
    remote: int


def parse_port(text: str) -> Forward:
    """UsageError says what is wrong."""
    protocol, slash, ports = text.rpartition("/")
    protocol = protocol.lower() if slash else "tcp"
    if protocol not in ("tcp", "udp"):
        raise click.UsageError(f"protocol {protocol!r} in {text!r} is not tcp or udp")
    local, colon, remote = ports.partition(":")
    return Forward(protocol, _number(local, text, lowest=0 if colon else 1), _number(remote if colon else local, text))


def _number(text: str, whole: str, lowest: int = 1) -> int:
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= 65535:
        raise click.UsageError(f"port {text!r} in {whole!r} is not a number from {lowest} to 65535")
    return int(text)


@click.command(cls=Command)
@click.argument("target", metavar="TYPE/NAME[/NAMESPACE]")
@click.argument("ports", nargs=-1, required=True, metavar="[PROTOCOL/]LOCAL[:REMOTE]...")
@click.option("--address", default="127.0.0.1", show_default=True, help="Local address to listen on.")
@click.option("--stdio", is_flag=True, help="Use standard input and output instead of a local port.")
def port_forward(target: str, ports: tuple[str, ...], address: str, stdio: bool) -> None:
    """Forward local ports to a virtual machine.

    Example: virtctl port-forward vm/testvm 8080:80 udp/5353:53
    """
    machine, forwards = targets.parse(target), [parse_port(port) for port in ports]
    if stdio and (len(forwards) != 1 or forwards[0].protocol != "tcp"):
        raise click.UsageError("only one TCP port can be forwarded over standard input and output")
    from kubevirt_py.virtctl import session

    doing = f"forwarding ports of {machine}"
    if stdio:
        session.run(doing, lambda connected: _over_stdio(connected, machine, forwards[0]))
    else:
        session.run(doing, lambda connected: _listen(connected, machine, forwards, address))


async def _over_stdio(session: Session, machine: targets.Target, forward: Forward) -> None:
    from kubevirt_py.kube.stream import open_websocket
    from kubevirt_py.virtctl import tunnel

    path = session.path(machine.plural, machine.name, f"portforward/{forward.remote}/tcp", machine.namespace)
    await tunnel.join_stdio(await open_websocket(session.client, path, (STREAM_PROTOCOL,)))


async def _listen(session: Session, machine: targets.Target, forwards: list[Forward], address: str) -> None:
    import functools

    import anyio

    from kubevirt_py.kube.stream import open_websocket
    from kubevirt_py.virtctl import tunnel
    from kubevirt_py.virtctl.main import Failure

    def say(forward: Forward, port: int) -> None:
        click.echo(f"forwarding {forward.protocol} {address}:{port} to {forward.remote}", err=True)

    try:
        async with anyio.create_task_group() as tasks:
            for forward in forwards:
                verb = f"portforward/{forward.remote}/{forward.protocol}"
                path = session.path(machine.plural, machine.name, verb, machine.namespace)
                opening = functools.partial(open_websocket, session.client, path, (STREAM_PROTOCOL,))
                ready = functools.partial(say, forward)
                if forward.protocol == "udp":
                    tasks.start_soon(tunnel.serve_udp, address, forward.local, opening, ready)
                else:
                    serving = functools.partial(tunnel.serve_tcp, once=False)
                    tasks.start_soon(serving, address, forward.local, opening, ready)
    except* OSError as errors:
        raise Failure(f"Error listening on {address}: {errors.exceptions[0]}; choose another local port") from errors
