"""Clients from a kubeconfig. The only importer of kubernetes_asyncio."""

from __future__ import annotations

import importlib
import importlib.util
import os
import ssl
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from kubevirt_py.kube.client import REQUEST_S, Client
from kubevirt_py.kube.credentials import AS_WRITTEN, Acting, Overrides, tls_context


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
from kubernetes_asyncio.config.kube_config import (  # noqa: E402
    KUBE_CONFIG_DEFAULT_LOCATION,
    ConfigNode,
    KubeConfigLoader,
    KubeConfigMerger,
)

CHOSEN = "(chosen)"
"""Name of the entries that are added to what the files hold: those that are chosen, with the caller's changes."""


class Unknown(ConfigException):
    """A `section` (context, cluster or user) that is asked for by `name` and that no kubeconfig file holds."""

    def __init__(self, section: str, name: str, known: Iterable[str]) -> None:
        self.section, self.name, self.known = section, name, tuple(known)
        super().__init__(f"there is no {section} {name!r}; there are: {', '.join(self.known) or 'none'}")


class KubeConfig:
    """Credentials as a kubeconfig gives them; exec plugins run again when the API server answers 401."""

    def __init__(self, path: str | None, context: str | None, overrides: Overrides = AS_WRITTEN) -> None:
        self._path = path
        self._context = context
        self._overrides = overrides
        self.host = ""
        self.server_name: str | None = None
        self._headers: dict[str, str] = {}
        self._tls: ssl.SSLContext | bool = True

    async def load(self) -> None:
        """Read the file and run its plugin, if any. Raises ConfigException naming what is wrong with it."""
        paths = self._path or os.environ.get("KUBECONFIG") or KUBE_CONFIG_DEFAULT_LOCATION
        files = KubeConfigMerger(paths)
        if files.config is None:
            raise ConfigException(f"there is no file {paths}")
        _choose(files.config, self._context or "", self._overrides)
        loader = KubeConfigLoader(
            files.config, active_context=CHOSEN, config_base_path=None, config_persister=files.save_changes
        )
        configuration = Configuration()
        await loader.load_and_set(configuration)
        if self._overrides.key and not configuration.cert_file:
            raise ConfigException("the user has no certificate that a key could belong to")
        self.host = configuration.host or ""
        self.server_name = configuration.tls_server_name or None
        token = await configuration.get_api_key_with_prefix("BearerToken")
        self._headers = {"Authorization": token} if token else {}
        self._tls = _tls(configuration) if self.host.startswith("https:") else True

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
    overrides: Overrides = AS_WRITTEN,
    *,
    user: str = "",
    groups: tuple[str, ...] = (),
    uid: str = "",
    timeout_s: float | None = REQUEST_S,
) -> AsyncIterator[Client]:
    """A client as kubectl would make it: from `path`, else $KUBECONFIG, else ~/.kube/config.

    `overrides` go before what the file says; `user`, `groups` and `uid` are impersonated. A request takes at most
    `timeout_s`, None: however long it takes.
    """
    config = KubeConfig(path, context, overrides)
    await config.load()
    credentials = Acting(config, overrides.token, user, groups, uid)
    async with Client(config.host, credentials, server_name=config.server_name, timeout_s=timeout_s) as client:
        yield client


def _choose(files: ConfigNode, context: str, overrides: Overrides) -> None:
    """Add the chosen context, cluster and user, with the overrides in them, to the merged contents of the files."""
    name = context or files.value.get("current-context") or ""
    found, _ = _entry(files, "context", name)
    needed = bool(overrides.cluster) or not overrides.server
    cluster, path = _entry(files, "cluster", overrides.cluster or found.get("cluster") or "", needed=needed)
    user, _ = _entry(files, "user", overrides.user or found.get("user") or "", needed=bool(overrides.user))
    entries = {
        "context": {"cluster": CHOSEN, "user": CHOSEN},
        "cluster": _cluster(cluster, overrides),
        "user": _user(user, overrides),
    }
    for section, entry in entries.items():
        files.value[f"{section}s"].append(ConfigNode(section, {"name": CHOSEN, section: entry}, path))


def _entry(files: ConfigNode, section: str, name: str, *, needed: bool = True) -> tuple[dict[str, Any], str | None]:
    """A copy of the entry, and the file it is in. Without a name it is empty."""
    entries = {str(entry.value.get("name")): entry for entry in files.value[f"{section}s"]}
    if name in entries:
        return dict(entries[name].value.get(section) or {}), entries[name].path
    if name and needed:
        raise Unknown(section, name, entries)
    return {}, None


def _cluster(entry: dict[str, Any], overrides: Overrides) -> dict[str, Any]:
    """As client-go: what says how to trust the server goes together, and a server's name with the server."""
    if overrides.server:
        entry["server"] = overrides.server
    if overrides.server or overrides.server_name:
        entry["tls-server-name"] = overrides.server_name
    if overrides.insecure or overrides.authority:
        entry = {key: value for key, value in entry.items() if not key.startswith("certificate-authority")}
        entry["insecure-skip-tls-verify"] = overrides.insecure
    if overrides.authority:
        entry["certificate-authority"] = os.path.abspath(overrides.authority)
    if not entry.get("server"):
        raise ConfigException("no cluster is chosen: it names no current context")
    return entry


def _user(entry: dict[str, Any], overrides: Overrides) -> dict[str, Any]:
    """A token of the caller's stands for the whole user: the API server would prefer the user's certificate to it."""
    if overrides.token:
        entry = {}
    for key, file in (("client-certificate", overrides.certificate), ("client-key", overrides.key)):
        if file:
            entry.pop(f"{key}-data", None)
            entry[key] = os.path.abspath(file)
    return entry


def _tls(configuration: Configuration) -> ssl.SSLContext:
    return tls_context(
        configuration.ssl_ca_cert or "",
        not configuration.verify_ssl,
        configuration.cert_file or "",
        configuration.key_file or "",
    )
