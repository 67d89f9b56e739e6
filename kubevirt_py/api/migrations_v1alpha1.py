"""migrations.kubevirt.io: migration settings for guests chosen by label."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kubevirt_py.api.base import Empty, Ge, Int64, Le, Model, NullOr, Quantity, Resource
from kubevirt_py.api.v1.migration_configuration import ExperimentalMigrationOptions


class MigrationSelectors(Model):
    """Guests a policy is for."""

    namespace_selector: dict[str, str] | None = None
    """Labels of their namespace."""
    virtual_machine_instance_selector: dict[str, str] | None = None
    """Their own labels."""


class MigrationPolicySpec(Model):
    """Migration settings; the rest is the cluster's."""

    selectors: MigrationSelectors
    """Guests the policy is for."""
    allow_auto_converge: bool | None = None
    """Slow the guest down when it changes memory too fast."""
    allow_post_copy: bool | None = None
    """Let the guest run on the target before all memory is there."""
    allow_workload_disruption: bool | None = None
    """Pause or post-copy a guest rather than give up."""
    bandwidth_per_migration: Quantity | None = None
    """Most bytes per second of one migration; 0 is unlimited."""
    completion_timeout_per_gib: Int64 | None = Field(None, alias="completionTimeoutPerGiB")
    """Seconds per GiB of memory after which a migration gives up."""
    experimental: ExperimentalMigrationOptions | None = None
    """Settings that may change."""
    max_downtime_ms: Annotated[Int64, Ge(1), Le(2000000)] | None = None
    """Most milliseconds a guest may stand still."""


class MigrationPolicy(Resource):
    """Migration settings for guests chosen by label."""

    spec: MigrationPolicySpec
    """The settings, and for whom."""
    status: NullOr[Empty] = None
    """Empty."""
