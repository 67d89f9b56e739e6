"""ssh and scp: the user's own programs, with port-forward as their way to the guest."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from typing import Any

import click

from kubevirt_py.virtctl import targets
from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.options import Command, options_of


def _shared(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("-l", "--username", default="", help="User in the guest."),
        click.option("-i", "--identity-file", default="", help="Private key to log in with."),
        click.option("--known-hosts", default="", help="File of known host keys."),
        click.option("-p", "--port", type=int, default=22, show_default=True, help="The guest's SSH port."),
        click.option("-t", "--local-ssh-opts", "extra", multiple=True, help="Further option for ssh; may be repeated."),
        click.option("--local-ssh", hidden=True, is_flag=True, help="Accepted for old scripts: ssh is always local."),
    ):
        function = option(function)
    return function


@click.command(cls=Command)
@click.argument("target", metavar="[USER@]TYPE/NAME[/NAMESPACE]")
@click.option("-c", "--command", default="", help="Command to run instead of a shell.")
@_shared
def ssh(target: str, command: str, username: str, local_ssh: bool, **shared: Any) -> None:
    """Open an SSH session to a virtual machine.

    Example: virtctl ssh -i ~/.ssh/id_ed25519 root@vm/testvm
    """
    del local_ssh
    user, machine = targets.parse_with_user(target)
    words = ["ssh", *_arguments(machine, "-p", **shared)]
    user = username or user
    words.append(f"{user}@{_host(machine)}" if user else _host(machine))
    if command:
        words.append(command)
    _replace_by(words)


@click.command(cls=Command)
@click.argument("source")
@click.argument("destination")
@click.option("-r", "--recursive", is_flag=True, help="Copy folders with what is in them.")
@click.option("--preserve", is_flag=True, help="Keep times and modes.")
@_shared
def scp(
    source: str, destination: str, recursive: bool, preserve: bool, username: str, local_ssh: bool, **shared: Any
) -> None:
    """Copy files from or to a virtual machine.

    Example: virtctl scp ./file root@vm/testvm:/tmp/
    """
    del local_ssh
    remotes = [path for path in (source, destination) if ":" in path]
    if len(remotes) != 1:
        raise click.UsageError("exactly one of the two paths must be of the form [user@]type/name[/namespace]:path")
    place, _, path = remotes[0].partition(":")
    user, machine = targets.parse_with_user(place)
    user = username or user
    remote = f"{user}@{_host(machine)}:{path}" if user else f"{_host(machine)}:{path}"
    words = ["scp", *_arguments(machine, "-P", **shared)]
    words += ["-r"] * recursive + ["-p"] * preserve
    _replace_by([*words, *(remote if each == remotes[0] else each for each in (source, destination))])


def _host(machine: targets.Target) -> str:
    """The name under which ssh remembers the guest's key."""
    return ".".join((machine.kind, machine.name, machine.namespace or _namespace()))


def _namespace() -> str:
    options = options_of(click.get_current_context())
    if options.namespace:
        return options.namespace
    from kubevirt_py.virtctl.connecting import context_namespace, kubeconfig_files

    return context_namespace(kubeconfig_files(options.kubeconfig), options.context)


def _arguments(
    machine: targets.Target, port_flag: str, *, identity_file: str, known_hosts: str, port: int, extra: tuple[str, ...]
) -> list[str]:
    options = options_of(click.get_current_context())
    place = f"{machine.kind}/{machine.name}/{machine.namespace or _namespace()}"
    proxy = [*_ourselves(), *options.arguments(), "port-forward", "--stdio=true", place, str(port)]
    words = ["-o", f"ProxyCommand={shlex.join(proxy)}", port_flag, str(port)]
    if known_hosts:
        words += ["-o", f"UserKnownHostsFile={shlex.quote(known_hosts)}"]
    if identity_file:
        words += ["-i", identity_file]
    return [*words, *(word for option in extra for word in shlex.split(option))]


def _ourselves() -> list[str]:
    """How to start this program again."""
    program = shutil.which(sys.argv[0])
    return [os.path.abspath(program)] if program else [sys.executable, "-m", "kubevirt_py.virtctl.main"]


def _replace_by(words: list[str]) -> None:
    """Become the program, so that its exit code and signals are ours."""
    program = shutil.which(words[0])
    if program is None:
        raise Failure(f"Error: {words[0]} is not installed on this machine; install the OpenSSH client")
    os.execv(program, words)
