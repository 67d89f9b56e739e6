"""qemu-pr-helper beside the node agent: there only on request, and with no more than it needs."""

from __future__ import annotations

from kubevirt_py.api import names
from kubevirt_py.plan import Document
from kubevirt_py.render.install.installation import Installation
from kubevirt_py.render.install.workloads import virt_handler

WANTED = {"configuration": {"persistentReservationConfiguration": {"enabled": True}}}


def _installation(spec: Document) -> Installation:
    return Installation(
        namespace="kubevirt", version="v1", image="r/control:v1", launcher_image="r/launcher:v1", spec=spec
    )


def _pod(spec: Document) -> Document:
    pod: Document = virt_handler(_installation(spec))["spec"]["template"]["spec"]
    return pod


def test_without_the_setting_there_is_no_helper() -> None:
    assert [one["name"] for one in _pod({})["containers"]] == [names.VIRT_HANDLER]


def test_the_helper_can_talk_to_devices_and_nothing_else() -> None:
    agent, helper = _pod(WANTED)["containers"]
    assert helper["image"] == "r/launcher:v1"
    security = helper["securityContext"]
    assert not security.get("privileged") and not security["allowPrivilegeEscalation"]
    assert security["readOnlyRootFilesystem"]
    assert security["capabilities"] == {"drop": ["ALL"], "add": ["SETGID", "SETPCAP", "SETUID", "SYS_RAWIO"]}
    assert "--user 1007 --group 1007" in helper["command"][2]
    (mount,) = helper["volumeMounts"]
    (volume,) = [one for one in _pod(WANTED)["volumes"] if one["name"] == mount["name"]]
    assert volume["hostPath"]["path"] == f"{names.AGENT_DIR}/reservations"
    assert mount["name"] not in [one["name"] for one in agent["volumeMounts"]]


def test_the_setting_rolls_the_node_agents() -> None:
    assert _installation(WANTED).deployment_id != _installation({}).deployment_id
