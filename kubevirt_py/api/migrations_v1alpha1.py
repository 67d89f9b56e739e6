"""migrations.kubevirt.io: migration settings for guests chosen by label."""

from __future__ import annotations

from typing import Annotated

from kubevirt_py.api.base import Empty, Ge, Int64, Le, Model, NullOr, Quantity, Resource
from kubevirt_py.api.v1.migration_configuration import ExperimentalMigrationOptions


class MigrationSelectors(Model):
    """"""

    namespace_selector: dict[str, str] | None = None
    virtual_machine_instance_selector: dict[str, str] | None = None


class MigrationPolicySpec(Model):
    """"""

    selectors: MigrationSelectors
    allow_auto_converge: bool | None = None
    allow_post_copy: bool | None = None
    allow_workload_disruption: bool | None = None
    bandwidth_per_migration: Quantity | None = None
    completion_timeout_per_gi_b: Int64 | None = None
    experimental: ExperimentalMigrationOptions | None = None
    max_downtime_ms: Annotated[Int64, Ge(1), Le(2000000)] | None = None


class MigrationPolicy(Resource):
    """"""

    spec: MigrationPolicySpec
    status: NullOr[Empty] = None
