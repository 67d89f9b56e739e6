"""Admission rules as pure functions, one module per area of the spec."""

from __future__ import annotations

from kubevirt_py.render.causes import Cause
from kubevirt_py.render.validate.kubevirt import validate_kubevirt
from kubevirt_py.render.validate.vm import validate_vm_create, validate_vm_update
from kubevirt_py.render.validate.vmi import validate_vmi_create, validate_vmi_update

__all__ = [
    "Cause",
    "validate_kubevirt",
    "validate_vm_create",
    "validate_vm_update",
    "validate_vmi_create",
    "validate_vmi_update",
]
