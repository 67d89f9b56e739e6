"""Annotations that tune a machine."""

from __future__ import annotations

import pytest

from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.tuning import permits_free_page_reporting

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
