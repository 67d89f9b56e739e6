from typing import Any

import pytest

from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.launcher_pod import launcher_pod


def test_an_empty_cr_means_upstream_defaults() -> None:
    config = ClusterConfig.from_kubevirt({})
    assert (config.use_emulation, config.cpu_allocation_ratio, config.memory_overcommit) == (False, 10, 100)
    assert config.default_network_interface == "bridge"
    assert config.emulated_machines == ("q35*", "pc-q35*", "pc", "pc-i440fx*")


def test_fields_given_in_the_cr_win() -> None:
    spec = {
        "imagePullSecrets": [{"name": "pull"}],
        "configuration": {
            "cpuRequest": "200m",
            "developerConfiguration": {"useEmulation": True, "logVerbosity": {"virtAPI": 5}},
            "network": {"defaultNetworkInterface": "masquerade", "permitBridgeInterfaceOnPodNetwork": False},
            "virtualMachineOptions": {"disableSerialConsoleLog": {}},
        },
    }
    config = ClusterConfig.from_kubevirt(spec, "7")
    assert config.use_emulation
    assert not config.permit_bridge_on_pod_network
    assert config.disable_serial_console_log
    assert (config.verbosity("virtAPI", 2), config.verbosity("virtHandler", 2)) == (5, 2)
    assert (config.cpu_request, config.image_pull_secrets, config.resource_version) == ("200m", ("pull",), "7")


def test_gates_follow_their_stage_unless_named() -> None:
    dev = {"featureGates": ["VSOCK"], "disabledFeatureGates": ["Snapshot"]}
    config = ClusterConfig.from_kubevirt({"configuration": {"developerConfiguration": dev}})
    assert config.gate("VSOCK")
    assert not config.gate("Snapshot")
    assert config.gate("VMExport")
    assert not config.gate("HostDisk")


@pytest.mark.parametrize(
    "configuration",
    [
        {"additionalGuestMemoryOverheadRatio": "much"},
        {"additionalGuestMemoryOverheadRatio": "1.5Gi"},
        {"cpuRequest": "-1"},
        {"cpuRequest": "1e999"},
        {"liveUpdateConfiguration": {"maxGuest": "big"}},
        {"developerConfiguration": {"cpuAllocationRatio": 0}},
        {"developerConfiguration": {"memoryOvercommit": 0}},
    ],
)
def test_a_setting_that_cannot_be_followed_stops_no_machine(configuration: dict[str, Any]) -> None:
    config = ClusterConfig.from_kubevirt({"configuration": configuration}, "7")
    (problem,) = config.problems
    assert problem.startswith("spec.configuration.") and "must be" in problem
    defaults = ClusterConfig(resource_version="7", problems=config.problems)
    assert config == defaults
    vmi = {
        "metadata": {"name": "vm", "namespace": "default", "uid": "uid"},
        "spec": {"domain": {"memory": {"guest": "64Mi"}}},
    }
    assert launcher_pod(vmi, config, "image") == launcher_pod(vmi, defaults, "image")
