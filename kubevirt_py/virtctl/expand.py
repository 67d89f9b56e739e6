"""expand: a VirtualMachine with its instance type and preference merged into it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubevirt_py.plan import Document
from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.options import Command
from kubevirt_py.virtctl.targets import VM_PLURAL

if TYPE_CHECKING:
    from kubevirt_py.virtctl.session import Session


@click.command(cls=Command)
@click.option("--vm", default="", help="Name of the VirtualMachine to expand. Excludes --file.")
@click.option("-f", "--file", "path", default="", help="File with a VirtualMachine to expand, - for standard input.")
@click.option("-o", "--output", type=click.Choice(("yaml", "json")), default="yaml", show_default=True, help="Format.")
def expand(vm: str, path: str, output: str) -> None:
    """Return the VirtualMachine object with expanded instancetype and preference.

    Example: virtctl expand --vm testvm
    """
    if vm and path:
        raise click.UsageError("--vm and --file exclude each other")
    if not vm and not path:
        raise click.UsageError("error invalid arguments - VirtualMachine name or file must be provided")
    given = _read(path) if path else None
    from kubevirt_py.virtctl import session
    from kubevirt_py.virtctl.create.manifest import as_yaml

    name = vm or str(((given or {}).get("metadata") or {}).get("name", ""))
    found = session.run(f"expanding VirtualMachine {name}".rstrip(), lambda connected: _expand(connected, vm, given))
    click.echo(f"{json.dumps(found, indent=1)}\n" if output == "json" else as_yaml(found), nl=False)


def _read(path: str) -> Document:
    import yaml

    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text()
        found = yaml.safe_load(text)
    except OSError as error:
        raise Failure(f"error reading file {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Failure(f"error decoding VirtualMachine {path}: {error}") from error
    if not isinstance(found, dict):
        raise Failure(f"error decoding VirtualMachine {path}: it holds no object")
    return found


async def _expand(session: Session, vm: str, given: Document | None) -> Document:
    import msgspec

    from kubevirt_py.virtctl.session import BASE

    if given is None:
        stored: Document = await session.get_json(session.path(VM_PLURAL, vm, "expand-spec"))
        return stored
    path = f"{BASE}/namespaces/{session.namespace}/expand-vm-spec"
    expanded: Document = msgspec.json.decode(await session.client.request("PUT", path, body=given))
    return expanded
