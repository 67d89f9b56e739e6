"""The command line: `virtctl`, and `kubectl virt` when installed as kubectl-virt.

Nothing heavy is imported until a command runs; that keeps help and completion quick.
"""

from __future__ import annotations

import os
import sys

import click

from kubevirt_py.virtctl.options import LazyGroup, Options

VERBS: dict[str, tuple[str, str]] = {
    "addvolume": ("volumes", "Add a volume to a running virtual machine."),
    "adm": ("adm", "Administrate KubeVirt configuration."),
    "completion": ("completion", "Print a completion script for a shell."),
    "console": ("console", "Connect to the serial console of a virtual machine instance."),
    "create": ("create", "Create a manifest for the specified kind."),
    "credentials": ("credentials", "Manipulate credentials on a virtual machine."),
    "evacuate-cancel": ("migration", "Cancel evacuation for a virtual machine."),
    "expand": ("expand", "Show a VirtualMachine with expanded instance type and preference."),
    "expose": ("expose", "Expose a virtual machine or replica set as a new Service."),
    "fslist": ("guest", "Show the file systems mounted in the guest."),
    "guestfs": ("guestfs", "Start a shell with libguestfs tools on the disk of a claim."),
    "guestosinfo": ("guest", "Show what the guest agent tells of the guest."),
    "image-upload": ("unavailable", "Not available: upload an image into a claim."),
    "memory-dump": ("memory_dump", "Dump the memory of a running virtual machine to a claim."),
    "migrate": ("migration", "Migrate a virtual machine."),
    "migrate-cancel": ("migration", "Cancel migration of a virtual machine."),
    "objectgraph": ("objectgraph", "Show the objects a virtual machine depends on."),
    "options": ("completion", "Print the flags that every command takes."),
    "pause": ("lifecycle", "Pause a virtual machine."),
    "permitted-devices": ("permitted_devices", "List the permitted devices for virtual machine instances."),
    "port-forward": ("portforward", "Forward local ports to a virtual machine."),
    "removevolume": ("volumes", "Remove a volume from a running virtual machine."),
    "reset": ("lifecycle", "Reset a virtual machine instance."),
    "restart": ("lifecycle", "Restart a virtual machine."),
    "scp": ("ssh", "Copy files from or to a virtual machine."),
    "soft-reboot": ("lifecycle", "Ask the guest of a virtual machine instance to reboot."),
    "ssh": ("ssh", "Open an SSH session to a virtual machine."),
    "start": ("lifecycle", "Start a virtual machine."),
    "stop": ("lifecycle", "Stop a virtual machine."),
    "template": ("unavailable", "Not available: process, convert and create VirtualMachineTemplates."),
    "unpause": ("lifecycle", "Continue a paused virtual machine."),
    "usbredir": ("usbredir", "Redirect a USB device to a virtual machine instance."),
    "userlist": ("guest", "Show the users logged in to the guest."),
    "version": ("version", "Print the versions of client and server."),
    "vmexport": ("vmexport", "Export a virtual machine's volumes."),
    "vnc": ("vnc", "Open the graphical console of a virtual machine instance."),
}
"""Module and one-line help of each verb; the command is the module's function of the same name."""


@click.group(cls=LazyGroup, commands_in=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def virtctl(context: click.Context) -> None:
    """Control virtual machines: start and stop them, reach their consoles and ports."""
    context.obj = context.obj or Options()


class Failure(click.ClickException):
    """What a user did not get, why, and what to do: one line, exit code 1."""

    def show(self, file: object = None) -> None:
        click.echo(self.message, err=True)


def main(argv: list[str] | None = None) -> int:
    """Entry point. Returns the exit code."""
    name = os.path.basename(sys.argv[0])
    program = "kubectl virt" if name.startswith("kubectl-") else "virtctl"
    try:
        answer = virtctl.main(args=argv, prog_name=program, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    return answer if isinstance(answer, int) else 0


if __name__ == "__main__":
    sys.exit(main())
