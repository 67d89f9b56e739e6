"""Clients from a kubeconfig. The only importer of kubernetes_asyncio."""

from __future__ import annotations

import importlib
import importlib.util
import os
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

from kubevirt_py.kube.client import Client
from kubevirt_py.kube.credentials import Acting


def _packages_alone() -> None:
    """Register the library's packages without running their `__init__`, which imports 800 models in 1.5 seconds.

    Of `client`, reading a kubeconfig needs the class Configuration and the name ApiClient.
    """
    spec = importlib.util.find_spec("kubernetes_asyncio")
    if spec is None or not spec.submodule_search_locations or "kubernetes_asyncio" in sys.modules:
        return
    top = Path(spec.submodule_search_locations[0])
    for name, path in (("kubernetes_asyncio", top), ("kubernetes_asyncio.client", top / "client")):
        package = sys.modules[name] = ModuleType(name)
        package.__path__ = [str(path)]
    package.__dict__["ApiClient"] = object
    package.__dict__["Configuration"] = importlib.import_module("kubernetes_asyncio.client.configuration").Configuration


_packages_alone()
from kubernetes_asyncio.client.configuration import Configuration  # noqa: E402
from kubernetes_asyncio.config.config_exception import ConfigException as ConfigException  # noqa: E402
from kubernetes_asyncio.config.kube_config import load_kube_config  # noqa: E402


class KubeConfig:
    """Credentials as a kubeconfig gives them; exec plugins run again when the API server answers 401."""

    def __init__(self, path: str | None, context: str | None, *, certificate: bool = True) -> None:
        """Without `certificate` the client's own is left out: the API server would prefer it to a token."""
        self._path = path
        self._context = context
        self._certificate = certificate
        self.host = ""
        self.server_name: str | None = None
        self._headers: dict[str, str] = {}
        self._tls: ssl.SSLContext | bool = True

    async def load(self) -> None:
        """Read the file and run its plugin, if any. Raises ConfigException naming what is wrong with it."""
        configuration = Configuration()
        await load_kube_config(
            config_file=self._path or os.environ.get("KUBECONFIG"),
            context=self._context,
            client_configuration=configuration,
        )
        self.host = configuration.host or ""
        self.server_name = configuration.tls_server_name or None
        token = await configuration.get_api_key_with_prefix("BearerToken")
        self._headers = {"Authorization": token} if token else {}
        self._tls = _tls(configuration, self._certificate) if self.host.startswith("https:") else True

    async def headers(self) -> Mapping[str, str]:
        return self._headers

    def tls(self) -> ssl.SSLContext | bool:
        return self._tls

    async def renew(self) -> bool:
        before = self._headers
        await self.load()
        return self._headers != before


@asynccontextmanager
async def kubeconfig_client(
    path: str | None = None,
    context: str | None = None,
    *,
    server: str = "",
    token: str = "",
    user: str = "",
    groups: tuple[str, ...] = (),
) -> AsyncIterator[Client]:
    """A client as kubectl would make it: from `path`, else $KUBECONFIG, else ~/.kube/config.

    `server` and `token` replace what the file says; `user` and `groups` are impersonated.
    """
    config = KubeConfig(path, context, certificate=not token)
    await config.load()
    credentials = Acting(config, token, user, groups)
    async with Client(server or config.host, credentials, server_name=config.server_name) as client:
        yield client


def _tls(configuration: Configuration, certificate: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert or None)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file and certificate:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context
