"""What all manifests have in common: how they are named and printed."""

from __future__ import annotations

import random
from typing import Any

import click

from kubevirt_py.plan import Document
from kubevirt_py.virtctl.options import options_of

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def random_name(prefix: str, length: int = 5) -> str:
    """`prefix-x7k2p`: no vowels, so that no words appear by chance."""
    return f"{prefix}-{''.join(random.choices(_LETTERS, k=length))}"


def namespace_given() -> str:
    """The namespace of `-n`; empty where the user gave none, so that the manifest fits any."""
    return options_of(click.get_current_context()).namespace


def metadata(name: str, namespace: str = "") -> Document:
    """Name, and the namespace if there is one."""
    return {"name": name, **({"namespace": namespace} if namespace else {})}


def show(document: Document) -> None:
    """Print as YAML, keys sorted."""
    click.echo(as_yaml(document), nl=False)


def as_yaml(document: Document) -> str:
    """YAML with sorted keys, and texts of several lines as blocks."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """One that is ours to teach."""

    def text(dumper: yaml.SafeDumper, value: str) -> Any:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return yaml.dump(document, Dumper=Dumper, sort_keys=True, default_flow_style=False, width=1000)
