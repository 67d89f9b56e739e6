"""How live migrations behave, cluster-wide and by policy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kubevirt_py.api.base import Ge, Int32, Int64, Le, Model, Quantity


class MigrationConfiguration(Model):
    """How live migrations behave."""

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
    disable_tls: bool | None = Field(None, alias="disableTLS")
    """Send memory unencrypted."""
    match_selinux_level_on_migration: bool | None = Field(None, alias="matchSELinuxLevelOnMigration")
    """Give the target pod the source's SELinux level."""
    max_downtime_ms: Annotated[Int64, Ge(1), Le(2000000)] | None = None
    """Most milliseconds a guest may stand still."""
    network: str | None = None
    """NetworkAttachmentDefinition that migrations use."""
    node_drain_taint_key: str | None = None
    """Taint that makes guests leave a node."""
    parallel_migrations_per_cluster: Int32 | None = None
    """Migrations at once; 5 unless set."""
    parallel_outbound_migrations_per_node: Int32 | None = None
    """Migrations at once from one node; 2 unless set."""
    progress_timeout: Int64 | None = None
    """Seconds without progress after which a migration gives up."""
    unsafe_migration_override: bool | None = None
    """Migrate even where data could be lost."""
    utility_volumes_timeout: Int64 | None = None
    """Seconds to wait for utility volumes to be detached."""


class DowntimeTuning(Model):
    """Steps of the permitted downtime."""

    cooldown_seconds: Annotated[Int32, Ge(1)] | None = None
    """Seconds between steps."""
    initial_ms: Annotated[Int64, Ge(1)] | None = None
    """First permitted downtime in milliseconds."""
    start_after_iteration: Annotated[Int64, Ge(1)] | None = None
    """Pass over memory after which steps begin."""
    steps: Annotated[Int32, Ge(1)] | None = None
    """Number of steps."""


class StallDetector(Model):
    """How a migration without progress is detected."""

    completion_timeout_factor: Quantity | None = None
    """Factor on the time limit for completion."""
    ewma_alpha: Quantity | None = None
    """Weight of new samples in the moving average."""
    patience_window_decay_factor: Quantity | None = None
    """How fast patience shrinks."""
    precopy_possible_factor: Quantity | None = None
    """Least ratio of transfer to change for pre-copy to go on."""
    search_local_minima: bool | None = None
    """Switch over at a local minimum of remaining data."""
    stall_margin: Annotated[Int64, Ge(0), Le(100)] | None = None
    """Percent of change that does not count as progress."""
    stall_progress_timeout: Annotated[Int64, Ge(0)] | None = None
    """Seconds without progress that count as a stall."""
    switchover_timeout: Annotated[Int64, Ge(0)] | None = None
    """Seconds to wait for a good moment to switch over."""


class ExperimentalMigrationOptions(Model):
    """Migration settings that may change."""

    compression: Literal["none", "zstd"] | None = None
    """none or zstd."""
    downtime_tuning: DowntimeTuning | None = None
    """Raise the permitted downtime step by step."""
    stall_detector: StallDetector | None = None
    """How a migration without progress is detected."""
