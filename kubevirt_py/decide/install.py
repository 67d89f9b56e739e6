"""What the KubeVirt CR's status says about an installation.

Source: KubeVirt's table of phases and conditions; clients wait for Available=True,
Progressing=False, Degraded=False and observedGeneration == generation.
"""

from __future__ import annotations

import json
from datetime import datetime

import msgspec

from kubevirt_py.api import names
from kubevirt_py.api.views import Workload
from kubevirt_py.plan import Document
from kubevirt_py.render.install import Installation

DEPLOYING, DEPLOYED, DELETING, DELETED = "Deploying", "Deployed", "Deleting", "Deleted"


class State(msgspec.Struct, frozen=True):
    """One row of the conditions table: status per condition type; None removes the condition."""

    reason: str
    available: bool
    progressing: bool
    degraded: bool
    created: bool | None = None
    synchronized: bool | None = None


IN_PROGRESS = State("DeploymentInProgress", available=False, progressing=True, degraded=False)
UPDATING = State("UpdateInProgress", available=True, progressing=True, degraded=True)
READY = State("AllComponentsReady", available=True, progressing=False, degraded=False, created=True)
FAILED = State("DeploymentFailed", available=False, progressing=False, degraded=True, synchronized=False)
DUPLICATE = State("ExistingDeployment", available=False, progressing=False, degraded=True, synchronized=False)
REMOVING = State("DeletionInProgress", available=False, progressing=False, degraded=True)
WAITING = State("DeletionFailed", available=False, progressing=False, degraded=True, synchronized=False)


def rolled_out(workload: Workload | None) -> bool:
    """Whether every pod of a Deployment or DaemonSet runs the wanted version and is available."""
    if workload is None or workload.status.observed_generation < workload.metadata.generation:
        return False
    status = workload.status
    if status.desired_number_scheduled:
        return status.updated_number_scheduled == status.number_available == status.desired_number_scheduled
    return 0 < workload.spec.replicas == status.updated_replicas == status.available_replicas == status.replicas


def usable(workload: Workload | None) -> bool:
    """Whether a Deployment answers at all."""
    return workload is not None and workload.status.available_replicas > 0


def wanted_status(
    old: Document, inst: Installation, generation: int, state: State, message: str, now: datetime
) -> Document:
    """The CR's status after this look. Times of conditions only move when their status does."""
    ready = state is READY
    config = json.dumps(inst.deployment_config(), sort_keys=True, separators=(",", ":"))
    status = {
        **old,
        "phase": DEPLOYED if ready or (state is UPDATING and old.get("phase") == DEPLOYED) else DEPLOYING,
        "operatorVersion": inst.version,
        "targetKubeVirtVersion": inst.version,
        "targetKubeVirtRegistry": inst.registry,
        "targetDeploymentID": inst.deployment_id,
        "targetDeploymentConfig": config,
        "defaultArchitecture": "amd64",
        "conditions": conditions(old.get("conditions") or [], state, message, now),
    }
    if state in (REMOVING, WAITING):
        status["phase"] = DELETING
    if ready:
        status |= {
            "observedKubeVirtVersion": inst.version,
            "observedKubeVirtRegistry": inst.registry,
            "observedDeploymentID": inst.deployment_id,
            "observedDeploymentConfig": config,
            "observedGeneration": generation,
        }
    return status


def conditions(old: list[Document], state: State, message: str, now: datetime) -> list[Document]:
    """The condition list of a state, keeping transition times of what did not change."""
    before = {condition["type"]: condition for condition in old}
    wanted = {
        names.AVAILABLE: state.available,
        names.PROGRESSING: state.progressing,
        names.DEGRADED: state.degraded,
        names.CREATED: state.created,
        names.SYNCHRONIZED: state.synchronized,
    }
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    found = []
    for name, value in wanted.items():
        if value is None:
            continue
        reason = "AllResourcesCreated" if name == names.CREATED else state.reason
        condition = {"type": name, "status": str(value), "reason": reason, "message": message}
        held = before.get(name, {})
        since = held.get("lastTransitionTime") if held.get("status") == condition["status"] else None
        same = all(held.get(part) == value for part, value in condition.items())
        condition["lastTransitionTime"] = since or time
        condition["lastProbeTime"] = held["lastProbeTime"] if same and held.get("lastProbeTime") else time
        found.append(condition)
    return found
