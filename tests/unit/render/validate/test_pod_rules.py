"""Rules of what the pod gets, and of the clock: one edit, the field, words for the user."""

from __future__ import annotations

import pytest

from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.defaults import default_vmi
from kubevirt_py.render.validate import validate_vmi_create
from tests.unit.render.validate.machines import CONFIG, NOW, UUID, edited, vmi

NODES = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
PODS = "affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution"
TERM = {"weight": 1, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname", "labelSelector": {}}}
IN = {"key": "zone", "operator": "In", "values": ["a"]}

ACCEPTED: tuple[Document, ...] = (
    {NODES: {"nodeSelectorTerms": [{"matchExpressions": [IN, {"key": "n", "operator": "Gt", "values": ["3"]}]}]}},
    {PODS: [TERM]},
    {"tolerations": [{"key": "a/b", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}]},
    {"dnsConfig": {"searches": ["svc.cluster.local.", "_tcp.example", "."]}},
    {"domain.clock": {"timezone": "Europe/Berlin", "timer": {"rtc": {"tickPolicy": "catchup"}}}},
)
REFUSED: tuple[tuple[Document, str, str], ...] = (
    ({NODES: {"nodeSelectorTerms": []}}, f"{NODES}.nodeSelectorTerms", "at least one"),
    (
        {NODES: {"nodeSelectorTerms": [{"matchExpressions": [IN | {"operator": "Near"}]}]}},
        f"{NODES}.nodeSelectorTerms[0].matchExpressions[0].operator",
        "In, NotIn",
    ),
    (
        {NODES: {"nodeSelectorTerms": [{"matchExpressions": [IN | {"operator": "Lt"}]}]}},
        f"{NODES}.nodeSelectorTerms[0].matchExpressions[0].values",
        "one whole number",
    ),
    ({PODS: [TERM | {"weight": 101}]}, f"{PODS}[0].weight", "between 1 and 100"),
    ({PODS: [TERM | {"podAffinityTerm": {"topologyKey": ""}}]}, f"{PODS}[0].podAffinityTerm.topologyKey", "hostname"),
    ({"nodeSelector": {"a b": "c"}}, "nodeSelector[a b]", "not the name of a label"),
    ({"schedulerName": "A B"}, "schedulerName", "not a valid name"),
    (
        {"tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 5}]},
        "tolerations[0].effect",
        "must be NoExecute",
    ),
    (
        {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "", "whenUnsatisfiable": "DoNotSchedule"}]},
        "topologySpreadConstraints[0].topologyKey",
        "names a label",
    ),
    ({"dnsConfig": {"searches": ["a b"]}}, "dnsConfig.searches[0]", "search domain"),
    ({"domain.clock": {"utc": {}, "timezone": "Europe/Berlin"}}, "domain.clock.timezone", "not both"),
    (
        {"domain.clock": {"timer": {"rtc": {"tickPolicy": "merge"}}}},
        "domain.clock.timer.rtc.tickPolicy",
        "delay, catchup",
    ),
)


@pytest.mark.parametrize("edits", ACCEPTED)
def test_accepts(edits: Document) -> None:
    assert validate_vmi_create(default_vmi(vmi(edits), CONFIG, NOW, lambda: UUID), CONFIG) == []


@pytest.mark.parametrize(("edits", "field", "words"), REFUSED)
def test_refuses(edits: Document, field: str, words: str) -> None:
    causes = validate_vmi_create(default_vmi(vmi(edits), CONFIG, NOW, lambda: UUID), CONFIG)
    assert any(cause.field == f"spec.{field}" and words in cause.message for cause in causes), causes


def test_hook_sidecars_are_refused_with_their_gate_and_without() -> None:
    asking = {"metadata.annotations": {"hooks.kubevirt.io/hookSidecars": "[]"}}
    for config, words in (
        (CONFIG, "needs feature gate Sidecar"),
        (ClusterConfig(feature_gates=frozenset({"Sidecar"})), "not supported yet by this release: hook sidecars"),
    ):
        causes = validate_vmi_create(default_vmi(edited(vmi(), asking), config, NOW, lambda: UUID), config)
        assert [words in cause.message for cause in causes] == [True]
