"""Annotations of a VMI that tune its machine. Source: KubeVirt's API constants."""

from __future__ import annotations

from collections.abc import Mapping

from kubevirt_py.api import names
from kubevirt_py.render.config import ClusterConfig

IGNORED = {
    names.MEMFD_ANNOTATION: "memory of huge pages is always a file without a name (memfd)",
    names.PCI_SLOTS_ANNOTATION: "a machine has free PCI ports in groups, by its devices and its memory",
    names.ROOT_COMPLEX_ANNOTATION: "devices stand behind PCI ports; a pciAddress gives one a place of its own",
}
"""Annotations that have no effect, and what holds instead."""


def permits_free_page_reporting(annotations: Mapping[str, str], config: ClusterConfig) -> bool:
    """Whether cluster and VMI let its guest tell the node of pages that it does not use."""
    refused = annotations.get(names.FREE_PAGE_REPORTING_ANNOTATION) == "true"
    return not (refused or config.disable_free_page_reporting)


def has_pci_hole64(annotations: Mapping[str, str]) -> bool:
    """Whether PCI devices may have addresses above 4 GiB, which guests of old cannot bear."""
    return annotations.get(names.PCI_HOLE_ANNOTATION, "").lower() != "true"


def tuning_warnings(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """A word about each annotation that will do nothing."""
    return tuple(f"annotation {name} has no effect: {why}." for name, why in IGNORED.items() if name in annotations)
