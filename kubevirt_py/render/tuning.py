"""Annotations of a VMI that tune its machine. Source: KubeVirt's API constants."""

from __future__ import annotations

from collections.abc import Mapping

from kubevirt_py.api import names
from kubevirt_py.render.config import ClusterConfig


def permits_free_page_reporting(annotations: Mapping[str, str], config: ClusterConfig) -> bool:
    """Whether cluster and VMI let its guest tell the node of pages that it does not use."""
    refused = annotations.get(names.FREE_PAGE_REPORTING_ANNOTATION) == "true"
    return not (refused or config.disable_free_page_reporting)
