"""Every route of `subresources.kubevirt.io` through the real aggregation layer, for a user of each role.

What each user gets is written down in tests/golden/subresources/answers.txt.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from hack.cluster.pki import Leaf
from hack.cluster.pki import Pki as ClusterPki
from kubevirt_py.api.subresources import GROUP, ROUTES, VERSIONS, Route
from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.reference import ROLES, VERBS, resources, rights_table
from kubevirt_py.virt_api import streams
from kubevirt_py.virt_api.discovery import openapi_v3
from kubevirt_py.virt_api.settings import Settings
from tests.conftest import Golden
from tests.integration.aggregation import USERS, Aggregated, add_kubevirt, add_machine, aggregated

pytestmark = pytest.mark.asyncio(loop_scope="module")
PAGE = Path(__file__).parents[2] / "docs/roles.md"
PROTOCOL = "plain.kubevirt.io"
REFUSED_BY_THE_API_SERVER, REFUSED_BY_VIRT_API = 403, 401
OBJECTS = {"start": "idle", "unpause": "paused"}
"""The machine each route is tried on, where that is not the busy one."""
BODIES: dict[str, bytes] = {
    "addvolume": b"""{
        "name": "data", "disk": {"name": "data", "disk": {"bus": "scsi"}}, "dryRun": ["All"],
        "volumeSource": {"persistentVolumeClaim": {"claimName": "data", "hotpluggable": true}}
    }""",
    "memorydump": b'{"claimName": "core", "dryRun": ["All"]}',
    "removevolume": b'{"name": "data", "dryRun": ["All"]}',
    "expand-vm-spec": b'{"kind": "VirtualMachine", "spec": {"template": {"spec": {"domain": {"devices": {}}}}}}',
}
HARMLESS = b'{"dryRun": ["All"]}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Aggregated]:
    with pytest.MonkeyPatch.context() as patch:
        # A listener of our own stands for the guest: elsewhere loopback addresses are refused.
        patch.setattr(streams, "_guest_address", lambda machine: machine.interfaces[0].ip_address)
        patch.setattr(Settings, "config", ClusterConfig(feature_gates=frozenset({"ObjectGraph"})))
        async with aggregated(kubeconfig, tmp_path_factory.mktemp("aggregated")) as found:
            await add_kubevirt(found)
            await add_machine(found, "idle", strategy="Halted")
            await add_machine(found, "busy", conditions={"AgentConnected": "True"})
            await add_machine(found, "paused", conditions={"Paused": "True"})
            yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guest() -> AsyncIterator[int]:
    """A port that accepts connections."""
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def urls(route: Route, version: str, namespace: str, port: int) -> Iterator[str]:
    name = OBJECTS.get(route.path, "busy")
    for template in route.templates:
        path = template.format(namespace=namespace, name=name, port=port, protocol="tcp")
        yield f"/apis/{GROUP}/{version}{path}"


async def ask(session: aiohttp.ClientSession, route: Route, url: str, **kwargs: object) -> int:
    """The status of the answer; 101 for a stream that opened."""
    if route.stream:
        try:
            async with session.ws_connect(url, protocols=(PROTOCOL,), **kwargs) as socket:  # type: ignore[arg-type]
                assert socket.protocol == PROTOCOL
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status
    body = BODIES.get(route.path, HARMLESS) if route.method == "PUT" else None
    async with session.request(route.method, url, data=body, **kwargs) as response:  # type: ignore[arg-type]
        if response.status >= 400:
            assert (await response.json())["kind"] == "Status"
        return response.status


async def through_the_api_server(lab: Aggregated, route: Route, user: str, port: int) -> tuple[int, int]:
    """Status and number of reviews that virt-api asked for; the same for every version and template."""
    found = set()
    for version in VERSIONS:
        for url in urls(route, version, lab.namespace, port):
            before = lab.api.reviews
            status = await ask(lab.session, route, url, headers={"Impersonate-User": USERS[user]})
            found.add((status, lab.api.reviews - before))
    (one,) = found
    return one


async def straight_to_virt_api(lab: Aggregated, route: Route, user: str, port: int) -> tuple[int, int]:
    """As the API server would ask, had it let the user through."""
    signed_in = "system:unauthenticated" if user == "none" else "system:authenticated"
    headers = {"X-Remote-User": USERS[user], "X-Remote-Group": signed_in}
    found = set()
    connector = aiohttp.TCPConnector(ssl=lab.front_proxy)
    async with aiohttp.ClientSession(lab.url, connector=connector, headers=headers) as session:
        for url in urls(route, VERSIONS[0], lab.namespace, port):
            before = lab.api.reviews
            found.add((await ask(session, route, url), lab.api.reviews - before))
    (one,) = found
    return one


def granted(route: Route, user: str) -> bool:
    return user == "cluster-admin" or user in route.roles or ("default" in route.roles and user != "none")


@pytest.mark.timeout(300)
async def test_every_route_for_every_role(lab: Aggregated, guest: int, golden: Golden) -> None:
    lines = [f"{'':56}" + "".join(f"{user:>14}" for user in USERS)]
    for route in ROUTES:
        row = f"{route.method:4}{route.rbac_resource:52}"
        for user in USERS:
            what = f"{route.method} {route.rbac_resource} by {user}"
            status, reviews = await through_the_api_server(lab, route, user, guest)
            direct, direct_reviews = await straight_to_virt_api(lab, route, user, guest)
            if granted(route, user):
                assert status != REFUSED_BY_VIRT_API, what
                assert reviews == route.reviewed, what
                assert direct == status, what
            else:
                assert (status, reviews) in ((REFUSED_BY_THE_API_SERVER, 0), (REFUSED_BY_VIRT_API, 1)), what
                assert not route.reviewed or direct == REFUSED_BY_VIRT_API, what
            assert direct_reviews == route.reviewed, what
            row += f"{status:>14}"
        lines.append(row)
    golden.check("subresources/answers.txt", "\n".join(lines) + "\n")


STOP = f"/apis/{GROUP}/v1/namespaces/{{}}/virtualmachines/busy/stop"
SPOOFED = {"X-Remote-User": USERS["cluster-admin"], "X-Remote-Group": "system:masters"}


def strangers(lab: Aggregated) -> dict[str, ssl.SSLContext]:
    """Clients whose TLS is in order, but who are not the front proxy."""
    authority = ClusterPki(lab.folder)
    for name, subject in (("other-name", "/CN=somebody"), ("no-name", "/O=front-proxy-client")):
        authority.issue(Leaf(name, "front-proxy-ca", subject))
    return {
        "no certificate": lab.stranger(),
        "other common name": lab.stranger("other-name"),
        "no common name": lab.stranger("no-name"),
    }


async def test_only_the_front_proxy_is_believed(lab: Aggregated) -> None:
    before = lab.api.reviews
    for who, tls in strangers(lab).items():
        async with (
            aiohttp.ClientSession(lab.url, connector=aiohttp.TCPConnector(ssl=tls), headers=SPOOFED) as session,
            session.put(STOP.format(lab.namespace), data=HARMLESS) as answer,
        ):
            assert (answer.status, (await answer.json())["reason"]) == (401, "Unauthorized"), who
    assert lab.api.reviews == before


async def test_the_front_proxy_must_name_a_user(lab: Aggregated) -> None:
    connector = aiohttp.TCPConnector(ssl=lab.front_proxy)
    async with (
        aiohttp.ClientSession(lab.url, connector=connector, headers={"X-Remote-Group": "system:masters"}) as session,
        session.put(STOP.format(lab.namespace), data=HARMLESS) as answer,
    ):
        assert answer.status == 401


async def test_headers_of_a_user_do_not_pass_the_api_server(lab: Aggregated) -> None:
    """The one who may only look stays who he is, whatever he writes into the headers of the front proxy."""
    url = f"/apis/{GROUP}/v1/namespaces/{lab.namespace}/virtualmachineinstances/busy/vnc/screenshot"
    headers = SPOOFED | {"Impersonate-User": USERS["edit"]}
    async with lab.session.get(url, headers=headers) as answer:
        assert answer.status == 401
        message = (await answer.json())["message"]
    assert message.startswith(f'User "{USERS["edit"]}" cannot get "virtualmachineinstances/vnc/screenshot"')


async def test_rights_are_what_the_page_says(lab: Aggregated) -> None:
    """Each cell of docs/roles.md, asked of the API server's own authorizer."""
    given = {
        (role, verb, group, resource): await may(lab, USERS[role], verb, group, resource)
        for role in ROLES
        for group, resource in resources()
        for verb in VERBS
    }
    table = rights_table(lambda *right: given[right])
    assert table in PAGE.read_text()
    assert sum(given.values()) > 100


