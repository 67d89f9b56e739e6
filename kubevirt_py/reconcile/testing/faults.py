"""A script of what goes wrong between a process and the API server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from kubevirt_py.kube.errors import ApiError
from kubevirt_py.plan import Key, Kind

Verb = Literal["get", "list", "watch", "create", "apply", "json_patch", "merge_patch", "delete", "request"]

WRITES: frozenset[str] = frozenset({"create", "apply", "json_patch", "merge_patch", "delete"})


class Crashed(BaseException):
    """The process died here. Not an Exception, so that nothing handles it."""


@dataclass(slots=True)
class Fault:
    """Happens to the next `times` calls that match, after `skip` of them went well.

    `error` is raised instead of the call; with `after_commit` the call takes effect first and only the
    answer is lost. `delay_s` passes before the call.
    """

    verb: Verb | None = None
    kind: Kind[Any] | None = None
    key: Key | None = None
    error: BaseException | None = None
    after_commit: bool = False
    delay_s: float = 0.0
    skip: int = 0
    times: int = 1

    def matches(self, verb: str, kind: Kind[Any] | None, key: Key | None) -> bool:
        """Whether the fault happens to this call; counts it."""
        if self.times <= 0:
            return False
        if self.verb not in (None, verb) or self.kind not in (None, kind) or self.key not in (None, key):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclass(frozen=True, slots=True)
class Write:
    """A write as the journal keeps it; `error` if it was refused."""

    verb: str
    kind: Kind[Any]
    key: Key
    subresource: str
    error: ApiError | None = None
