"""A small cluster for the command line to talk to: an HTTP server in a thread, and a kubeconfig for it."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from kubevirt_py.kube.tls import peer_common_name

SUBRESOURCES = "/apis/subresources.kubevirt.io/v1"
VMI_PATH = "/apis/kubevirt.io/v1/namespaces/work/virtualmachineinstances/vm1"


@dataclass
class Request:
    """One request as the server got it."""

    method: str
    path: str
    body: Any
    headers: list[tuple[str, str]] = field(default_factory=list)
    common_name: str = ""
    """Of the client's certificate."""


@dataclass
class Cluster:
    """Answers by (method, path): a status and a JSON document; a list is given out one by one, the last one stays."""

    kubeconfig: str = ""
    requests: list[Request] = field(default_factory=list)
    answers: dict[tuple[str, str], Any] = field(default_factory=dict)
    sessions: list[list[str]] = field(default_factory=list)
    """What each stream session does: `say X`, `close N`, `drop`, then it echoes."""
    phases: list[str] = field(default_factory=list)
    """Phases that a watch of the VMI tells."""
    heard: list[bytes] = field(default_factory=list)
    late_s: float = 0.0
    """How long each answer takes."""

    def answer(self, method: str, path: str, status: int, document: Any = None) -> None:
        self.answers.setdefault((method, path), []).append((status, document))

    def calls(self, method: str = "") -> list[tuple[str, Any]]:
        """Paths and bodies of what was asked, but for the version."""
        return [
            (each.path, each.body)
            for each in self.requests
            if not each.path.endswith("/version") and method in ("", each.method)
        ]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        tls = request.transport.get_extra_info("ssl_object") if request.transport else None
        self.requests.append(
            Request(
                request.method,
                request.path_qs,
                json.loads(text) if text else None,
                list(request.headers.items()),
                peer_common_name(tls),
            )
        )
        await asyncio.sleep(self.late_s)
        if "watch" in request.query:
            return await self._watch(request)
        found = self.answers.get((request.method, request.path))
        status, document = (found.pop(0) if len(found) > 1 else found[0]) if found else (200, None)
        if request.headers.get("Upgrade") == "websocket" and status == 200:
            return await self._stream(request)
        if document is None and not found and request.path.endswith("/version"):
            document = {"gitVersion": "v0.1.7"}
        if document is None:
            return web.Response(status=status)
        return web.json_response(document, status=status)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for phase in self.phases:
            event = {"type": "MODIFIED", "object": {"metadata": {"name": "vm1"}, "status": {"phase": phase}}}
            await response.write(json.dumps(event).encode() + b"\n")
        return response

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=("plain.kubevirt.io",))
        await socket.prepare(request)
        for step in self.sessions.pop(0) if self.sessions else []:
            verb, _, argument = step.partition(" ")
            if verb == "say":
                await socket.send_bytes(argument.encode())
            elif verb == "close":
                await socket.close(code=int(argument))
            elif verb == "drop":
                assert request.transport is not None
                request.transport.abort()
        async for message in socket:
            assert message.type is WSMsgType.BINARY
            self.heard.append(message.data)
            await socket.send_bytes(message.data.upper())
        return socket


def status(code: int, reason: str, message: str) -> tuple[int, dict[str, Any]]:
    """A refusal."""
    return code, {"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": message}


@contextmanager
def running(folder: Path, tls: ssl.SSLContext | None = None) -> Iterator[Cluster]:
    """Serve a Cluster until the block ends; with `tls` its kubeconfig does not say whom to trust."""
    cluster = Cluster()
    started = threading.Event()
    loop = asyncio.new_event_loop()
    ports: list[int] = []

    async def serve(stopping: asyncio.Event) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", cluster.handle)
        runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        ports.append(runner.addresses[0][1])
        started.set()
        await stopping.wait()
        await runner.cleanup()

    stopping = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(stopping)))
    thread.start()
    assert started.wait(10)
    path, scheme = folder / "kubeconfig", "https" if tls else "http"
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "lab",
                "clusters": [{"name": "lab", "cluster": {"server": f"{scheme}://127.0.0.1:{ports[0]}"}}],
                "users": [{"name": "me", "user": {"token": "t"}}],
                "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "me", "namespace": "work"}}],
            }
        )
    )
    cluster.kubeconfig = str(path)
    try:
        yield cluster
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(10)
        loop.close()
