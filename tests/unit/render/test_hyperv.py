"""Enlightenments that need others."""

from __future__ import annotations

import pytest

from kubevirt_py.plan import Document
from kubevirt_py.render.defaults import default_vmi
from kubevirt_py.render.validate import validate_vmi_create
from tests.unit.render.validate.machines import CONFIG, NOW, UUID, vmi


def made(features: Document, cpu: Document | None = None) -> Document:
    edits = {"domain.features": features} | ({"domain.cpu": cpu} if cpu else {})
    return default_vmi(vmi(edits), CONFIG, NOW, lambda: UUID)


@pytest.mark.parametrize(
    ("given", "also"),
    [
        ("synic", {"vpindex"}),
        ("synictimer", {"synic", "vpindex"}),
        ("tlbflush", {"vpindex"}),
        ("ipi", {"vpindex"}),
        ("evmcs", {"vapic"}),
        ("relaxed", set()),
    ],
)
def test_what_is_needed_is_switched_on(given: str, also: set[str]) -> None:
    hyperv = made({"hyperv": {given: {}}})["spec"]["domain"]["features"]["hyperv"]
    assert hyperv.keys() == {given, *also}
    assert all(feature["enabled"] for feature in hyperv.values())


def test_nothing_is_switched_on_for_what_is_off() -> None:
    hyperv = made({"hyperv": {"synictimer": {"enabled": False}}})["spec"]["domain"]["features"]["hyperv"]
    assert hyperv.keys() == {"synictimer"}


def test_flushing_directly_needs_the_assist_page() -> None:
    flushing = made({"hyperv": {"tlbflush": {"direct": {}}}})["spec"]["domain"]["features"]["hyperv"]
    assert flushing["vapic"]["enabled"] and flushing["vpindex"]["enabled"]
    without = made({"hyperv": {"tlbflush": {"direct": {}}, "vapic": {"enabled": False}}})
    assert [cause.field for cause in validate_vmi_create(without, CONFIG)] == [
        "spec.domain.features.hyperv.tlbflush.direct"
    ]


@pytest.mark.parametrize("given", [{"direct": {"enabled": False}}, {"enabled": False, "direct": {}}])
def test_what_does_not_flush_directly_needs_no_assist_page(given: Document) -> None:
    assert "vapic" not in made({"hyperv": {"tlbflush": given}})["spec"]["domain"]["features"]["hyperv"]


def test_nested_guests_need_vmx() -> None:
    vmi = made({"hyperv": {"evmcs": {}}})
    assert vmi["spec"]["domain"]["cpu"]["features"] == [{"name": "vmx", "policy": "require"}]
    forbidding = made({"hyperv": {"evmcs": {}}}, {"features": [{"name": "vmx", "policy": "disable"}]})
    causes = validate_vmi_create(forbidding, CONFIG)
    assert [cause.field for cause in causes] == ["spec.domain.cpu.features[0].policy"]


def test_what_is_needed_may_not_be_switched_off() -> None:
    causes = validate_vmi_create(made({"hyperv": {"synic": {}, "vpindex": {"enabled": False}}}), CONFIG)
    assert [cause.field for cause in causes] == ["spec.domain.features.hyperv.synic"]
    assert "'vpindex' feature is required by 'synic' feature" in causes[0].message


def test_choosing_excludes_passing_all_through() -> None:
    causes = validate_vmi_create(made({"hyperv": {"relaxed": {}}, "hypervPassthrough": {}}), CONFIG)
    assert "spec.domain.features.hypervPassthrough" in [cause.field for cause in causes]
