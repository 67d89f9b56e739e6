"""A ValidatingAdmissionPolicy with the binding that puts it in force everywhere."""

from __future__ import annotations

from collections.abc import Iterable

from kubevirt_py.api.crd_kinds import CustomKind
from kubevirt_py.plan import Document

API_VERSION = "admissionregistration.k8s.io/v1"


def denying(name: str, spec: Document) -> tuple[Document, Document]:
    """The policy and its binding, both called `name`. It refuses, also when it cannot be evaluated."""
    policy: Document = {
        "apiVersion": API_VERSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {"failurePolicy": "Fail", **spec},
    }
    binding: Document = {
        "apiVersion": API_VERSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    return policy, binding


def writes_of(kinds: Iterable[CustomKind], operation: str) -> Document:
    """`matchConstraints` for one operation (CREATE, UPDATE) on these kinds, in every version."""
    rules = [
        {"apiGroups": [kind.group], "apiVersions": ["*"], "operations": [operation], "resources": [kind.plural]}
        for kind in kinds
    ]
    return {"resourceRules": rules}
