"""Pages of the documentation about what users may do: routes of the subresource API, and rights of each role."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kubevirt_py.api import subresources
from kubevirt_py.api.crd_kinds import KINDS
from kubevirt_py.render.roles import cluster_roles

ROLES = (subresources.DEFAULT, subresources.VIEW, subresources.EDIT, subresources.ADMIN, subresources.MIGRATE)
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
ALL_VERBS = {VERBS: "all", VERBS[:-1]: "all but deletecollection", VERBS[:3]: "read"}
"""Shorter words for what is common."""

Allowed = Callable[[str, str, str, str], bool]
"""Whether role may use verb on group and resource; the latter with its subresource, if any, after a slash."""

_ROLES_TEXT = """\
# Roles

What users may do, by role. `default` is what every user who is signed in has (`kubevirt.io:default` and
`instancetype.kubevirt.io:view`); the other columns include it. `view`, `edit` and `admin` are `kubevirt.io:view` and
so on, which extend Kubernetes' own roles of these names unless the KubeVirt CR sets `roleAggregationStrategy: Manual`.
`migrate` is `kubevirt.io:migrate`, which nobody has unless an administrator binds it. Names with a slash are
subresources; those of `subresources.kubevirt.io` are described in [subresources.md](subresources.md).

A test asks a real API server for every cell of this table. This page is made by `make generate`.

"""
_ROUTES_TEXT = """\
# Subresources

Every route of the aggregated API `subresources.kubevirt.io`, versions `v1` and `v1alpha3`. A user needs the right
named by verb and resource; *roles* are the ones that grant it ([roles.md](roles.md)). Streams are websockets with the
subprotocol `plain.kubevirt.io`. A user without the right is refused with 403 by kube-apiserver, or with 401 by
virt-api, which asks again with the whole path. What waits for a feature is answered with 501 and this reason.

This page is made by `make generate`.

"""


def role_rights() -> Allowed:
    """Rights as the ClusterRoles say."""
    rules = {document["metadata"]["name"]: document["rules"] for document in cluster_roles()}
    everyone = [*rules["kubevirt.io:default"], *rules["instancetype.kubevirt.io:view"]]

    def allowed(role: str, verb: str, group: str, resource: str) -> bool:
        return any(
            group in rule["apiGroups"] and resource in rule["resources"] and verb in rule["verbs"]
            for rule in (*everyone, *rules[f"kubevirt.io:{role}"])
        )

    return allowed


def resources() -> Iterator[tuple[str, str]]:
    """API group and name of everything that rights are about."""
    for kind in sorted(KINDS, key=lambda kind: (kind.group, kind.plural)):
        yield kind.group, kind.plural
        for subresource in kind.subresources:
            yield kind.group, f"{kind.plural}/{subresource}"
    names = {route.rbac_resource for route in subresources.ROUTES}
    names |= {name for role in ROLES for verb in ("get", "update") for name in subresources.granted(role, verb)}
    for name in sorted(names):
        yield subresources.GROUP, name


def rights_table(allowed: Allowed) -> str:
    """The table of rights, in Markdown."""
    rows = []
    for group, resource in resources():
        cells = [
            _words(tuple(verb for verb in VERBS if allowed(role, verb, group, resource)))
            for role in ROLES
        ]  # fmt: skip
        rows.append({"resource": f"`{resource}`", "group": group, **dict(zip(ROLES, cells, strict=True))})
    return _table(rows)


def roles_page() -> str:
    """docs/roles.md"""
    return _ROLES_TEXT + rights_table(role_rights())


def subresources_page() -> str:
    """docs/subresources.md"""
    rows = [
        {
            "method": route.method,
            "path": f"`{' '.join(_short(template) for template in route.templates)}`",
            "right": f"{route.rbac_verb} `{route.rbac_resource}`" if route.reviewed else "none",
            "roles": ", ".join(route.roles) or ("" if route.reviewed else "everyone"),
            "answer": _answer(route),
            "what": route.summary,
        }
        for route in subresources.ROUTES
    ]
    return _ROUTES_TEXT + _table(rows)


def _answer(route: subresources.Route) -> str:
    if route.later:
        return f"501: needs {route.later}"
    return "stream" if route.stream else route.kind or "nothing"


def _short(template: str) -> str:
    return template.removeprefix("/namespaces/{namespace}/")


def _words(verbs: tuple[str, ...]) -> str:
    return ALL_VERBS.get(verbs, " ".join(verbs))


def _table(rows: list[dict[str, str]]) -> str:
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *(list(row.values()) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
