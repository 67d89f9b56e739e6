"""completion and options: what the command line tells of itself."""

from __future__ import annotations

import click

from kubevirt_py.virtctl.options import Command, global_params


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print a completion script for a shell.

    Example, for ~/.bashrc: source <(virtctl completion bash)
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    root = click.get_current_context().find_root().command
    click.echo(found(root, {}, "virtctl", "_VIRTCTL_COMPLETE").source())


@click.command(cls=Command)
@click.pass_context
def options(context: click.Context) -> None:
    """Print the flags that every command takes."""
    formatter = context.make_formatter()
    rows = (parameter.get_help_record(context) for parameter in global_params())
    formatter.write_dl([row for row in rows if row is not None])
    click.echo(f"The following options can be passed to any command:\n\n{formatter.getvalue()}", nl=False)
