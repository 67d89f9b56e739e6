"""Who is let in: the front proxy by authority and name, and users by access review."""

from __future__ import annotations

import aiohttp
import pytest
from multidict import CIMultiDict
from yarl import URL

from kubevirt_py.api.subresources import ROUTES, VERSIONS, Route
from kubevirt_py.virt_api.auth import FrontProxy, User, access_review, identify
from tests.unit.virt_api.apilab import BASE, PROXY_NAME, Cloud

PROXY = FrontProxy(ca="CA", allowed_names=(PROXY_NAME,))
HEADERS = CIMultiDict({"X-Remote-User": "alice"})


def test_the_front_proxy_names_the_user() -> None:
    headers = CIMultiDict(
        [
            ("X-Remote-User", "alice"),
            ("X-Remote-Group", "dev"),
            ("X-Remote-Group", "ops"),
            ("X-Remote-Extra-Example.com%2fScope", "a"),
            ("x-remote-extra-example.com%2fscope", "b"),
        ]
    )
    assert identify(PROXY_NAME, headers, PROXY) == User("alice", ("dev", "ops"), {"example.com/scope": ["a", "b"]})


@pytest.mark.parametrize(
    ("common_name", "headers", "proxy"),
    [
        ("", HEADERS, PROXY),
        ("kubevirt.io:system:client:virt-handler", HEADERS, PROXY),
        ("", HEADERS, FrontProxy(ca="CA", allowed_names=())),
        (PROXY_NAME, CIMultiDict({}), PROXY),
        (PROXY_NAME, CIMultiDict({"X-Remote-User": ""}), PROXY),
    ],
    ids=["no certificate", "other name", "no certificate, any name allowed", "no user", "empty user"],
)
def test_everyone_else_is_anonymous(common_name: str, headers: CIMultiDict[str], proxy: FrontProxy) -> None:
    assert identify(common_name, headers, proxy) is None


def test_no_list_of_names_allows_every_name_of_the_authority() -> None:
    assert identify("aggregator", HEADERS, FrontProxy(ca="CA")) == User("alice")


def test_the_config_map_chooses_headers() -> None:
    proxy = FrontProxy.from_config_map(
        {
            "requestheader-client-ca-file": "CA",
            "requestheader-allowed-names": '["one","two"]',
            "requestheader-username-headers": '["X-User"]',
            "requestheader-group-headers": '["X-Group"]',
            "requestheader-extra-headers-prefix": '["X-More-"]',
        }
    )
    headers = CIMultiDict({"X-User": "bob", "X-Group": "g", "X-More-Scopes": "s", "X-Remote-User": "root"})
    assert identify("two", headers, proxy) == User("bob", ("g",), {"scopes": ["s"]})


def test_a_cluster_without_a_front_proxy_is_told_what_to_do() -> None:
    with pytest.raises(ValueError, match="--requestheader-client-ca-file"):
        FrontProxy.from_config_map({"client-ca-file": "CA"})


async def test_wrong_certificates_and_spoofed_headers_get_401(cloud: Cloud) -> None:
    cloud.add_vm()
    pki = cloud.pki
    strangers = {
        "no certificate": pki.client(None, None),
        "allowed authority, other name": pki.client(pki.proxy, "somebody"),
        "allowed authority, no name": pki.client(pki.proxy, None),
    }
    for who, context in strangers.items():
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector, headers={"X-Remote-User": "system:admin"}) as session:
            url = f"{cloud.url}{BASE}/namespaces/default/virtualmachines/vm1/stop"
            async with session.put(url) as response:
                assert response.status == 401, who
                assert (await response.json())["reason"] == "Unauthorized"
    assert cloud.api.reviews == []
    assert cloud.api.patches == []


