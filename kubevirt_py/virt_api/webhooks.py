"""Admission: AdmissionReview in, verdict out. The rules themselves are in render.defaults and render.validate.

Deletion and the removal of finalizers always pass: an object that is going away is neither defaulted nor
checked, and an update that leaves the spec alone is not held to rules made since it was stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from kubevirt_py.plan import Document
from kubevirt_py.render import defaults, validate
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.review import ALLOWED, Request, Review, Verdict, response
from kubevirt_py.virt_api.answers import Refused, json_response, read_body

REVIEW_BYTES = 8 * 1024 * 1024
"""Two objects of the largest size the API server stores, and room."""
PATCHED = ("metadata", "spec", "status")


Rule = Callable[[Request], Verdict]


class Admission:
    """The rules by path. `users` are our own components, `new_uuid` and `now` (aware) the outside world."""

    def __init__(
        self,
        config: Callable[[], ClusterConfig],
        users: Iterable[str],
        new_uuid: Callable[[], str],
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._users = frozenset(users)
        self._new_uuid = new_uuid
        self._now = now

    @property
    def rules(self) -> Mapping[str, Rule]:
        """By URL path, as render.webhooks registers them."""
        return {
            "/virtualmachines-mutate": self.default_vm,
            "/virtualmachineinstances-mutate": self.default_vmi,
            "/virtualmachines-validate": self.check_vm,
            "/virtualmachineinstances-validate-create": self.check_vmi_create,
            "/virtualmachineinstances-validate-update": self.check_vmi_update,
            "/status-validate": self.check_status,
        }

    def default_vm(self, request: Request) -> Verdict:
        if request.operation == "CREATE":
            return _patched(request.new, defaults.default_vm(request.new, self._config(), self._new_uuid))
        if request.deleting:
            return ALLOWED
        return _patched(request.new, defaults.default_vm_update(request.new, self._config()))

    def default_vmi(self, request: Request) -> Verdict:
        """Defaults at creation; later, a status written by anyone but us is put back."""
        if request.operation == "CREATE":
            return _patched(request.new, defaults.default_vmi(request.new, self._config(), self._now(), self._new_uuid))
        if request.user in self._users:
            return ALLOWED
        return _patched(request.new, defaults.restore_vmi_status(request.new, request.old))

    def check_vm(self, request: Request) -> Verdict:
        if request.operation == "CREATE":
            return _judged(validate.validate_vm_create(request.new, self._config()))
        return _judged(validate.validate_vm_update(request.new, request.old, self._config()))

    def check_vmi_create(self, request: Request) -> Verdict:
        ours = request.user in self._users
        return _judged(validate.validate_vmi_create(request.new, self._config(), by_kubevirt=ours))

    def check_vmi_update(self, request: Request) -> Verdict:
        ours = request.user in self._users
        return _judged(validate.validate_vmi_update(request.new, request.old, self._config(), by_kubevirt=ours))

    def check_status(self, request: Request) -> Verdict:
        if request.user in self._users or request.new.get("status") == request.old.get("status"):
            return ALLOWED
        message = "the status may be changed by KubeVirt's own components only; leave it out of the update"
        return Verdict(causes=(validate.Cause("status", "FieldValueNotSupported", message),))


def _judged(causes: list[validate.Cause]) -> Verdict:
    return Verdict(causes=tuple(causes))


def _patched(old: Document, new: Document) -> Verdict:
    """Replace whole top-level parts that differ: few and simple operations, whatever changed inside."""
    ops: list[Document] = []
    for part in PATCHED:
        if part in new and new[part] != old.get(part):
            ops.append({"op": "add", "path": f"/{part}", "value": new[part]})
        elif part in old and part not in new:
            ops.append({"op": "remove", "path": f"/{part}"})
    return Verdict(tuple(ops))


def add_webhooks(app: web.Application, rules: Mapping[str, Rule]) -> None:
    """Serve each rule under its path."""
    for path, rule in rules.items():
        app.router.add_post(path, _serving(rule))


def _serving(rule: Rule) -> Callable[[web.Request], Any]:
    async def serve(request: web.Request) -> web.Response:
        try:
            review = msgspec.json.decode(await read_body(request, REVIEW_BYTES), type=Review)
        except msgspec.MsgspecError as error:
            raise Refused(400, f"the body is not an admission.k8s.io/v1 AdmissionReview: {error}") from error
        return json_response(response(review.request.uid, rule(review.request)))

    return serve
