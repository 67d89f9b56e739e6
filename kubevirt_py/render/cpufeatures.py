"""Names of CPU features, and which of them a host can give a guest.

Users write them as QEMU does, as libvirt does (pclmuldq, lahf_lm) or as Linux does in /proc/cpuinfo (sse4_1). QEMU gets
its own name; a node has a label for each of the names, since labels are compared letter by letter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

KNOWN = frozenset(
    """
    3dnow 3dnowext 3dnowprefetch abm ace2 ace2-en acpi adx aes amd-no-ssb amd-psfd amd-ssbd amd-stibp amx-bf16
    amx-complex amx-fp16 amx-int8 amx-tile apic arat arch-capabilities arch-lbr auto-ibrs avic avx avx-ifma
    avx-ne-convert avx-vnni avx-vnni-int16 avx-vnni-int8 avx10 avx10-128 avx10-256 avx10-512 avx2 avx512-4fmaps
    avx512-4vnniw avx512-bf16 avx512-fp16 avx512-vp2intersect avx512-vpopcntdq avx512bitalg avx512bw avx512cd
    avx512dq avx512er avx512f avx512ifma avx512pf avx512vbmi avx512vbmi2 avx512vl avx512vnni bhi-ctrl bhi-no bmi1
    bmi2 bus-lock-detect cid cldemote clflush clflushopt clwb clzero cmov cmp-legacy cmpccxadd core-capability
    cr8legacy cx16 cx8 dca ddpd-u de decodeassists ds ds-cpl dtes64 eraps erms est extapic f16c fb-clear fbsdp-no
    fdp-excptn-only flush-l1d flushbyasid fma fma4 fpu fred fsgsbase fsrc fsrm fsrs full-width-write fxsr fxsr-opt
    fzrm gds-no gfni hle ht hypervisor ia64 ibpb ibpb-brtype ibrs ibrs-all ibs intel-psfd intel-pt intel-pt-lip
    invpcid invtsc ipred-ctrl kvm-asyncpf kvm-asyncpf-int kvm-asyncpf-vmexit kvm-hint-dedicated kvm-mmu
    kvm-msi-ext-dest-id kvm-nopiodelay kvm-poll-control kvm-pv-eoi kvm-pv-ipi kvm-pv-sched-yield kvm-pv-tlb-flush
    kvm-pv-unhalt kvm-steal-time kvmclock kvmclock-stable-bit la57 lahf-lm lam lbrv lfence-always-serializing lkgs
    lm lwp mca mcdt-no mce md-clear mds-no misalignsse mmx mmxext monitor movbe movdir64b movdiri mpx msr mtrr
    no-nested-data-bp nodeid-msr npt nrip-save null-sel-clr-base nx osvw overflow-recov pae pat pause-filter pbe
    pbrsb-no pcid pclmulqdq pcommit pdcm pdpe1gb perfctr-core perfctr-nb perfmon-v2 pfthreshold pge phe phe-en pks
    pku pmm pmm-en pn pni popcnt prefetchiti pschange-mc-no psdp-no pse pse36 rdctl-no rdpid rdrand rdseed rdtscp
    rfds-clear rfds-no rrsba-ctrl rsba rtm sbdr-ssdp-no sbpb sep serialize sgx sgx-aex-notify sgx-debug sgx-edeccssa
    sgx-exinfo sgx-kss sgx-mode64 sgx-provisionkey sgx-tokenkey sgx1 sgx2 sgxlc sha-ni sha512 skinit
    skip-l1dfl-vmentry sm3 sm4 smap smep smx spec-ctrl split-lock-detect srso-no srso-user-kernel-no ss ssb-no ssbd
    sse sse2 sse4.1 sse4.2 sse4a ssse3 stibp stibp-always-on succor svm svm-lock svme-addr-chk syscall taa-no tbm
    tce tm tm2 topoext tsc tsc-adjust tsc-deadline tsc-scale tsx-ctrl tsx-ldtrk umip v-vmsave-vmload vaes vgif
    virt-ssbd vmcb-clean vme vmx vmx-activity-hlt vmx-activity-shutdown vmx-activity-wait-sipi vmx-any-errcode
    vmx-apicv-register vmx-apicv-vid vmx-apicv-x2apic vmx-apicv-xapic vmx-cr3-load-noexit vmx-cr3-store-noexit
    vmx-cr8-load-exit vmx-cr8-store-exit vmx-desc-exit vmx-enable-user-wait-pause vmx-encls-exit
    vmx-entry-ia32e-mode vmx-entry-load-bndcfgs vmx-entry-load-efer vmx-entry-load-fred vmx-entry-load-pat
    vmx-entry-load-perf-global-ctrl vmx-entry-load-pkrs vmx-entry-load-rtit-ctl vmx-entry-noload-debugctl vmx-ept
    vmx-ept-1gb vmx-ept-2mb vmx-ept-advanced-exitinfo vmx-ept-execonly vmx-eptad vmx-eptp-switching
    vmx-exit-ack-intr vmx-exit-clear-bndcfgs vmx-exit-clear-rtit-ctl vmx-exit-load-efer vmx-exit-load-pat
    vmx-exit-load-perf-global-ctrl vmx-exit-load-pkrs vmx-exit-nosave-debugctl vmx-exit-save-efer vmx-exit-save-pat
    vmx-exit-save-preemption-timer vmx-exit-secondary-ctls vmx-flexpriority vmx-hlt-exit vmx-ins-outs vmx-intr-exit
    vmx-invept vmx-invept-all-context vmx-invept-single-context vmx-invept-single-context-noglobals vmx-invlpg-exit
    vmx-invpcid-exit vmx-invvpid vmx-invvpid-all-context vmx-invvpid-single-addr vmx-io-bitmap vmx-io-exit
    vmx-monitor-exit vmx-movdr-exit vmx-msr-bitmap vmx-mtf vmx-mwait-exit vmx-nested-exception vmx-nmi-exit
    vmx-page-walk-4 vmx-page-walk-5 vmx-pause-exit vmx-ple vmx-pml vmx-posted-intr vmx-preemption-timer
    vmx-rdpmc-exit vmx-rdrand-exit vmx-rdseed-exit vmx-rdtsc-exit vmx-rdtscp-exit vmx-secondary-ctls vmx-shadow-vmcs
    vmx-store-lma vmx-true-ctls vmx-tsc-offset vmx-tsc-scaling vmx-unrestricted-guest vmx-vintr-pending vmx-vmfunc
    vmx-vmwrite-vmexit-fields vmx-vnmi vmx-vnmi-pending vmx-vpid vmx-wbinvd-exit vmx-xsaves vmx-zero-len-inject vnmi
    vpclmulqdq waitpkg wbnoinvd wdt wrmsrns x2apic xcrypt xcrypt-en xfd xgetbv1 xop xsave xsavec xsaveerptr xsaveopt
    xsaves xstore xstore-en xtpr zero-fcs-fds
    """.split()
)
"""Every CPUID flag that QEMU 10.0 has a name for (`qemu-system-x86_64 -cpu help`)."""
EMULATED = frozenset(
    """
    3dnow 3dnowext 3dnowprefetch abm acpi adx aes apic arat avx avx2 bmi1 bmi2 clflush clflushopt clwb cmov
    cmp-legacy cmpccxadd cr8legacy cx16 cx8 de erms f16c fma fpu fsgsbase fsrc fsrm fsrs fxsr fzrm hypervisor la57
    lahf-lm lm mca mce mmx mmxext monitor movbe mpx msr mtrr npt nx pae pat pclmulqdq pdpe1gb pge pks pku pni popcnt
    pse pse36 rdpid rdrand rdseed rdtscp sep sha-ni smap smep ss sse sse2 sse4.1 sse4.2 sse4a ssse3 svm
    svme-addr-chk syscall tsc umip vaes vgif wbnoinvd x2apic xgetbv1 xsave xsaveerptr xsaveopt
    """.split()
)
"""What the CPU model `max` has under emulation, of QEMU 10.0."""
_SPELLINGS = {
    "avx512_bitalg": "avx512bitalg",
    "avx512_vbmi2": "avx512vbmi2",
    "avx512_vnni": "avx512vnni",
    "cr8_legacy": "cr8legacy",
    "ffxsr": "fxsr-opt",
    "i64": "lm",
    "nonstop_tsc": "invtsc",
    "pausefilter": "pause-filter",
    "pclmuldq": "pclmulqdq",
    "sgx_lc": "sgxlc",
    "sse3": "pni",
    "sse4-1": "sse4.1",
    "sse4-2": "sse4.2",
    "sse4_1": "sse4.1",
    "sse4_2": "sse4.2",
    "tsc_deadline_timer": "tsc-deadline",
    "tsxldtrk": "tsx-ldtrk",
    "vmx-invvpid-single-context-noglobals": "vmx-invept-single-context-noglobals",
    "xd": "nx",
}
"""Names of Linux, libvirt and older QEMUs that differ from QEMU's by more than `_` for `-`."""
_ALWAYS = ("arat", "hypervisor", "tsc-adjust", "tsc-deadline", "x2apic")
"""What KVM gives every guest, whatever the processor has."""
_BEHIND = {
    "ibpb": ("ibpb",),
    "ibrs": ("ibrs", "spec-ctrl"),
    "ssbd": ("ssbd", "amd-ssbd"),
    "stibp": ("stibp", "amd-stibp"),
}
"""Linux shows one flag where either vendor has a bit of its own; KVM gives the guest both."""
_WITHHELD = frozenset(
    """
    acpi avic cid dca decodeassists ds ds-cpl dtes64 est extapic ht ibs intel-pt lwp monitor nodeid-msr pbe perfctr-nb
    sgx sgxlc skinit smx svm-lock tm tm2 waitpkg wdt xtpr
    """.split()
)
"""What processors have and KVM gives no guest, or only one that is started for it."""
_NESTED = frozenset(
    """
    flushbyasid lbrv npt nrip-save pause-filter pfthreshold svm svme-addr-chk tsc-scale v-vmsave-vmload vgif vmcb-clean
    vmx vnmi
    """.split()
)
"""What KVM gives only where guests may have guests (the parameter `nested` of its module)."""


def qemu_name(name: str) -> str:
    """What QEMU calls a feature; a name that is none of the known spellings is returned as it is."""
    ours = _SPELLINGS.get(name, name.replace("_", "-"))
    return ours if ours in KNOWN else name


def given_by_kvm(flags: Iterable[str], *, nested: bool) -> frozenset[str]:
    """QEMU's names of what a guest under KVM can have. `flags` are those of /proc/cpuinfo.

    What only registers tell of (rdctl-no, mds-no) is not among them, nor what Linux does not show.
    """
    own = {name for flag in flags for name in _BEHIND.get(flag, (qemu_name(flag),))} | set(_ALWAYS)
    return frozenset((own & KNOWN) - _WITHHELD - (frozenset() if nested else _NESTED))


def spellings(features: Collection[str]) -> tuple[str, ...]:
    """Every name that a user may write for these features, sorted. `features` are QEMU's names."""
    others = {name for name, ours in _SPELLINGS.items() if ours in features}
    return tuple(sorted({*features, *others, *(name.replace("-", "_") for name in features)}))
