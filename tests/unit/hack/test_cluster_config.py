"""Configuration files as the components read them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from hack.cluster import config, network
from hack.cluster.pki import control_plane_leaves, render_kubeconfig
from hack.cluster.plan import Cluster, Node


@pytest.fixture
def node() -> Node:
    return Cluster("kvpy", 0, 2).nodes[1]


def test_kubelets_of_two_clusters_do_not_share_a_cgroup(node: Node) -> None:
    other = Cluster("ci", 1, 2).nodes[1]
    roots = {json.loads(config.kubelet(each, resolv_conf=Path("/r")))["cgroupRoot"] for each in (node, other)}
    assert roots == {"/kvpy-node2", "/ci-node2"}


def test_the_kubelet_serves_on_the_address_its_certificate_names(node: Node) -> None:
    settings = json.loads(config.kubelet(node, resolv_conf=Path("/r")))
    assert settings["address"] == "10.199.0.12"
    assert settings["tlsCertFile"].endswith("/node2.crt")


def test_the_last_node_gives_whole_cpus_to_pods(node: Node) -> None:
    nodes = [json.loads(config.kubelet(each, resolv_conf=Path("/r"))) for each in node.cluster.nodes]
    assert [settings["cpuManagerPolicy"] for settings in nodes] == ["none", "static"]
    assert all(settings["systemReserved"] == {"cpu": "100m"} for settings in nodes)


def test_containerd_knows_the_pause_image_and_gives_devices_to_the_pods_user() -> None:
    settings = tomllib.loads(config.containerd())
    plugins = settings["plugins"]
    assert plugins["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == config.PAUSE_IMAGE
    assert plugins["io.containerd.cri.v1.runtime"]["device_ownership_from_security_context"] is True
    assert plugins["io.containerd.cri.v1.runtime"]["restrict_oom_score_adj"] is True


def test_pods_get_an_address_of_each_family_and_keep_it_between_nodes(node: Node) -> None:
    bridge = json.loads(config.cni(node))["plugins"][0]
    assert [ranges[0]["subnet"] for ranges in bridge["ipam"]["ranges"]] == ["10.244.2.0/24", "fd00:10:244:2::/64"]
    assert bridge["ipMasq"] is False


def test_the_proxy_tells_pods_from_others_in_both_families(node: Node) -> None:
    assert json.loads(config.kube_proxy(node))["clusterCIDR"] == "10.244.0.0/16,fd00:10:244::/48"


def test_the_node_object_fixes_the_pod_networks(node: Node) -> None:
    spec = config.node_object(node)["spec"]
    assert spec["podCIDR"] == spec["podCIDRs"][0]
    assert len(spec["podCIDRs"]) == 2


def _level(
    policy: dict[str, Any],
    *,
    verb: str,
    user: str,
    groups: tuple[str, ...] = (),
    group: str = "",
    resource: str = "pods",
) -> str:
    """Which audit rule applies to a request for a resource, by the API server's rules: the first that matches."""
    for rule in policy["rules"]:
        if "nonResourceURLs" in rule:
            continue
        resources = rule.get("resources")
        matches = (
            verb in rule.get("verbs", [verb])
            and user in rule.get("users", [user])
            and ("userGroups" not in rule or set(rule["userGroups"]) & set(groups))
            and (not resources or any(r["group"] == group and resource in r["resources"] for r in resources))
        )
        if matches:
            return str(rule["level"])
    return "None"


@pytest.mark.parametrize("user", ["admin", "system:node:node1", "system:serviceaccount:kubevirt:virt-controller"])
@pytest.mark.parametrize("verb", ["create", "update", "patch", "delete"])
def test_every_write_is_audited(user: str, verb: str) -> None:
    policy = json.loads(config.audit_policy())
    assert _level(policy, verb=verb, user=user, groups=("system:nodes",)) == "Metadata"
    assert _level(policy, verb=verb, user=user, group="coordination.k8s.io", resource="leases") == "Metadata"


def test_reads_are_audited_for_others_than_kubernetes_itself() -> None:
    policy = json.loads(config.audit_policy())
    assert _level(policy, verb="list", user="system:kube-scheduler") == "None"
    assert _level(policy, verb="watch", user="system:node:node1", groups=("system:nodes",)) == "None"
    assert _level(policy, verb="list", user="system:serviceaccount:kubevirt:virt-api") == "Metadata"


def test_access_reviews_are_not_audited() -> None:
    policy = json.loads(config.audit_policy())
    review = {"group": "authorization.k8s.io", "resource": "subjectaccessreviews"}
    assert _level(policy, verb="create", user="virt-api", **review) == "None"


def test_pods_do_not_get_resolvers_that_only_the_host_can_reach() -> None:
    text = config.resolv_conf("nameserver 127.0.0.53\nnameserver 9.9.9.9\noptions edns0\n")
    assert text == "nameserver 9.9.9.9\noptions edns0\n"


@pytest.mark.parametrize(("resolvers", "forwards"), [("nameserver 9.9.9.9\n", True), ("options edns0\n", False)])
def test_dns_forwards_only_where_there_is_a_resolver(resolvers: str, forwards: bool) -> None:
    assert ("forward ." in config.coredns(resolvers)["data"]["Corefile"]) is forwards


def test_what_pods_send_to_the_world_is_masqueraded_and_nothing_else() -> None:
    script = network.render_masquerade(Cluster("kvpy", 0, 2))
    assert 'oifname != "kvpybr0" ip saddr { 10.199.0.0/24, 10.244.0.0/16 } masquerade' in script
    assert script.index("flush chain") < script.index("add rule")


def test_the_api_server_answers_to_its_service_address() -> None:
    names = config.apiserver_names(Cluster("kvpy", 0, 2))
    assert {"IP:10.199.0.1", "IP:10.96.0.1", "DNS:kubernetes.default.svc"} <= set(names)
    assert control_plane_leaves(names)[0].names == names


def test_a_kubeconfig_puts_the_authority_with_the_server_and_the_key_with_the_user() -> None:
    text = render_kubeconfig(
        "https://h:1", {"certificate-authority": "/ca", "client-certificate": "/c", "client-key": "/k"}
    )
    document = json.loads(text)
    assert document["clusters"][0]["cluster"] == {"server": "https://h:1", "certificate-authority": "/ca"}
    assert document["users"][0]["user"] == {"client-certificate": "/c", "client-key": "/k"}
