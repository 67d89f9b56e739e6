"""Node labels from the facts of an agent."""

from __future__ import annotations

from kubevirt_py.render.nodelabels import NodeFacts, label_changes, node_labels

FACTS = NodeFacts(
    schedulable=True,
    cpu_models=("Skylake-Server", "Conroe"),
    cpu_features=("avx2",),
    cpu_vendor="Intel",
    host_model="Skylake-Server",
    machine_types=("q35", "pc-q35-10.0"),
)


def test_labels_for_the_scheduler() -> None:
    assert node_labels(FACTS, obsolete_models=("Conroe",)) == {
        "kubevirt.io/schedulable": "true",
        "cpu-model.node.kubevirt.io/Skylake-Server": "true",
        "cpu-model-migration.node.kubevirt.io/Skylake-Server": "true",
        "cpu-feature.node.kubevirt.io/avx2": "true",
        "cpu-vendor.node.kubevirt.io/Intel": "true",
        "host-model-cpu.node.kubevirt.io/Skylake-Server": "true",
        "machine-type.node.kubevirt.io/q35": "true",
        "machine-type.node.kubevirt.io/pc-q35-10.0": "true",
    }


def test_pinning_and_real_time_are_labelled_where_the_node_can() -> None:
    labels = node_labels(NodeFacts(cpu_manager=True, realtime=True))
    assert labels["cpumanager"] == labels["kubevirt.io/cpumanager"] == labels["kubevirt.io/realtime"] == "true"
    assert label_changes(labels, {}) == dict.fromkeys(labels.keys() - {"kubevirt.io/schedulable"})


def test_an_obsolete_host_model_is_marked() -> None:
    labels = node_labels(FACTS, obsolete_models=("Skylake-Server",))
    assert labels["node-labeller.kubevirt.io/obsolete-host-model"] == "true"
    assert "cpu-model.node.kubevirt.io/Skylake-Server" not in labels


def test_only_differences_are_written_and_only_our_labels_removed() -> None:
    current = {
        "kubernetes.io/arch": "amd64",
        "kubevirt.io/schedulable": "true",
        "cpu-model.node.kubevirt.io/Penryn": "true",
    }
    wanted = {"kubevirt.io/schedulable": "true", "cpu-model.node.kubevirt.io/Conroe": "true"}
    assert label_changes(current, wanted) == {
        "cpu-model.node.kubevirt.io/Penryn": None,
        "cpu-model.node.kubevirt.io/Conroe": "true",
    }
    assert label_changes(wanted, wanted) == {}
