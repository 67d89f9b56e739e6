"""start, stop, restart, pause, unpause, soft-reboot, reset."""

from __future__ import annotations

from typing import Any

import click

from kubevirt_py.virtctl.options import Command, dry_run_option, report
from kubevirt_py.virtctl.targets import VM_PLURAL, VM_WORDS, VMI_PLURAL, VMI_WORDS


def _ask(plural: str, name: str, verb: str, options: dict[str, Any], dry_run: bool) -> None:
    from kubevirt_py.virtctl import session

    if dry_run:
        options["dryRun"] = ["All"]
    kind = "VirtualMachine" if plural == VM_PLURAL else "VirtualMachineInstance"
    doing = {"stop": "stopping", "softreboot": "soft rebooting", "reset": "resetting"}.get(verb)
    doing = doing or (f"{verb[:-1]}ing" if verb.endswith("e") else f"{verb}ing")
    session.run(f"{doing} {kind} {name}", lambda connected: connected.put(plural, name, verb, options))


@click.command(cls=Command)
@click.argument("vm")
@click.option("--paused", is_flag=True, help="Leave the guest paused before its first instruction.")
@dry_run_option
def start(vm: str, paused: bool, dry_run: bool) -> None:
    """Start a virtual machine."""
    _ask(VM_PLURAL, vm, "start", {"paused": True} if paused else {}, dry_run)
    report(f"VM {vm} was scheduled to start", dry_run=dry_run)


def _check_force(force: bool, grace_period: int) -> None:
    if force and grace_period == -1:
        raise click.UsageError("Must both use --force=true and set --grace-period.")
    if not force and grace_period != -1:
        raise click.UsageError("Can not set gracePeriod without --force=true")


_force = click.option("--force", is_flag=True, help="Do not wait for the guest; needs --grace-period.")


@click.command(cls=Command)
@click.argument("vm")
@_force
@click.option("--grace-period", type=int, default=-1, help="Seconds the guest gets to shut down; needs --force.")
@dry_run_option
def stop(vm: str, force: bool, grace_period: int, dry_run: bool) -> None:
    """Stop a virtual machine."""
    _check_force(force, grace_period)
    _ask(VM_PLURAL, vm, "stop", {"gracePeriod": grace_period} if force else {}, dry_run)
    report(f"VM {vm} was scheduled to stop", dry_run=dry_run)


@click.command(cls=Command)
@click.argument("vm")
@_force
@click.option("--grace-period", type=int, default=-1, help="Only 0, which kills the guest at once; needs --force.")
@dry_run_option
def restart(vm: str, force: bool, grace_period: int, dry_run: bool) -> None:
    """Restart a virtual machine."""
    _check_force(force, grace_period)
    _ask(VM_PLURAL, vm, "restart", {"gracePeriodSeconds": grace_period} if force else {}, dry_run)
    report(f"VM {vm} was scheduled to restart", dry_run=dry_run)


def _instance(kind: str) -> None:
    if kind.lower() not in (*VM_WORDS, *VMI_WORDS):
        raise click.UsageError(f"{kind!r} cannot be paused: say vm or vmi")


@click.command(cls=Command)
@click.argument("kind", metavar="vm|vmi")
@click.argument("name")
@dry_run_option
def pause(kind: str, name: str, dry_run: bool) -> None:
    """Pause a virtual machine: its CPUs stand still, its memory stays."""
    _instance(kind)
    _ask(VMI_PLURAL, name, "pause", {}, dry_run)
    report(f"VMI {name} was scheduled to pause", dry_run=dry_run)


@click.command(cls=Command)
@click.argument("kind", metavar="vm|vmi")
@click.argument("name")
@dry_run_option
def unpause(kind: str, name: str, dry_run: bool) -> None:
    """Continue a paused virtual machine."""
    _instance(kind)
    _ask(VMI_PLURAL, name, "unpause", {}, dry_run)
    report(f"VMI {name} was scheduled to unpause", dry_run=dry_run)


@click.command(cls=Command)
@click.argument("vmi")
def soft_reboot(vmi: str) -> None:
    """Ask the guest to reboot, by its agent or the ACPI button."""
    _ask(VMI_PLURAL, vmi, "softreboot", {}, dry_run=False)
    report(f"VMI {vmi} was scheduled to soft reboot")


@click.command(cls=Command)
@click.argument("vmi")
def reset(vmi: str) -> None:
    """Reset the guest as its reset button would."""
    _ask(VMI_PLURAL, vmi, "reset", {}, dry_run=False)
    report(f"VMI {vmi} was scheduled to reset")
