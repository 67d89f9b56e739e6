"""Whether a VirtualMachineInstanceMigration may be created or changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from kubevirt_py.api import names
from kubevirt_py.api.v1.migration import VirtualMachineInstanceMigration
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import FORBIDDEN, INVALID, NOT_FOUND, REQUIRED, Cause, needs_gate, one_of
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.fixed import MIGRATION, fixed_spec
from kubevirt_py.render.parse import parse_causes, without_nulls
from kubevirt_py.render.selectors import labels_causes
from kubevirt_py.render.validate.text import dns_subdomain

DECENTRALIZED_GATE = "DecentralizedLiveMigration"
PRIORITIES = ("system-critical", "user-triggered", "system-maintenance")
FINAL = ("Succeeded", "Failed")
"""Phases after which a VMI does not run, and a migration does nothing, ever again."""


@dataclass(frozen=True, slots=True)
class Guest:
    """The VMI that shall move: its phase, why it cannot be moved ("" if it can), and its unfinished migration."""

    phase: str
    obstacle: str = ""
    obstacle_reason: str = ""
    active: str = ""

    @classmethod
    def of(cls, vmi: Document, migrations: Sequence[Document]) -> Guest:
        """From the VMI and the migrations of its namespace that name it."""
        status = vmi.get("status") or {}
        conditions = {each.get("type"): each for each in status.get("conditions") or ()}
        refused = conditions.get(names.LIVE_MIGRATABLE) or {}
        obstacle = refused.get("status") == "False"
        active = next((each for each in migrations if not is_final(each)), None)
        return cls(
            status.get("phase") or "",
            str(refused.get("message") or "VMI is not live-migratable") if obstacle else "",
            str(refused.get("reason") or "") if obstacle else "",
            active["metadata"]["name"] if active else "",
        )


def is_final(migration: Document) -> bool:
    """Whether a migration has ended."""
    return (migration.get("status") or {}).get("phase") in FINAL


def validate_migration_create(
    document: Document, config: ClusterConfig, guest: Guest | None, *, by_kubevirt: bool = False
) -> list[Cause]:
    """Causes against a migration. `guest` is the VMI it names, None if there is none."""
    if causes := parse_causes(VirtualMachineInstanceMigration, document):
        return causes
    spec = without_nulls(document["spec"])
    causes = list(_spec(spec, config, by_kubevirt))
    if causes:
        return causes
    receiving = "receive" in spec
    if guest is None:
        if receiving:
            return []
        return [Cause("spec.vmiName", NOT_FOUND, f"the VMI {spec['vmiName']!r} does not exist under the cluster")]
    return list(_eligible(spec, guest, decentralized=receiving or "sendTo" in spec))


def validate_migration_update(new: Document, old: Document, *, by_kubevirt: bool = False) -> list[Cause]:
    """Causes against changing a migration: what it asks for, and the label it is found by, stay."""
    causes = list(fixed_spec(new, old, MIGRATION))
    label = names.MIGRATED_VMI_LABEL
    before, after = ((obj.get("metadata", {}).get("labels") or {}).get(label) for obj in (old, new))
    if not by_kubevirt and before is not None and before != after:
        causes.append(Cause(f"metadata.labels[{label}]", FORBIDDEN, f"label {label} is set by KubeVirt alone"))
    return causes


def _spec(spec: Document, config: ClusterConfig, by_kubevirt: bool) -> Iterator[Cause]:
    if not spec.get("vmiName"):
        yield Cause("spec.vmiName", REQUIRED, "vmiName is missing: name the VMI that shall move")
    else:
        yield from dns_subdomain("spec.vmiName", spec["vmiName"])
    yield from one_of("spec.priority", spec.get("priority"), PRIORITIES)
    if spec.get("priority") and not by_kubevirt:
        yield Cause("spec.priority", FORBIDDEN, "priority is set by KubeVirt alone; leave it out")
    yield from labels_causes(spec.get("addedNodeSelector") or {}, "spec.addedNodeSelector")
    ends = [end for end in ("sendTo", "receive") if end in spec]
    if len(ends) > 1:
        yield Cause("spec.sendTo", INVALID, "only one of sendTo and receive may be set")
    for end in ends:
        if not config.gate(DECENTRALIZED_GATE):
            yield needs_gate(f"spec.{end}", DECENTRALIZED_GATE)
        if not spec[end]["migrationID"]:
            yield Cause(f"spec.{end}.migrationID", REQUIRED, "must be the name that both ends share")
    if "sendTo" in spec and not _is_address(spec["sendTo"]["connectURL"]):
        yield Cause("spec.sendTo.connectURL", INVALID, "must be the address of the receiving cluster, as host:port")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text if "//" in text else f"//{text}")
        return bool(parts.hostname) and parts.port is not None
    except ValueError:
        return False


def _eligible(spec: Document, guest: Guest, *, decentralized: bool) -> Iterator[Cause]:
    name = spec["vmiName"]
    if guest.phase in FINAL:
        yield Cause("spec.vmiName", INVALID, f"cannot migrate VMI {name} in finalized state")
    elif guest.obstacle and not (decentralized and guest.obstacle_reason == names.DISKS_NOT_LIVE_MIGRATABLE):
        yield Cause("spec.vmiName", INVALID, f"cannot migrate VMI {name}: {guest.obstacle}")
    if guest.active:
        yield Cause(
            "spec.vmiName",
            INVALID,
            f"in-flight migration detected. Active migration job ({guest.active}) is currently already in progress "
            f"for VMI {name}; wait for it or delete it",
        )
