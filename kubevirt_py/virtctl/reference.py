"""The page of the documentation about the command line, read from its parser."""

from __future__ import annotations

from collections.abc import Iterator

import click

from kubevirt_py.virtctl.main import virtctl
from kubevirt_py.virtctl.options import global_params

_TEXT = """\
# virtctl

Commands and their flags; `virtctl <command> --help` says more. As `kubectl-virt` in the path it is also `kubectl virt`.
Every command takes these flags too, before or after its name: {everywhere}.
Flags of two states may be written as `--flag=true` and `--flag=false`.

| command | what it does | flags |
| --- | --- | --- |
"""


def page() -> str:
    """docs/virtctl.md"""
    everywhere = ", ".join(f"`{_names(option)}`" for option in global_params())
    context = click.Context(virtctl, info_name="virtctl")
    return _TEXT.format(everywhere=everywhere) + "".join(_rows(virtctl, context, ""))


def _rows(group: click.Group, context: click.Context, path: str) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        here = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from _rows(command, here, f"{path}{name} ")
            continue
        arguments = [
            parameter.make_metavar(here) for parameter in command.params if isinstance(parameter, click.Argument)
        ]
        known = {option.name for option in global_params()}
        flags = [
            f"`{_names(option)}`"
            for option in command.params
            if isinstance(option, click.Option) and option.name not in known and not option.hidden
        ]
        words = " ".join([f"{path}{name}", *arguments]).replace("|", "\\|")
        summary = command.get_short_help_str(limit=200).replace("|", "\\|")
        yield f"| `{words}` | {summary} | {' '.join(flags)} |\n"


def _names(option: click.Parameter) -> str:
    return ", ".join((*option.opts, *option.secondary_opts))
