from kubevirt_py.render.config import ClusterConfig


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
    assert (config.verbosity("virtAPI"), config.verbosity("virtHandler")) == (5, 2)
    assert (config.cpu_request, config.image_pull_secrets, config.resource_version) == ("200m", ("pull",), "7")


def test_gates_follow_their_stage_unless_named() -> None:
    dev = {"featureGates": ["VSOCK"], "disabledFeatureGates": ["Snapshot"]}
    config = ClusterConfig.from_kubevirt({"configuration": {"developerConfiguration": dev}})
    assert config.gate("VSOCK")
    assert not config.gate("Snapshot")
    assert config.gate("VMExport")
    assert not config.gate("HostDisk")
