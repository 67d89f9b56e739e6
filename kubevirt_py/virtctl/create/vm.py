"""create vm: the flags, and the order in which they act."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from kubevirt_py.plan import Document
from kubevirt_py.virtctl.create import access, volumes
from kubevirt_py.virtctl.create.draft import Draft
from kubevirt_py.virtctl.create.manifest import namespace_given, random_name, show
from kubevirt_py.virtctl.create.params import flag_error, quantity, split_prefixed_name, supported
from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.options import Command

F = TypeVar("F", bound=Callable[..., Any])

RUN_STRATEGIES = ("Always", "Manual", "Halted", "Once", "RerunOnFailure")
_EXCLUSIVE = (
    ("memory", "instancetype", "infer-instancetype", "infer-instancetype-from"),
    ("preference", "infer-preference", "infer-preference-from"),
    ("cloud-init-user-data", "user"),
    ("cloud-init-user-data", "password-file"),
    ("cloud-init-user-data", "ssh-key"),
    ("cloud-init-user-data", "ga-manage-ssh"),
)
_LOGIN = ("password-file", "ssh-key", "ga-manage-ssh", "cloud-init-user-data", "cloud-init-network-data")
_ALIASES = {"volume-datasource": "ds", "volume-clone-pvc": "pvc", "volume-blank": "blank"}
_IMPORT_HELP = "\n\n".join(f"type {kind} - {supported(shape)}" for kind, shape in volumes.IMPORTS.items())


def _switch(name: str, help_text: str) -> Callable[[F], F]:
    """A flag that may be written bare, or with =true or =false."""
    return click.option(f"--{name}", type=bool, is_flag=False, flag_value=True, default=None, help=help_text)


def _several(name: str, help_text: str, parameters: str) -> Callable[[F], F]:
    help_text = f"{help_text} May be repeated.\n\nSupported parameters: {parameters}"
    return click.option(f"--{name}", multiple=True, metavar="PARAMS", help=help_text)


def _alias(name: str) -> Callable[[F], F]:
    help_text = f"Deprecated: use --volume-import with type:{_ALIASES[name]}."
    return click.option(f"--{name}", multiple=True, metavar="PARAMS", help=help_text)


@click.command(cls=Command)
@click.option("--name", default="", help="Specify the name of the VM; random by default.")
@click.option("--run-strategy", default="Always", show_default=True, help=f"One of {', '.join(RUN_STRATEGIES)}.")
@click.option("--termination-grace-period", type=int, default=180, show_default=True, help="Seconds to shut down in.")
@click.option("--memory", default="512Mi", show_default=True, help="Specify the memory of the VM.")
@click.option("--instancetype", default="", help="Specify the instance type of the VM: [KIND/]NAME.")
@_switch("infer-instancetype", "Infer the instance type from the first boot disk (the default).")
@click.option("--infer-instancetype-from", default="", help="Specify the volume to infer the instance type from.")
@click.option("--preference", default="", help="Specify the preference of the VM: [KIND/]NAME.")
@_switch("infer-preference", "Infer the preference from the first boot disk (the default).")
@click.option("--infer-preference-from", default="", help="Specify the volume to infer the preference from.")
@_several("volume-containerdisk", "Specify a containerdisk to be used by the VM.", supported(volumes.SOURCE))
@_several("volume-pvc", "Specify a PVC to be used by the VM.", supported(volumes.SOURCE))
@_several("volume-import", "Specify a source to import a volume from.", "\n\n" + _IMPORT_HELP)
@click.option(
    "--volume-sysprep",
    default="",
    metavar="PARAMS",
    help=f"Specify a ConfigMap or Secret with sysprep files: {supported(volumes.SYSPREP_SOURCE)}",
)
@click.option("--user", default="", help="Specify the user in the cloud-init user data.")
@click.option("--password-file", default="", help="Specify a file with the password for the cloud-init user data.")
@click.option(
    "--ssh-key", multiple=True, help="Specify an authorized key in the cloud-init user data. May be repeated."
)
@_switch("ga-manage-ssh", "Let the guest agent manage SSH keys, by a command in the cloud-init user data.")
@_several("access-cred", "Specify an access credential to be injected into the VM.", supported(access.CREDENTIAL))
@click.option("--cloud-init", default="", help="Type of the cloud-init source: nocloud (default), configdrive or none.")
@click.option("--cloud-init-user-data", default="", help="Specify the base64 encoded cloud-init user data.")
@click.option("--cloud-init-network-data", default="", help="Specify the base64 encoded cloud-init network data.")
@_alias("volume-datasource")
@_alias("volume-clone-pvc")
@_alias("volume-blank")
@click.pass_context
def vm(context: click.Context, /, **values: Any) -> None:
    """Create a VirtualMachine manifest.

    If no boot order was specified volumes have the following fixed boot order:
    containerdisk, PVC, DataSource, clone PVC, blank, imported volumes.

    Example: virtctl create vm --name vm1 --volume-containerdisk=src:registry.example/fedora:latest
    """
    flags = {name.replace("_", "-"): value for name, value in values.items()}
    given = {
        name for name in flags if context.get_parameter_source(name.replace("-", "_")) is ParameterSource.COMMANDLINE
    }
    _check_exclusive(given)
    for alias in _ALIASES:
        if alias in given:
            click.echo(f"Flag --{alias} has been deprecated, use flag --volume-import instead", err=True)
    if "password-file" in given:
        click.echo("WARNING: --password-file: The password is stored in cleartext in the VM definition!", err=True)
    if flags["cloud-init"].lower() == "none" and given.intersection(_LOGIN):
        click.echo(
            "WARNING: --cloud-init: was set to none, not creating a data source although other cloud-init options "
            "were set",
            err=True,
        )
    flags["name"] = flags["name"] or random_name("vm")
    flags["password"] = _password(flags["password-file"])
    show(vm_manifest(flags, given, namespace_given()))


def _check_exclusive(given: Set[str]) -> None:
    for group in _EXCLUSIVE:
        if len(both := sorted(given & set(group))) > 1:
            raise click.UsageError(
                f"if any flags in the group [{' '.join(group)}] are set none of the others can be; "
                f"[{' '.join(both)}] were all set"
            )


def _password(path: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise flag_error("password-file", f"{path}: {error.strerror}") from error


def vm_manifest(flags: Document, given: Set[str], namespace: str) -> Document:
    """The manifest for `flags` (all of them, by their names on the command line), of which the user gave `given`.

    Volumes come in the fixed boot order; later flags may build on earlier ones.
    """
    try:
        memory = quantity(flags["memory"])
    except ValueError as error:
        raise flag_error("memory", str(error)) from None
    strategy = _run_strategy(flags["run-strategy"])
    draft = Draft(flags["name"], namespace, strategy, flags["termination-grace-period"], memory)
    for field in ("instancetype", "preference"):
        if flags[field]:
            draft.document["spec"][field] = _matcher(field, flags[field])
    if flags["instancetype"]:
        draft.forget_memory()
    volumes.add_containerdisks(draft, flags["volume-containerdisk"])
    volumes.add_claims(draft, flags["volume-pvc"])
    volumes.add_imports(draft, [*_old_imports(flags), *flags["volume-import"]])
    if flags["volume-sysprep"]:
        volumes.add_sysprep(draft, flags["volume-sysprep"])
    login = access.Login(
        user=flags["user"],
        password=flags["password"],
        ssh_keys=[key for each in flags["ssh-key"] for key in each.split(",")],
        guest_agent_keys=flags["ga-manage-ssh"],
        cloud_init=flags["cloud-init"],
        user_data=flags["cloud-init-user-data"],
        network_data=flags["cloud-init-network-data"],
    )
    access.add_credentials(draft, login, flags["access-cred"])
    access.add_cloud_init(draft, login)
    for field in ("instancetype", "preference"):
        _infer(draft, field, flags, given)
    return draft.document


def _run_strategy(wanted: str) -> str:
    for strategy in RUN_STRATEGIES:
        if strategy.lower() == wanted.lower():
            return strategy
    why = f'invalid run strategy "{wanted}", supported values are: {", ".join(RUN_STRATEGIES)}'
    raise flag_error("run-strategy", why)


def _matcher(flag: str, wanted: str) -> Document:
    kind, name = split_prefixed_name(flag, wanted)
    kinds = (f"virtualmachine{flag}", f"virtualmachinecluster{flag}")
    if not kind:
        return {"name": name}  # admission knows the default kind
    if kind.lower() not in kinds:
        raise flag_error(flag, f'invalid {flag} kind "{kind}", supported values are: {", ".join(kinds)}')
    return {"name": name, "kind": kind.lower()}


def _old_imports(flags: Document) -> Sequence[str]:
    found = []
    for alias, kind in _ALIASES.items():
        for given in flags[alias]:
            if not given:
                raise flag_error(volumes.IMPORT, "params may not be empty")
            found.append(f"type:{kind},{given}")
    return found


def _infer(draft: Draft, field: str, flags: Document, given: Set[str]) -> None:
    """Where nothing else is said, try; only what was asked for may fail."""
    explicit = f"infer-{field}" in given or f"infer-{field}-from" in given
    if flags[f"infer-{field}"] is False or flags[field] or (field == "instancetype" and "memory" in given):
        return
    try:
        draft.infer(field, flags[f"infer-{field}-from"], explicit=explicit)
    except Failure:
        if explicit:
            raise
