"""One invocation's connection to the cluster. Imports the client, so load it when a command runs."""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio
import click
import msgspec
import yaml

from kubevirt_py import __version__
from kubevirt_py.api.subresources import GROUP
from kubevirt_py.kube.client import Client
from kubevirt_py.kube.credentials import Acting, Fixed
from kubevirt_py.kube.errors import ApiError, Unreachable
from kubevirt_py.kube.incluster import MOUNT, incluster_client
from kubevirt_py.plan import Document
from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.options import Options, options_of

SKEW_S = 3.0
BASE = f"/apis/{GROUP}/v1"

T = TypeVar("T")


class Session:
    """A client, and the namespace commands act in."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    def path(self, resource: str, name: str, verb: str, namespace: str = "") -> str:
        """Path of a subresource; `resource` is the plural, `verb` may have further segments."""
        return f"{BASE}/namespaces/{namespace or self.namespace}/{resource}/{name}/{verb}"

    async def put(self, resource: str, name: str, verb: str, options: Document) -> None:
        """Ask for `verb`; raises ApiError."""
        await self.client.request("PUT", self.path(resource, name, verb), body=options)

    async def get_json(self, path: str) -> Any:
        """A GET, decoded."""
        return msgspec.json.decode(await self.client.request("GET", path))


def run(doing: str, work: Callable[[Session], Awaitable[T]]) -> T:
    """Run `work` with a session for the flags of this invocation.

    Raises Failure with one line: what failed (`doing`, like "starting VirtualMachine vm1"), and why.
    """
    options = options_of(click.get_current_context())
    return anyio.run(functools.partial(_run, options, doing, work))


async def _run(options: Options, doing: str, work: Callable[[Session], Awaitable[T]]) -> T:
    async with _connect(options) as session:
        try:
            return await work(session)
        except (ApiError, BaseExceptionGroup) as raised:
            error = _only(raised)
            if isinstance(error, ApiError):
                raise Failure(f"Error {doing}: {_explain(error)}{await _skew(session.client)}") from error
            raise error from None


def _only(error: BaseException) -> BaseException:
    """The failure inside a task group's wrapping, where there is just one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _explain(error: ApiError) -> str:
    if isinstance(error, Unreachable):
        return f"cannot reach the cluster: {error.message}; check --kubeconfig, --context and the network"
    return error.message


@asynccontextmanager
async def _connect(options: Options) -> AsyncIterator[Session]:
    files = kubeconfig_files(options.kubeconfig)
    if not any(path.exists() for path in files):
        if options.server and not options.kubeconfig:
            credentials = Acting(Fixed(), options.token, options.impersonate, options.groups)
            async with Client(options.server, credentials) as client:
                yield Session(client, options.namespace or "default")
            return
        if options.kubeconfig or not (MOUNT / "token").exists():
            where = ", ".join(map(str, files))
            raise Failure(f"Error: there is no kubeconfig at {where}; give one with --kubeconfig or KUBECONFIG")
        async with incluster_client() as client:
            yield Session(client, options.namespace or (MOUNT / "namespace").read_text().strip())
        return
    from kubevirt_py.kube.connect import ConfigException, kubeconfig_client

    try:
        connecting = kubeconfig_client(
            options.kubeconfig or None,
            options.context or None,
            server=options.server,
            token=options.token,
            user=options.impersonate,
            groups=options.groups,
        )
        client = await connecting.__aenter__()
    except (ConfigException, OSError, yaml.YAMLError) as error:
        where = ", ".join(map(str, files))
        raise Failure(f"Error reading kubeconfig {where}: {error}; give one with --kubeconfig or KUBECONFIG") from error
    try:
        client.observe = _show_request if options.verbosity >= 6 else None
        yield Session(client, options.namespace or context_namespace(files, options.context))
    finally:
        await connecting.__aexit__(None, None, None)


def _show_request(method: str, resource: str, status: int, took_s: float, _held_s: float) -> None:
    click.echo(f"{method} {resource or 'subresource'}: {status or 'no answer'} in {took_s * 1000:.0f} ms", err=True)


def kubeconfig_files(given: str) -> list[Path]:
    """Where kubectl would look, most important first."""
    paths = given or os.environ.get("KUBECONFIG") or "~/.kube/config"
    return [Path(path).expanduser() for path in paths.split(os.pathsep) if path]


def context_namespace(files: list[Path], wanted: str) -> str:
    """The namespace of context `wanted` (else of the current one), `default` where it names none."""
    loaded = [yaml.safe_load(path.read_text()) or {} for path in files if path.exists()]
    name = wanted or next((each["current-context"] for each in loaded if each.get("current-context")), "")
    for each in loaded:
        for context in each.get("contexts") or ():
            if context.get("name") == name:
                namespace: str = (context.get("context") or {}).get("namespace") or "default"
                return namespace
    return "default"


async def _skew(client: Client) -> str:
    """A second sentence for error messages where client and server are of different minor versions."""
    try:
        with anyio.fail_after(SKEW_S):
            server = msgspec.json.decode(await client.request("GET", f"{BASE}/version")).get("gitVersion", "")
    except (ApiError, TimeoutError, msgspec.MsgspecError):
        return ""
    if minor(server) == minor(__version__):
        return ""
    return (
        f"\nYou are using a client virtctl version that is different from the KubeVirt version running in the cluster"
        f"\nClient Version: v{__version__}\nServer Version: {server}"
    )


def minor(version: str) -> tuple[str, ...]:
    """Major and minor of `v1.2.3` or `1.2.3`."""
    return tuple(version.removeprefix("v").split(".")[:2])