async def may(lab: Aggregated, user: str, verb: str, group: str, resource: str) -> bool:
    name, _, subresource = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": name, "subresource": subresource}
    attributes["namespace"] = lab.namespace
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": ["system:authenticated"], "resourceAttributes": attributes},
    }
    async with lab.session.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", json=review) as answer:
        allowed: bool = (await answer.json())["status"]["allowed"]
        return allowed


AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
FOUND_S = 60


async def read(lab: Aggregated, path: str, accept: str = "application/json") -> Document:
    async with lab.session.get(path, headers={"Accept": accept}) as answer:
        return await answer.json() if answer.status == 200 else {}


async def test_clients_find_the_group(lab: Aggregated) -> None:
    """By the API server's own discovery, old and new."""
    names = {route.rbac_resource for route in ROUTES if route.namespaced}
    groups = (await read(lab, "/apis"))["groups"]
    (group,) = (each for each in groups if each["name"] == GROUP)
    assert [each["version"] for each in group["versions"]] == list(VERSIONS)
    for version in VERSIONS:
        listed = await read(lab, f"/apis/{GROUP}/{version}")
        assert {each["name"] for each in listed["resources"]} == names
    async with asyncio.timeout(FOUND_S):
        while not (versions := await discovered(lab)):
            pass
    assert versions == list(VERSIONS)


async def discovered(lab: Aggregated) -> list[str]:
    """Versions of our group that the API server has in its collected discovery, fresh."""
    document = await read(lab, "/apis", AGGREGATED)
    for each in document["items"]:
        if each["metadata"]["name"] == GROUP:
            return [one["version"] for one in each["versions"] if one.get("resources")]
    return []


async def test_clients_find_the_openapi_documents(lab: Aggregated) -> None:
    """Version 3 is passed through, version 2 merged into the API server's own."""
    async with asyncio.timeout(FOUND_S):
        for version in VERSIONS:
            while not (document := await read(lab, f"/openapi/v3/apis/{GROUP}/{version}")):
                pass
            assert document["paths"].keys() == openapi_v3(version)["paths"].keys()
        path = f"/apis/{GROUP}/v1/namespaces/{{namespace}}/virtualmachines/{{name}}/start"
        while path not in (merged := await read(lab, "/openapi/v2"))["paths"]:
            pass
    (body,) = (each for each in merged["paths"][path]["put"]["parameters"] if each["in"] == "body")
    definition = merged["definitions"][body["schema"]["$ref"].rpartition("/")[2]]
    assert definition["properties"]["paused"]["description"]
