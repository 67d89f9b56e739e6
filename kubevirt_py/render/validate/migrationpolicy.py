"""Whether a MigrationPolicy may be created or changed."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.api.migrations_v1alpha1 import MigrationPolicy
from kubevirt_py.api.quantity import parse_quantity
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, Cause, at_least
from kubevirt_py.render.parse import parse_causes, without_nulls
from kubevirt_py.render.selectors import labels_causes


def validate_migration_policy(document: Document) -> list[Cause]:
    """Causes against a migration policy."""
    if causes := parse_causes(MigrationPolicy, document):
        return causes
    spec = without_nulls(document["spec"])
    selectors = spec["selectors"]
    return [
        *labels_causes(selectors.get("namespaceSelector") or {}, "spec.selectors.namespaceSelector"),
        *labels_causes(
            selectors.get("virtualMachineInstanceSelector") or {}, "spec.selectors.virtualMachineInstanceSelector"
        ),
        *at_least("spec.completionTimeoutPerGiB", spec.get("completionTimeoutPerGiB"), 0),
        *_bandwidth(spec.get("bandwidthPerMigration")),
    ]


def _bandwidth(given: int | str | None) -> Iterator[Cause]:
    if given is not None and parse_quantity(given) < 0:
        yield Cause("spec.bandwidthPerMigration", INVALID, f"must not be negative ({given}); 0 is unlimited")
