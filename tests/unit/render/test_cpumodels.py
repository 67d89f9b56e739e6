"""From a host's features to QEMU's CPU models."""

from __future__ import annotations

from kubevirt_py.render.cpumodels import EMULATED, NEEDS, older_than, usable_models

BROADWELL = (
    "lm nx syscall pni ssse3 lahf-lm cx16 sse4.1 sse4.2 popcnt aes avx xsave xsaveopt pclmulqdq rdtscp f16c rdrand smep"
    " fsgsbase erms avx2 fma bmi1 bmi2 movbe abm invpcid pcid adx rdseed smap 3dnowprefetch vmx"
).split()


def test_any_host_runs_the_models_made_for_any_host() -> None:
    assert usable_models(()) == ("qemu64", "kvm64")


def test_a_model_needs_all_before_it() -> None:
    found = usable_models(BROADWELL)
    assert "Broadwell-noTSX" in found and "Opteron_G1" in found
    assert not {"Broadwell", "Haswell", "Skylake-Client-noTSX-IBRS", "Opteron_G2"}.intersection(found)
    assert "Conroe" in found and "Penryn" not in usable_models([flag for flag in BROADWELL if flag != "cx16"])


def test_transactions_bring_the_models_that_have_them() -> None:
    assert {"Haswell", "Broadwell"} <= set(usable_models([*BROADWELL, "hle", "rtm"]))


def test_a_variant_needs_what_it_was_made_for() -> None:
    found = set(usable_models([*BROADWELL, "spec-ctrl"]))
    assert {"Nehalem-IBRS", "Broadwell-noTSX-IBRS"} <= found
    assert not {"Nehalem-IBRS", "Broadwell-noTSX-IBRS"}.intersection(usable_models(BROADWELL))
    assert "Broadwell-IBRS" not in found


def test_a_late_model_needs_what_a_sibling_before_it_does_not() -> None:
    icelake = NEEDS["Icelake-Server-noTSX"] | {"avx512-bf16"}
    assert "Icelake-Server-noTSX" in usable_models(icelake)
    assert not {"Cooperlake", "SapphireRapids"}.intersection(usable_models(icelake))
    assert "EPYC-Genoa" in usable_models(NEEDS["EPYC-Genoa"])
    assert "Opteron_G5" not in usable_models(NEEDS["EPYC-Genoa"])


def test_emulation_takes_every_model() -> None:
    assert {"core2duo", "GraniteRapids"} <= set(EMULATED)
    assert {"max", "SapphireRapids", "EPYC-IBPB", "EPYC-Rome-v4", "Nehalem-IBRS", "Haswell-noTSX-IBRS"} <= set(EMULATED)


def test_what_is_older_than_a_model() -> None:
    assert older_than("Nehalem") == older_than("Nehalem-IBRS") == {"Conroe", "Penryn"}
    assert older_than("EPYC") == {"Opteron_G1", "Opteron_G2", "Opteron_G3", "Opteron_G4", "Opteron_G5"}
    assert older_than("Conroe") == older_than("kvm64") == older_than("") == frozenset()
