"""Certificates that change while connections are open."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import anyio.streams.tls
import pytest
import trustme
from aiohttp import web

from kubevirt_py.kube import tls
from kubevirt_py.kube.tls import (
    ReloadingClientContext,
    ReloadingServerContext,
    client_context,
    keep_fresh,
    peer_common_name,
)

NAME = "virt-handler.example.com"


def issue(authority: trustme.CA, folder: Path, common_name: str = "someone", *names: str) -> Path:
    """A certificate and key in `folder`, as a mounted Secret has them."""
    folder.mkdir(exist_ok=True)
    certificate = authority.issue_cert(*(names or ("localhost",)), common_name=common_name)
    certificate.private_key_pem.write_to_path(folder / "tls.key")
    (folder / "tls.crt").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    return folder


class Place:
    """A server and its clients, with authorities that may be replaced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.ca = folder / "ca.crt"
        self.trust(self.authority)
        self.server = issue(self.authority, folder / "server", "server", NAME)
        self.client = issue(self.authority, folder / "client", "the client")

    def trust(self, *authorities: trustme.CA) -> None:
        self.ca.write_bytes(b"".join(authority.cert_pem.bytes() for authority in authorities))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@asynccontextmanager
async def listening(context: ReloadingServerContext) -> AsyncIterator[int]:
    async def whoami(request: web.Request) -> web.Response:
        assert request.transport is not None
        return web.Response(text=peer_common_name(request.transport.get_extra_info("ssl_object")))

    app = web.Application()
    app.router.add_get("/", whoami)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context.context)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def ask(port: int, client: ReloadingClientContext, session: aiohttp.ClientSession | None = None) -> str:
    url = f"https://127.0.0.1:{port}/"
    async with session or aiohttp.ClientSession() as using:
        async with using.get(url, ssl=client.context, server_hostname=client.server_name) as response:
            return await response.text()


async def test_both_sides_know_each_other(place: Place) -> None:
    server = ReloadingServerContext(place.server, place.ca, require_client_cert=True)
    async with listening(server) as port:
        assert await ask(port, client_context(place.client, place.ca, NAME)) == "the client"
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await ask(port, client_context(place.client, place.ca, "another"))
        with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
            await ask(port, client_context(None, place.ca, NAME))


async def test_a_client_certificate_may_be_optional(place: Place) -> None:
    server = ReloadingServerContext(place.server, place.ca, require_client_cert=False)
    async with listening(server) as port:
        assert await ask(port, client_context(None, place.ca, NAME)) == ""
        assert await ask(port, client_context(place.client, place.ca, NAME)) == "the client"


async def test_rotation_serves_new_handshakes_and_spares_open_ones(place: Place) -> None:
    server = ReloadingServerContext(place.server, place.ca, require_client_cert=True)
    old = client_context(place.client, place.ca, NAME)
    async with listening(server) as port, aiohttp.ClientSession() as open_session:
        url = f"https://127.0.0.1:{port}/"
        async with open_session.get(url, ssl=old.context, server_hostname=NAME) as response:
            assert await response.text() == "the client"
        new_authority = trustme.CA()
        place.trust(new_authority)
        issue(new_authority, place.server, "server", NAME)
        new_client = issue(new_authority, place.folder / "new", "the new client")
        assert server.reload() and not server.reload()
        assert await ask(port, client_context(new_client, place.ca, NAME)) == "the new client"
        both = place.folder / "both.crt"
        both.write_bytes(new_authority.cert_pem.bytes() + place.authority.cert_pem.bytes())
        with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
            await ask(port, client_context(place.client, both, NAME))
        async with open_session.get(url, ssl=old.context, server_hostname=NAME) as response:
            assert await response.text() == "the client", "the connection that was open goes on"


async def test_a_client_follows_its_files(place: Place) -> None:
    client = client_context(place.client, place.ca, NAME)
    before = client.context
    assert not client.reload() and client.context is before
    issue(place.authority, place.client, "renewed")
    assert client.reload()
    server = ReloadingServerContext(place.server, place.ca, require_client_cert=True)
    async with listening(server) as port:
        assert await ask(port, client) == "renewed"


def test_half_written_files_do_no_harm(place: Place) -> None:
    server = ReloadingServerContext(place.server, place.ca, require_client_cert=True)
    good = (place.server / "tls.crt").read_bytes()
    (place.server / "tls.crt").write_bytes(good[:100])
    assert not server.reload()
    issue(place.authority, place.server, "server", NAME)
    assert server.reload()


async def spoken(port: int, ca: Path, **wanted: Any) -> tuple[str, str]:
    """Version and cipher a new connection agrees on."""
    context = ssl.create_default_context(cafile=str(ca))
    if "ciphers" in wanted:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(wanted["ciphers"])
    stream = await anyio.connect_tcp("127.0.0.1", port, tls=True, ssl_context=context, tls_hostname=NAME)
    async with stream:
        return (
            str(stream.extra(anyio.streams.tls.TLSAttribute.tls_version)),
            stream.extra(anyio.streams.tls.TLSAttribute.cipher)[0],
        )


async def test_versions_and_ciphers_change_while_serving(place: Place) -> None:
    server = ReloadingServerContext(place.server, None, require_client_cert=False)
    any_cipher = "ECDHE+AESGCM"
    async with listening(server) as port:
        assert (await spoken(port, place.ca, ciphers=any_cipher))[0] == "TLSv1.2"
        server.restrict(newest_only=False, ciphers=["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"])
        assert "AES128-GCM" in (await spoken(port, place.ca, ciphers=any_cipher))[1]
        with pytest.raises((anyio.BrokenResourceError, ssl.SSLError)):
            await spoken(port, place.ca, ciphers="ECDHE+AES256")
        server.restrict(newest_only=True, ciphers=[])
        assert (await spoken(port, place.ca))[0] == "TLSv1.3"
        with pytest.raises((anyio.BrokenResourceError, ssl.SSLError)):
            await spoken(port, place.ca, ciphers=any_cipher)
        issue(place.authority, place.server, "server", NAME)
        assert server.reload()
        with pytest.raises((anyio.BrokenResourceError, ssl.SSLError)):
            await spoken(port, place.ca, ciphers=any_cipher)
        server.restrict(newest_only=True, ciphers=["NO-SUCH-CIPHER"])
        assert (await spoken(port, place.ca))[0] == "TLSv1.3", "what cannot be used changes nothing"


def test_files_that_fail_at_the_start_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        ReloadingServerContext(tmp_path, None, require_client_cert=False)


async def test_keep_fresh_looks_now_and_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "CHECK_S", 0.01)
    looked = anyio.Event()

    class Probe:
        looks = 0

        def reload(self) -> bool:
            self.looks += 1
            if self.looks == 3:
                anyio.from_thread.run_sync(looked.set)
            return False

    async with anyio.create_task_group() as group:
        group.start_soon(keep_fresh, Probe())
        with anyio.fail_after(10):
            await looked.wait()
        group.cancel_scope.cancel()
