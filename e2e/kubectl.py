"""kubectl and virtctl as a user types them, with deadlines and readable failures."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import yaml

from e2e.watching import Watch

Document = dict[str, Any]
VIRTCTL = (sys.executable, "-m", "kubevirt_py", "virtctl")
AGAIN_S = 2.0
"""How long nothing is heard of an object before it is looked at again."""


class Failed(AssertionError):
    """A command exited with an error; carries what it printed."""


def run(*command: str, stdin: str | None = None, timeout_s: float = 120, check: bool = True) -> str:
    """Run a command and return its standard output. Raises Failed with its error output."""
    done = subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=timeout_s)
    if check and done.returncode:
        raise Failed(f"{' '.join(command)}\nexit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Namespace:
    """A namespace of one test, and the commands that act in it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def kubectl(self, *arguments: str, **options: Any) -> str:
        return run("kubectl", "-n", self.name, *arguments, **options)

    def virtctl(self, *arguments: str, **options: Any) -> str:
        return run(*VIRTCTL, "-n", self.name, *arguments, **options)

    def apply(self, *documents: Document) -> None:
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))

    def refused(self, document: Document) -> str:
        """Create a document that must be refused, and return what the user reads."""
        try:
            self.kubectl("create", "-f", "-", stdin=yaml.safe_dump(document))
        except Failed as failure:
            return str(failure)
        raise AssertionError("the API server accepted what it must refuse")

    def get(self, kind: str, name: str) -> Document:
        """The object, or an empty document if there is none."""
        text = self.kubectl("get", kind, name, "-o", "json", "--ignore-not-found")
        found: Document = json.loads(text) if text.strip() else {}
        return found

    def items(self, kind: str, selector: str = "") -> list[Document]:
        arguments = ["get", kind, "-o", "json", *(["-l", selector] if selector else [])]
        found: list[Document] = json.loads(self.kubectl(*arguments))["items"]
        return found

    def events(self, name: str) -> list[Document]:
        text = self.kubectl("get", "events.events.k8s.io", "-o", "json")
        return [event for event in json.loads(text)["items"] if event.get("regarding", {}).get("name") == name]

    def until(
        self, kind: str, name: str, wanted: Callable[[Document], Any], what: str, timeout_s: float = 120
    ) -> Document:
        """Follow an object until `wanted` holds. Fails with the object's status and events."""
        deadline = time.monotonic() + timeout_s
        document = self.get(kind, name)
        if wanted(document):
            return document
        with Watch(self.name, kind, name) as watch:
            while time.monotonic() < deadline:
                change = watch.change(AGAIN_S)
                document = self.get(kind, name) if change is None else change
                if wanted(document):
                    return document
        state = yaml.safe_dump(document.get("status", document))
        events = self.kubectl("get", "events", check=False)
        raise AssertionError(f"{kind} {name}: not {what} within {timeout_s:.0f} s\n{state}\n{events}")

    def until_phase(self, name: str, phase: str, timeout_s: float = 120) -> Document:
        return self.until("vmi", name, lambda vmi: status(vmi, "phase") == phase, f"in phase {phase}", timeout_s)

    def until_printed(self, name: str, text: str, timeout_s: float = 120) -> Document:
        """Wait for the Status column of `kubectl get vm`."""
        return self.until("vm", name, lambda vm: status(vm, "printableStatus") == text, text, timeout_s)

    def until_gone(self, kind: str, name: str, timeout_s: float = 120) -> None:
        self.until(kind, name, lambda found: not found, "gone", timeout_s)

    def launcher_pods(self, vmi: str) -> list[Document]:
        """Launcher pods of a machine, oldest first."""
        pods = self.items("pods", f"vm.kubevirt.io/name={vmi}")
        return sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))


def status(document: Document, *path: str) -> Any:
    """A value below `status`, None where a part is missing."""
    value: Any = document.get("status", {})
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def condition(document: Document, name: str) -> Document:
    """One condition of an object, empty if it has none of that type."""
    found = status(document, "conditions") or []
    return next((one for one in found if one["type"] == name), {})


def eventually(look: Callable[[], bool], timeout_s: float, pause_s: float = 0.5) -> bool:
    """Look until it is true or the deadline has passed."""
    deadline = time.monotonic() + timeout_s
    while not look():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_s)
    return True
