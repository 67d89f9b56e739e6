"""TLS contexts that follow their files: certificates are renewed while connections stay open.

A directory of certificates holds `tls.crt` and `tls.key`, as a mounted Secret does. New
handshakes use the newest files that load; streams that are open are never touched.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import anyio
import anyio.to_thread

CHECK_S = 10.0
DEFAULT_CIPHERS = "ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"
"""Python's own choice."""

_log = logging.getLogger(__name__)


class _Files:
    """Remembers what the files looked like when they were last read."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._seen = self._look()

    def changed(self) -> bool:
        now = self._look()
        if now == self._seen:
            return False
        self._seen = now
        return True

    def _look(self) -> tuple[tuple[int, int, int], ...]:
        found = []
        for path in self._paths:
            try:
                stat = path.stat()
            except FileNotFoundError:
                found.append((0, 0, 0))
            else:
                found.append((stat.st_mtime_ns, stat.st_ino, stat.st_size))
        return tuple(found)


class Reloading(Protocol):
    """What `keep_fresh` needs: something that looks at its files now and again."""

    def reload(self) -> bool: ...


class ReloadingServerContext:
    """The server side. Give `context` to the listener once; every handshake then uses the newest files.

    `client_ca`: file with the authorities that may sign client certificates, None for none.
    `require_client_cert`: refuse a handshake without one; else it is optional (front proxy).
    Raises OSError or ssl.SSLError when the files cannot be loaded at the start.
    """

    def __init__(self, cert_dir: str | Path, client_ca: str | Path | None, require_client_cert: bool) -> None:
        self._chain, self._key = Path(cert_dir) / "tls.crt", Path(cert_dir) / "tls.key"
        self._client_ca = Path(client_ca) if client_ca else None
        self._required = require_client_cert
        self._newest_only, self._ciphers = False, DEFAULT_CIPHERS
        self._files = _Files(self._chain, self._key, *([self._client_ca] if self._client_ca else []))
        self._current = self._load()
        self.context = self._load()
        # The listener keeps its context; the callback hands each handshake to the current one.
        self.context.sni_callback = self._use_current

    def reload(self) -> bool:
        """Load the files again if they changed; on failure log and keep what works. True if new ones are in use."""
        if not self._files.changed():
            return False
        try:
            self._current = self._load()
        except (OSError, ssl.SSLError):
            _log.exception("cannot load certificates, keeping the old ones", extra={"path": str(self._chain)})
            return False
        _log.info("certificates reloaded", extra={"path": str(self._chain)})
        return True

    def restrict(self, *, newest_only: bool, ciphers: Sequence[str]) -> None:
        """Serve TLS 1.3 only, or TLS 1.2 with these ciphers (OpenSSL's names; none for its own choice) from now on.

        Ciphers that OpenSSL does not know leave everything as it was, and the log says so.
        """
        wanted = ":".join(ciphers) or DEFAULT_CIPHERS
        if (newest_only, wanted) == (self._newest_only, self._ciphers):
            return
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(wanted)
        except ssl.SSLError:
            _log.exception("cannot use these ciphers, keeping the old ones", extra={"ciphers": wanted})
            return
        self._newest_only, self._ciphers = newest_only, wanted
        # A handshake has its version and ciphers from the listener's context, before it is handed to the current one.
        for context in (self.context, self._current):
            self._shape(context)

    def _shape(self, context: ssl.SSLContext) -> None:
        context.minimum_version = ssl.TLSVersion.TLSv1_3 if self._newest_only else ssl.TLSVersion.TLSv1_2
        context.set_ciphers(self._ciphers)

    def _use_current(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._shape(context)
        context.load_cert_chain(self._chain, self._key)
        if self._client_ca:
            context.load_verify_locations(self._client_ca)
            context.verify_mode = ssl.CERT_REQUIRED if self._required else ssl.CERT_OPTIONAL
        return context


class ReloadingClientContext:
    """The client side. Read `context` for each new connection, and give `server_name` as `server_hostname`."""

    def __init__(self, cert_dir: str | Path | None, ca_path: str | Path, server_name: str) -> None:
        self._dir = Path(cert_dir) if cert_dir else None
        self._ca = Path(ca_path)
        self.server_name = server_name
        self._files = _Files(self._ca, *([self._dir / "tls.crt", self._dir / "tls.key"] if self._dir else []))
        self.context = self._load()

    def reload(self) -> bool:
        """As for the server: True if new files are in use from now on."""
        if not self._files.changed():
            return False
        try:
            self.context = self._load()
        except (OSError, ssl.SSLError):
            _log.exception("cannot load certificates, keeping the old ones", extra={"path": str(self._ca)})
            return False
        return True

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self._ca))
        if self._dir:
            context.load_cert_chain(self._dir / "tls.crt", self._dir / "tls.key")
        return context


def client_context(cert_dir: str | Path | None, ca_path: str | Path, server_name: str) -> ReloadingClientContext:
    """A client context that presents the certificate in `cert_dir` and accepts only servers
    signed by `ca_path` whose certificate carries `server_name` as a DNS name."""
    return ReloadingClientContext(cert_dir, ca_path, server_name)


async def keep_fresh(*contexts: Reloading) -> None:
    """Look at the files every ten seconds; run it in a task group for as long as the contexts are used."""
    while True:
        await anyio.sleep(CHECK_S)
        for context in contexts:
            await anyio.to_thread.run_sync(context.reload)


def peer_common_name(connection: ssl.SSLObject | ssl.SSLSocket | None) -> str:
    """The common name of the verified certificate the other side presented; empty if it presented none."""
    certificate: dict[str, Any] = (connection.getpeercert() if connection is not None else None) or {}
    names = (value for part in certificate.get("subject", ()) for field, value in part if field == "commonName")
    return next(names, "")
