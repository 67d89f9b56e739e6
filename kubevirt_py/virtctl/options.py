"""Flags every command understands, before or after its name, and what they choose."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click


@dataclass
class Options:
    """Which cluster and namespace, and who asks; empty means what the kubeconfig says.

    `request_timeout_s` is None where it is not given, and 0 for none.
    """

    kubeconfig: str = ""
    context: str = ""
    cluster: str = ""
    user: str = ""
    namespace: str = ""
    server: str = ""
    tls_server_name: str = ""
    certificate_authority: str = ""
    insecure: bool = False
    client_certificate: str = ""
    client_key: str = ""
    token: str = ""
    impersonate: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    request_timeout_s: float | None = None
    verbosity: int = 0

    def arguments(self) -> list[str]:
        """The same choice as command-line arguments, for a virtctl that is started by another program."""
        chosen = (
            ("--kubeconfig", self.kubeconfig),
            ("--context", self.context),
            ("--cluster", self.cluster),
            ("--user", self.user),
            ("--server", self.server),
            ("--tls-server-name", self.tls_server_name),
            ("--certificate-authority", self.certificate_authority),
            ("--client-certificate", self.client_certificate),
            ("--client-key", self.client_key),
            ("--token", self.token),
            ("--as", self.impersonate),
            ("--as-uid", self.uid),
            *(("--as-group", group) for group in self.groups),
            ("--request-timeout", "" if self.request_timeout_s is None else f"{self.request_timeout_s:g}s"),
        )
        words = [word for flag, value in chosen if value for word in (flag, value)]
        return [*words, "--insecure-skip-tls-verify"] if self.insecure else words


def _store(field: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value not in (None, ()):
            setattr(options_of(context), field, value)

    return callback


def options_of(context: click.Context) -> Options:
    """The options of the running invocation."""
    root = context.find_root()
    if root.obj is None:
        root.obj = Options()
    options: Options = root.obj
    return options


class Seconds(click.ParamType[float]):
    """A duration as Go writes it, or a number of seconds; 0 is none."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        from kubevirt_py.api.durations import parse_duration

        try:
            return float(value) if value.isdecimal() else parse_duration(value).total_seconds()
        except ValueError as error:
            self.fail(f"{error}, or 0 for no limit", param, ctx)


def global_params() -> list[click.Parameter]:
    """Fresh parameters to add to a command; their values go to `options_of`."""
    return [
        _option("kubeconfig", "--kubeconfig", metavar="PATH", help="Path of the kubeconfig file."),
        _option("context", "--context", metavar="NAME", help="Context of the kubeconfig file."),
        _option(
            "cluster", "--cluster", metavar="NAME", help="Cluster of the kubeconfig file; the context's own by default."
        ),
        _option(
            "user", "--user", "kubeconfig_user", metavar="NAME",
            help="User of the kubeconfig file; the context's own by default. Before the name of a command that has "
            "a flag of this name itself.",
        ),
        _option("namespace", "-n", "--namespace", metavar="NAME", help="Namespace; the context's own by default."),
        _option(
            "server", "-s", "--server", metavar="URL",
            help="Address of the API server; the kubeconfig's own by default.",
        ),
        _option(
            "tls_server_name", "--tls-server-name", metavar="NAME",
            help="Name in the certificate of the API server; that of its address by default.",
        ),
        _option(
            "certificate_authority", "--certificate-authority", metavar="FILE",
            help="PEM file with the authorities that may sign the API server's certificate.",
        ),
        _option(
            "insecure", "--insecure-skip-tls-verify", "insecure", is_flag=True, default=None,
            help="Trust any certificate of the API server: whoever is between hears all.",
        ),
        _option(
            "client_certificate", "--client-certificate", metavar="FILE",
            help="PEM file with the certificate to authenticate with.",
        ),
        _option(
            "client_key", "--client-key", metavar="FILE", help="PEM file with the key of the client's certificate."
        ),
        _option(
            "token", "--token", metavar="TOKEN",
            help="Bearer token to authenticate with, instead of the kubeconfig's credentials.",
        ),
        _option("impersonate", "--as", "impersonate", metavar="USER", help="User to impersonate."),
        _option("uid", "--as-uid", "impersonated_uid", metavar="UID", help="UID of the user to impersonate."),
        _option(
            "groups", "--as-group", "groups", metavar="GROUP", multiple=True,
            help="Group to impersonate; may be repeated.",
        ),
        _option(
            "request_timeout_s", "--request-timeout", type=Seconds(), metavar="DURATION",
            help="How long one request, or the opening of a stream, may take, such as 5s or 2m; 0 for no limit. "
            "30s by default.",
        ),
        _option(
            "verbosity", "-v", "--v", type=int, metavar="LEVEL", help="Log level; from 6 on every request is shown."
        ),
    ]  # fmt: skip


def _option(field: str, *names: str, **settings: Any) -> click.Option:
    """A flag whose value goes to that field of Options."""
    return click.Option(names, expose_value=False, callback=_store(field), **settings)


class Command(click.Command):
    """A command that takes the global flags after its own name too, and `--flag=true`, as kubectl's do.

    A flag of its own hides the global one of that name, which may then stand before the command's name.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = {name for param in self.params for name in param.opts}
        self.params.extend(param for param in global_params() if own.isdisjoint(param.opts))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(_switches(args, self.params)))


def _switches(args: list[str], params: Iterable[click.Parameter]) -> Iterator[str]:
    """The arguments with `--flag=true` as `--flag`, and `--flag=false` as its opposite, if it has one."""
    switches = (each for each in params if isinstance(each, click.Option) and each.is_flag)
    flags = {name: "".join(each.secondary_opts[:1]) for each in switches for name in each.opts}
    for number, word in enumerate(args):
        if word == "--":
            yield from args[number:]
            return
        name, equals, value = word.partition("=")
        if not equals or name not in flags or value.lower() not in ("true", "false"):
            yield word
        elif chosen := name if value.lower() == "true" else flags[name]:
            yield chosen


class Group(click.Group):
    """A group whose commands are of the kind above."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(global_params())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(_switches(args, self.params)))


class LazyGroup(Group):
    """Loads a command's module when the command is used.

    `commands_in` maps each command to its module below `kubevirt_py.virtctl` and its one-line help;
    the command is the module's object of the same name.
    """

    def __init__(self, *args: Any, commands_in: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._commands_in = commands_in

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._commands_in)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._commands_in:
            return None
        module = importlib.import_module(f"kubevirt_py.virtctl.{self._commands_in[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._commands_in[name][1]) for name in sorted(self._commands_in)])


def dry_run_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--dry-run`."""
    return click.option("--dry-run", is_flag=True, help="Let the server check the request without carrying it out.")(
        function
    )


def report(text: str, *, dry_run: bool = False) -> None:
    """Say what was asked for; in a dry run also that nothing was done."""
    if dry_run:
        click.echo("Dry Run execution")
    click.echo(text)
