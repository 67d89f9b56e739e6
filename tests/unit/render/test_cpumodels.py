"""From the kernel's flags to QEMU's CPU models."""

from __future__ import annotations

from kubevirt_py.render.cpumodels import KNOWN, older_than, usable_models

BROADWELL = (
    "lm nx syscall pni ssse3 lahf_lm cx16 sse4_1 sse4_2 popcnt aes avx xsave pclmulqdq rdtscp f16c rdrand fsgsbase smep"
    " erms avx2 fma bmi1 bmi2 movbe abm invpcid adx rdseed smap 3dnowprefetch vmx"
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


def test_no_model_is_listed_twice() -> None:
    assert len(KNOWN) == len(set(KNOWN))


def test_what_is_older_than_a_model() -> None:
    assert older_than("Nehalem") == {"Conroe", "Penryn"}
    assert older_than("EPYC") == {"Opteron_G1", "Opteron_G2", "Opteron_G3"}
    assert older_than("Conroe") == older_than("kvm64") == older_than("") == frozenset()
