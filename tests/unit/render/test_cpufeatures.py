"""Three spellings of CPU features, and what hosts can give."""

from __future__ import annotations

import pytest

from kubevirt_py.render.cpufeatures import EMULATED, KNOWN, given_by_kvm, qemu_name, spellings
from kubevirt_py.render.nodelabels import MAX_LABEL_NAME


@pytest.mark.parametrize(
    ("written", "qemu"),
    [
        ("aes", "aes"),
        ("sse4_1", "sse4.1"),
        ("sse4-2", "sse4.2"),
        ("pclmuldq", "pclmulqdq"),
        ("md_clear", "md-clear"),
        ("lahf_lm", "lahf-lm"),
        ("tsc_deadline_timer", "tsc-deadline"),
        ("avx512_vnni", "avx512vnni"),
        ("avx512_vpopcntdq", "avx512-vpopcntdq"),
        ("nonstop_tsc", "invtsc"),
        ("kvm_pv_eoi", "kvm-pv-eoi"),
        ("constant_tsc", "constant_tsc"),
    ],
)
def test_qemu_gets_its_own_name(written: str, qemu: str) -> None:
    assert qemu_name(written) == qemu


def test_kvm_gives_what_the_processor_has_and_some_more() -> None:
    assert given_by_kvm(["aes", "sse4_1", "constant_tsc", "monitor", "dtes64"], nested=False) == {
        *("aes", "sse4.1"),
        *("arat", "hypervisor", "tsc-adjust", "tsc-deadline", "x2apic"),
    }


def test_one_flag_of_linux_stands_for_the_bits_of_both_vendors() -> None:
    assert {"spec-ctrl", "ibrs", "ibpb", "amd-stibp", "ssbd"} <= given_by_kvm(
        ["ibrs", "ibpb", "stibp", "ssbd"], nested=False
    )


@pytest.mark.parametrize("feature", ["vmx", "svm", "npt"])
def test_guests_of_guests_need_a_parameter_of_kvm(feature: str) -> None:
    assert feature in given_by_kvm([feature], nested=True)
    assert feature not in given_by_kvm([feature], nested=False)


def test_a_feature_is_labelled_as_users_may_write_it() -> None:
    assert spellings({"sse4.1"}) == ("sse4-1", "sse4.1", "sse4_1")
    assert spellings({"tsc-deadline", "aes"}) == ("aes", "tsc-deadline", "tsc_deadline", "tsc_deadline_timer")


def test_every_spelling_comes_back_to_its_feature() -> None:
    for feature in KNOWN:
        for name in spellings({feature}):
            assert qemu_name(name) == feature
            assert len(name) <= MAX_LABEL_NAME


def test_what_is_emulated_has_a_name() -> None:
    assert EMULATED <= KNOWN
