"""Hypervisor features shown to the guest."""

from __future__ import annotations

from kubevirt_py.api.base import Int32, Model


class FeatureState(Model):
    """A feature that is on or off."""

    enabled: bool | None = None
    """On unless false."""


class FeatureAPIC(Model):
    """Local APIC settings."""

    enabled: bool | None = None
    """On unless false."""
    end_of_interrupt: bool | None = None
    """Offer paravirtual end-of-interrupt."""


class FeatureSpinlocks(Model):
    """Spinlock retries."""

    enabled: bool | None = None
    """On unless false."""
    spinlocks: Int32 | None = None
    """Retries before yielding; at least 4096."""


class SyNICTimer(Model):
    """Synthetic timers."""

    direct: FeatureState | None = None
    """Direct mode."""
    enabled: bool | None = None
    """On unless false."""


class TLBFlush(Model):
    """Paravirtual TLB flush."""

    direct: FeatureState | None = None
    """Direct flush for nested guests."""
    enabled: bool | None = None
    """On unless false."""
    extended: FeatureState | None = None
    """Flush of single ranges."""


class FeatureVendorID(Model):
    """Vendor shown to the guest."""

    enabled: bool | None = None
    """On unless false."""
    vendorid: str | None = None
    """Up to 12 characters."""


class HypervFeatures(Model):
    """Hyper-V enlightenments."""

    evmcs: FeatureState | None = None
    """Enlightened VMCS for nested guests."""
    frequencies: FeatureState | None = None
    """Tell TSC and APIC frequencies."""
    ipi: FeatureState | None = None
    """Paravirtual inter-processor interrupts."""
    reenlightenment: FeatureState | None = None
    """Tell of TSC frequency changes after migration."""
    relaxed: FeatureState | None = None
    """Relaxed timing checks."""
    reset: FeatureState | None = None
    """Reset by MSR."""
    runtime: FeatureState | None = None
    """Virtual CPU run time."""
    spinlocks: FeatureSpinlocks | None = None
    """Spinlock retries before yielding."""
    synic: FeatureState | None = None
    """Synthetic interrupt controller."""
    synictimer: SyNICTimer | None = None
    """Synthetic timers."""
    tlbflush: TLBFlush | None = None
    """Paravirtual TLB flush."""
    vapic: FeatureState | None = None
    """Paravirtual APIC."""
    vendorid: FeatureVendorID | None = None
    """Vendor shown to the guest."""
    vpindex: FeatureState | None = None
    """Virtual processor index."""


class FeatureKVM(Model):
    """How KVM shows itself."""

    hidden: bool | None = None
    """Hide KVM from the guest."""


class Features(Model):
    """Features of board and hypervisor."""

    acpi: FeatureState | None = None
    """ACPI; on unless disabled."""
    apic: FeatureAPIC | None = None
    """Local APIC."""
    hyperv: HypervFeatures | None = None
    """Hyper-V enlightenments for Windows guests."""
    hyperv_passthrough: FeatureState | None = None
    """All Hyper-V enlightenments the host has."""
    kvm: FeatureKVM | None = None
    """How KVM shows itself."""
    pvspinlock: FeatureState | None = None
    """Paravirtual spinlocks."""
    smm: FeatureState | None = None
    """System management mode, which secure boot needs."""