async def test_a_certificate_of_another_authority_is_refused(cloud: Cloud) -> None:
    """Even one whose name is on the list."""
    connector = aiohttp.TCPConnector(ssl=cloud.pki.client(cloud.pki.cluster, PROXY_NAME))
    async with aiohttp.ClientSession(connector=connector, headers={"X-Remote-User": "system:admin"}) as session:
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            async with session.put(f"{cloud.url}{BASE}/namespaces/default/virtualmachines/vm1/stop") as response:
                await response.read()
    assert cloud.api.reviews == []


def _concrete(template: str) -> str:
    return template.format(namespace="default", name="vm1", port="22", protocol="tcp")


REVIEWED = [route for route in ROUTES if route.reviewed]


@pytest.mark.parametrize("route", REVIEWED, ids=lambda route: f"{route.method} {route.rbac_resource}")
async def test_every_route_is_reviewed_with_its_full_subresource(cloud: Cloud, route: Route) -> None:
    cloud.api.denied.add((route.rbac_verb, route.rbac_resource))
    for version in VERSIONS:
        for template in route.templates:
            cloud.api.reviews.clear()
            url = f"/apis/subresources.kubevirt.io/{version}{_concrete(template)}"
            async with cloud.session.request(route.method, url) as response:
                assert response.status == 401
                body = await response.json()
            assert body["kind"] == "Status"
            assert body["message"].startswith(f'User "alice" cannot {route.rbac_verb} "{route.rbac_resource}"')
            (review,) = cloud.api.reviews
            expected = {"group": "subresources.kubevirt.io", "version": version, "verb": route.rbac_verb}
            if route.resource:
                expected |= {"resource": route.resource, "subresource": route.path, "name": "vm1"}
            else:
                expected |= {"resource": route.path}
            if route.namespaced:
                expected["namespace"] = "default"
            assert review == {"user": "alice", "groups": ["dev"], "extra": {}, "resourceAttributes": expected}


async def test_no_route_is_reachable_without_the_gate(cloud: Cloud) -> None:
    """Every route the server knows below a version is in the table, and the open ones are these three."""
    known = {
        (route.method, f"/apis/subresources.kubevirt.io/{version}{template}")
        for route in ROUTES
        for version in VERSIONS
        for template in route.templates
    }
    served = {
        (route.method, route.resource.canonical)
        for route in cloud.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    below = {(method, path) for method, path in served if path.startswith("/apis/subresources") and path.count("/") > 4}
    assert below <= known
    assert {route.path for route in ROUTES if not route.reviewed} == {"version", "guestfs", "healthz"}


@pytest.mark.parametrize(
    "path",
    [
        "virtualmachineinstances/vm1/vnc/screenshot/",
        "virtualmachineinstances/vm1//vnc/screenshot",
        "virtualmachineinstances/vm1%2fvnc/vnc",
        "virtualmachineinstances/vm1/vnc%2fscreenshot",
        "virtualmachineinstances/..%2fother/vnc",
        "virtualmachineinstances/VM1/vnc",
        "virtualmachineinstances/vm1/portforward/22/tcp/x",
    ],
)
async def test_tricks_with_paths_lead_nowhere(cloud: Cloud, path: str) -> None:
    cloud.add_vmi()
    url = URL(f"{cloud.url}{BASE}/namespaces/default/{path}", encoded=True)
    connector = aiohttp.TCPConnector(ssl=cloud.pki.client(cloud.pki.proxy, PROXY_NAME))
    async with (
        aiohttp.ClientSession(connector=connector, headers={"X-Remote-User": "alice"}) as session,
        session.get(url) as response,
    ):
        assert response.status in (404, 405)
        assert (await response.json())["kind"] == "Status"
    assert cloud.api.reviews == []


def test_a_review_carries_the_users_extra() -> None:
    route = next(each for each in ROUTES if each.path == "vnc/screenshot")
    review = access_review(route, "v1", User("alice", (), {"scopes": ["a"]}), "ns", "vm1")
    assert review["spec"]["extra"] == {"scopes": ["a"]}
    assert review["spec"]["resourceAttributes"]["subresource"] == "vnc/screenshot"
