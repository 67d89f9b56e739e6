"""expose: a Service in front of a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kubevirt_py.virtctl import targets
from kubevirt_py.virtctl.options import Command

if TYPE_CHECKING:
    from kubevirt_py.virtctl.session import Session


@click.command(cls=Command)
@click.argument("kind", metavar="vm|vmi|vmirs")
@click.argument("name")
@click.option("--name", "service", required=True, help="Name of the Service.")
@click.option("--port", type=int, default=0, help="Port of the Service; the guest's declared ports by default.")
@click.option("--target-port", default="", help="Port of the guest; --port by default.")
@click.option("--protocol", default="TCP", show_default=True, help="TCP, UDP or SCTP.")
@click.option("--port-name", default="", help="Name of the port.")
@click.option(
    "--type", "service_type", default="ClusterIP", show_default=True, help="ClusterIP, NodePort or LoadBalancer."
)
@click.option("--cluster-ip", default="", help="Address for the Service; None for a headless one.")
@click.option("--external-ip", default="", help="Address from outside that is routed to the cluster.")
@click.option("--ip-family", default="", help="IPv4, IPv6, or both separated by a comma.")
@click.option("--ip-family-policy", default="", help="SingleStack, PreferDualStack or RequireDualStack.")
def expose(kind: str, name: str, service: str, **options: Any) -> None:
    """Expose a virtual machine or replica set as a new Service.

    Example: virtctl expose vm testvm --name testvm-ssh --port 22
    """
    word = "vmirs" if kind.lower() in targets.VMIRS_WORDS else targets.parse(f"{kind}/{name}").kind
    from kubevirt_py.virtctl import session

    session.run(f"exposing {word} {name}", lambda connected: _create(connected, word, name, service, options))
    click.echo(f"Service {service} successfully created for {word} {name}")


async def _create(session: Session, word: str, name: str, service: str, options: dict[str, Any]) -> None:
    import msgspec

    from kubevirt_py.plan import Key
    from kubevirt_py.virtctl.services import EXPOSED, SERVICE, service_for

    kind = EXPOSED[word]
    found = msgspec.json.decode(await session.client.get(kind, Key(session.namespace, name)))
    await session.client.create(SERVICE, session.namespace, service_for(kind, found, service, **options))
