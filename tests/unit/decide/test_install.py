from datetime import UTC, datetime

import pytest

from kubevirt_py.api.views import ObjectMeta, Workload, WorkloadSpec, WorkloadStatus
from kubevirt_py.decide import install
from kubevirt_py.render.install import Installation

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)
INST = Installation(namespace="kubevirt", version="0.1.0", image="r/control-plane:a", launcher_image="r/launcher:b")


def deployment(
    generation: int = 1, observed: int = 1, updated: int = 2, available: int = 2, total: int = 2
) -> Workload:
    status = WorkloadStatus(
        observed_generation=observed, replicas=total, updated_replicas=updated, available_replicas=available
    )
    return Workload(metadata=ObjectMeta(generation=generation), spec=WorkloadSpec(replicas=2), status=status)


@pytest.mark.parametrize(
    ("workload", "done"),
    [
        (None, False),
        (deployment(), True),
        (deployment(generation=2), False),
        (deployment(updated=1), False),
        (deployment(available=1), False),
        (deployment(total=3), False),
        (
            Workload(status=WorkloadStatus(desired_number_scheduled=2, updated_number_scheduled=2, number_available=2)),
            True,
        ),
        (
            Workload(status=WorkloadStatus(desired_number_scheduled=2, updated_number_scheduled=2, number_available=1)),
            False,
        ),
    ],
)
def test_rolled_out_means_every_pod_new_and_available(workload: Workload | None, done: bool) -> None:
    assert install.rolled_out(workload) is done


def by_type(status: dict[str, object]) -> dict[str, str]:
    conditions = status["conditions"]
    assert isinstance(conditions, list)
    return {one["type"]: one["status"] for one in conditions}


def test_ready_is_what_clients_wait_for() -> None:
    status = install.wanted_status({}, INST, 4, install.READY, "", NOW)
    assert by_type(status) == {"Available": "True", "Progressing": "False", "Degraded": "False", "Created": "True"}
    assert (status["phase"], status["observedGeneration"]) == ("Deployed", 4)
    assert status["observedDeploymentID"] == status["targetDeploymentID"] == INST.deployment_id


def test_a_state_that_lasts_changes_nothing() -> None:
    first = install.wanted_status({}, INST, 4, install.READY, "all well", NOW)
    assert install.wanted_status(first, INST, 4, install.READY, "all well", LATER) == first


def test_transition_times_move_only_with_the_status() -> None:
    first = install.wanted_status({}, INST, 1, install.IN_PROGRESS, "", NOW)
    then = install.wanted_status(first, INST, 1, install.READY, "", LATER)
    times = {one["type"]: one["lastTransitionTime"] for one in then["conditions"]}
    assert times["Degraded"] == "2026-01-01T00:00:00Z"
    assert times["Available"] == "2026-01-02T00:00:00Z"


def test_an_update_keeps_the_phase_and_says_degraded() -> None:
    first = install.wanted_status({}, INST, 1, install.READY, "", NOW)
    status = install.wanted_status(first, INST, 2, install.UPDATING, "", NOW)
    assert status["phase"] == "Deployed"
    assert by_type(status) == {"Available": "True", "Progressing": "True", "Degraded": "True"}
    assert status["observedGeneration"] == 1
