"""What is done for an operator that is away."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import (
    ApiService,
    ApiServiceStatus,
    Condition,
    Held,
    KubeVirt,
    Lease,
    LeaseSpec,
    ObjectMeta,
    VirtualMachine,
)
from kubevirt_py.decide.caretaking import AWAY_S, Holding, decide
from kubevirt_py.decide.clock import rfc3339
from kubevirt_py.plan import Delete, JsonPatch, Plan

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def ago(seconds: float) -> str:
    return rfc3339(NOW - timedelta(seconds=seconds))


def lease(age_s: float) -> Lease:
    return Lease(spec=LeaseSpec(renew_time=ago(age_s)))


def api(available: str, since_s: float) -> ApiService:
    condition = Condition(names.AVAILABLE, available, last_transition_time=ago(since_s))
    return ApiService(ObjectMeta(name="v1.subresources.kubevirt.io", uid="a"), ApiServiceStatus((condition,)))


STANDING = KubeVirt(ObjectMeta(name="kubevirt", namespace="kubevirt", finalizers=("other", names.KUBEVIRT_FINALIZER)))
GOING = KubeVirt(
    ObjectMeta(
        name="kubevirt",
        namespace="kubevirt",
        finalizers=("other", names.KUBEVIRT_FINALIZER),
        deletion_timestamp=ago(5),
        resource_version="7",
    )
)
HOLDING = Holding(
    kubevirt=GOING,
    now=NOW,
    operator=lease(AWAY_S + 1),
    apis=(api("False", 60),),
    webhooks=((kinds.VALIDATING_WEBHOOKS, Held(ObjectMeta(name="virt-api-validator", uid="w"))),),
    vms=(),
    vmis=(),
    blocked=False,
    settled=True,
)
VM = VirtualMachine(ObjectMeta(name="vm", namespace="default", uid="v"))


def deleted(plan: Plan) -> list[str]:
    return [action.key.name for action in plan.do if isinstance(action, Delete)]


def test_nothing_while_there_is_an_operator() -> None:
    plan = decide(replace(HOLDING, operator=lease(AWAY_S - 10)))
    assert plan.do == () and plan.again_s == 10


def test_nothing_while_stores_lag() -> None:
    assert decide(replace(HOLDING, settled=False)).do == ()


def test_an_api_without_a_server_is_unregistered_and_the_rest_is_left_alone() -> None:
    assert deleted(decide(replace(HOLDING, kubevirt=STANDING))) == ["v1.subresources.kubevirt.io"]
    for healthy in (api("True", 60), api("False", 5)):
        assert decide(replace(HOLDING, kubevirt=STANDING, apis=(healthy,))).do == ()


def test_a_resource_that_is_going_is_let_go_behind_its_doors() -> None:
    plan = decide(HOLDING)
    assert deleted(plan) == ["virt-api-validator", "v1.subresources.kubevirt.io"]
    last = plan.do[-1]
    assert isinstance(last, JsonPatch)
    assert last.ops[-1] == {"op": "remove", "path": "/metadata/finalizers/1"}


def test_guests_go_first_unless_the_resource_waits_for_them() -> None:
    guarded = replace(HOLDING, vms=(VM,), apis=())
    assert deleted(decide(guarded)) == ["vm"]
    assert decide(replace(guarded, blocked=True)).do == ()
