"""Hyper-V enlightenments that need others: switched on by default, and refused where they are switched off.

Source: QEMU's docs/system/i386/hyperv.rst, and KubeVirt's defaults.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, Cause

NEEDS = {
    "synic": ("vpindex",),
    "synictimer": ("synic", "vpindex"),
    "tlbflush": ("vpindex",),
    "tlbflush.direct": ("vapic",),
    "ipi": ("vpindex",),
    "evmcs": ("vapic",),
}
"""What each enlightenment needs; what that needs in turn is listed too."""
NESTING = "vmx"
"""CPU feature without which an enlightened VMCS is of no use."""


def enable_needs(domain: Document) -> None:
    """Fill in what the given enlightenments need. The domain's features have their defaults; changed in place."""
    hyperv = (domain.get("features") or {}).get("hyperv") or {}
    for feature, needed in NEEDS.items():
        if is_on(hyperv, feature):
            for each in needed:
                hyperv.setdefault(each, {"enabled": True})
    if not is_on(hyperv, "evmcs"):
        return
    features = domain.setdefault("cpu", {}).setdefault("features", [])
    if not any(each.get("name") == NESTING for each in features):
        features.append({"name": NESTING, "policy": "require"})


def check_needs(domain: Document, path: str) -> Iterator[Cause]:
    """Enlightenments whose needs are switched off. `path` is that of the domain."""
    hyperv = (domain.get("features") or {}).get("hyperv") or {}
    if hyperv and is_on(domain["features"], "hypervPassthrough"):
        text = "hyperv and hypervPassthrough exclude each other: pass-through gives every enlightenment of the host"
        yield Cause(f"{path}.features.hypervPassthrough", INVALID, text)
    for feature, needed in NEEDS.items():
        for each in needed:
            if is_on(hyperv, feature) and not is_on(hyperv, each):
                yield Cause(
                    f"{path}.features.hyperv.{feature}",
                    INVALID,
                    f"'{each}' feature is required by '{feature}' feature, but '{each}' is disabled; enable it",
                )
    if not is_on(hyperv, "evmcs"):
        return
    for index, each in enumerate((domain.get("cpu") or {}).get("features") or ()):
        if each["name"] == NESTING and each.get("policy") not in (None, "", "require", "force"):
            place = f"{path}.cpu.features[{index}].policy"
            yield Cause(place, INVALID, f"feature evmcs needs {NESTING}: set policy require")


def is_on(features: Document, name: str) -> bool:
    """Whether a feature is there and not switched off; of a part (`tlbflush.direct`), whether its whole is on, too."""
    for key in name.split("."):
        part: Document | None = features.get(key)
        if part is None or part.get("enabled") is False:
            return False
        features = part
    return True
