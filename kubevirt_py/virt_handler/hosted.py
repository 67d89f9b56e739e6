"""What all parts of one guest share: its record on disk, its process, and the agent it lives in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from kubevirt_py.api.views import HostedInstance, Pod
from kubevirt_py.plan import Document, Key
from kubevirt_py.render.machine import Machine
from kubevirt_py.virt_handler.records import Folder, Record


class Home(Protocol):
    """What a guest asks of the agent it lives in."""

    def vmi(self, key: Key, uid: str) -> HostedInstance | None: ...

    def pod(self, uid: str) -> Pod | None: ...

    def changed(self, key: Key) -> None: ...

    def tell(self, key: Key, uid: str, reason: str, note: str, *, warning: bool = False) -> None: ...

    async def is_deleted(self, key: Key, uid: str) -> bool: ...

    def neighbours(self, uid: str) -> Iterable[tuple[Key, Machine]]: ...

    @property
    def network_bindings(self) -> Callable[[], Mapping[str, Document]]: ...


class Hosted:
    """Owns the pidfd; -1 if none is left."""

    def __init__(self, record: Record, folder: Folder, pidfd: int, home: Home) -> None:
        self.record = record
        self.folder = folder
        self.pidfd = pidfd
        self.key = record.key
        self.uid = record.uid
        self._home = home

    def save(self) -> None:
        """Keep the record for the agent's next life."""
        self.folder.save(self.record)

    def vmi(self) -> HostedInstance | None:
        """The VMI as the watch shows it."""
        return self._home.vmi(self.key, self.uid)

    def pod(self) -> Pod | None:
        """The VMI's pod as the watch shows it."""
        return self._home.pod(self.record.pod_uid)

    async def is_deleted(self) -> bool:
        """Whether the API server itself says that the VMI is no more."""
        return await self._home.is_deleted(self.key, self.uid)

    def neighbours(self) -> Iterable[tuple[Key, Machine]]:
        """The other machines of this node, as they are and as they are about to be."""
        return self._home.neighbours(self.uid)

    def changed(self) -> None:
        """There is something new to report."""
        self._home.changed(self.key)

    def tell(self, reason: str, note: str, *, warning: bool = False) -> None:
        """Emit an event about the VMI."""
        self._home.tell(self.key, self.uid, reason, note, warning=warning)

    def network_bindings(self) -> Mapping[str, Document]:
        """The cluster's network binding plugins, by name."""
        return self._home.network_bindings()

    def close(self) -> None:
        """Give up the pidfd."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
