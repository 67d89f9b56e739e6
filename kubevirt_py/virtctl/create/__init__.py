"""create: manifests to look at, keep and apply. Nothing is asked of a cluster."""

from __future__ import annotations

import click

from kubevirt_py.virtctl.options import LazyGroup

KINDS: dict[str, tuple[str, str]] = {
    "clone": ("create.clone", "Create a clone object manifest."),
    "instancetype": ("create.instancetype", "Create an instance type manifest."),
    "preference": ("create.preference", "Create a preference manifest."),
    "vm": ("create.vm", "Create a VirtualMachine manifest."),
}


@click.group(cls=LazyGroup, commands_in=KINDS)
def create() -> None:
    """Create a manifest for the specified kind."""
