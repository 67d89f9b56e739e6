"""Which of QEMU's CPU models a host can run under KVM, from the features that it can give a guest.

Each generation is listed with the features that it has beyond the one before, and each of its models with those that it
has beyond its generation. What Linux does not show, or KVM gives or withholds whatever the processor has, is left out;
so are models that nothing else sets apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

ALWAYS = ("qemu64", "kvm64")
"""Models made for any host."""

_Generations = tuple[tuple[str, Mapping[str, str]], ...]

_TSX = "hle rtm"
_IBRS = "spec-ctrl"
_ARCH = "arch-capabilities"
_AVX512 = "avx512f avx512dq avx512bw avx512cd avx512vl"
_AVX512_MORE = "avx512vbmi avx512vbmi2 avx512bitalg avx512-vpopcntdq gfni la57 vaes vpclmulqdq"
_ICELAKE_4 = f"{_ARCH} avx512ifma fsrm rdpid sha-ni"
_SAPPHIRE = "amx-bf16 amx-int8 amx-tile avx-vnni avx512-bf16 avx512-fp16 serialize tsx-ldtrk xsaves"
_MOVES = "cldemote movdir64b movdiri"
_EPYC = "adx avx2 bmi1 bmi2 clflushopt cr8legacy fsgsbase fxsr-opt mmxext movbe osvw rdrand rdseed"
_ROME = "amd-stibp clwb clzero ibpb perfctr-core rdpid umip wbnoinvd xsaveerptr"
_EPYC_3 = "clzero ibpb perfctr-core xsaveerptr xsaves"


def _variants(model: str) -> Mapping[str, str]:
    """A model that came with TSX, and was given a variant without it, and others with IBRS, when either had faults."""
    return {
        f"{model}-noTSX": "",
        model: _TSX,
        f"{model}-noTSX-IBRS": _IBRS,
        f"{model}-IBRS": f"{_TSX} {_IBRS}",
    }


_INTEL: _Generations = (
    ("lm nx syscall pni ssse3 lahf-lm", {"Conroe": ""}),
    ("cx16 sse4.1", {"Penryn": ""}),
    ("sse4.2 popcnt", {"Nehalem": "", "Nehalem-IBRS": _IBRS}),
    ("aes pclmulqdq", {"Westmere": "", "Westmere-IBRS": _IBRS}),
    ("avx xsave xsaveopt rdtscp", {"SandyBridge": "", "SandyBridge-IBRS": _IBRS}),
    ("f16c rdrand fsgsbase smep erms", {"IvyBridge": "", "IvyBridge-IBRS": _IBRS}),
    ("avx2 fma bmi1 bmi2 movbe abm invpcid pcid", _variants("Haswell")),
    ("adx rdseed smap 3dnowprefetch", _variants("Broadwell")),
    (
        "xsavec xgetbv1",
        {
            "Skylake-Client-noTSX-IBRS": _IBRS,
            "Skylake-Client": _TSX,
            "Skylake-Client-IBRS": f"{_TSX} {_IBRS}",
            "Skylake-Client-v4": f"{_IBRS} xsaves",
        },
    ),
    (
        f"{_AVX512} clwb pdpe1gb pku",
        {
            "Skylake-Server-noTSX-IBRS": _IBRS,
            "Skylake-Server": f"{_TSX} clflushopt",
            "Skylake-Server-IBRS": f"{_TSX} {_IBRS}",
            "Skylake-Server-v4": _IBRS,
            "Skylake-Server-v5": f"{_IBRS} xsaves",
        },
    ),
    (
        f"{_IBRS} avx512vnni clflushopt ssbd",
        {
            "Cascadelake-Server-noTSX": _ARCH,
            "Cascadelake-Server": _TSX,
            "Cascadelake-Server-v2": f"{_TSX} {_ARCH}",
            "Cascadelake-Server-v4": _ARCH,
            "Cascadelake-Server-v5": f"{_ARCH} xsaves",
        },
    ),
    (
        "",
        {
            "Cooperlake": f"{_TSX} {_ARCH} avx512-bf16 stibp",
            "Cooperlake-v2": f"{_TSX} {_ARCH} avx512-bf16 stibp xsaves",
        },
    ),
    (
        f"{_AVX512_MORE} umip wbnoinvd",
        {
            "Icelake-Server-noTSX": "",
            "Icelake-Server": _TSX,
            "Icelake-Server-v3": _ARCH,
            "Icelake-Server-v4": _ICELAKE_4,
            "Icelake-Server-v5": f"{_ICELAKE_4} xsaves",
            "Icelake-Server-v6": f"{_ICELAKE_4} xsaves",
            "Icelake-Server-v7": f"{_TSX} {_ICELAKE_4} xsaves",
        },
    ),
    (
        f"{_ICELAKE_4} {_SAPPHIRE} {_TSX}",
        {"SapphireRapids": "", "SapphireRapids-v2": "", "SapphireRapids-v3": _MOVES},
    ),
)
_AMD: _Generations = (
    ("lm nx syscall pni", {"Opteron_G1": ""}),
    ("cx16 lahf-lm svm", {"Opteron_G2": ""}),
    ("abm sse4a misalignsse popcnt rdtscp", {"Opteron_G3": ""}),
    (
        "3dnowprefetch aes avx npt nrip-save pclmulqdq pdpe1gb sse4.1 sse4.2 ssse3 xsave",
        {"Opteron_G4": "fma4 xop"},
    ),
    ("f16c fma", {"Opteron_G5": "fma4 tbm xop"}),
    (
        f"{_EPYC} sha-ni smap smep topoext xgetbv1 xsavec xsaveopt",
        {"EPYC": "", "EPYC-IBPB": "ibpb", "EPYC-v3": _EPYC_3, "EPYC-v4": _EPYC_3},
    ),
    (
        _ROME,
        {
            "EPYC-Rome": "xsaves",
            "EPYC-Rome-v2": "xsaves amd-ssbd ibrs",
            "EPYC-Rome-v3": "xsaves amd-ssbd ibrs",
            "EPYC-Rome-v4": "amd-ssbd ibrs",
        },
    ),
    (
        "xsaves amd-ssbd ibrs erms fsrm invpcid pcid pku",
        {"EPYC-Milan": "", "EPYC-Milan-v2": "vaes vpclmulqdq"},
    ),
    (f"{_AVX512} {_AVX512_MORE} avx512-bf16 avx512ifma avx512vnni vnmi", {"EPYC-Genoa": ""}),
)


def _needs(generations: _Generations) -> Iterable[tuple[str, frozenset[str]]]:
    held: frozenset[str] = frozenset()
    for features, models in generations:
        held |= set(features.split())
        yield from ((model, held | set(more.split())) for model, more in models.items())


NEEDS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(ALWAYS, frozenset()),
    **dict(_needs(_INTEL)),
    **dict(_needs(_AMD)),
}
"""Features that a host must have for a model, in QEMU's names; oldest first."""
_UNTOLD = (
    *("486", "athlon", "core2duo", "coreduo", "kvm32", "n270", "pentium", "pentium2", "pentium3", "phenom", "qemu32"),
    *("Denverton", "Dhyana", "GraniteRapids", "KnightsMill", "SierraForest", "Snowridge", "YongFeng"),
)
"""Models of which the features that Linux shows do not tell whether KVM can run them."""
EMULATED = (*NEEDS, *_UNTOLD, "max")
"""Models that emulation takes: all of them, though it leaves out what it cannot emulate of one."""


def usable_models(features: Collection[str]) -> tuple[str, ...]:
    """Models of either vendor for a host with these features (QEMU's names), oldest first."""
    held = frozenset(features)
    return tuple(model for model, needed in NEEDS.items() if needed <= held)


def older_than(least: str) -> frozenset[str]:
    """Models of the same vendor that came before `least`; none for a model that is not listed."""
    for generations in (_INTEL, _AMD):
        names = [tuple(models) for _, models in generations]
        place = next((at for at, models in enumerate(names) if least in models), 0)
        if place:
            return frozenset(name for models in names[:place] for name in models)
    return frozenset()
