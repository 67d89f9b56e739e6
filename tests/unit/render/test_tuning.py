"""Annotations that tune a machine."""

from __future__ import annotations

import pytest

from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.tuning import has_pci_hole64, permits_free_page_reporting, tuning_warnings

FREE_PAGES = "kubevirt.io/free-page-reporting-disabled"


@pytest.mark.parametrize(
    ("annotations", "disabled", "permitted"),
    [({}, False, True), ({FREE_PAGES: "true"}, False, False), ({FREE_PAGES: "false"}, False, True), ({}, True, False)],
)
def test_a_vmi_can_keep_its_pages_but_not_overrule_its_cluster(
    annotations: dict[str, str], disabled: bool, permitted: bool
) -> None:
    config = ClusterConfig(disable_free_page_reporting=disabled)
    assert permits_free_page_reporting(annotations, config) == permitted


@pytest.mark.parametrize(("value", "hole"), [("true", False), ("True", False), ("false", True), ("", True)])
def test_a_guest_of_old_has_its_pci_devices_below_4_gib(value: str, hole: bool) -> None:
    assert has_pci_hole64({"kubevirt.io/disablePCIHole64": value}) == hole
    assert has_pci_hole64({})


def test_what_does_nothing_is_said() -> None:
    known = {FREE_PAGES: "true", "kubevirt.io/disablePCIHole64": "true", "kubevirt.io/pci-topology-version": "v3"}
    assert tuning_warnings(known) == ()
    for name in ("memfd", "pci-interface-slot-count", "placePCIDevicesOnRootComplex"):
        (words,) = tuning_warnings(known | {f"kubevirt.io/{name}": "true"})
        assert words.startswith(f"annotation kubevirt.io/{name} has no effect: ")
