"""What virt-controller does for virt-operator while that is away, so that nothing in the cluster waits for it for ever.

An APIService whose server is gone keeps every namespace from ending; a KubeVirt resource that is being deleted keeps
its own. Both are let go. What else was installed is taken down by an operator that comes back, or with the namespace.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import ApiService, Held, KubeVirt, Lease, VirtualMachine, VirtualMachineInstance
from kubevirt_py.decide import patches
from kubevirt_py.decide.clock import age_s
from kubevirt_py.decide.references import key_of
from kubevirt_py.plan import Action, Delete, JsonPatch, Kind, Plan

AWAY_S = 30.0
"""An operator whose lease is older is away: it is renewed every few seconds."""
UNANSWERED_S = 15.0
"""How long virt-api may be away before its APIs are unregistered; virt-operator waits as long."""


@dataclass(frozen=True, slots=True)
class Holding:
    """The installation as virt-controller sees it. `settled` says that the stores have caught up with each other."""

    kubevirt: KubeVirt
    now: datetime
    operator: Lease | None
    apis: tuple[ApiService, ...]
    webhooks: tuple[tuple[Kind[Held], Held], ...]
    vms: tuple[VirtualMachine, ...]
    vmis: tuple[VirtualMachineInstance, ...]
    blocked: bool
    settled: bool


def decide(s: Holding) -> Plan:
    """Nothing, as long as there is an operator."""
    away_s = age_s(s.operator.spec.renew_time if s.operator is not None else None, s.now)
    if away_s < AWAY_S or not s.settled:
        return Plan(again_s=max(1.0, AWAY_S - away_s))
    if s.kubevirt.metadata.deletion_timestamp is None:
        return Plan(do=tuple(_unanswered(s)), again_s=UNANSWERED_S)
    if s.vms or s.vmis:
        return Plan(do=(*_unanswered(s), *_guests(s)), again_s=UNANSWERED_S)
    return Plan(do=(*_doors(s), *_release(s.kubevirt)))


def _unanswered(s: Holding) -> Iterator[Action]:
    for api in s.apis:
        away = next(
            (one for one in api.status.conditions if one.type == names.AVAILABLE and one.status != "True"), None
        )
        if away is not None and age_s(away.last_transition_time, s.now) >= UNANSWERED_S:
            yield _delete(kinds.API_SERVICE, api)


def _guests(s: Holding) -> Iterator[Action]:
    if s.blocked:
        return
    pairs: tuple[tuple[Kind[Any], Any], ...] = (
        *((kinds.VM, vm) for vm in s.vms),
        *((kinds.VMI, vmi) for vmi in s.vmis),
    )
    for kind, guest in pairs:
        if guest.metadata.deletion_timestamp is None:
            yield _delete(kind, guest)


def _doors(s: Holding) -> Iterator[Action]:
    """What makes the API server ask a server that goes with the namespace."""
    for kind, webhook in s.webhooks:
        yield _delete(kind, webhook)
    for api in s.apis:
        yield _delete(kinds.API_SERVICE, api)


def _release(kubevirt: KubeVirt) -> Iterator[Action]:
    ops = patches.finalizer_ops(kubevirt.metadata.finalizers, (names.KUBEVIRT_FINALIZER,))
    if ops:
        yield JsonPatch(kinds.KUBEVIRT, key_of(kubevirt), patches.guarded(kubevirt.metadata.resource_version, ops))


def _delete(kind: Kind[Any], view: Any) -> Delete:
    return Delete(kind, key_of(view), view.metadata.uid)
