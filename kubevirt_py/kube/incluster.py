"""Credentials of a pod: the service-account token and CA that the kubelet mounts and renews."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Mapping
from pathlib import Path

import anyio.to_thread

from kubevirt_py.kube.client import Client

MOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
RELOAD_S = 60.0


class ServiceAccount:
    """Reads token and CA again every minute: the kubelet replaces both while we run."""

    def __init__(self, mount: Path = MOUNT) -> None:
        self._mount = mount
        self._token = ""
        self._ca = b""
        self._context: ssl.SSLContext | None = None
        self._read_at = 0.0
        self._read()

    async def headers(self) -> Mapping[str, str]:
        if time.monotonic() - self._read_at > RELOAD_S:
            await anyio.to_thread.run_sync(self._read)
        return {"Authorization": f"Bearer {self._token}"}

    def tls(self) -> ssl.SSLContext | bool:
        return self._context or True

    async def renew(self) -> bool:
        """True if the kubelet has left a new token since."""
        before = self._token
        await anyio.to_thread.run_sync(self._read)
        return self._token != before

    def _read(self) -> None:
        self._token = (self._mount / "token").read_text().strip()
        ca = (self._mount / "ca.crt").read_bytes()
        if ca != self._ca:
            self._context = ssl.create_default_context(cadata=ca.decode())
            # Python 3.13 refuses CAs without a key usage extension; many clusters have one, and Go clients take it.
            self._context.verify_flags &= ~ssl.VERIFY_X509_STRICT
            self._ca = ca
        self._read_at = time.monotonic()


def incluster_url(mount: Path = MOUNT) -> str:
    """Address of the API server of the cluster this pod runs in. Raises RuntimeError outside a pod."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (mount / "token").exists():
        raise RuntimeError(
            "not in a pod: KUBERNETES_SERVICE_HOST or the service-account token is missing; give a kubeconfig instead"
        )
    address = f"[{host}]" if ":" in host else host
    return f"https://{address}:{port}"


def incluster_client(mount: Path = MOUNT) -> Client:
    """A client for the API server of the cluster this pod runs in; an async context manager.

    Raises RuntimeError outside a pod.
    """
    return Client(incluster_url(mount), ServiceAccount(mount))
