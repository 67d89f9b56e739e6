"""Specs that may not change once created: the API server holds to it itself, so it holds while virt-api is down.

Kinds whose CRD says so in CEL (backups and their trackers) are not here: see api.backup_v1alpha1.
"""

from __future__ import annotations

from kubevirt_py.api.crd_kinds import KINDS
from kubevirt_py.plan import Document
from kubevirt_py.render.fixed import MESSAGE, MIGRATION
from kubevirt_py.render.install.policy import denying, writes_of

POLICY = "kubevirt-fixed-specs"
WHOLE = {
    "VirtualMachineInstanceMigration": MIGRATION,
    "VirtualMachineSnapshot": MESSAGE,
    "VirtualMachineRestore": MESSAGE,
    "VirtualMachineExport": MESSAGE,
    "VirtualMachineClone": MESSAGE,
}
"""Kinds whose spec stays as a whole, and what a user is told who changes it."""
SELECTORS = {
    "VirtualMachinePool": "selector is immutable after creation",
}
"""Kinds of which only `spec.selector` stays."""


def fixed_specs_policy() -> tuple[Document, Document]:
    """The policy that keeps specs as they were created, and its binding."""
    texts = WHOLE | SELECTORS
    kept = [kind for kind in KINDS if kind.kind in texts]
    words = ", ".join(f"'{kind.kind}': {_quoted(texts[kind.kind])}" for kind in kept)
    partly = ", ".join(f"'{kind}'" for kind in SELECTORS)
    validation = {
        "expression": f"request.kind.kind in [{partly}]"
        " ? object.spec.selector == oldObject.spec.selector : object.spec == oldObject.spec",
        "message": MESSAGE,
        "messageExpression": f"{{{words}}}[request.kind.kind]",
        "reason": "Invalid",
    }
    return denying(POLICY, {"matchConstraints": writes_of(kept, "UPDATE"), "validations": [validation]})


def _quoted(text: str) -> str:
    """As a CEL string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
