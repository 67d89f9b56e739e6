"""Commands that need what this release does not have: they say so, and what to do instead."""

from __future__ import annotations

from typing import NoReturn

import click

from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.options import Command

_ANYTHING = {"ignore_unknown_options": True}


@click.command(cls=Command, context_settings=_ANYTHING)
@click.argument("words", nargs=-1)
def template(words: tuple[str, ...]) -> NoReturn:
    """Not available: process, convert and create VirtualMachineTemplates."""
    raise Failure(
        "template is not available in this version: it needs the API template.kubevirt.io; "
        "write a manifest with: virtctl create vm"
    )


@click.command(cls=Command, context_settings=_ANYTHING)
@click.argument("words", nargs=-1)
def image_upload(words: tuple[str, ...]) -> NoReturn:
    """Not available: upload an image into a claim."""
    raise Failure(
        "image-upload is not available in this version: it needs CDI's upload proxy; "
        "put the image into a container image and use it as containerDisk, or import it with a DataVolume"
    )


@click.command(cls=Command, context_settings=_ANYTHING)
@click.argument("words", nargs=-1)
def download(words: tuple[str, ...]) -> NoReturn:
    """Not available: download what an export offers."""
    raise Failure(
        "download is not available in this version: it needs the server of VirtualMachineExports; "
        "read the claim from a pod that mounts it"
    )
