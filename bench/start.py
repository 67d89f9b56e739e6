"""P2: from `create` to VMI Running, minus what a plain pod of the same image needs; and the time line by stage."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Iterator
from typing import Any

from e2e import machines
from e2e.console import console
from e2e.kubectl import Namespace, run, status

ROUNDS = 5


def measure(namespace: Namespace) -> Iterator[str]:
    """Medians over a few rounds, VM and plain pod in turn so that both see the same machine."""
    pods, vms, direct = [], [], []
    for number in range(ROUNDS):
        pods.append(_timed(namespace, "pod", plain_pod(f"plain-{number}")))
        vms.append(_timed(namespace, "vmi", machines.vm(f"start-{number}")))
        direct.append(vms[-1] - pods[-1])
        namespace.kubectl("delete", "vm", f"start-{number}", "--timeout=120s")
        namespace.kubectl("delete", "pod", f"plain-{number}", "--grace-period=0", "--force")
    yield f"plain pod, create to Running: median {statistics.median(pods):.2f} s of {_row(pods)}"
    yield f"VM, create to VMI Running:    median {statistics.median(vms):.2f} s of {_row(vms)}"
    yield f"P2 difference: median {statistics.median(direct):.2f} s (target 0.5)"
    yield from _timeline(namespace)


def plain_pod(name: str) -> dict[str, Any]:
    """A pod of the launcher image that only sleeps."""
    text = run("kubectl", "-n", "kubevirt", "get", "deployment", "virt-controller", "-o", "json")
    environment = json.loads(text)["spec"]["template"]["spec"]["containers"][0]["env"]
    image = next(one["value"] for one in environment if one["name"] == "LAUNCHER_IMAGE")
    container = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "600"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }


def _timed(namespace: Namespace, kind: str, document: dict[str, Any]) -> float:
    """Seconds from `kubectl apply` until a watch that is already open shows phase Running."""
    name = document["metadata"]["name"]
    line = '{.metadata.name} {.status.phase}{"\\n"}'
    command = ["kubectl", "-n", namespace.name, "get", kind, "--watch", "-o", f"jsonpath={line}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        time.sleep(1.0)  # let the watch connect; the clock starts below
        started = time.monotonic()
        namespace.apply(document)
        try:
            for seen in watch.stdout:
                if seen.split() == [name, "Running"]:
                    return time.monotonic() - started
        finally:
            watch.terminate()
    raise AssertionError(f"{kind} {name} did not start")


def _timeline(namespace: Namespace) -> Iterator[str]:
    """From apply to the login prompt of one VM, by what each stage leaves in the API and on the console."""
    started = time.monotonic()
    namespace.apply(machines.vm("timeline"))
    yield f"time line: apply returned after {time.monotonic() - started:.2f} s"
    vmi = namespace.until_phase("timeline", "Running")
    yield f"time line: VMI Running seen after {time.monotonic() - started:.2f} s"
    with console(namespace.name, "timeline") as guest:
        guest.send("\n")
        guest.expect("login: ", 120)
    yield f"time line: login prompt after {time.monotonic() - started:.2f} s"
    created = vmi["metadata"]["creationTimestamp"]
    for entry in status(vmi, "phaseTransitionTimestamps") or []:
        yield f"time line: {entry['phase']:10} at {entry['phaseTransitionTimestamp']} (VMI created {created})"
    namespace.kubectl("delete", "vm", "timeline", "--timeout=120s")


def _row(values: list[float]) -> str:
    return " ".join(f"{value:.2f}" for value in values)
