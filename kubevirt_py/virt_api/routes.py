"""Binds the route table to its handlers. A route reaches a handler only through the gate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from aiohttp import web

from kubevirt_py.api.subresources import GROUP, ROUTES, VERSIONS, Route
from kubevirt_py.plan import Document
from kubevirt_py.virt_api import discovery
from kubevirt_py.virt_api.answers import Handler, Refused, json_response
from kubevirt_py.virt_api.auth import Gate

Handlers = Mapping[tuple[str, str], Handler]
"""Handlers by (resource, path) of the table."""

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def add_subresources(app: web.Application, gate: Gate, handlers: Handlers) -> None:
    """Serve every route of the table under every version. KeyError if one has neither handler nor reason."""
    for version in VERSIONS:
        for route in ROUTES:
            handler = _not_yet(route) if route.later else handlers[route.resource, route.path]
            guarded = _guarded(gate, route, version, handler)
            for template in route.templates:
                app.router.add_route(route.method, f"/apis/{GROUP}/{version}{template}", guarded)


def add_discovery(app: web.Application) -> None:
    """Serve what clients and the aggregator read before they ask for anything."""
    for path, document in _discovery().items():
        handler = _constant(document)
        app.router.add_get(path, handler)
        if path.startswith("/apis"):
            app.router.add_get(path + "/", handler)


@cache
def _discovery() -> Mapping[str, Document]:
    """Documents by path. They follow from the route table alone."""
    documents: dict[str, Document] = {
        "/": discovery.root_paths(),
        "/apis": discovery.api_group_list(),
        f"/apis/{GROUP}": discovery.api_group(),
        "/openapi/v2": discovery.openapi_v2(),
        "/openapi/v3": discovery.openapi_v3_index(),
    }
    for version in VERSIONS:
        documents[f"/apis/{GROUP}/{version}"] = discovery.resource_list(version)
        documents[f"/openapi/v3/apis/{GROUP}/{version}"] = discovery.openapi_v3(version)
    return documents


def _constant(document: Document) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return json_response(document)

    return answer


def _guarded(gate: Gate, route: Route, version: str, handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        _check_names(request)
        if route.reviewed:
            await gate.check(request, route, version)
        return await handler(request)

    return guarded


def _check_names(request: web.Request) -> None:
    """The URL's names must be ones Kubernetes allows, so that none can reach into another path."""
    for part, pattern in (("namespace", _NAMESPACE), ("name", _NAME)):
        value = request.match_info.get(part)
        if value is not None and not pattern.fullmatch(value):
            raise Refused(404, f"{value!r} is not a valid {part}")


def _not_yet(route: Route) -> Handler:
    async def refuse(_: web.Request) -> web.StreamResponse:
        raise Refused(501, f"{route.rbac_resource} is not available in this version: it needs {route.later}")

    return refuse
