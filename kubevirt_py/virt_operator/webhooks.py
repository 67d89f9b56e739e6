"""Admission of the KubeVirt resource: one per cluster, settings that can be followed, no removal that is blocked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from kubevirt_py.api.kinds import VM, VMI
from kubevirt_py.api.views import KubeVirt
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import NotFound
from kubevirt_py.plan import Kind
from kubevirt_py.reconcile.store import Store
from kubevirt_py.render.causes import FORBIDDEN, Cause
from kubevirt_py.render.install import operator_webhooks as paths
from kubevirt_py.render.review import ALLOWED, Request, Review, Verdict, response
from kubevirt_py.render.validate import kubevirt_warnings, validate_kubevirt

REVIEW_BYTES = 8 * 1024 * 1024
"""Two objects of the largest size the API server stores, and room."""
WORKLOADS: tuple[Kind[Any], ...] = (VM, VMI)


class Admission:
    """The rules by path."""

    def __init__(self, api: Api, kubevirts: Store[KubeVirt]) -> None:
        self._api, self._kubevirts = api, kubevirts

    def application(self) -> web.Application:
        """What is served to the API server."""
        app = web.Application(client_max_size=REVIEW_BYTES)
        app.router.add_post(paths.CREATE, _serving(self.create))
        app.router.add_post(paths.UPDATE, _serving(self.update))
        app.router.add_post(paths.DELETE, _serving(self.delete))
        return app

    async def create(self, request: Request) -> Verdict:
        name = request.new.get("metadata", {}).get("name", "")
        causes = validate_kubevirt(request.new)
        for other in self._kubevirts.all():
            place = f"{other.metadata.namespace}/{other.metadata.name}"
            text = f"KubeVirt {name!r} cannot be created: {place} rules this cluster, and there can be one only"
            causes.append(Cause("metadata.name", FORBIDDEN, text))
        return _judged(request, causes)

    async def update(self, request: Request) -> Verdict:
        return _judged(request, validate_kubevirt(request.new, request.old))

    async def delete(self, request: Request) -> Verdict:
        """Asked only of a CR that wants to outlive its machines."""
        if (request.old.get("spec") or {}).get("uninstallStrategy") != paths.BLOCK_UNINSTALL:
            return ALLOWED
        kinds = [kind.kind for kind in WORKLOADS if await self._any(kind)]
        if not kinds:
            return ALLOWED
        text = (
            f"KubeVirt cannot be removed: there are objects of kind {' and '.join(kinds)}; delete them, "
            "or set spec.uninstallStrategy to RemoveWorkloads"
        )
        return Verdict(causes=(Cause("spec.uninstallStrategy", FORBIDDEN, text),))

    async def _any(self, kind: Kind[Any]) -> bool:
        pages: AsyncIterator[Any] = self._api.list_pages(kind, limit=1)
        try:
            return bool((await anext(pages)).items)
        except NotFound:
            return False


def _judged(request: Request, causes: list[Cause]) -> Verdict:
    return Verdict(causes=tuple(causes), warnings=() if causes else kubevirt_warnings(request.new))


def _serving(rule: Callable[[Request], Awaitable[Verdict]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(request: web.Request) -> web.Response:
        try:
            review = msgspec.json.decode(await request.read(), type=Review)
        except msgspec.MsgspecError as error:
            return web.Response(status=400, text=f"the body is not an admission.k8s.io/v1 AdmissionReview: {error}")
        answer = response(review.request.uid, await rule(review.request))
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")

    return serve
