"""Verbs: what is asked of the server, what is said to the user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.virtctl.clusterlab import SUBRESOURCES, Cluster, status
from tests.unit.virtctl.conftest import Shell

VM = f"{SUBRESOURCES}/namespaces/work/virtualmachines/vm1"
VMI = f"{SUBRESOURCES}/namespaces/work/virtualmachineinstances/vm1"
ALL = {"dryRun": ["All"]}

VERBS: list[tuple[str, str, dict[str, Any], str]] = [
    ("start vm1", f"{VM}/start", {}, "VM vm1 was scheduled to start\n"),
    ("start vm1 --paused", f"{VM}/start", {"paused": True}, "VM vm1 was scheduled to start\n"),
    ("start vm1 --dry-run", f"{VM}/start", ALL, "Dry Run execution\nVM vm1 was scheduled to start\n"),
    ("stop vm1", f"{VM}/stop", {}, "VM vm1 was scheduled to stop\n"),
    ("stop vm1 --force --grace-period 0", f"{VM}/stop", {"gracePeriod": 0}, "VM vm1 was scheduled to stop\n"),
    ("stop vm1 --force --grace-period=9 --dry-run", f"{VM}/stop", {"gracePeriod": 9, **ALL}, "Dry Run execution\n"),
    ("stop vm1 --force=false", f"{VM}/stop", {}, "VM vm1 was scheduled to stop\n"),
    ("restart vm1", f"{VM}/restart", {}, "VM vm1 was scheduled to restart\n"),
    ("restart vm1 --force=true --grace-period=0", f"{VM}/restart", {"gracePeriodSeconds": 0}, "VM vm1 was scheduled"),
    ("pause vm vm1", f"{VMI}/pause", {}, "VMI vm1 was scheduled to pause\n"),
    ("pause vmi vm1 --dry-run", f"{VMI}/pause", ALL, "Dry Run execution\nVMI vm1 was scheduled to pause\n"),
    ("unpause virtualmachine vm1", f"{VMI}/unpause", {}, "VMI vm1 was scheduled to unpause\n"),
    ("soft-reboot vm1", f"{VMI}/softreboot", {}, "VMI vm1 was scheduled to soft reboot\n"),
    ("reset vm1", f"{VMI}/reset", {}, "VMI vm1 was scheduled to reset\n"),
]


@pytest.mark.parametrize(("line", "path", "body", "said"), VERBS, ids=[verb[0] for verb in VERBS])
def test_verbs(cluster: Cluster, virtctl: Shell, line: str, path: str, body: dict[str, Any], said: str) -> None:
    code, out, err = virtctl(*line.split())
    assert (code, err) == (0, "")
    assert out.startswith(said)
    assert cluster.calls() == [(path, body)]
    assert cluster.requests[0].method == "PUT"


@pytest.mark.parametrize(
    "line",
    ["start vm1 -n other", "-n other start vm1", "--namespace=other start vm1", "start vm1 --namespace other"],
)
def test_global_flags_stand_anywhere(cluster: Cluster, virtctl: Shell, line: str) -> None:
    assert virtctl(*line.split())[0] == 0
    assert cluster.calls()[0][0] == f"{SUBRESOURCES}/namespaces/other/virtualmachines/vm1/start"


def _headers(cluster: Cluster, *wanted: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in cluster.requests[-1].headers if name in wanted]


WHO = ("Authorization", "Impersonate-User", "Impersonate-Group")


def test_a_token_and_another_user_may_be_chosen(cluster: Cluster, virtctl: Shell) -> None:
    assert virtctl("start", "vm1")[0] == 0
    assert _headers(cluster, *WHO) == [("Authorization", "Bearer t")]
    assert virtctl("--token=mine", "start", "vm1", "--as=ann", "--as-group=dev", "--as-group", "ops")[0] == 0
    assert _headers(cluster, *WHO) == [
        ("Authorization", "Bearer mine"),
        ("Impersonate-User", "ann"),
        ("Impersonate-Group", "dev"),
        ("Impersonate-Group", "ops"),
    ]


def test_a_server_needs_no_kubeconfig(
    cluster: Cluster, virtctl: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads(Path(cluster.kubeconfig).read_text())
    server = config["clusters"][0]["cluster"]["server"]
    config["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:1"
    Path(cluster.kubeconfig).write_text(json.dumps(config))
    assert virtctl("start", "vm1", "--server", server)[0] == 0
    assert cluster.calls()[-1][0] == f"{VM}/start"
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    assert virtctl("start", "vm1", "-s", server, "--token", "t2")[0] == 0
    assert cluster.calls()[-1][0] == f"{SUBRESOURCES}/namespaces/default/virtualmachines/vm1/start"
    assert _headers(cluster, *WHO) == [("Authorization", "Bearer t2")]


@pytest.mark.parametrize(
    "line",
    [
        "stop vm1 --force",
        "stop vm1 --grace-period 3",
        "restart vm1 --force",
        "pause pod vm1",
        "start",
        "stat vm1",
        "port-forward vm1 22",
        "port-forward vm/vm1 http",
        "port-forward vm/vm1 sctp/22",
        "port-forward vm/vm1 70000",
        "port-forward --stdio vm/vm1 22 23",
        "ssh root@vm1",
        "ssh @vm/vm1",
        "scp a b",
        "vnc vm1 --address 0.0.0.0",
        "expose vm vm1",
    ],
)
def test_wrong_usage_asks_nothing(cluster: Cluster, virtctl: Shell, line: str) -> None:
    code, _, err = virtctl(*line.split())
    assert code == 2
    assert "Error: " in err
    assert cluster.requests == []


def test_a_refusal_is_one_line_with_the_servers_reason(cluster: Cluster, virtctl: Shell) -> None:
    reason = 'Operation cannot be fulfilled on virtualmachine.kubevirt.io "vm1": VM is not running'
    cluster.answer("PUT", f"{VM}/stop", *status(409, "Conflict", reason))
    code, out, err = virtctl("stop", "vm1")
    assert (code, out, err) == (1, "", f"Error stopping VirtualMachine vm1: {reason}\n")


def test_another_version_of_the_server_is_mentioned(cluster: Cluster, virtctl: Shell) -> None:
    cluster.answer("PUT", f"{VM}/start", *status(404, "NotFound", "not found"))
    cluster.answer("GET", f"{SUBRESOURCES}/version", 200, {"gitVersion": "v1.8.2"})
    _, _, err = virtctl("start", "vm1")
    assert "different from the KubeVirt version" in err
    assert "Server Version: v1.8.2" in err


def test_no_cluster_and_no_kubeconfig(tmp_path: Path, virtctl: Shell, cluster: Cluster) -> None:
    config = json.loads(Path(cluster.kubeconfig).read_text())
    config["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:1"
    broken = tmp_path / "broken"
    broken.write_text(json.dumps(config))
    code, _, err = virtctl("start", "vm1", "--kubeconfig", str(broken))
    assert code == 1
    assert "cannot reach the cluster" in err
    code, _, err = virtctl("start", "vm1", "--kubeconfig", str(tmp_path / "nowhere"))
    assert (code, len(err.splitlines())) == (1, 1)
    assert "there is no kubeconfig at" in err
    code, _, err = virtctl("start", "vm1", "--context", "nowhere")
    assert code == 1
    assert "Error reading kubeconfig" in err


@pytest.mark.parametrize(
    ("verb", "path"), [("guestosinfo", "guestosinfo"), ("userlist", "userlist"), ("fslist", "filesystemlist")]
)
def test_guest_information_is_json(cluster: Cluster, virtctl: Shell, verb: str, path: str) -> None:
    cluster.answer("GET", f"{VMI}/{path}", 200, {"items": [{"name": "root"}]})
    code, out, _ = virtctl(verb, "vm1")
    assert (code, json.loads(out)) == (0, {"items": [{"name": "root"}]})


def test_versions(cluster: Cluster, virtctl: Shell) -> None:
    code, out, _ = virtctl("version")
    client, server = out.splitlines()
    assert code == 0
    assert client.startswith('Client Version: version.Info{GitVersion:"v0.')
    assert server.startswith('Server Version: version.Info{GitVersion:"v0.1.7"')
    cluster.requests.clear()
    assert virtctl("version", "--client")[1].splitlines() == [client]
    assert cluster.requests == []


def test_a_screenshot_is_refused_in_the_servers_words(cluster: Cluster, virtctl: Shell, tmp_path: Path) -> None:
    words = "virtualmachineinstances/vnc/screenshot is not available in this version: it needs screenshots"
    cluster.answer("GET", f"{VMI}/vnc/screenshot", *status(501, "NotImplemented", words))
    picture = tmp_path / "screen.png"
    code, _, err = virtctl("vnc", "screenshot", "vm1", "-f", str(picture))
    assert code == 1
    assert words in err
    assert not picture.exists()


def test_requests_are_shown_on_demand(cluster: Cluster, virtctl: Shell) -> None:
    _, _, err = virtctl("start", "vm1", "-v", "6")
    assert err.startswith("PUT ")
