"""Who asks, and whether they may.

Requests come through the API server's aggregator, which proves itself with a client certificate and
names the user in headers. The headers count only from a certificate that the request-header
authority signed **and** whose common name is on its list; anyone else is anonymous.
Every request is then put to a SubjectAccessReview with the route's full subresource path.
Source: Kubernetes' authenticating proxy, ConfigMap kube-system/extension-apiserver-authentication.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import msgspec
from aiohttp import web

from kubevirt_py.api.subresources import GROUP, Route
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.tls import peer_common_name
from kubevirt_py.plan import Document, Key, Kind
from kubevirt_py.virt_api.answers import Refused

CONFIG_MAP_KEY = Key("kube-system", "extension-apiserver-authentication")
SUBJECT_ACCESS_REVIEW: Kind[Any] = Kind(
    "authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", dict, namespaced=False
)


@dataclass(frozen=True, slots=True)
class FrontProxy:
    """How to recognise the aggregator. An empty `allowed_names` allows any name the authority signed."""

    ca: str
    allowed_names: tuple[str, ...] = ()
    user_headers: tuple[str, ...] = ("X-Remote-User",)
    group_headers: tuple[str, ...] = ("X-Remote-Group",)
    extra_prefixes: tuple[str, ...] = ("X-Remote-Extra-",)

    @classmethod
    def from_config_map(cls, data: Document) -> FrontProxy:
        """Read the ConfigMap's data. ValueError where the cluster has no request-header authority."""
        ca = data.get("requestheader-client-ca-file", "")
        if not ca.strip():
            raise ValueError(
                f"ConfigMap {CONFIG_MAP_KEY} has no requestheader-client-ca-file: "
                "start kube-apiserver with --requestheader-client-ca-file so that it can serve aggregated APIs"
            )
        return cls(
            ca=ca,
            allowed_names=_names(data, "requestheader-allowed-names", ()),
            user_headers=_names(data, "requestheader-username-headers", ("X-Remote-User",)),
            group_headers=_names(data, "requestheader-group-headers", ("X-Remote-Group",)),
            extra_prefixes=_names(data, "requestheader-extra-headers-prefix", ("X-Remote-Extra-",)),
        )


def _names(data: Document, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(json.loads(data.get(key) or "[]")) or default


@dataclass(frozen=True, slots=True)
class User:
    """The user the aggregator vouches for."""

    name: str
    groups: tuple[str, ...] = ()
    extra: dict[str, list[str]] = field(default_factory=dict)


def identify(common_name: str, headers: Any, proxy: FrontProxy) -> User | None:
    """The user named in `headers` (a case-insensitive multi-dict), None for anyone but the front proxy.

    `common_name` is that of the client certificate which the TLS layer verified against
    `proxy.ca`, empty where there was none.
    """
    if not common_name or (proxy.allowed_names and common_name not in proxy.allowed_names):
        return None
    name = next((headers[header] for header in proxy.user_headers if headers.get(header)), "")
    if not name:
        return None
    groups = tuple(value for header in proxy.group_headers for value in headers.getall(header, ()))
    extra: dict[str, list[str]] = {}
    for header, value in headers.items():
        for prefix in proxy.extra_prefixes:
            if header.lower().startswith(prefix.lower()):
                extra.setdefault(unquote(header[len(prefix) :]).lower(), []).append(value)
    return User(name, groups, extra)


def access_review(route: Route, version: str, user: User, namespace: str, name: str) -> Document:
    """The question to the API server: may `user` use `route` on this object?"""
    resource = {"resource": route.resource, "subresource": route.path} if route.resource else {"resource": route.path}
    attributes = {"group": GROUP, "version": version, "verb": route.rbac_verb, **resource}
    if namespace:
        attributes["namespace"] = namespace
    if name:
        attributes["name"] = name
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user.name,
            "groups": list(user.groups),
            "extra": user.extra,
            "resourceAttributes": attributes,
        },
    }


class _Verdict(msgspec.Struct):
    allowed: bool = False
    reason: str = ""


class _Review(msgspec.Struct):
    status: _Verdict = msgspec.field(default_factory=_Verdict)


class Gate:
    """Lets a request through to its handler, or refuses it with 401."""

    def __init__(self, api: Api, proxy: Callable[[], FrontProxy]) -> None:
        self._api = api
        self._proxy = proxy

    def user(self, request: web.Request) -> User:
        """The authenticated user. Refused 401 for everyone else."""
        connection = request.transport.get_extra_info("ssl_object") if request.transport else None
        user = identify(peer_common_name(connection), request.headers, self._proxy())
        if user is None:
            raise Refused(401, "request is not authenticated: ask the Kubernetes API server, not virt-api itself")
        return user

    async def check(self, request: web.Request, route: Route, version: str) -> None:
        """Refused 401 unless the user may use `route` on the object that the URL names."""
        user = self.user(request)
        namespace, name = request.match_info.get("namespace", ""), request.match_info.get("name", "")
        review = access_review(route, version, user, namespace, name)
        answer = msgspec.json.decode(await self._api.create(SUBJECT_ACCESS_REVIEW, "", review), type=_Review)
        if not answer.status.allowed:
            what = f'{route.rbac_verb} "{route.rbac_resource}" in API group "{GROUP}"'
            where = f' in the namespace "{namespace}"' if namespace else ""
            why = f": {answer.status.reason}" if answer.status.reason else ""
            raise Refused(401, f'User "{user.name}" cannot {what}{where}{why}')
