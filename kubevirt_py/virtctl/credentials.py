"""credentials: the Secrets that bring SSH keys and passwords into a guest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.options import Command, Group

if TYPE_CHECKING:
    from kubevirt_py.virtctl.session import Session


@click.group(cls=Group)
def credentials() -> None:
    """Manipulate credentials on a virtual machine."""


_user = click.option("-u", "--user", required=True, help="Name of the user.")
_secret = click.option("--secret", "wanted", default="", help="Name of the Secret; needed where there are several.")
_force = click.option("--force", is_flag=True, help="Change the Secret even if the VM does not own it.")


def _key_flags(function: Callable[..., Any]) -> Callable[..., Any]:
    function = click.option("-f", "--file", "path", default="", help="Path to the SSH public key file.")(function)
    return click.option("--value", default="", help="Literal value of the SSH public key.")(function)


def _read_key(path: str, value: str) -> str:
    if path and value:
        raise click.UsageError("--file and --value exclude each other")
    if not path and not value:
        raise click.UsageError("one of --file, or --value must be specified")
    try:
        return (value or Path(path).read_text()).strip()
    except OSError as error:
        raise Failure(f"error getting ssh key: {path}: {error.strerror}") from error


@credentials.command(cls=Command)
@click.argument("vm")
@_user
@_key_flags
@_secret
@click.option("--create-secret", is_flag=True, help="Make a new Secret; a running VM needs --force and a restart.")
@click.option("--update-secret", is_flag=True, help="Add the key to a Secret that exists.")
@_force
def add_ssh_key(
    vm: str, user: str, path: str, value: str, wanted: str, create_secret: bool, update_secret: bool, force: bool
) -> None:
    """Add an SSH key to a virtual machine.

    Example: virtctl credentials add-ssh-key --user fedora --file ~/.ssh/id_ed25519.pub testvm
    """
    if create_secret and update_secret:
        raise click.UsageError("--create-secret and --update-secret exclude each other")
    key = _read_key(path, value)
    from kubevirt_py.virtctl import session, vmsecrets

    async def work(connected: Session) -> str:
        machine = await vmsecrets.read_vm(connected, vm)
        secrets = vmsecrets.ssh_secrets(machine, user)
        if create_secret or not (secrets or update_secret):
            return await vmsecrets.create_with_key(connected, machine, user, key, force=force)
        if not secrets:
            raise Failure(f"no secrets specified for user: {user}")
        return await vmsecrets.add_key(connected, machine, vmsecrets.choose(wanted, secrets), key, force=force)

    click.echo(session.run(f"adding an SSH key to VirtualMachine {vm}", work))


@credentials.command(cls=Command)
@click.argument("vm")
@_user
@_key_flags
@_secret
@_force
def remove_ssh_key(vm: str, user: str, path: str, value: str, wanted: str, force: bool) -> None:
    """Remove an SSH key from a virtual machine.

    Example: virtctl credentials remove-ssh-key --user fedora --file ~/.ssh/id_ed25519.pub testvm
    """
    key = _read_key(path, value)
    from kubevirt_py.virtctl import session, vmsecrets

    async def work(connected: Session) -> list[str]:
        machine = await vmsecrets.read_vm(connected, vm)
        secrets = vmsecrets.ssh_secrets(machine, user)
        if not secrets:
            return [f"No secrets associated with user {user}"]
        if wanted and wanted not in secrets:
            raise Failure(f"secret {wanted} is not associated with user {user}")
        chosen = [wanted] if wanted else secrets
        return [await vmsecrets.remove_key(connected, machine, name, key, force=force) for name in chosen]

    for line in session.run(f"removing an SSH key from VirtualMachine {vm}", work):
        click.echo(line)


@credentials.command(cls=Command)
@click.argument("vm")
@_user
@click.option("-p", "--password", required=True, help="Password for the user.")
@_secret
@_force
def set_password(vm: str, user: str, password: str, wanted: str, force: bool) -> None:
    """Set the password of a user.

    Example: virtctl credentials set-password --user fedora --password secret testvm
    """
    from kubevirt_py.virtctl import session, vmsecrets

    async def work(connected: Session) -> str:
        machine = await vmsecrets.read_vm(connected, vm)
        secrets = vmsecrets.password_secrets(machine)
        if not secrets:
            raise Failure("no secrets assigned to UserPassword AccessCredentials")
        name = vmsecrets.choose(wanted, secrets)
        return await vmsecrets.set_password(connected, machine, name, user, password, force=force)

    click.echo(session.run(f"setting a password of VirtualMachine {vm}", work))
