"""Every replica serves with the certificate that the leader keeps in a Secret."""

from __future__ import annotations

import logging
from pathlib import Path

import anyio
import anyio.to_thread

from kubevirt_py.api.views import Held
from kubevirt_py.kube.errors import ApiError
from kubevirt_py.kube.tls import Reloading
from kubevirt_py.reconcile.store import Store
from kubevirt_py.virt_operator.certificates import OPERATOR_LEAF, Certificates

RETRY_S = 2.0

log = logging.getLogger(__name__)


class OwnCertificate:
    """Copies the operator's leaf into the directory its servers read, whenever the Secret changes."""

    def __init__(self, secrets: Store[Held], certificates: Certificates, directory: Path, server: Reloading) -> None:
        self._certificates, self._directory, self._server = certificates, directory, server
        self._changed = anyio.Event()
        secrets.subscribe(self._note)

    def _note(self, _old: Held | None, new: Held | None) -> None:
        if new is not None and new.metadata.name == OPERATOR_LEAF.secret:
            self._changed.set()

    async def run(self) -> None:
        """Follow the Secret until cancelled."""
        while True:
            await self._changed.wait()
            self._changed = anyio.Event()
            try:
                await self._certificates.write_leaf(OPERATOR_LEAF, self._directory)
            except ApiError:
                log.warning("cannot read the operator's certificate", exc_info=True)
                await anyio.sleep(RETRY_S)
                self._changed.set()
                continue
            await anyio.to_thread.run_sync(self._server.reload)
