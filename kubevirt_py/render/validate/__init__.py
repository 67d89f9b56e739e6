"""Admission rules as pure functions, one module per area of the spec or per kind."""

from __future__ import annotations

from kubevirt_py.render.causes import Cause
from kubevirt_py.render.validate.backup import validate_backup, validate_backup_tracker
from kubevirt_py.render.validate.clone import validate_clone
from kubevirt_py.render.validate.export import validate_export
from kubevirt_py.render.validate.instancetype import validate_instancetype, validate_preference
from kubevirt_py.render.validate.kubevirt import kubevirt_warnings, validate_kubevirt
from kubevirt_py.render.validate.migration import validate_migration_create, validate_migration_update
from kubevirt_py.render.validate.migrationpolicy import validate_migration_policy
from kubevirt_py.render.validate.plugin import validate_plugin
from kubevirt_py.render.validate.pool import validate_pool_create, validate_pool_update
from kubevirt_py.render.validate.preset import validate_preset
from kubevirt_py.render.validate.replicaset import validate_replicaset
from kubevirt_py.render.validate.snapshot import validate_restore, validate_snapshot
from kubevirt_py.render.validate.vm import validate_vm_create, validate_vm_update, vm_warnings
from kubevirt_py.render.validate.vmi import validate_vmi_create, validate_vmi_update

__all__ = [
    "Cause",
    "kubevirt_warnings",
    "validate_backup",
    "validate_backup_tracker",
    "validate_clone",
    "validate_export",
    "validate_instancetype",
    "validate_kubevirt",
    "validate_migration_create",
    "validate_migration_policy",
    "validate_migration_update",
    "validate_plugin",
    "validate_pool_create",
    "validate_pool_update",
    "validate_preference",
    "validate_preset",
    "validate_replicaset",
    "validate_restore",
    "validate_snapshot",
    "validate_vm_create",
    "validate_vm_update",
    "validate_vmi_create",
    "validate_vmi_update",
    "vm_warnings",
]
