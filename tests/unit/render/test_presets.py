"""Presets: whom they are for, what they fill in, and what happens where two do not agree."""

from __future__ import annotations

from kubevirt_py.plan import Document
from kubevirt_py.render.presets import Preset, apply
from tests.unit.render.validate.machines import edited, vmi

SMALL = Preset("small", {"matchLabels": {"size": "small"}}, {"cpu": {"cores": 1}})
WINDOWS = Preset(
    "windows",
    {"matchExpressions": [{"key": "os", "operator": "In", "values": ["w10", "w11"]}]},
    {"features": {"acpi": {}}, "resources": {"requests": {"cpu": "1", "memory": "64M"}}},
)


def machine(labels: Document, edits: Document | None = None) -> Document:
    return edited(vmi(edits), {"metadata.labels": labels})


def test_a_matching_preset_fills_gaps_and_leaves_its_name() -> None:
    outcome = apply(machine({"size": "small", "os": "w11"}), (WINDOWS, SMALL))
    domain = outcome.vmi["spec"]["domain"]
    assert domain["cpu"] == {"cores": 1}
    assert domain["resources"]["requests"] == {"cpu": "1", "memory": "64M"}
    assert outcome.vmi["metadata"]["annotations"] == {
        "virtualmachinepreset.kubevirt.io/small": "kubevirt.io/v1",
        "virtualmachinepreset.kubevirt.io/windows": "kubevirt.io/v1",
    }
    assert not outcome.warnings
    assert not outcome.causes


def test_others_are_left_alone() -> None:
    document = machine({"size": "large"})
    assert apply(document, (SMALL, WINDOWS)).vmi is document


def test_a_machine_can_be_excluded() -> None:
    exclude = {"metadata.annotations": {"virtualmachineinstancepresets.admission.kubevirt.io/exclude": "true"}}
    document = edited(machine({"size": "small"}), exclude)
    assert apply(document, (SMALL,)).vmi is document


def test_the_machines_own_settings_win_and_the_user_is_told() -> None:
    outcome = apply(machine({"size": "small"}, {"domain.cpu": {"cores": 2}}), (SMALL,))
    assert outcome.vmi["spec"]["domain"]["cpu"] == {"cores": 2}
    assert "annotations" not in outcome.vmi["metadata"]
    assert outcome.warnings == (
        "Unable to apply VirtualMachineInstancePreset 'small': the instance's own spec.domain.cpu takes precedence",
    )


def test_presets_that_contradict_one_another_refuse_the_machine() -> None:
    large = Preset("large", {"matchLabels": {"size": "small"}}, {"cpu": {"cores": 8}})
    outcome = apply(machine({"size": "small"}), (SMALL, large))
    assert [cause.field for cause in outcome.causes] == ["spec.domain.cpu"]
    assert "cannot be applied due to conflicts: large and small" in outcome.causes[0].message


def test_a_preset_that_fits_nothing_is_not_taken() -> None:
    assert Preset.of("empty", {"selector": {}}) is None
    odd = {"matchExpressions": [{"key": "os", "operator": "Near", "values": ["w10"]}]}
    assert Preset.of("odd", {"selector": odd, "domain": {"devices": {}}}) is None
    assert Preset.of("good", {"selector": {}, "domain": {"cpu": None, "devices": {}}}) == Preset(
        "good", {}, {"devices": {}}
    )
