"""Rules of the KubeVirt resource."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubevirt_py.plan import Document
from kubevirt_py.render import causes, featuregates
from kubevirt_py.render.validate import kubevirt_warnings, validate_kubevirt
from tests.unit.render.validate.machines import edited

KUBEVIRT: Document = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "KubeVirt",
    "metadata": {"name": "kubevirt", "namespace": "kubevirt"},
    "spec": {
        "certificateRotateStrategy": {"selfSigned": {"ca": {"duration": "48h", "renewBefore": "12h"}}},
        "configuration": {"developerConfiguration": {"useEmulation": True, "logVerbosity": {"virtHandler": 4}}},
        "workloadUpdateStrategy": {"workloadUpdateMethods": ["Evict"], "batchEvictionInterval": "1m"},
    },
}
SIGNED = "spec.certificateRotateStrategy.selfSigned"
CONF = "spec.configuration"

REFUSED: dict[str, tuple[Document, str, str]] = {
    "no such pull policy": ({"spec.imagePullPolicy": "Maybe"}, "spec.imagePullPolicy", causes.NOT_SUPPORTED),
    "no such uninstall strategy": ({"spec.uninstallStrategy": "X"}, "spec.uninstallStrategy", causes.NOT_SUPPORTED),
    "no such update method": (
        {"spec.workloadUpdateStrategy.workloadUpdateMethods": ["Evict", "Pray"]},
        "spec.workloadUpdateStrategy.workloadUpdateMethods[1]",
        causes.NOT_SUPPORTED,
    ),
    "a bad duration": ({f"{SIGNED}.ca.duration": "2 days"}, f"{SIGNED}.ca.duration", causes.INVALID),
    "renewed before it is issued": ({f"{SIGNED}.ca.renewBefore": "48h"}, f"{SIGNED}.ca.renewBefore", causes.INVALID),
    "a server that outlives its authority": (
        {f"{SIGNED}.server.duration": "72h"},
        f"{SIGNED}.server.duration",
        causes.INVALID,
    ),
    "old and new spelling": ({f"{SIGNED}.caRotateInterval": "24h"}, f"{SIGNED}.caRotateInterval", causes.INVALID),
    "a patch that is not JSON": (
        {
            "spec.customizeComponents.patches": [
                {"resourceName": "virt-api", "resourceType": "Deployment", "type": "json", "patch": "{"}
            ]
        },
        "spec.customizeComponents.patches[0].patch",
        causes.INVALID,
    ),
    "verbosity beyond 9": (
        {f"{CONF}.developerConfiguration.logVerbosity.virtAPI": 10},
        f"{CONF}.developerConfiguration.logVerbosity.virtAPI",
        causes.INVALID,
    ),
    "a gate both on and off": (
        {
            f"{CONF}.developerConfiguration.featureGates": ["Snapshot"],
            f"{CONF}.developerConfiguration.disabledFeatureGates": ["Snapshot"],
        },
        f"{CONF}.developerConfiguration.featureGates[0]",
        causes.DUPLICATE,
    ),
    "no such strategy": ({f"{CONF}.evictionStrategy": "Run"}, f"{CONF}.evictionStrategy", causes.NOT_SUPPORTED),
    "no such binding": (
        {f"{CONF}.network.defaultNetworkInterface": "slirp"},
        f"{CONF}.network.defaultNetworkInterface",
        causes.NOT_SUPPORTED,
    ),
    "ciphers of TLS 1.3": (
        {f"{CONF}.tlsConfiguration": {"minTLSVersion": "VersionTLS13", "ciphers": ["X"]}},
        f"{CONF}.tlsConfiguration.ciphers",
        causes.INVALID,
    ),
    "an unknown cipher": (
        {f"{CONF}.tlsConfiguration": {"ciphers": ["TLS_RSA_WITH_RC4_128_SHA"]}},
        f"{CONF}.tlsConfiguration.ciphers[0]",
        causes.NOT_SUPPORTED,
    ),
    "a TLS version that nobody serves any more": (
        {f"{CONF}.tlsConfiguration.minTLSVersion": "VersionTLS10"},
        f"{CONF}.tlsConfiguration.minTLSVersion",
        causes.NOT_SUPPORTED,
    ),
    "a CPU model nobody knows": ({f"{CONF}.minCPUModel": "Z80"}, f"{CONF}.minCPUModel", causes.NOT_SUPPORTED),
    "no requests at all": (
        {f"{CONF}.apiConfiguration.restClient.rateLimiter.tokenBucketRateLimiter": {"qps": 0, "burst": 1}},
        f"{CONF}.apiConfiguration.restClient.rateLimiter.tokenBucketRateLimiter.qps",
        causes.INVALID,
    ),
    "updating guests by migration": (
        {"spec.workloadUpdateStrategy.workloadUpdateMethods": ["LiveMigrate"]},
        "spec.workloadUpdateStrategy.workloadUpdateMethods[0]",
        causes.NOT_SUPPORTED,
    ),
    "verbosity of a node beyond 9": (
        {f"{CONF}.developerConfiguration.logVerbosity.nodeVerbosity": {"node1": 10}},
        f"{CONF}.developerConfiguration.logVerbosity.nodeVerbosity[node1]",
        causes.INVALID,
    ),
    "no such TLS version": (
        {f"{CONF}.tlsConfiguration.minTLSVersion": "SSLv3"},
        f"{CONF}.tlsConfiguration.minTLSVersion",
        causes.NOT_SUPPORTED,
    ),
    "a CPU request below zero": ({f"{CONF}.cpuRequest": "-1"}, f"{CONF}.cpuRequest", causes.INVALID),
    "no memory for guests to grow to": (
        {f"{CONF}.liveUpdateConfiguration.maxGuest": "0"},
        f"{CONF}.liveUpdateConfiguration.maxGuest",
        causes.INVALID,
    ),
    "a bad ratio": (
        {f"{CONF}.additionalGuestMemoryOverheadRatio": "much"},
        f"{CONF}.additionalGuestMemoryOverheadRatio",
        causes.INVALID,
    ),
    "a selector that compares with nothing": (
        {f"{CONF}.autoCPULimitNamespaceLabelSelector": {"matchExpressions": [{"key": "limit", "operator": "In"}]}},
        f"{CONF}.autoCPULimitNamespaceLabelSelector.matchExpressions[0].values",
        causes.REQUIRED,
    ),
    "no such container": (
        {f"{CONF}.supportContainerResources": [{"type": "compute", "resources": {}}]},
        f"{CONF}.supportContainerResources[0].type",
        causes.NOT_SUPPORTED,
    ),
    "a container of exports": (
        {f"{CONF}.supportContainerResources": [{"type": "vmexport", "resources": {}}]},
        f"{CONF}.supportContainerResources[0].type",
        causes.NOT_SUPPORTED,
    ),
    "a request above its limit": (
        {
            f"{CONF}.supportContainerResources": [
                {"type": "sidecar", "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}
            ]
        },
        f"{CONF}.supportContainerResources[0].resources.requests[cpu]",
        causes.INVALID,
    ),
    "memory shrunk": (
        {f"{CONF}.developerConfiguration.memoryOvercommit": 5},
        f"{CONF}.developerConfiguration.memoryOvercommit",
        causes.INVALID,
    ),
}


def test_accepts_a_usual_configuration_and_an_empty_one() -> None:
    assert validate_kubevirt(KUBEVIRT) == []
    assert validate_kubevirt(edited(KUBEVIRT, {"spec": {}})) == []


@pytest.mark.parametrize(("edits", "field", "reason"), REFUSED.values(), ids=REFUSED)
def test_refuses(edits: Document, field: str, reason: str) -> None:
    found = validate_kubevirt(edited(KUBEVIRT, edits))
    assert (field, reason) in [(cause.field, cause.reason) for cause in found], found


def test_an_unchanged_spec_and_a_deletion_are_never_refused() -> None:
    bad = edited(KUBEVIRT, {"spec.uninstallStrategy": "X"})
    assert validate_kubevirt(edited(bad, {"metadata.labels": {"a": "b"}}), bad) == []
    assert validate_kubevirt(edited(bad, {"metadata.deletionTimestamp": "2030-01-01T00:00:00Z"}), KUBEVIRT) == []


def test_gates_that_switch_nothing_are_told_by_name() -> None:
    developer = {
        "featureGates": ["HostDisk", "Root", "NUMA", "Passt", "Nonsense"],
        "disabledFeatureGates": ["Snapshot"],
    }
    gates = edited(KUBEVIRT, {f"{CONF}.developerConfiguration": developer})
    assert validate_kubevirt(gates) == []
    base = f"{CONF}.developerConfiguration.featureGates"
    assert kubevirt_warnings(gates) == (
        f"{base}[1]: Root switches nothing in this release",
        f"{base}[2]: NUMA is always on",
        f"{base}[3]: Passt was discontinued and switches nothing",
        f"{base}[4]: Nonsense is not a feature gate of KubeVirt 1.9",
    )
    assert kubevirt_warnings(edited(gates, {"spec": 5})) == ()


def test_resources_of_a_container_that_there_is_not_are_a_warning() -> None:
    entries = [{"type": name, "resources": {"limits": {"cpu": "1"}}} for name in ("virtiofs", "container-disk")]
    given = edited(KUBEVIRT, {f"{CONF}.supportContainerResources": entries})
    assert validate_kubevirt(given) == []
    assert kubevirt_warnings(given) == (
        f"{CONF}.supportContainerResources[1]: has no effect: images of container disks need no container",
    )


def test_idle_gates_are_those_that_no_code_asks_for() -> None:
    package = Path(featuregates.__file__).parents[1]
    source = "".join(one.read_text() for one in package.rglob("*.py") if one.name != "featuregates.py")
    known = featuregates.BETA | featuregates.ALPHA | featuregates.DEPRECATED
    assert {gate for gate in known if f'"{gate}"' not in source} == featuregates.IDLE
