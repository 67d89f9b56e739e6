"""Whether a pod may be evicted: a guest that can move is moved, not killed.

Source: KubeVirt's webhook on `pods/eviction`. The descheduler and cluster tools read the words of the refusals.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct

from kubevirt_py.api import names
from kubevirt_py.api.views import Condition, ObjectMeta, Pod
from kubevirt_py.decide import phases
from kubevirt_py.plan import Document

DESCHEDULER = "sigs.k8s.io/descheduler"
REQUESTED_BY = "requested-by"
"""Annotation of an Eviction that says who asks."""
STRATEGIES = ("LiveMigrate", "LiveMigrateIfPossible", "External")
"""Those under which a guest is moved; under any other it ends with its pod."""
NODE_PATH = "/status/evacuationNodeName"


class _Spec(Struct, frozen=True, rename="camel"):
    eviction_strategy: str = ""


class _MigrationState(Struct, frozen=True, rename="camel"):
    target_pod: str = ""
    completed: bool = False
    failed: bool = False


class _Status(Struct, frozen=True, rename="camel"):
    phase: str = ""
    node_name: str = ""
    evacuation_node_name: str = ""
    conditions: tuple[Condition, ...] = ()
    migration_state: _MigrationState | None = None


class Guest(Struct, frozen=True):
    """The part of a VMI that an eviction looks at."""

    metadata: ObjectMeta = ObjectMeta()
    spec: _Spec = _Spec()
    status: _Status = _Status()


@dataclass(frozen=True, slots=True)
class Answer:
    """Let go, or refused for now because of `later`; `ops` mark the guest so that it is moved away."""

    later: str = ""
    ops: tuple[Document, ...] = ()


LET_GO = Answer()


def launcher_eviction(pod: Pod, guest: Guest, cluster_strategy: str, eviction: Document) -> Answer:
    """What to say to the eviction of a running VM pod. `eviction` is the Eviction object."""
    status = guest.status
    if status.phase in phases.FINAL:
        return LET_GO
    strategy = guest.spec.eviction_strategy or cluster_strategy
    if strategy not in STRATEGIES:
        return LET_GO
    name = f"{guest.metadata.namespace}/{guest.metadata.name}"
    if _arriving(pod, status):
        return Answer(f"Eviction request for target Pod: VMI {name} is about to move here; wait for its migration")
    if strategy != "External" and not _migratable(status):
        if strategy == "LiveMigrateIfPossible":
            return LET_GO
        return Answer(f"VMI {guest.metadata.name} is configured with an eviction strategy but is not live-migratable")
    told = f'Eviction triggered evacuation of VMI "{name}"'
    if status.evacuation_node_name:
        return Answer(f"Evacuation in progress: {told}")
    return Answer(told, _marks(pod, guest, eviction))


def attachment_eviction(launcher: Pod | None) -> Answer:
    """What to say to the eviction of a pod that holds hotplugged volumes of `launcher`."""
    if launcher is None or not is_running(launcher):
        return LET_GO
    return Answer(
        f"cannot evict a pod that holds volumes of the running pod {launcher.metadata.name}; "
        "evict that pod, or unplug the volumes"
    )


def is_running(pod: Pod) -> bool:
    """Whether the pod's containers have not all ended."""
    return pod.status.phase not in ("Succeeded", "Failed")


def _arriving(pod: Pod, status: _Status) -> bool:
    state = status.migration_state
    if pod.metadata.labels.get(names.MIGRATION_JOB_UID_LABEL) is None or state is None:
        return False
    return state.target_pod == pod.metadata.name and not (state.completed or state.failed)


def _migratable(status: _Status) -> bool:
    return any(each.type == names.LIVE_MIGRATABLE and each.status == "True" for each in status.conditions)


def _marks(pod: Pod, guest: Guest, eviction: Document) -> tuple[Document, ...]:
    """Written twice they do no harm, so all that is tested is that it is this very guest."""
    marks: list[Document] = [
        {"op": "test", "path": "/metadata/uid", "value": guest.metadata.uid},
        {"op": "add", "path": NODE_PATH, "value": pod.spec.node_name},
    ]
    asked = ((eviction.get("metadata") or {}).get("annotations") or {}).get(REQUESTED_BY)
    if asked == DESCHEDULER:
        if not guest.metadata.annotations:
            marks.append({"op": "test", "path": "/metadata/resourceVersion", "value": guest.metadata.resource_version})
            marks.append({"op": "add", "path": "/metadata/annotations", "value": {}})
        place = names.EVICTION_SOURCE_ANNOTATION.replace("/", "~1")
        marks.append({"op": "add", "path": f"/metadata/annotations/{place}", "value": "descheduler"})
    return tuple(marks)
