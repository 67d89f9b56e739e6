"""Parts for tests of virt-api: a fake API server behind it, a fake node agent before it, certificates."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import msgspec
import trustme
from aiohttp import WSMsgType, web

from kubevirt_py.api import kinds
from kubevirt_py.plan import Document, Key, Kind
from kubevirt_py.reconcile.testing.fake_api import FakeApi
from kubevirt_py.reconcile.testing.server import Server
from kubevirt_py.virt_api.auth import SUBJECT_ACCESS_REVIEW

PROXY_NAME = "front-proxy-client"
NAMESPACE = "kubevirt"
PICTURE = b"\x89PNG" * (2 << 20)
BASE = "/apis/subresources.kubevirt.io/v1"


class RecordingApi(FakeApi):
    """Answers access reviews by a set of denied (verb, resource/subresource), and notes patches with their dry run."""

    def __init__(self) -> None:
        super().__init__(Server(without_status=[kinds.VMI, kinds.POD]))
        self.reviews: list[Document] = []
        self.denied: set[tuple[str, str]] = set()
        self.patches: list[tuple[str, str, Any, bool]] = []

    async def create(self, kind: Kind[Any], namespace: str, body: Document | bytes, *, dry_run: bool = False) -> bytes:
        if kind != SUBJECT_ACCESS_REVIEW:
            return await super().create(kind, namespace, body, dry_run=dry_run)
        assert isinstance(body, dict)
        self.reviews.append(body["spec"])
        asked = body["spec"]["resourceAttributes"]
        resource = "/".join(part for part in (asked["resource"], asked.get("subresource")) if part)
        allowed = (asked["verb"], resource) not in self.denied
        return msgspec.json.encode({"status": {"allowed": allowed, "reason": "" if allowed else "no rule"}})

    async def json_patch(
        self,
        kind: Kind[Any],
        key: Key,
        ops: Sequence[Document],
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> bytes:
        self.patches.append((kind.kind, subresource, list(ops), dry_run))
        if dry_run:
            return b"{}"
        return await super().json_patch(kind, key, ops, subresource=subresource)

    async def merge_patch(
        self,
        kind: Kind[Any],
        key: Key,
        body: Document | bytes,
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> bytes:
        self.patches.append((kind.kind, subresource, body, dry_run))
        if dry_run:
            return b"{}"
        return await super().merge_patch(kind, key, body, subresource=subresource)


@dataclass
class Pki:
    """Two authorities, the cluster's own and the front proxy's, and directories of certificates."""

    root: Path
    cluster: trustme.CA = field(default_factory=trustme.CA)
    proxy: trustme.CA = field(default_factory=trustme.CA)

    def directory(self, name: str, authority: trustme.CA, *identities: str, common_name: str) -> Path:
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        leaf = authority.issue_cert(*identities, common_name=common_name)
        leaf.private_key_pem.write_to_path(folder / "tls.key")
        (folder / "tls.crt").write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        return folder

    @property
    def cluster_ca(self) -> Path:
        path = self.root / "ca-bundle"
        self.cluster.cert_pem.write_to_path(path)
        return path

    def client(self, authority: trustme.CA | None, common_name: str | None) -> ssl.SSLContext:
        """A client that trusts virt-api, with a certificate or without."""
        context = ssl.create_default_context()
        self.cluster.configure_trust(context)
        if authority is not None:
            authority.issue_cert("client.test", common_name=common_name).configure_cert(context)
        return context


@dataclass
class FakeAgent:
    """A virt-handler: notes calls, echoes streams."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    client_names: list[str] = field(default_factory=list)
    refuse: tuple[int, str] | None = None
    close_code: int = 1000
    slow_s: float = 0.0

    def app(self) -> web.Application:
        app = web.Application()
        base = "/v1/namespaces/{namespace}/virtualmachineinstances/{name}"
        app.router.add_get(base + "/{verb:console|vnc|usbredir|vsock}", self.stream)
        app.router.add_route("*", base + "/{verb:.+}", self.call)
        return app

    def _note(self, request: web.Request) -> None:
        self.calls.append((request.method, request.path_qs.removeprefix("/v1/namespaces/")))
        assert request.transport is not None
        subject = request.transport.get_extra_info("ssl_object").getpeercert()["subject"]
        self.client_names.append(dict(part[0] for part in subject)["commonName"])

    async def call(self, request: web.Request) -> web.Response:
        self._note(request)
        self.bodies.append(await request.read())
        await anyio.sleep(self.slow_s)
        if self.refuse:
            return web.Response(status=self.refuse[0], text=self.refuse[1])
        if request.path.endswith("screenshot"):
            return web.Response(body=PICTURE, content_type="image/png")
        return web.json_response({"hostname": "guest"})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Echo; the message `bye` closes with `close_code`."""
        self._note(request)
        return await self.answer(request)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.refuse:
            return web.Response(status=self.refuse[0], text=self.refuse[1])
        socket = web.WebSocketResponse(protocols=("plain.kubevirt.io",))
        await socket.prepare(request)
        async for message in socket:
            assert message.type is WSMsgType.BINARY
            if message.data == b"bye":
                await socket.close(code=self.close_code)
                break
            await socket.send_bytes(message.data)
        return socket


@dataclass
class Cloud:
    """Everything a test needs."""

    api: RecordingApi
    agent: FakeAgent
    pki: Pki
    url: str
    session: aiohttp.ClientSession
    """Speaks as the front proxy, for the user alice."""
    app: web.Application

    def add(self, kind: Kind[Any], document: Document) -> None:
        meta = document["metadata"]
        self.api.server.create(kind, meta.get("namespace", ""), document)

    def add_vm(self, *, strategy: str | None = "Always", status: Document | None = None, **spec: Any) -> None:
        spec |= {"runStrategy": strategy} if strategy else {}
        self.add(
            kinds.VM,
            {
                "apiVersion": "kubevirt.io/v1",
                "kind": "VirtualMachine",
                "metadata": {"name": "vm1", "namespace": "default"},
                "spec": {"template": {}, **spec},
            },
        )
        if status is not None:
            key = Key("default", "vm1")
            self.api.server.merge_patch(kinds.VM, key, {"status": status}, subresource="status")

    def add_vmi(self, *, phase: str = "Running", conditions: Sequence[str] = (), owner: str = "", **parts: Any) -> None:
        owners = [{"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": "vm1", "uid": owner}]
        self.add(
            kinds.VMI,
            {
                "apiVersion": "kubevirt.io/v1",
                "kind": "VirtualMachineInstance",
                "metadata": {
                    "name": "vm1",
                    "namespace": "default",
                    **({"ownerReferences": [owners[0] | {"controller": True}]} if owner else {}),
                },
                "spec": parts.get("spec", {}),
                "status": {
                    "phase": phase,
                    "nodeName": "node1",
                    "conditions": [{"type": each, "status": "True"} for each in conditions],
                    "interfaces": parts.get("interfaces", []),
                },
            },
        )

    def uid(self, kind: Kind[Any]) -> str:
        uid: str = self.api.server.get(kind, Key("default", "vm1"))["metadata"]["uid"]
        return uid
