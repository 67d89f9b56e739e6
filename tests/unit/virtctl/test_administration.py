"""adm, permitted-devices, expand, migrate, migrate-cancel, evacuate-cancel."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubevirt_py.virtctl.adm import check_levels, shown_levels, verbosity_patch
from tests.unit.virtctl.clusterlab import SUBRESOURCES, VMI_PATH, Cluster, status
from tests.unit.virtctl.conftest import Shell

KUBEVIRTS = "/apis/kubevirt.io/v1/kubevirts"
CR = "/apis/kubevirt.io/v1/namespaces/kubevirt/kubevirts/kubevirt"
MIGRATIONS = "/apis/kubevirt.io/v1/namespaces/work/virtualmachineinstancemigrations"
VM = f"{SUBRESOURCES}/namespaces/work/virtualmachines/vm1"
EXPAND = f"{SUBRESOURCES}/namespaces/work/expand-vm-spec"
DOCUMENT = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": {"name": "vm1"}, "spec": {"a": 1}}


def _kubevirt(**verbosity: int) -> dict[str, Any]:
    developer = {"developerConfiguration": {"logVerbosity": verbosity}} if verbosity else {}
    return {"metadata": {"namespace": "kubevirt", "name": "kubevirt"}, "spec": {"configuration": developer}}


def _patched(levels: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"configuration": {"developerConfiguration": {"logVerbosity": levels}}}}


@pytest.mark.parametrize(
    ("flags", "levels", "said"),
    [
        (["--virt-handler=7"], {"virtHandler": 7}, "successfully set the verbosity of the KubeVirt component(s)\n"),
        (
            ["--all=3", "--virt-api=0"],
            {"virtAPI": 0, "virtController": 3, "virtHandler": 3, "virtLauncher": 3, "virtOperator": 3},
            "successfully set the verbosity of the KubeVirt component(s)\n",
        ),
        (
            ["--reset"],
            {"virtAPI": None},
            "successfully reset the verbosity of all KubeVirt components to default (2)\n",
        ),
        (
            ["--reset", "--virt-handler=7"],
            {"virtAPI": None, "virtHandler": 7},
            (
                "successfully reset the verbosity of all KubeVirt components to default (2)\n"
                "successfully set the verbosity of the KubeVirt component(s)\n"
            ),
        ),
    ],
)
def test_log_verbosity_is_set(
    cluster: Cluster, virtctl: Shell, flags: list[str], levels: dict[str, Any], said: str
) -> None:
    cluster.answer("GET", KUBEVIRTS, 200, {"metadata": {}, "items": [_kubevirt(virtAPI=5)]})
    assert virtctl("adm", "log-verbosity", *flags) == (0, said, "")
    assert cluster.calls("PATCH") == [(CR, _patched(levels))]


def test_log_verbosity_is_shown(cluster: Cluster, virtctl: Shell) -> None:
    cluster.answer("GET", KUBEVIRTS, 200, {"metadata": {}, "items": [_kubevirt(virtHandler=7)]})
    said = "virt-api = 2\nvirt-controller = 2\nvirt-handler = 7\nvirt-launcher = 2\nvirt-operator = 2\n"
    assert virtctl("adm", "log-verbosity", "--all") == (0, said, "")
    assert virtctl("adm", "log-verbosity", "--virt-launcher", "--virt-handler")[1] == (
        "virt-handler = 7\nvirt-launcher = 2\n"
    )
    assert cluster.calls("PATCH") == []


def test_levels_of_components() -> None:
    assert check_levels({"virt-api": "show"}) is None
    assert check_levels({"virt-api": "9"}) == {"virt-api": 9}
    assert check_levels({}) == {}
    assert shown_levels({"virtAPI": 0}, {"virt-api": "show"}) == ["virt-api = 0"]
    assert verbosity_patch({"virtAPI": 4}, {"virt-api": 1}, reset=True) == _patched({"virtAPI": 1})


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        ([], "no flag specified - expecting at least one flag"),
        (["--virt-api", "--virt-handler=3"], "only show or set is allowed"),
        (["--reset", "--all"], "only show or set is allowed"),
        (["--virt-api=10"], "virt-api: log verbosity must be 0-9"),
        (["--all=x"], "all: log verbosity must be 0-9"),
    ],
)
def test_log_verbosity_refuses(cluster: Cluster, virtctl: Shell, flags: list[str], why: str) -> None:
    code, _, err = virtctl("adm", "log-verbosity", *flags)
    assert (code, err) == (1, f"{why}\n")
    assert cluster.requests == []


@pytest.mark.parametrize(
    ("items", "why"),
    [
        ([], "could not detect a KubeVirt installation\n"),
        ([_kubevirt()] * 2, "invalid kubevirt installation, more than one KubeVirt resource found\n"),
    ],
)
def test_log_verbosity_needs_one_installation(
    cluster: Cluster, virtctl: Shell, items: list[dict[str, Any]], why: str
) -> None:
    cluster.answer("GET", KUBEVIRTS, 200, {"metadata": {}, "items": items})
    assert virtctl("adm", "log-verbosity", "--all") == (1, "", why)


def test_permitted_devices(cluster: Cluster, virtctl: Shell) -> None:
    devices = {
        "pciHostDevices": [{"resourceName": "intel.com/qat"}, {"resourceName": "nvidia.com/gpu"}],
        "mediatedDevices": [{"resourceName": "nvidia.com/vgpu"}],
    }
    kubevirt = {"metadata": {}, "spec": {"configuration": {"permittedHostDevices": devices}}}
    path = "/apis/kubevirt.io/v1/namespaces/kubevirt/kubevirts"
    cluster.answer("GET", path, 200, {"metadata": {}, "items": [kubevirt]})
    code, out, _ = virtctl("permitted-devices", "-n", "kubevirt")
    assert code == 0
    assert out == (
        "Permitted Devices: \nHost Devices: \nintel.com/qat, nvidia.com/gpu \nGPU Devices: \nnvidia.com/vgpu\n"
    )
    cluster.answer("GET", path.replace("/kubevirt/", "/work/"), 200, {"metadata": {}, "items": []})
    code, _, err = virtctl("permitted-devices")
    assert code == 1
    assert err.startswith('No KubeVirt resource in "work" namespace')


def test_expand_a_stored_machine(cluster: Cluster, virtctl: Shell) -> None:
    cluster.answer("GET", f"{VM}/expand-spec", 200, DOCUMENT)
    code, out, _ = virtctl("expand", "--vm", "vm1")
    assert (code, yaml.safe_load(out)) == (0, DOCUMENT)
    code, out, _ = virtctl("expand", "--vm", "vm1", "-o", "json")
    assert (code, json.loads(out)) == (0, DOCUMENT)


def test_expand_a_file(cluster: Cluster, virtctl: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.answer("PUT", EXPAND, 200, DOCUMENT | {"spec": {"b": 2}})
    (tmp_path / "vm.yaml").write_text(yaml.safe_dump(DOCUMENT))
    code, out, _ = virtctl("expand", "--file", str(tmp_path / "vm.yaml"))
    assert (code, yaml.safe_load(out)["spec"]) == (0, {"b": 2})
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(DOCUMENT)))
    assert virtctl("expand", "-f", "-")[0] == 0
    assert cluster.calls("PUT") == [(EXPAND, DOCUMENT)] * 2


def test_expand_says_what_is_wrong(cluster: Cluster, virtctl: Shell, tmp_path: Path) -> None:
    assert "VirtualMachine name or file must be provided" in virtctl("expand")[2]
    assert virtctl("expand", "--vm", "a", "--file", "b")[0] == 2
    assert virtctl("expand", "--vm", "a", "-o", "xml")[0] == 2
    assert virtctl("expand", "--file", "/does/not/exist")[2].startswith("error reading file /does/not/exist")
    (tmp_path / "bad").write_text("a: [")
    assert virtctl("expand", "--file", str(tmp_path / "bad"))[2].startswith("error decoding VirtualMachine")
    (tmp_path / "list").write_text("[]")
    assert "holds no object" in virtctl("expand", "--file", str(tmp_path / "list"))[2]
    assert cluster.requests == []
    reason = "spec.instancetype cannot be expanded"
    cluster.answer("GET", f"{VM}/expand-spec", *status(501, "NotImplemented", reason))
    assert virtctl("expand", "--vm", "vm1") == (1, "", f"Error expanding VirtualMachine vm1: {reason}\n")


@pytest.mark.parametrize(
    ("flags", "body"),
    [
        ([], {}),
        (["--dry-run"], {"dryRun": ["All"]}),
        (["--addedNodeSelector=zone=a,disk="], {"addedNodeSelector": {"zone": "a", "disk": ""}}),
    ],
)
def test_migrate(cluster: Cluster, virtctl: Shell, flags: list[str], body: dict[str, Any]) -> None:
    code, out, _ = virtctl("migrate", "vm1", *flags)
    assert (code, out.splitlines()[-1]) == (0, "VM vm1 was scheduled to migrate")
    assert cluster.calls() == [(f"{VM}/migrate", body)]


def test_migrate_is_refused_in_the_servers_words(cluster: Cluster, virtctl: Shell) -> None:
    words = "virtualmachines/migrate is not available in this version: it needs live migration"
    cluster.answer("PUT", f"{VM}/migrate", *status(501, "NotImplemented", words))
    assert virtctl("migrate", "vm1") == (1, "", f"Error migrating VirtualMachine vm1: {words}\n")
    assert virtctl("migrate", "vm1", "--addedNodeSelector=zone")[0] == 2


def _migration(name: str, vmi: str, phase: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"vmiName": vmi}, "status": {"phase": phase}}


@pytest.mark.parametrize(("flags", "options"), [([], {}), (["--dry-run"], {"dryRun": ["All"]})])
def test_the_migration_under_way_is_cancelled(
    cluster: Cluster, virtctl: Shell, flags: list[str], options: dict[str, Any]
) -> None:
    items = [_migration("old", "vm1", "Failed"), _migration("other", "vm2", "Running"), _migration("it", "vm1", "")]
    cluster.answer("GET", MIGRATIONS, 200, {"metadata": {}, "items": items})
    code, out, _ = virtctl("migrate-cancel", "vm1", *flags)
    assert (code, out.splitlines()[-1]) == (0, "VM vm1 was scheduled to migrate-cancel")
    assert cluster.calls("DELETE") == [(f"{MIGRATIONS}/it", {"apiVersion": "v1", "kind": "DeleteOptions", **options})]


def test_no_migration_to_cancel(cluster: Cluster, virtctl: Shell) -> None:
    cluster.answer("GET", MIGRATIONS, 200, {"metadata": {}, "items": [_migration("a", "vm1", "Succeeded")]})
    assert virtctl("migrate-cancel", "vm1") == (1, "", "Found no migration to cancel for vm1\n")
    assert cluster.calls("DELETE") == []


@pytest.mark.parametrize(("kind", "plural"), [("vm", "virtualmachines"), ("vmi", "virtualmachineinstances")])
def test_evacuate_cancel(cluster: Cluster, virtctl: Shell, kind: str, plural: str) -> None:
    cluster.answer("GET", VMI_PATH, 200, {"metadata": {"name": "vm1"}, "status": {"nodeName": "node1"}})
    code, out, _ = virtctl("evacuate-cancel", kind, "vm1")
    assert (code, out) == (0, f"{kind.upper()} work/vm1 was canceled evacuation\n")
    path = f"{SUBRESOURCES}/namespaces/work/{plural}/vm1/evacuate/cancel"
    assert cluster.calls("PUT") == [(path, {"evacuationNodeName": "node1"})]
    assert virtctl("evacuate-cancel", "pod", "vm1")[0] == 2
