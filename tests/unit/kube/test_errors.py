"""Answers of the API server, as errors."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kubevirt_py.kube.errors import (
    AlreadyExists,
    ApiError,
    Cause,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    PatchTestFailed,
    Throttled,
    Unauthorized,
    error_from_status,
)


def status(code: int, reason: str = "", **details: Any) -> bytes:
    return msgspec.json.encode(
        {"kind": "Status", "code": code, "reason": reason, "message": "words", "details": details}
    )


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (400, "BadRequest", Invalid),
        (401, "Unauthorized", Unauthorized),
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (409, "Conflict", Conflict),
        (409, "AlreadyExists", AlreadyExists),
        (410, "Expired", Gone),
        (422, "Invalid", Invalid),
        (429, "TooManyRequests", Throttled),
        (500, "InternalError", ApiError),
        (503, "ServiceUnavailable", ApiError),
    ],
)
def test_each_status_has_its_class(code: int, reason: str, kind: type[ApiError]) -> None:
    error = error_from_status(code, status(code, reason))
    assert (type(error), error.status, error.reason, error.message) == (kind, code, reason, "words")


def test_causes_name_fields() -> None:
    cause = {"field": "spec.size", "reason": "FieldValueInvalid", "message": "too big"}
    error = error_from_status(422, status(422, "Invalid", kind="Widget", causes=[cause]))
    assert error.causes == (Cause("spec.size", "FieldValueInvalid", "too big"),)


def test_a_patch_that_does_not_fit_is_told_from_a_validation_error() -> None:
    bare, detailed = status(422, "Invalid"), status(422, "Invalid", kind="Widget")
    assert type(error_from_status(422, bare, json_patch=True)) is PatchTestFailed
    assert type(error_from_status(422, bare)) is Invalid
    assert type(error_from_status(422, detailed, json_patch=True)) is Invalid


def test_how_long_to_wait() -> None:
    def wait(code: int, header: str, **details: Any) -> float:
        error = error_from_status(code, status(code, **details), retry_after=header)
        assert isinstance(error, Throttled)
        return error.after_s

    assert wait(429, "7") == 7
    assert wait(429, "", retryAfterSeconds=3) == 3
    assert wait(429, "") == 1
    assert wait(503, "5") == 5


def test_an_error_event_carries_its_own_code() -> None:
    assert type(error_from_status(0, status(410, "Expired"))) is Gone


@pytest.mark.parametrize("body", [b"upstream connect error", b"<html>Bad Gateway</html>", b"", b'{"code": "x"}'])
def test_a_proxys_page_is_quoted(body: bytes) -> None:
    error = error_from_status(502, body)
    assert (error.status, error.reason) == (502, "Bad Gateway")
    assert str(error).startswith("502 Bad Gateway")
