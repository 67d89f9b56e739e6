"""Leader election by a coordination.k8s.io Lease: one process writes, others keep warm.

Only the monotonic clock counts: another's lease has expired when its record has not changed
for its whole duration as seen from here; timestamps written by other machines are for people.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

import anyio
import msgspec

from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import AlreadyExists, ApiError, NotFound
from kubevirt_py.plan import Document, Key, Kind

CALL_S = 5.0

_log = logging.getLogger(__name__)


class LeaseRecord(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of a Lease."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _Meta(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""


class _Lease(msgspec.Struct, frozen=True):
    metadata: _Meta = _Meta()
    spec: LeaseRecord = LeaseRecord()


LEASE: Kind[_Lease] = Kind("coordination.k8s.io", "v1", "Lease", "leases", _Lease)

_decode = msgspec.json.Decoder(_Lease).decode


class LeaseLost(Exception):
    """The lease could not be renewed in time: stop writing at once and end the process."""


@dataclass(frozen=True, slots=True)
class LeaseSpec:
    """Which lease to hold, as whom. `identity` must be new for every start of a process.

    Raises ValueError unless duration_s > renew_s > retry_s x 1.2: otherwise two could hold it.
    """

    namespace: str
    name: str
    identity: str
    duration_s: int = 15
    renew_s: float = 10.0
    retry_s: float = 2.0

    def __post_init__(self) -> None:
        if not self.duration_s > self.renew_s > self.retry_s * 1.2:
            raise ValueError(
                f"lease {self.name}: want duration > renew > 1.2 x retry,"
                f" got {self.duration_s}, {self.renew_s}, {self.retry_s}"
            )

    @property
    def key(self) -> Key:
        return Key(self.namespace, self.name)


@dataclass(slots=True)
class Election:
    """Acquires, keeps and gives back one lease. `wall` gives the time that is written for people."""

    api: Api
    spec: LeaseSpec
    wall: Callable[[], datetime]
    random: Random = field(default_factory=Random)
    _seen: LeaseRecord | None = None
    _seen_at: float = 0.0
    _rv: str = ""
    _valid_until: float = -1.0

    def held(self) -> bool:
        """The fence: whether nobody else can hold the lease at this instant."""
        return anyio.current_time() < self._valid_until

    async def acquire(self) -> None:
        """Wait until the lease is ours."""
        while True:
            if await self._attempt(self._try_acquire):
                break
            await anyio.sleep(self.spec.retry_s * self.random.uniform(1.0, 1.2))
        _log.info("leading", extra={"lease": str(self.spec.key), "identity": self.spec.identity})

    async def keep(self) -> None:
        """Renew for ever. Raises LeaseLost when the lease was not renewed within `renew_s`, or another took it."""
        while True:
            await anyio.sleep(self.spec.retry_s * self.random.uniform(0.9, 1.0))
            await self._attempt(self._try_renew)
            if not self.held():
                raise LeaseLost(f"lease {self.spec.key} was not renewed within {self.spec.renew_s} s")

    async def release(self) -> None:
        """Give the lease back, so that a standby takes over at once. Call only when all work has stopped."""
        if not self.held():
            return
        self._valid_until = -1.0
        record = msgspec.structs.replace(self._record(self._seen), holder_identity="", lease_duration_seconds=1)
        with anyio.move_on_after(CALL_S, shield=True):
            try:
                await self._write(record)
            except ApiError as error:
                _log.warning("lease not released", extra={"lease": str(self.spec.key), "error": str(error)})

    async def _attempt(self, attempt: Callable[[], Awaitable[bool]]) -> bool:
        """Run one attempt within the deadline of a call; False if it failed, for whatever reason."""
        done = False
        with anyio.move_on_after(CALL_S):
            try:
                done = await attempt()
            except ApiError as error:
                _log.warning("lease", extra={"lease": str(self.spec.key), "error": str(error)})
        return done

    async def _try_acquire(self) -> bool:
        started = anyio.current_time()
        try:
            lease = _decode(await self.api.get(LEASE, self.spec.key))
        except NotFound:
            return await self._create(started)
        self._observe(lease, started)
        record = lease.spec
        if record.holder_identity not in (None, "", self.spec.identity):
            expires = self._seen_at + (record.lease_duration_seconds or self.spec.duration_s)
            if started < expires:
                return False
        await self._write(self._record(record))
        self._valid_until = started + self.spec.renew_s
        return True

    async def _try_renew(self) -> bool:
        started = anyio.current_time()
        try:
            await self._write(self._record(self._seen))
        except ApiError:
            # Our version may be old because an answer was lost: look whether the lease is still ours.
            lease = _decode(await self.api.get(LEASE, self.spec.key))
            self._observe(lease, started)
            if lease.spec.holder_identity != self.spec.identity:
                self._valid_until = -1.0
                return False
            await self._write(self._record(lease.spec))
        self._valid_until = started + self.spec.renew_s
        return True

    async def _create(self, started: float) -> bool:
        record = self._record(None)
        body = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {"namespace": self.spec.namespace, "name": self.spec.name},
            "spec": _document(record),
        }
        try:
            answer = _decode(await self.api.create(LEASE, self.spec.namespace, body))
        except AlreadyExists:
            return False
        self._observe(answer, started)
        self._valid_until = started + self.spec.renew_s
        return True

    async def _write(self, record: LeaseRecord) -> None:
        """Replace the record, unless somebody else wrote since we looked."""
        ops: list[Document] = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": self._rv},
            {"op": "add", "path": "/spec", "value": _document(record)},
        ]
        self._observe(_decode(await self.api.json_patch(LEASE, self.spec.key, ops)), anyio.current_time())

    def _observe(self, lease: _Lease, now: float) -> None:
        self._rv = lease.metadata.resource_version
        if lease.spec != self._seen:
            self._seen, self._seen_at = lease.spec, now

    def _record(self, old: LeaseRecord | None) -> LeaseRecord:
        """Our record, following `old`."""
        old = old or LeaseRecord(lease_transitions=-1)
        now = self.wall().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        ours = old.holder_identity == self.spec.identity
        transitions = old.lease_transitions or 0
        return LeaseRecord(
            holder_identity=self.spec.identity,
            lease_duration_seconds=self.spec.duration_s,
            acquire_time=old.acquire_time if ours else now,
            renew_time=now,
            lease_transitions=transitions if ours else transitions + 1,
        )


def _document(record: LeaseRecord) -> Document:
    return {name: value for name, value in msgspec.to_builtins(record).items() if value is not None}
