"""P2: from `create` to VMI Running, minus what a plain pod of the same image needs; and the time line by stage."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

from e2e import machines
from e2e.console import console
from e2e.kubectl import Namespace, run, status

ROUNDS = 5


def measure(namespace: Namespace) -> Iterator[str]:
    """Medians over a few rounds, VM and plain pod in turn so that both see the same machine."""
    pods, vms, direct = [], [], []
    for number in range(ROUNDS):
        pods.append(_timed(namespace, "pod", plain_pod(f"plain-{number}"), _pod_running))
        vms.append(_timed(namespace, "vmi", machines.vm(f"start-{number}"), _vmi_running))
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


def _timed(namespace: Namespace, kind: str, document: dict[str, Any], done: Callable[[dict[str, Any]], bool]) -> float:
    """Seconds from the create call's return until a watch shows the wanted state."""
    name = document["metadata"]["name"]
    command = ["kubectl", "-n", namespace.name, "get", kind, "--watch", "--output-watch-events", "-o", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        time.sleep(0.7)  # let the watch connect; the clock starts below
        started = time.monotonic()
        namespace.apply(document)
        try:
            for event in _documents(watch.stdout):
                found = event["object"]
                if found["metadata"]["name"] == name and done(found):
                    return time.monotonic() - started
        finally:
            watch.terminate()
    raise AssertionError(f"{kind} {name} did not start")


def _documents(lines: Any) -> Iterator[dict[str, Any]]:
    """kubectl prints indented JSON; an object ends with a line that is a closing brace."""
    gathered: list[str] = []
    for line in lines:
        gathered.append(line)
        if line.rstrip("\n") == "}":
            yield json.loads("".join(gathered))
            gathered = []


def _pod_running(pod: dict[str, Any]) -> bool:
    return status(pod, "phase") == "Running"


def _vmi_running(vmi: dict[str, Any]) -> bool:
    return status(vmi, "phase") == "Running"


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
