"""One invocation's connection to the cluster. Imports the client, so load it when a command runs."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import aiohttp
import anyio
import click
import msgspec

from kubevirt_py import __version__
from kubevirt_py.api.subresources import GROUP
from kubevirt_py.kube.client import Client
from kubevirt_py.kube.errors import ApiError, Unreachable
from kubevirt_py.plan import Document
from kubevirt_py.virtctl.connecting import connect
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
    async with connect(options) as (client, namespace):
        session = Session(client, namespace)
        try:
            return await work(session)
        except (ApiError, BaseExceptionGroup) as raised:
            error = _only(raised)
            if isinstance(error, ApiError):
                why = _explain(error, options)
                raise Failure(f"Error {doing}: {why}{await _skew(session.client)}") from error
            raise error from None


def _only(error: BaseException) -> BaseException:
    """The failure inside a task group's wrapping, where there is just one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _explain(error: ApiError, options: Options) -> str:
    if not isinstance(error, Unreachable):
        return error.message
    advice = "check --kubeconfig, --context and the network"
    if isinstance(error.__cause__, aiohttp.ClientConnectorCertificateError):
        advice = "check --certificate-authority and --tls-server-name"
    elif isinstance(error.__cause__, TimeoutError) and options.request_timeout_s:
        advice = f"allow more than {options.request_timeout_s:g}s by --request-timeout, or check the network"
    return f"cannot reach the cluster: {error.message}; {advice}"


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
