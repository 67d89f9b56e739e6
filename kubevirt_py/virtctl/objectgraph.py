"""objectgraph: what a machine depends on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from kubevirt_py.plan import Document
from kubevirt_py.virtctl.options import Command
from kubevirt_py.virtctl.targets import VM_PLURAL, VMI_PLURAL

if TYPE_CHECKING:
    from kubevirt_py.virtctl.session import Session


@click.command(cls=Command)
@click.argument("name", metavar="VM|VMI")
@click.option("--vmi", is_flag=True, help="The name is a VirtualMachineInstance's.")
@click.option("--exclude-optional", is_flag=True, help="Leave out what the machine could run without.")
@click.option("--selector", default="", metavar="KEY=VALUE,...", help="Only nodes with these labels.")
@click.option("-o", "--output", type=click.Choice(("json", "yaml")), default="json", show_default=True, help="Format.")
def objectgraph(name: str, vmi: bool, exclude_optional: bool, selector: str, output: str) -> None:
    """Show the objects a virtual machine depends on.

    Example: virtctl objectgraph testvm --selector kubevirt.io/dependency-type=storage
    """
    options: Document = {"includeOptionalNodes": False} if exclude_optional else {}
    if selector:
        options["labelSelector"] = {"matchLabels": _labels(selector)}
    from kubevirt_py.virtctl import session
    from kubevirt_py.virtctl.create.manifest import as_yaml

    async def fetch(connected: Session) -> Any:
        import msgspec

        path = connected.path(VMI_PLURAL if vmi else VM_PLURAL, name, "objectgraph")
        return msgspec.json.decode(await connected.client.request("GET", path, body=options or None))

    graph = session.run(f"getting the object graph of {name}", fetch)
    click.echo(f"{json.dumps(graph, indent=2)}\n" if output == "json" else as_yaml(graph), nl=False)


def _labels(given: str) -> dict[str, str]:
    labels = {}
    for pair in given.split(","):
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise click.UsageError(f"--selector: {pair!r} must be formatted as key=value")
        labels[key] = value.removeprefix("=")
    return labels
