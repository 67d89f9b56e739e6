"""adm: settings of the installation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kubevirt_py.plan import Document
from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.options import Group

if TYPE_CHECKING:
    from kubevirt_py.virtctl.session import Session

F = TypeVar("F", bound=Callable[..., Any])

COMPONENTS = {
    "virt-api": "virtAPI",
    "virt-controller": "virtController",
    "virt-handler": "virtHandler",
    "virt-launcher": "virtLauncher",
    "virt-operator": "virtOperator",
}
"""Field of `logVerbosity` of each component."""
SHOW = "show"
DEFAULT = 2


def _level(name: str) -> Callable[[F], F]:
    what = "all components" if name == "all" else name
    return click.option(
        f"--{name}", is_flag=False, flag_value=SHOW, default="", metavar="[=LEVEL]",
        help=f"Show the log verbosity of {what}, or set it to a level of 0 to 9.",
    )  # fmt: skip


@click.group(cls=Group)
def adm() -> None:
    """Administrate KubeVirt configuration."""


@adm.command()
@_level("virt-api")
@_level("virt-controller")
@_level("virt-handler")
@_level("virt-launcher")
@_level("virt-operator")
@_level("all")
@click.option("--reset", is_flag=True, help="Reset the log verbosity of all components to the default (2).")
@click.pass_context
def log_verbosity(context: click.Context, /, reset: bool, **levels: str) -> None:
    """Show, set or reset the log verbosity. The value must be 0-9; the default is normally 2.

    Examples: virtctl adm log-verbosity --all, virtctl adm log-verbosity --reset --virt-handler=7
    """
    given = {name.replace("_", "-"): level for name, level in levels.items() if level}
    if not given and not reset:
        click.echo(context.get_help())
        raise Failure("no flag specified - expecting at least one flag")
    wanted = check_levels(given)
    if wanted is None and reset:
        raise Failure("only show or set is allowed")
    from kubevirt_py.virtctl import session

    doing = "reading the log verbosity" if wanted is None else "setting the log verbosity"
    for line in session.run(doing, lambda connected: _carry_out(connected, given, wanted, reset)):
        click.echo(line)


def check_levels(given: Mapping[str, str]) -> dict[str, int] | None:
    """Levels to set by component, `all` spread out; None where they are to be shown. Failure for a mixture."""
    shown = [name for name, level in given.items() if level == SHOW]
    if shown and len(shown) < len(given):
        raise Failure("only show or set is allowed")
    if shown:
        return None
    for name, level in given.items():
        if not (len(level) == 1 and level.isdecimal()):
            raise Failure(f"{name}: log verbosity must be 0-9")
    levels = {name: int(level) for name, level in given.items()}
    everyone = dict.fromkeys(COMPONENTS, levels["all"]) if "all" in levels else {}
    return everyone | {name: level for name, level in levels.items() if name != "all"}


async def _carry_out(
    session: Session, given: Mapping[str, str], wanted: Mapping[str, int] | None, reset: bool
) -> list[str]:
    from kubevirt_py.plan import Key
    from kubevirt_py.virtctl.installation import KUBEVIRT, list_kubevirts

    found = await list_kubevirts(session, "")
    if not found:
        raise Failure("could not detect a KubeVirt installation")
    if len(found) > 1:
        raise Failure("invalid kubevirt installation, more than one KubeVirt resource found")
    meta = found[0]["metadata"]
    current = verbosity_of(found[0])
    if wanted is None:
        return shown_levels(current, given)
    patch = verbosity_patch(current, wanted, reset=reset)
    await session.client.merge_patch(KUBEVIRT, Key(meta["namespace"], meta["name"]), patch)
    lines = ["successfully reset the verbosity of all KubeVirt components to default (2)"] if reset else []
    return lines + (["successfully set the verbosity of the KubeVirt component(s)"] if wanted else [])


def verbosity_of(kubevirt: Document) -> Document:
    """`logVerbosity` of the CR, {} where there is none."""
    configuration = (kubevirt.get("spec") or {}).get("configuration") or {}
    verbosity: Document = (configuration.get("developerConfiguration") or {}).get("logVerbosity") or {}
    return verbosity


def shown_levels(current: Document, given: Mapping[str, str]) -> list[str]:
    """One line per component asked for, sorted."""
    names = sorted(COMPONENTS) if "all" in given else sorted(given)
    return [f"{name} = {current.get(COMPONENTS[name], DEFAULT)}" for name in names]


def verbosity_patch(current: Document, wanted: Mapping[str, int], *, reset: bool) -> Document:
    """A merge patch; a reset takes out what is set and not wanted."""
    levels: Document = dict.fromkeys(current) if reset else {}
    levels |= {COMPONENTS[name]: level for name, level in wanted.items()}
    return {"spec": {"configuration": {"developerConfiguration": {"logVerbosity": levels}}}}
