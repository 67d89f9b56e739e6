"""Hypervisor features shown to the guest."""

from __future__ import annotations

from kubevirt_py.api.base import Int32, Model


class FeatureState(Model):
    """"""

    enabled: bool | None = None


class FeatureAPIC(Model):
    """"""

    enabled: bool | None = None
    end_of_interrupt: bool | None = None


class FeatureSpinlocks(Model):
    """"""

    enabled: bool | None = None
    spinlocks: Int32 | None = None


class SyNICTimer(Model):
    """"""

    direct: FeatureState | None = None
    enabled: bool | None = None


class TLBFlush(Model):
    """"""

    direct: FeatureState | None = None
    enabled: bool | None = None
    extended: FeatureState | None = None


class FeatureVendorID(Model):
    """"""

    enabled: bool | None = None
    vendorid: str | None = None


class HypervFeatures(Model):
    """"""

    evmcs: FeatureState | None = None
    frequencies: FeatureState | None = None
    ipi: FeatureState | None = None
    reenlightenment: FeatureState | None = None
    relaxed: FeatureState | None = None
    reset: FeatureState | None = None
    runtime: FeatureState | None = None
    spinlocks: FeatureSpinlocks | None = None
    synic: FeatureState | None = None
    synictimer: SyNICTimer | None = None
    tlbflush: TLBFlush | None = None
    vapic: FeatureState | None = None
    vendorid: FeatureVendorID | None = None
    vpindex: FeatureState | None = None


class FeatureKVM(Model):
    """"""

    hidden: bool | None = None


class Features(Model):
    """"""

    acpi: FeatureState | None = None
    apic: FeatureAPIC | None = None
    hyperv: HypervFeatures | None = None
    hyperv_passthrough: FeatureState | None = None
    kvm: FeatureKVM | None = None
    pvspinlock: FeatureState | None = None
    smm: FeatureState | None = None
