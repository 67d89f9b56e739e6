"""What the API server (or the way to it) can answer other than success.

Callers branch on the class, never on the text: the text is for people.
Source: Kubernetes `metav1.Status`; `reason` is one of its machine-readable reasons.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus

import msgspec


@dataclass(frozen=True, slots=True)
class Cause:
    """One field the API server objects to."""

    field: str
    reason: str
    message: str


@dataclass
class ApiError(Exception):
    """The API server refused. `status` is the HTTP status, 0 where no answer came."""

    status: int
    reason: str
    message: str
    causes: tuple[Cause, ...] = field(default=())

    def __str__(self) -> str:
        return f"{self.status} {self.reason}: {self.message}" if self.status else f"{self.reason}: {self.message}"


class NotFound(ApiError):
    """404: the object, its namespace or its kind does not exist."""


class Conflict(ApiError):
    """409: the object changed meanwhile, or has another UID than the precondition says."""


class AlreadyExists(Conflict):
    """409 with reason AlreadyExists: a create met an object of that name."""


class Gone(ApiError):
    """410: the resourceVersion or continue token is too old; list again."""


class Forbidden(ApiError):
    """403: RBAC or an admission plugin says no."""


class Unauthorized(ApiError):
    """401: the credentials are not (or no longer) accepted."""


class Invalid(ApiError):
    """400 or 422: the request or object is wrong; `causes` name the fields."""


class PatchTestFailed(Invalid):
    """422: a JSON patch did not fit the stored object (a failed `test`, or a path that is gone)."""


@dataclass
class Throttled(ApiError):
    """429, or 503 with Retry-After: come back after `after_s` seconds."""

    after_s: float = 1.0


class Unreachable(ApiError):
    """No answer: connection refused or reset, name not resolved, TLS failed, or timed out."""

    def __init__(self, message: str) -> None:
        super().__init__(0, "Unreachable", message)


class _StatusCause(msgspec.Struct):
    reason: str = ""
    message: str = ""
    field: str = ""


class _StatusDetails(msgspec.Struct):
    kind: str = ""
    causes: list[_StatusCause] = []
    retryAfterSeconds: float = 0


class _Status(msgspec.Struct):
    code: int = 0
    reason: str = ""
    message: str = ""
    details: _StatusDetails | None = None


_DECODER = msgspec.json.Decoder(_Status)

_BY_STATUS: dict[int, type[ApiError]] = {
    HTTPStatus.BAD_REQUEST: Invalid,
    HTTPStatus.UNAUTHORIZED: Unauthorized,
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.GONE: Gone,
    HTTPStatus.UNPROCESSABLE_ENTITY: Invalid,
}


def error_from_status(status: int, body: bytes, *, retry_after: str = "", json_patch: bool = False) -> ApiError:
    """The error that an HTTP answer means.

    `body` is a `metav1.Status` document or any text (a proxy's page, a webhook's words).
    `json_patch` tells that the request was one: the API server answers a patch that does
    not fit with a bare 422, without the details that validation errors carry.
    """
    try:
        answer = _DECODER.decode(body)
    except msgspec.MsgspecError:
        answer = _Status(message=body.decode(errors="replace").strip()[:500])
    details = answer.details or _StatusDetails()
    status = status or answer.code
    reason = answer.reason or _phrase(status)
    message = answer.message or reason
    causes = tuple(Cause(cause.field, cause.reason, cause.message) for cause in details.causes)
    if status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.SERVICE_UNAVAILABLE and retry_after):
        after_s = _seconds(retry_after) or details.retryAfterSeconds or 1.0
        return Throttled(status, reason, message, causes, after_s)
    if reason == "AlreadyExists":
        return AlreadyExists(status, reason, message, causes)
    if status == HTTPStatus.UNPROCESSABLE_ENTITY and json_patch and not details.kind and not causes:
        return PatchTestFailed(status, reason, message)
    return _BY_STATUS.get(status, ApiError)(status, reason, message, causes)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _seconds(retry_after: str) -> float:
    return float(retry_after) if retry_after.isdigit() else 0.0
