"""containerPath volumes: which mount of a pod stands at a path, what is never shared, and the servers that follow."""

from __future__ import annotations

from typing import Any

import jsonpatch
import pytest

from kubevirt_py.plan import Document
from kubevirt_py.render import container_paths
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.launcher_pod import launcher_pod

TOKENS = "/var/run/secrets/cloud"
SPEC: Document = {
    "domain": {"memory": {"guest": "64Mi"}, "devices": {"filesystems": [{"name": "tokens", "virtiofs": {}}]}},
    "volumes": [
        {"name": "tokens", "containerPath": {"path": TOKENS, "readOnly": True}},
        {"name": "seed", "cloudInitNoCloud": {"secretRef": {"name": "words"}}},
    ],
}


def pod(path: str = TOKENS, **annotations: str) -> Document:
    spec = SPEC | {"volumes": [{"name": "tokens", "containerPath": {"path": path}}, *SPEC["volumes"][1:]]}
    vmi = {"metadata": {"name": "a", "namespace": "b", "uid": "c", "annotations": annotations}, "spec": spec}
    return launcher_pod(vmi, ClusterConfig(), "launcher:1")


def injected(made: Document, volume: Document, path: str, **mount: Any) -> Document:
    """The pod as another webhook leaves it."""
    name = f"other-{len(made['spec']['volumes'])}"
    made["spec"]["volumes"].append({"name": name, **volume})
    made["spec"]["containers"][0]["volumeMounts"].append({"name": name, "mountPath": path, **mount})
    return made


def shared(made: Document) -> dict[str, Document]:
    """What each server that virt-api adds sees, by the server's name."""
    patched = jsonpatch.apply_patch(made, list(container_paths.patch(made, ClusterConfig())))
    there = {one["name"] for one in made["spec"].get("initContainers") or ()}
    return {
        one["name"]: next(mount for mount in one["volumeMounts"] if mount["name"] != "virtiofs-containers")
        for one in patched["spec"].get("initContainers") or ()
        if one["name"] not in there
    }


def test_the_server_gets_the_one_mount_that_others_made() -> None:
    made = injected(pod(), {"projected": {"sources": []}}, TOKENS)
    (added,) = container_paths.servers(made, ClusterConfig())
    assert added["volumeMounts"] == [
        {"name": "virtiofs-containers", "mountPath": "/var/run/kubevirt/virtiofs-containers"},
        {"name": made["spec"]["volumes"][-1]["name"], "mountPath": "/virtiofs-data/tokens", "readOnly": True},
    ]
    assert added["image"] == "launcher:1"
    assert added["command"][-1] == "/virtiofs-data/tokens"
    assert added["securityContext"]["runAsNonRoot"] and added["restartPolicy"] == "Always"


def test_it_comes_after_containers_that_fill_the_volume_and_only_once() -> None:
    made = injected(pod(), {"emptyDir": {}}, TOKENS)
    made["spec"]["initContainers"] = [{"name": "filler"}]
    patched = jsonpatch.apply_patch(made, list(container_paths.patch(made, ClusterConfig())))
    assert [one["name"] for one in patched["spec"]["initContainers"]] == ["filler", "virtiofs-tokens"]
    assert container_paths.patch(patched, ClusterConfig()) == ()


@pytest.mark.parametrize(
    ("mounted", "sub_path", "wanted", "found"),
    [
        (TOKENS, "", TOKENS, ""),
        (TOKENS + "/", "", TOKENS, ""),
        (TOKENS, "", TOKENS + "/", ""),
        ("/var/run/secrets", "", TOKENS, "cloud"),
        ("/opt", "one/two", "/opt/three/four", "one/two/three/four"),
        ("/opt", "one", "/opt", "one"),
    ],
)
def test_a_path_below_a_mount_is_shared_alone(mounted: str, sub_path: str, wanted: str, found: str) -> None:
    extra = {"subPath": sub_path} if sub_path else {}
    made = injected(pod(wanted), {"secret": {"secretName": "s"}}, mounted, **extra)
    assert shared(made)["virtiofs-tokens"].get("subPath", "") == found


