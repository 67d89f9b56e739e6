"""`kubectl get --watch`: what becomes of one object, as it happens."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from types import TracebackType
from typing import Any, Self

Document = dict[str, Any]


class Watch:
    """Follows one object, beginning with what it is now. One process, where looking again and again takes hundreds."""

    def __init__(self, namespace: str, kind: str, name: str) -> None:
        command = ("kubectl", "-n", namespace, "get", kind, "--field-selector", f"metadata.name={name}")
        form = ("--watch", "--output-watch-events", "-o", "json")
        self._process = subprocess.Popen(
            (*command, *form), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
        self._heard = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def change(self, timeout_s: float) -> Document | None:
        """The newest state of the object, empty when it is gone; None where nothing was heard of it."""
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._heard:
            assert self._process.stdout is not None
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not select.select([self._process.stdout], [], [], left_s)[0]:
                return None
            said = os.read(self._process.stdout.fileno(), 1 << 20)
            if not said:  # the watch has ended, as where the kind is not served; the pause is as long nevertheless
                time.sleep(left_s)
                return None
            self._heard += said
        lines, _, self._heard = self._heard.rpartition(b"\n")
        event: Document = json.loads(lines.rpartition(b"\n")[2])
        return {} if event["type"] == "DELETED" else event["object"]
