"""Whether a Plugin may be created or changed."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.api.plugin_v1alpha1 import Plugin
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import Cause, exactly_one, needs_gate, one_of, unique
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.parse import parse_causes, without_nulls
from kubevirt_py.render.validate.references import duration
from kubevirt_py.render.validate.text import absolute_path, dns_subdomain

GATE = "Plugins"
STRATEGIES = ("Fail", "Ignore")
MAKERS = ("cel", "sidecar")
ADMISSION = (
    "mutatingAdmissionPolicies",
    "mutatingAdmissionWebhooks",
    "validatingAdmissionPolicies",
    "validatingAdmissionWebhooks",
)


def validate_plugin(document: Document, config: ClusterConfig) -> list[Cause]:
    """Causes against a plugin."""
    if causes := parse_causes(Plugin, document):
        return causes
    spec = without_nulls(document["spec"])
    causes = [] if config.gate(GATE) else [needs_gate("spec", GATE)]
    causes += one_of("spec.failureStrategy", spec.get("failureStrategy"), STRATEGIES)
    for index, hook in enumerate(spec.get("domainHooks") or ()):
        field = f"spec.domainHooks[{index}]"
        causes += exactly_one(field, hook, MAKERS, "kind of hook")
        causes += absolute_path(f"{field}.sidecar.socketPath", (hook.get("sidecar") or {}).get("socketPath"))
        causes += _hook(hook, field)
    for index, hook in enumerate(spec.get("nodeHooks") or ()):
        field = f"spec.nodeHooks[{index}]"
        causes += _hook(hook, field)
        moments = ((f"{field}.permittedHooks[{i}]", name) for i, name in enumerate(hook["permittedHooks"]))
        causes += unique(moments, "hook")
    for kind in ADMISSION:
        for index, item in enumerate(spec.get(kind) or ()):
            causes += dns_subdomain(f"spec.{kind}[{index}].name", item["name"])
    return causes


def _hook(hook: Document, field: str) -> Iterator[Cause]:
    yield from one_of(f"{field}.failureStrategy", hook.get("failureStrategy"), STRATEGIES)
    yield from duration(f"{field}.timeout", hook.get("timeout"))
