"""What Multus reads from a pod."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kubevirt_py.api import names
from kubevirt_py.plan import Key
from kubevirt_py.render.network.annotations import (
    arrived_links,
    attached_links,
    definitions,
    in_mesh,
    network_annotations,
)
from kubevirt_py.render.network.binding import plan_links
from kubevirt_py.render.network.model import LinkFacts, ResolvFacts

UUID = "5d307ca9-b3ef-428c-8861-06e72d69f223"


def spec(*pairs: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    interfaces, networks = zip(*pairs, strict=True)
    return {
        "domain": {"firmware": {"uuid": UUID}, "devices": {"interfaces": list(interfaces)}},
        "networks": list(networks),
    }


def annotated(given: dict[str, Any], **options: Any) -> dict[str, str]:
    options.setdefault("plugins", {})
    return network_annotations(given, "farm", "vm1", "uid-1", **options)


DEFAULT = ({"name": "default", "masquerade": {}}, {"name": "default", "pod": {}})
BLUE = ({"name": "blue", "bridge": {}}, {"name": "blue", "multus": {"networkName": "blue-net"}})
RED = (
    {"name": "red", "bridge": {}, "macAddress": "02-AA-00-00-00-01"},
    {"name": "red", "multus": {"networkName": "infra/red-net"}},
)


def test_secondary_networks_are_elements_with_hashed_interface_names() -> None:
    first, second = json.loads(annotated(spec(DEFAULT, BLUE, RED))[names.NETWORKS_ANNOTATION])
    assert first == {"name": "blue-net", "namespace": "farm", "mac": first["mac"], "interface": "pod16477688c0e"}
    assert second["namespace"] == "infra"
    assert second["mac"] == "02:aa:00:00:00:01"


@pytest.mark.parametrize("written", ["02:AA:00:00:00:01", "02-aa-00-00-00-01", "02aa.0000.0001"])
def test_a_mac_may_be_written_in_any_of_the_usual_ways(written: str) -> None:
    (element,) = json.loads(annotated(spec(({**BLUE[0], "macAddress": written}, BLUE[1])))[names.NETWORKS_ANNOTATION])
    assert element["mac"] == "02:aa:00:00:00:01"


def test_the_mac_asked_for_outlives_the_vmi() -> None:
    wanted = spec(DEFAULT, BLUE)
    one = network_annotations(wanted, "farm", "vm1", "uid-1", {})
    two = network_annotations(wanted, "farm", "vm1", "uid-2", {})
    assert one == two


def test_the_pod_network_alone_needs_no_multus() -> None:
    bridge = ({"name": "default", "bridge": {}}, DEFAULT[1])
    assert annotated(spec(bridge)) == {}
    assert annotated({"domain": {}}) == {}


def test_definitions_are_those_that_multus_is_asked_for() -> None:
    main = ({"name": "main", "bridge": {}}, {"name": "main", "multus": {"networkName": "main", "default": True}})
    away = ({**BLUE[0], "name": "away", "state": "absent"}, {**BLUE[1], "name": "away"})
    again = ({**BLUE[0], "name": "again"}, {**BLUE[1], "name": "again"})
    found = definitions(spec(main, BLUE, again, RED, away), "farm", {})
    assert found == (Key("farm", "blue-net"), Key("infra", "red-net"), Key("farm", "main"))
    assert definitions(spec(DEFAULT), "farm", {}) == ()


def test_a_default_network_of_multus_takes_the_place_of_the_pods() -> None:
    network = {"name": "default", "multus": {"networkName": "main", "default": True}}
    found = annotated(spec(({"name": "default", "bridge": {}}, network), BLUE))
    assert found[names.DEFAULT_NETWORK_ANNOTATION] == "farm/main"
    assert len(json.loads(found[names.NETWORKS_ANNOTATION])) == 1


def test_an_absent_interface_stays_as_long_as_the_guest_has_it() -> None:
    absent = ({**BLUE[0], "state": "absent"}, BLUE[1])
    assert names.NETWORKS_ANNOTATION not in annotated(spec(DEFAULT, absent))
    assert names.NETWORKS_ANNOTATION in annotated(spec(DEFAULT, absent), kept={"blue"})


def test_a_plugin_brings_a_network_of_its_own() -> None:
    pod = ({"name": "default", "binding": {"name": "fast"}}, {"name": "default", "pod": {}})
    plugins = {"fast": {"networkAttachmentDefinition": "plugins/fast-cni"}}
    found = annotated(spec(pod), plugins=plugins)
    assert json.loads(found[names.NETWORKS_ANNOTATION]) == [
        {"name": "fast-cni", "namespace": "plugins", "cni-args": {"logicNetworkName": "default"}}
    ]


@pytest.mark.parametrize("binding", [{"bridge": {}}, {"binding": {"name": "managed"}}])
def test_multus_is_asked_for_the_mac_that_the_guest_has(binding: dict[str, Any]) -> None:
    """Networks that filter addresses let no other through."""
    plugins = {"managed": {"domainAttachmentType": "managedTap"}}
    given = spec(({"name": "blue", **binding}, BLUE[1]))
    (element,) = json.loads(annotated(given, plugins=plugins)[names.NETWORKS_ANNOTATION])
    link = LinkFacts(name=element["interface"], mac="02:01:02:03:04:05", mtu=1500)
    planned = plan_links(given, (link,), ResolvFacts(), namespace="farm", name="vm1", uid="uid-1", plugins=plugins)
    assert element.get("mac") == planned.interfaces[0].mac


def test_only_links_that_multus_has_finished_count() -> None:
    report = json.dumps([{"name": "pods", "interface": "eth0"}, {"name": "farm/blue", "interface": "podx"}])
    assert attached_links({names.NETWORK_STATUS_ANNOTATION: report}) == {"eth0", "podx"}
    for nonsense in ("", "{", "{}", "[1]", "[" * 100_000):
        assert attached_links({names.NETWORK_STATUS_ANNOTATION: nonsense}) == frozenset()
    assert attached_links({}) == frozenset()


@pytest.mark.parametrize("asked", ["", "{", "1", "[1]", "storage", '[{"interface": []}]', '[{"interface": "x"}]'])
def test_a_link_arrives_for_the_network_that_was_asked_for(asked: str) -> None:
    wanted = spec(DEFAULT, BLUE)
    (element,) = json.loads(annotated(wanted)[names.NETWORKS_ANNOTATION])
    pod = {names.NETWORK_STATUS_ANNOTATION: json.dumps([{"interface": "eth0"}, {"interface": element["interface"]}])}
    assert arrived_links(wanted, "farm", pod | annotated(wanted)) == {element["interface"]}
    assert arrived_links(wanted, "barn", pod | annotated(wanted)) == frozenset()
    assert arrived_links(wanted, "farm", annotated(wanted)) == frozenset()
    assert arrived_links(wanted, "farm", pod | {names.NETWORKS_ANNOTATION: asked}) == frozenset()


def test_a_mesh_is_told_of_the_guests_bridge() -> None:
    found = annotated(spec(DEFAULT))
    assert found == {names.ISTIO_INTERFACES_ANNOTATION: "k6t-eth0", names.ISTIO_REROUTE_ANNOTATION: "k6t-eth0"}
    assert in_mesh({names.ISTIO_INJECT_ANNOTATION: "true"})
    assert not in_mesh({names.ISTIO_INJECT_ANNOTATION: "false"})
    assert not in_mesh({})
