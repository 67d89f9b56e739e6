"""From the flags of an invocation to a client: by a kubeconfig, by a server's address, or by the account of a pod."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import click
import yaml

from kubevirt_py.kube.client import REQUEST_S, Client
from kubevirt_py.kube.credentials import Acting, Credentials, Fixed, Overrides, tls_context
from kubevirt_py.kube.incluster import MOUNT, ServiceAccount, incluster_url
from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.options import Options

SHOW_REQUESTS = 6
"""The least verbosity that shows each request."""


@asynccontextmanager
async def connect(options: Options) -> AsyncIterator[tuple[Client, str]]:
    """A client, and the namespace that commands act in. Raises Failure naming the flag or the file that is wrong."""
    _check(options)
    files = kubeconfig_files(options.kubeconfig)
    async with AsyncExitStack() as stack:
        if any(path.exists() for path in files):
            client, namespace = await _by_kubeconfig(stack, options, files), context_namespace(files, options.context)
        else:
            _refuse(_names_in_kubeconfig(options), f"a kubeconfig, and there is none at {_listed(files)}")
            if options.server and not options.kubeconfig:
                client, namespace = _by_address(options), "default"
            elif options.kubeconfig or not (MOUNT / "token").exists():
                raise Failure(
                    f"Error: there is no kubeconfig at {_listed(files)}; give one with --kubeconfig or KUBECONFIG"
                )
            else:
                _refuse(_tls_flags(options), "--server or a kubeconfig: here the pod's own account is used")
                client, namespace = _by_account(options), (MOUNT / "namespace").read_text().strip()
            await stack.enter_async_context(client)
        client.observe = _show_request if options.verbosity >= SHOW_REQUESTS else None
        yield client, options.namespace or namespace


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


async def _by_kubeconfig(stack: AsyncExitStack, options: Options, files: Iterable[Path]) -> Client:
    from kubevirt_py.kube.connect import ConfigException, Unknown, kubeconfig_client

    overrides = Overrides(
        cluster=options.cluster,
        user=options.user,
        server=options.server,
        server_name=options.tls_server_name,
        authority=options.certificate_authority,
        insecure=options.insecure,
        certificate=options.client_certificate,
        key=options.client_key,
        token=options.token,
    )
    connecting = kubeconfig_client(
        options.kubeconfig or None,
        options.context or None,
        overrides,
        user=options.impersonate,
        groups=options.groups,
        uid=options.uid,
        timeout_s=_timeout_s(options),
    )
    advice = "give one with --kubeconfig or KUBECONFIG"
    if bool(options.client_certificate) != bool(options.client_key):
        advice = "give --client-certificate and --client-key together"
    try:
        return await stack.enter_async_context(connecting)
    except Unknown as error:
        advice = f"choose one with --{error.section}"
        raise Failure(f"Error reading kubeconfig {_listed(files)}: {error}; {advice}") from error
    except (ConfigException, OSError, yaml.YAMLError) as error:
        raise Failure(f"Error reading kubeconfig {_listed(files)}: {error}; {advice}") from error


def _by_address(options: Options) -> Client:
    if bool(options.client_certificate) != bool(options.client_key):
        raise Failure("Error: --client-certificate and --client-key need each other: give both")
    context: ssl.SSLContext | bool = True
    if options.server.startswith("https:"):
        context = tls_context(
            options.certificate_authority, options.insecure, options.client_certificate, options.client_key
        )
    return _client(options, options.server, Fixed(context))


def _by_account(options: Options) -> Client:
    return _client(options, incluster_url(), ServiceAccount())


def _client(options: Options, url: str, credentials: Credentials) -> Client:
    acting = Acting(credentials, options.token, options.impersonate, options.groups, options.uid)
    return Client(url, acting, server_name=options.tls_server_name or None, timeout_s=_timeout_s(options))


def _timeout_s(options: Options) -> float | None:
    return REQUEST_S if options.request_timeout_s is None else options.request_timeout_s or None


def _check(options: Options) -> None:
    """Failure for flags that contradict or need each other, and for files that cannot be used."""
    authority, certificate, key = options.certificate_authority, options.client_certificate, options.client_key
    if options.insecure and authority:
        text = "--insecure-skip-tls-verify and --certificate-authority exclude each other: leave one of them out"
        raise Failure(f"Error: {text}")
    for flag, given in (("--as-uid", options.uid), ("--as-group", options.groups)):
        if given and not options.impersonate:
            raise Failure(f"Error: {flag} needs --as: name the user to impersonate")
    for flag, path in _tls_files(options):
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise Failure(f"Error: {flag}: cannot read {path}: {error.strerror}; name a PEM file") from error
    if authority:
        try:
            tls_context(authority, False, "", "")
        except ssl.SSLError as error:
            text = f"--certificate-authority: {authority} holds no certificate; name a PEM file"
            raise Failure(f"Error: {text}") from error
    if certificate and key:
        try:
            tls_context("", False, certificate, key)
        except ssl.SSLError as error:
            pair = f"--client-certificate {certificate} and --client-key {key}"
            raise Failure(f"Error: {pair} are no certificate and its key; name two PEM files") from error


def _tls_files(options: Options) -> Iterable[tuple[str, str]]:
    flags = (
        ("--certificate-authority", options.certificate_authority),
        ("--client-certificate", options.client_certificate),
        ("--client-key", options.client_key),
    )
    return [(flag, path) for flag, path in flags if path]


def _tls_flags(options: Options) -> Iterable[str]:
    yield from (flag for flag, _ in _tls_files(options))
    if options.insecure:
        yield "--insecure-skip-tls-verify"
    if options.tls_server_name:
        yield "--tls-server-name"


def _names_in_kubeconfig(options: Options) -> Iterable[str]:
    flags = (("--context", options.context), ("--cluster", options.cluster), ("--user", options.user))
    return (flag for flag, name in flags if name)


def _refuse(flags: Iterable[str], need: str) -> None:
    for flag in flags:
        raise Failure(f"Error: {flag} needs {need}")


def _listed(files: Iterable[Path]) -> str:
    return ", ".join(map(str, files))


def _show_request(method: str, resource: str, status: int, took_s: float, _held_s: float) -> None:
    click.echo(f"{method} {resource or 'subresource'}: {status or 'no answer'} in {took_s * 1000:.0f} ms", err=True)