def test_the_innermost_mount_counts() -> None:
    made = injected(pod(), {"configMap": {"name": "outer"}}, "/var/run/secrets")
    made = injected(made, {"configMap": {"name": "inner"}}, TOKENS)
    assert shared(made)["virtiofs-tokens"]["name"] == made["spec"]["volumes"][-1]["name"]


@pytest.mark.parametrize("kind", ["persistentVolumeClaim", "hostPath", "csi", "image", "nfs"])
def test_other_kinds_of_volumes_are_not_shared(kind: str) -> None:
    assert shared(injected(pod(), {kind: {}}, TOKENS)) == {}


@pytest.mark.parametrize("mounted", ["/var/run/secrets/cloudy", "/var/run/secrets/cloud/inner", "/var/run/secrets/clo"])
def test_a_mount_beside_or_below_the_path_covers_nothing(mounted: str) -> None:
    assert shared(injected(pod(), {"emptyDir": {}}, mounted)) == {}


@pytest.mark.parametrize(
    "path",
    [
        "/var/run/kubevirt-private/secret/seed",
        "/var/run/kubevirt-private",
        "/run/kubevirt-private/secret/seed",
        "/var/run/kubevirt-ephemeral-disks/cloud-init-data",
        "/var/run/kubevirt/virtiofs-containers",
        "/run/kubevirt-agent",
        "/var/run/secrets/../kubevirt-private/secret/seed",
        "/var/run/./kubevirt-private",
        "/var//run/kubevirt-private",
        "/",
        "",
        "var/run/kubevirt-private",
        "/var/run/kubevirt-private\0",
    ],
)
def test_nothing_of_the_machines_own_is_shared(path: str) -> None:
    """Even by a pod that admission of the VMI would never have let come to be."""
    assert shared(pod(path)) == {}


def test_a_volume_of_ours_is_not_shared_from_another_place() -> None:
    made = pod("/opt/words")
    made["spec"]["containers"][0]["volumeMounts"].append({"name": "seed-udata", "mountPath": "/opt/words"})
    assert shared(made) == {}


def test_an_expression_of_another_container_means_nothing_here() -> None:
    assert shared(injected(pod(), {"emptyDir": {}}, TOKENS, subPathExpr="$(POD_NAME)")) == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tokens": 1}', "null"])
def test_a_note_that_makes_no_sense_is_nothing(text: str) -> None:
    made = injected(pod(), {"emptyDir": {}}, TOKENS)
    made["metadata"]["annotations"]["kubevirt.io/container-paths"] = text
    assert container_paths.patch(made, ClusterConfig()) == ()


def test_only_the_spec_makes_the_note() -> None:
    made = pod(**{"kubevirt.io/container-paths": '{"mine": "/etc"}'})
    assert made["metadata"]["annotations"]["kubevirt.io/container-paths"] == f'{{"tokens":"{TOKENS}"}}'
    plain = {"metadata": {"name": "a", "namespace": "b", "uid": "c"}, "spec": {"domain": {"memory": {"guest": "64Mi"}}}}
    plain["metadata"]["annotations"] = {"kubevirt.io/container-paths": "{}"}  # type: ignore[index]
    made = launcher_pod(plain, ClusterConfig(), "launcher:1")
    assert "kubevirt.io/container-paths" not in made["metadata"]["annotations"]


def test_what_a_pod_lacks_is_told_by_volume() -> None:
    assert container_paths.missing(SPEC, ["virtiofs-other"]) == {"tokens": TOKENS}
    assert container_paths.missing(SPEC, ["virtiofs-tokens"]) == {}
    assert container_paths.missing({"domain": {"devices": {}}}, []) == {}
