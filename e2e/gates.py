"""Feature gates, switched on for the time of some tests. These are in one file: files run beside each other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from e2e.installation import SYSTEM, configure
from e2e.kubectl import Document, Failed, Namespace, eventually


@contextlib.contextmanager
def feature_gates(*names: str) -> Iterator[None]:
    """Switch these gates on beside those that are on."""
    configuration = SYSTEM.get("kubevirt", "kubevirt")["spec"].get("configuration") or {}
    before = (configuration.get("developerConfiguration") or {}).get("featureGates") or []
    configure(developerConfiguration={"featureGates": sorted({*before, *names})})
    try:
        yield
    finally:
        configure(developerConfiguration={"featureGates": before})


def apply_when_gates_are_known(namespace: Namespace, document: Document) -> None:
    """Admission reads the gates a moment after they are set."""

    def accepted() -> bool:
        try:
            namespace.apply(document)
        except Failed as refusal:
            assert "feature gate" in str(refusal), refusal
            return False
        return True

    assert eventually(accepted, 30), "the feature gates do not reach admission"
