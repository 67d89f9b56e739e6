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


def test_a_node_may_log_more_than_the_others() -> None:
    dev = {"logVerbosity": {"virtHandler": 3, "nodeVerbosity": {"node1": 7}}}
    config = ClusterConfig.from_kubevirt({"configuration": {"developerConfiguration": dev}})
    assert [config.verbosity("virtHandler", 2, node) for node in ("node1", "node2")] == [7, 3]


def test_request_rates_are_kept_unless_they_would_stop_everything() -> None:
    def limiter(qps: float, burst: int) -> dict[str, Any]:
        return {"restClient": {"rateLimiter": {"tokenBucketRateLimiter": {"qps": qps, "burst": burst}}}}

    conf = {"apiConfiguration": limiter(5, 10), "handlerConfiguration": limiter(0, 10)}
    assert ClusterConfig.from_kubevirt({"configuration": conf}).rate_limits == {"api": (5.0, 10)}


def test_tls_settings_are_put_in_openssls_words() -> None:
    tls = {"minTLSVersion": "VersionTLS12", "ciphers": ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]}
    config = ClusterConfig.from_kubevirt({"configuration": {"tlsConfiguration": tls}})
    assert (config.tls_min_version, config.tls_ciphers) == ("VersionTLS12", ("ECDHE-ECDSA-AES128-GCM-SHA256",))


def test_confinement_of_launcher_pods() -> None:
    profile = {"virtualMachineInstanceProfile": {"customProfile": {"localhostProfile": "vm.json"}}}
    conf = {"seccompConfiguration": profile, "selinuxLauncherType": "container_kvm_t"}
    config = ClusterConfig.from_kubevirt({"configuration": conf})
    vmi = {"metadata": {"name": "a", "namespace": "b", "uid": "c"}, "spec": {"domain": {"memory": {"guest": "64Mi"}}}}
    pod = launcher_pod(vmi, config, "launcher")["spec"]
    wanted = {"type": "Localhost", "localhostProfile": "vm.json"}
    assert pod["securityContext"]["seccompProfile"] == wanted
    assert pod["securityContext"]["seLinuxOptions"] == {"type": "container_kvm_t"}
    assert pod["containers"][0]["securityContext"]["seccompProfile"] == wanted


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
