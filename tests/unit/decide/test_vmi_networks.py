"""How a running pod's annotation follows the networks of its VMI."""

from __future__ import annotations

import json
from typing import Any

from kubevirt_py.api import names
from kubevirt_py.decide.vmi import decide
from kubevirt_py.plan import MergePatch, Plan
from tests.unit.decide.scene import pod, vmi, vmi_snapshot

BLUE = {"name": "blue", "multus": {"networkName": "blue-net"}}
ELEMENT = "pod16477688c0e"


def running(interfaces: list[dict[str, Any]], reported: list[str], **meta: Any) -> dict[str, Any]:
    spec = {"domain": {"devices": {"interfaces": interfaces}}, "networks": [BLUE] if interfaces else []}
    return vmi("Running", spec=spec, interfaces=[{"name": name} for name in reported], meta=meta)


def asked(plan: Plan) -> list[Any]:
    return [
        action.body["metadata"]["annotations"][names.NETWORKS_ANNOTATION]
        for action in plan.do
        if isinstance(action, MergePatch)
    ]


def test_a_new_network_is_asked_for_once() -> None:
    machine = running([{"name": "blue", "bridge": {}}], [])
    (value,) = asked(decide(vmi_snapshot(machine, pod())))
    assert [element["interface"] for element in json.loads(value)] == [ELEMENT]
    has_it = pod(meta={"annotations": {names.NETWORKS_ANNOTATION: value}})
    assert asked(decide(vmi_snapshot(machine, has_it))) == []


def test_a_network_goes_when_the_guest_has_let_go_of_it() -> None:
    interface = {"name": "blue", "bridge": {}}
    (value,) = asked(decide(vmi_snapshot(running([interface], []), pod())))
    has_it = pod(meta={"annotations": {names.NETWORKS_ANNOTATION: value}})
    absent = [{**interface, "state": "absent"}]
    assert asked(decide(vmi_snapshot(running(absent, ["blue"]), has_it))) == []
    assert asked(decide(vmi_snapshot(running(absent, []), has_it))) == [None]


def test_a_network_that_takes_anothers_place_waits_until_multus_has_taken_its_link() -> None:
    """Multus might see only that the pod has a link of this name, and leave the guest where it was."""
    moved = running([{"name": "blue", "bridge": {}}], [])
    moved["spec"]["networks"] = [{"name": "blue", "multus": {"networkName": "green-net"}}]
    (old,) = asked(decide(vmi_snapshot(running([{"name": "blue", "bridge": {}}], []), pod())))
    report = {names.NETWORK_STATUS_ANNOTATION: json.dumps([{"name": "default/blue-net", "interface": ELEMENT}])}
    has_old = pod(meta={"annotations": {names.NETWORKS_ANNOTATION: old, **report}})
    assert asked(decide(vmi_snapshot(moved, has_old))) == [None]
    assert asked(decide(vmi_snapshot(moved, pod(meta={"annotations": report})))) == []
    (value,) = asked(decide(vmi_snapshot(moved, pod())))
    assert [element["name"] for element in json.loads(value)] == ["green-net"]
    has_it = pod(meta={"annotations": {names.NETWORKS_ANNOTATION: value, **report}})
    assert asked(decide(vmi_snapshot(moved, has_it))) == []


def test_what_the_pod_has_already_stays_as_it_is_written() -> None:
    """Another release may ask in other words: Multus is not to attach the network anew for that."""
    machine = running([{"name": "blue", "bridge": {}}], [])
    (value,) = asked(decide(vmi_snapshot(machine, pod())))
    (element,) = json.loads(value)
    other = json.dumps([{**element, "mac": "02:00:00:00:00:01"}], separators=(",", ":"))
    assert asked(decide(vmi_snapshot(machine, pod(meta={"annotations": {names.NETWORKS_ANNOTATION: other}})))) == []


def test_what_a_user_asked_of_multus_stays() -> None:
    own = {"annotations": {names.NETWORKS_ANNOTATION: "storage"}}
    assert asked(decide(vmi_snapshot(running([], [], **own), pod(meta=own)))) == []
