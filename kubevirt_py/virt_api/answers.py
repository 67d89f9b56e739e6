"""Answers in Kubernetes' own words: `metav1.Status` for everything that is not a success."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec
import yaml
from aiohttp import web

from kubevirt_py.kube.errors import ApiError
from kubevirt_py.plan import Document

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

VM_RESOURCE = "virtualmachine.kubevirt.io"
VMI_RESOURCE = "virtualmachineinstance.kubevirt.io"
"""As messages of conflicts name them."""
OPTIONS_BYTES = 64 * 1024
CHUNK_BYTES = 64 * 1024

_log = logging.getLogger(__name__)

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    413: "RequestEntityTooLarge",
    422: "Invalid",
    500: "InternalError",
    501: "NotImplemented",
    503: "ServiceUnavailable",
    504: "Timeout",
}


@dataclass
class Refused(Exception):
    """A request that is answered with a Status. `code` is the HTTP status."""

    code: int
    message: str
    reason: str = ""
    details: Document = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message


def conflict(resource: str, name: str, why: str) -> Refused:
    """409 in the words clients match on; `resource` is singular and qualified: `virtualmachine.kubevirt.io`."""
    return Refused(409, f'Operation cannot be fulfilled on {resource} "{name}": {why}')


def status_document(refused: Refused) -> Document:
    """The Status that says so."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": refused.message,
        "reason": refused.reason or _REASONS.get(refused.code, "Unknown"),
        **({"details": refused.details} if refused.details else {}),
        "code": refused.code,
    }


def json_response(document: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(document), status=status, content_type="application/json")


def refusal(refused: Refused) -> web.Response:
    return json_response(status_document(refused), refused.code)


def from_api_error(error: ApiError) -> Refused:
    """What the API server told us, passed on; 503 where it told nothing."""
    details: Document = {}
    if error.causes:
        details["causes"] = [
            {"field": cause.field, "reason": cause.reason, "message": cause.message} for cause in error.causes
        ]
    return Refused(error.status or HTTPStatus.SERVICE_UNAVAILABLE, error.message, error.reason, details)


@web.middleware
async def say_why(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every failure into a Status. What nobody foresaw is logged and answered with 500."""
    try:
        return await handler(request)
    except Refused as refused:
        return refusal(refused)
    except ApiError as error:
        return refusal(from_api_error(error))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return refusal(Refused(error.status, f"{request.method} {request.path}: {error.reason}"))
    except Exception:
        _log.exception("request failed", extra={"method": request.method, "path": request.path})
        return refusal(Refused(500, f"{request.method} {request.path} failed; see the log of virt-api"))


async def read_body(request: web.Request, limit: int) -> bytes:
    """The body of at most `limit` bytes. Refused 413 where it is larger."""
    parts, size = [], 0
    async for part in request.content.iter_chunked(CHUNK_BYTES):
        size += len(part)
        if size > limit:
            raise Refused(413, f"the request is larger than {limit} bytes")
        parts.append(part)
    return b"".join(parts)


async def read_options(request: web.Request, *, required: bool = False) -> Document:
    """The JSON or YAML object in the body, {} if there is none. Refused 400 for anything else."""
    body = await read_body(request, OPTIONS_BYTES)
    if not body.strip():
        if required:
            raise Refused(400, "Request with no body where one is required: send the options as a JSON object")
        return {}
    try:
        options = msgspec.json.decode(body) if body.lstrip().startswith(b"{") else yaml.safe_load(body)
    except (msgspec.DecodeError, yaml.YAMLError) as error:
        raise Refused(400, f"Can not unmarshal the request body as JSON or YAML: {error}") from error
    if not isinstance(options, dict):
        raise Refused(400, "Can not unmarshal the request body: it must be an object")
    return options


def dry_run(options: Document) -> bool:
    """Whether `dryRun` asks for it. Refused 400 for any value but All, as the API server does."""
    wanted = options.get("dryRun") or []
    if not isinstance(wanted, list) or any(value != "All" for value in wanted):
        raise Refused(400, f'dryRun: Invalid value {wanted!r}: supported values: "All"')
    return bool(wanted)
