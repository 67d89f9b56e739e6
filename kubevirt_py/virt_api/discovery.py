"""What the API tells of itself: groups, resources and OpenAPI documents, all read from the route table."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from http import HTTPStatus

from kubevirt_py.api.crd import object_schema
from kubevirt_py.api.subresource_models import MODELS
from kubevirt_py.api.subresources import GROUP, ROUTES, VERSIONS, Route
from kubevirt_py.plan import Document

_JSON = "application/json"
_YAML = "application/yaml"
_TEXT = {"type": "string"}


def root_paths() -> Document:
    """`GET /`."""
    versions = [f"/apis/{GROUP}/{version}" for version in VERSIONS]
    return {"paths": ["/apis", "/apis/", f"/apis/{GROUP}", *versions, "/healthz", "/metrics", "/openapi/v2"]}


def api_group() -> Document:
    """`GET /apis/<group>`. The name is singular, as clients of this API have always seen it."""
    versions = [{"groupVersion": f"{GROUP}/{version}", "version": version} for version in VERSIONS]
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": "subresource.kubevirt.io",
        "versions": versions,
        "preferredVersion": versions[0],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}],
    }


def api_group_list() -> Document:
    """`GET /apis`. Here the group has its real name, by which the aggregator finds it."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [api_group() | {"name": GROUP}]}


def resource_list(version: str) -> Document:
    """`GET /apis/<group>/<version>`: every route about objects, with the verb RBAC knows it by."""
    verbs: dict[str, list[str]] = {}
    for route in ROUTES:
        if route.namespaced:
            verbs.setdefault(route.rbac_resource, []).append(route.rbac_verb)
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{GROUP}/{version}",
        "resources": [
            {"name": name, "singularName": "", "namespaced": True, "kind": "", "verbs": sorted(set(verbs[name]))}
            for name in sorted(verbs)
        ],
    }


def openapi_v2() -> Document:
    """`GET /openapi/v2`."""
    paths: Document = {}
    for version in VERSIONS:
        for path, route in _paths(version):
            operation = _operation(route, version, path)
            operation["produces"] = ["*/*"] if route.stream or route.kind == "" else [_JSON]
            operation["responses"] = {
                code: {
                    "description": text,
                    **({"schema": {"$ref": f"#/definitions/{_definition(model)}"}} if model else {}),
                }
                for code, text, model in _responses(route)
            }
            operation["parameters"] = [
                *({"name": name, "in": "path", "required": True, "type": "string"} for name in _parameters(path)),
                *({"name": name, "in": "query", "type": kind} for name, kind in route.query),
            ]
            if route.body:
                operation["consumes"] = [_JSON, _YAML]
                schema = {"$ref": f"#/definitions/{_definition(route.body)}"}
                operation["parameters"].append({"name": "body", "in": "body", "schema": schema})
            paths.setdefault(path, {})[route.method.lower()] = operation
    return {"swagger": "2.0", "info": _info(VERSIONS[0]), "paths": paths, "definitions": _schemas()}


def openapi_v3_index() -> Document:
    """`GET /openapi/v3`: where each group version's document is."""
    return {
        "paths": {
            f"apis/{GROUP}/{version}": {"serverRelativeURL": f"/openapi/v3/apis/{GROUP}/{version}"}
            for version in VERSIONS
        }
    }


def openapi_v3(version: str) -> Document:
    """`GET /openapi/v3/apis/<group>/<version>`."""
    paths: Document = {}
    for path, route in _paths(version):
        operation = _operation(route, version, path)
        operation["responses"] = {
            code: {"description": text, **({"content": _content(model, _JSON)} if model else {})}
            for code, text, model in _responses(route)
        }
        operation["parameters"] = [
            *({"name": name, "in": "path", "required": True, "schema": _TEXT} for name in _parameters(path)),
            *({"name": name, "in": "query", "schema": {"type": kind}} for name, kind in route.query),
        ]
        if route.body:
            operation["requestBody"] = {"content": _content(route.body, _JSON, _YAML)}
        paths.setdefault(path, {})[route.method.lower()] = operation
    return {"openapi": "3.0.0", "info": _info(version), "paths": paths, "components": {"schemas": _schemas()}}


def _responses(route: Route) -> Iterator[tuple[str, str, str]]:
    """Code, text and model of each answer."""
    if route.stream:
        yield "101", "Switching Protocols", ""
    else:
        yield str(route.code), HTTPStatus(route.code).phrase, route.kind
    if route.later:
        yield "501", f"Not Implemented: it needs {route.later}", "Status"
    if route.reviewed:
        yield "401", "Unauthorized", "Status"
    yield "default", "Why it was refused", "Status"


def _content(model: str, *types: str) -> Document:
    return {name: {"schema": {"$ref": f"#/components/schemas/{_definition(model)}"}} for name in types}


def _definition(model: str) -> str:
    return f"v1.{model}"


@cache
def _schemas() -> Document:
    """Every model that a route names. A VirtualMachine is described where it is served, in group kubevirt.io."""
    described = {_definition(name): object_schema(model) for name, model in MODELS.items()}
    machine = {"type": "object", "description": "A VirtualMachine of kubevirt.io/v1."}
    return described | {_definition("VirtualMachine"): machine}


def _info(version: str) -> Document:
    return {"title": "KubeVirt subresources", "version": version}


def _paths(version: str) -> Iterator[tuple[str, Route]]:
    for route in ROUTES:
        for template in route.templates:
            yield f"/apis/{GROUP}/{version}{template}", route


def _operation(route: Route, version: str, path: str) -> Document:
    words = [word.strip("{}") for part in path.split("/")[4:] for word in part.split("-")]
    return {
        "operationId": version + route.method.capitalize() + "".join(word[:1].upper() + word[1:] for word in words),
        "summary": route.summary,
    }


def _parameters(path: str) -> list[str]:
    return [part.strip("{}") for part in path.split("/") if part.startswith("{")]
