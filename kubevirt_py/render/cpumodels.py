"""Which of QEMU's CPU models a host can run under KVM, from the flags the kernel shows in /proc/cpuinfo.

Each model is listed with the flags that set it apart from the one before. A flag that KVM gives every guest
(x2apic, tsc-deadline) or that the kernel does not show is left out, and so are models that QEMU 7.2 lacks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

ALWAYS = ("qemu64", "kvm64")
"""Models made for any host."""

_TSX = "hle rtm"
_AVX512 = "avx512f avx512dq avx512bw avx512cd avx512vl"
_AVX512_MORE = "avx512vbmi avx512_vbmi2 avx512_bitalg avx512_vpopcntdq"
_EPYC_AVX = "pclmulqdq avx avx2 f16c fma xsave xsavec xgetbv1"
_EPYC_REST = "bmi1 bmi2 movbe rdrand rdseed adx smap smep fsgsbase clflushopt sha_ni rdtscp pdpe1gb 3dnowprefetch"
_INTEL = (
    (("Conroe",), "lm nx syscall pni ssse3 lahf_lm"),
    (("Penryn",), "cx16 sse4_1"),
    (("Nehalem",), "sse4_2 popcnt"),
    (("Westmere",), "aes"),
    (("SandyBridge",), "avx xsave pclmulqdq rdtscp"),
    (("IvyBridge",), "f16c rdrand fsgsbase smep erms"),
    (("Haswell-noTSX", "Haswell"), "avx2 fma bmi1 bmi2 movbe abm invpcid"),
    (("Broadwell-noTSX", "Broadwell"), "adx rdseed smap 3dnowprefetch"),
    (("Skylake-Client-noTSX-IBRS", "Skylake-Client"), "xsavec xgetbv1"),
    (("Skylake-Server-noTSX-IBRS", "Skylake-Server"), f"{_AVX512} clwb pdpe1gb"),
    (("Cascadelake-Server-noTSX", "Cascadelake-Server"), "avx512_vnni"),
    (("Icelake-Server-noTSX", "Icelake-Server"), f"{_AVX512_MORE} gfni vaes vpclmulqdq umip pku la57"),
)
"""In order; where there are two names, the second also wants TSX."""
_AMD = (
    (("Opteron_G1",), "lm nx syscall pni"),
    (("Opteron_G2",), "cx16 lahf_lm svm"),
    (("Opteron_G3",), "abm sse4a misalignsse popcnt"),
    (("EPYC",), f"ssse3 sse4_1 sse4_2 aes {_EPYC_AVX} {_EPYC_REST}"),
    (("EPYC-Rome",), "clwb umip rdpid wbnoinvd"),
    (("EPYC-Milan",), "erms fsrm invpcid pcid pku vaes vpclmulqdq"),
)
KNOWN = (*ALWAYS, *(name for chain in (_INTEL, _AMD) for models, _ in chain for name in models))


def usable_models(flags: Collection[str]) -> tuple[str, ...]:
    """Models of either vendor whose flags the host has, oldest first."""
    held = frozenset(flags)
    return (*ALWAYS, *_of_chain(_INTEL, held), *_of_chain(_AMD, held))


def older_than(least: str) -> frozenset[str]:
    """Models of the same vendor that came before `least`; none for a model that is not listed."""
    for chain in (_INTEL, _AMD):
        names = [models for models, _ in chain]
        place = next((at for at, models in enumerate(names) if least in models), 0)
        if place:
            return frozenset(name for models in names[:place] for name in models)
    return frozenset()


def _of_chain(chain: Iterable[tuple[tuple[str, ...], str]], held: frozenset[str]) -> Iterable[str]:
    for models, flags in chain:
        if not held.issuperset(flags.split()):
            return
        yield models[0]
        if held.issuperset(_TSX.split()):
            yield from models[1:]
