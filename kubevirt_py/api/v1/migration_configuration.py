"""How live migrations behave, cluster-wide and by policy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kubevirt_py.api.base import Ge, Int32, Int64, Le, Model, Quantity


class MigrationConfiguration(Model):
    """"""

    allow_auto_converge: bool | None = None
    allow_post_copy: bool | None = None
    allow_workload_disruption: bool | None = None
    bandwidth_per_migration: Quantity | None = None
    completion_timeout_per_gi_b: Int64 | None = None
    disable_tls: bool | None = Field(None, alias="disableTLS")
    match_se_linux_level_on_migration: bool | None = Field(None, alias="matchSELinuxLevelOnMigration")
    max_downtime_ms: Annotated[Int64, Ge(1), Le(2000000)] | None = None
    network: str | None = None
    node_drain_taint_key: str | None = None
    parallel_migrations_per_cluster: Int32 | None = None
    parallel_outbound_migrations_per_node: Int32 | None = None
    progress_timeout: Int64 | None = None
    unsafe_migration_override: bool | None = None
    utility_volumes_timeout: Int64 | None = None


class DowntimeTuning(Model):
    """"""

    cooldown_seconds: Annotated[Int32, Ge(1)] | None = None
    initial_ms: Annotated[Int64, Ge(1)] | None = None
    start_after_iteration: Annotated[Int64, Ge(1)] | None = None
    steps: Annotated[Int32, Ge(1)] | None = None


class StallDetector(Model):
    """"""

    completion_timeout_factor: Quantity | None = None
    ewma_alpha: Quantity | None = None
    patience_window_decay_factor: Quantity | None = None
    precopy_possible_factor: Quantity | None = None
    search_local_minima: bool | None = None
    stall_margin: Annotated[Int64, Ge(0), Le(100)] | None = None
    stall_progress_timeout: Annotated[Int64, Ge(0)] | None = None
    switchover_timeout: Annotated[Int64, Ge(0)] | None = None


class ExperimentalMigrationOptions(Model):
    """"""

    compression: Literal["none", "zstd"] | None = None
    downtime_tuning: DowntimeTuning | None = None
    stall_detector: StallDetector | None = None
