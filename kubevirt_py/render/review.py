"""AdmissionReview of admission.k8s.io/v1: what is asked, and the verdict as the API server reads it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import Cause


class Request(msgspec.Struct, rename="camel"):
    """The part of an admission request that is looked at."""

    uid: str
    operation: str = "CREATE"
    object: Document | None = None
    old_object: Document | None = None
    user_info: Document = msgspec.field(default_factory=dict)
    name: str = ""
    namespace: str = ""
    dry_run: bool = False

    @property
    def new(self) -> Document:
        return self.object or {}

    @property
    def old(self) -> Document:
        return self.old_object or {}

    @property
    def user(self) -> str:
        return str(self.user_info.get("username", ""))

    @property
    def deleting(self) -> bool:
        return bool(self.new.get("metadata", {}).get("deletionTimestamp"))


class Review(msgspec.Struct):
    request: Request


@dataclass(frozen=True, slots=True)
class Verdict:
    """Allowed with a patch, or refused for `causes` or because now is not the time. `warnings` reach the user."""

    patch: tuple[Document, ...] = ()
    causes: tuple[Cause, ...] = ()
    later: str = ""
    """Why this has to be tried again later (429); empty if it has not."""
    warnings: tuple[str, ...] = ()


ALLOWED = Verdict()


def response(uid: str, verdict: Verdict) -> Document:
    """The AdmissionReview that carries the verdict."""
    answer: dict[str, Any] = {"uid": uid, "allowed": not verdict.causes and not verdict.later}
    if verdict.warnings:
        answer["warnings"] = list(verdict.warnings)
    if verdict.causes:
        answer["status"] = _invalid(verdict.causes)
    elif verdict.later:
        answer["status"] = {
            "status": "Failure",
            "message": verdict.later,
            "reason": "TooManyRequests",
            "code": 429,
        }
    elif verdict.patch:
        answer["patchType"] = "JSONPatch"
        answer["patch"] = base64.b64encode(msgspec.json.encode(verdict.patch)).decode()
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}


def _invalid(causes: tuple[Cause, ...]) -> Document:
    """The message as a whole names the fields; of each cause kubectl and others print field and message themselves."""
    words = [each.message if each.field in each.message else f"{each.field}: {each.message}" for each in causes]
    return {
        "status": "Failure",
        "message": ", ".join(words),
        "reason": "Invalid",
        "code": 422,
        "details": {
            "causes": [{"field": each.field, "reason": each.reason, "message": each.message} for each in causes]
        },
    }
