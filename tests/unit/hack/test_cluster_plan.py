"""Names and addresses of clusters and nodes."""

from __future__ import annotations

import itertools

import pytest

from hack.cluster.plan import DEFAULT_NAME, MAX_NODES, SERVICES, SLOTS, Cluster


def test_the_default_cluster_has_the_documented_addresses() -> None:
    cluster = Cluster(DEFAULT_NAME, 0, 2)
    first, second = cluster.nodes
    assert cluster.api_url == "https://10.199.0.1:6443"
    assert [str(address) for address in first.addresses] == ["10.199.0.11", "fd00:10:199::b"]
    assert [str(network) for network in second.pod_networks] == ["10.244.2.0/24", "fd00:10:244:2::/64"]
    assert str(first.netns_pin) == "/run/netns/kvpy-node1"


def test_no_two_clusters_share_a_subnet() -> None:
    clusters = [Cluster("a", slot, 1) for slot in range(SLOTS)]
    networks = [network for cluster in clusters for network in (*cluster.link_networks, *cluster.pod_networks)]
    for one, other in itertools.combinations([*networks, *SERVICES], 2):
        assert one.version != other.version or not one.overlaps(other), f"{one} and {other}"  # type: ignore[arg-type]
    assert len({cluster.loopback for cluster in clusters}) == SLOTS


def test_every_node_of_the_largest_cluster_fits() -> None:
    cluster = Cluster("a", SLOTS - 1, MAX_NODES)
    for node in cluster.nodes:
        for address, link in zip(node.addresses, cluster.link_networks, strict=True):
            assert address in link
        for pods, all_pods in zip(node.pod_networks, cluster.pod_networks, strict=True):
            assert pods.subnet_of(all_pods)  # type: ignore[arg-type]
    assert len({network for node in cluster.nodes for network in node.pod_networks}) == 2 * MAX_NODES
    assert not {address for node in cluster.nodes for address in node.addresses} & set(cluster.host_addresses)


def test_link_names_fit_the_kernel() -> None:
    node = Cluster("abcdefgh", 0, MAX_NODES).nodes[-1]
    assert len(node.unique_name) <= 15
    assert len(node.cluster.bridge) <= 15


@pytest.mark.parametrize("name", ["", "ABC", "1a", "has-dash", "toolongname", "a/b"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 8 lower-case letters"):
        Cluster(name, 0, 2)


@pytest.mark.parametrize(("slot", "size"), [(-1, 1), (SLOTS, 1), (0, 0), (0, MAX_NODES + 1)])
def test_a_bad_slot_or_size_is_refused(slot: int, size: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        Cluster("a", slot, size)
