"""The few questions this tool asks the API server, with the standard library alone."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hack.cluster.progress import ClusterError


class Api:
    """An administrator's view of an API server."""

    def __init__(self, url: str, ca: Path, certificate: Path, key: Path) -> None:
        self._address = urlsplit(url)
        self._ca, self._certificate, self._key = ca, certificate, key

    def request(self, method: str, path: str, body: bytes | None = None, content_type: str = "") -> tuple[int, bytes]:
        """One request on a connection of its own; raises OSError when the server is not there."""
        context = ssl.create_default_context(cafile=str(self._ca))
        context.load_cert_chain(self._certificate, self._key)
        host, port = self._address.hostname or "", self._address.port
        connection = http.client.HTTPSConnection(host, port, timeout=10, context=context)
        try:
            connection.request(method, path, body, {"Content-Type": content_type} if content_type else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """The JSON document at that path, None when there is none."""
        status, body = self.request("GET", path)
        if status == 404:
            return None
        if status != 200:
            raise ClusterError(f"GET {path}: {status} {body.decode(errors='replace')[:500]}")
        return json.loads(body)

    def apply(self, path: str, content: dict[str, Any]) -> None:
        """Server-side apply of one object to its path."""
        status, body = self.request(
            "PATCH",
            f"{path}?fieldManager=cluster&force=true",
            json.dumps(content).encode(),
            "application/apply-patch+yaml",
        )
        if status not in (200, 201):
            raise ClusterError(f"apply {path}: {status} {body.decode(errors='replace')[:500]}")

    def ready(self) -> bool:
        """Whether the server answers and says that it is ready."""
        try:
            return self.request("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False


def wait_until(what: str, done: Callable[[], bool], timeout_s: float, hint: Callable[[], str] = lambda: "") -> None:
    """Ask `done()` until it is true; at the deadline raises ClusterError with what `hint()` knows."""
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not after {timeout_s:.0f} s\n{hint()}")
        time.sleep(0.1)
