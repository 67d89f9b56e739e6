"""Watcher and store against a real API server, over a wire that breaks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import msgspec
import pytest
from anyio.abc import SocketAttribute, SocketStream

from kubevirt_py.kube.client import Client
from kubevirt_py.kube.connect import KubeConfig
from kubevirt_py.plan import Key
from kubevirt_py.reconcile import follow, watcher
from kubevirt_py.reconcile.store import Selection, Store
from kubevirt_py.reconcile.watcher import Watcher
from tests.behaviour.api import decode
from tests.behaviour.kinds import CONFIG_MAP, ConfigMap, config_map
from tests.behaviour.manager import until


class Wire:
    """A TCP relay to the API server that can be cut, or fall silent."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._open: set[SocketStream] = set()
        self.flowing = anyio.Event()
        self.flowing.set()
        self.port = 0

    async def cut(self) -> None:
        for stream in tuple(self._open):
            await anyio.aclose_forcefully(stream)

    def silence(self) -> None:
        self.flowing = anyio.Event()

    async def _relay(self, client: SocketStream) -> None:
        async with client, await anyio.connect_tcp(*self._to) as server:
            self._open |= {client, server}
            async with anyio.create_task_group() as group:
                group.start_soon(self._copy, client, server, group)
                group.start_soon(self._copy, server, client, group)
            self._open -= {client, server}

    async def _copy(self, source: SocketStream, sink: SocketStream, group: anyio.abc.TaskGroup) -> None:
        try:
            async for data in source:
                await self.flowing.wait()
                await sink.send(data)
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            pass  # the other direction has ended too, or is about to
        group.cancel_scope.cancel()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
            self.port = listener.extra(SocketAttribute.local_port)
            async with anyio.create_task_group() as group:
                group.start_soon(listener.serve, self._relay)
                yield
                group.cancel_scope.cancel()


@asynccontextmanager
async def following(
    kubeconfig: Path, namespace: str, *, streaming: bool = True
) -> AsyncIterator[tuple[Store[ConfigMap], Wire, list[int]]]:
    """A store of ConfigMaps that follows the server over a wire."""
    credentials = KubeConfig(str(kubeconfig), None)
    await credentials.load()
    target = urlsplit(credentials.host)
    assert target.hostname is not None and target.port is not None
    wire, relists = Wire(target.hostname, target.port), list[int]()
    store = Store(CONFIG_MAP, Selection(namespace=namespace))
    async with wire.serving(), Client(f"https://127.0.0.1:{wire.port}", credentials) as client:
        async with anyio.create_task_group() as group:
            it = Watcher(client, store, relisted=lambda: relists.append(1))
            it._state = follow.Cold(streaming)
            group.start_soon(it.run)
            with anyio.fail_after(20):
                await store.wait_synced()
            yield store, wire, relists
            group.cancel_scope.cancel()


async def write(client: Client, namespace: str, name: str, value: str) -> str:
    key = Key(namespace, name)
    made = decode(await client.apply(CONFIG_MAP, key, config_map(key, {"v": value}), manager="tests"))
    return str(made["metadata"]["resourceVersion"])


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "listed"])
async def test_a_broken_wire_loses_nothing(
    admin_client: Client, kubeconfig: Path, namespace: str, streaming: bool
) -> None:
    await write(admin_client, namespace, "before", "1")
    async with following(kubeconfig, namespace, streaming=streaming) as (store, wire, relists):
        assert [view.data for view in store.all()] == [{"v": "1"}]
        for round_number in range(4):
            await write(admin_client, namespace, "a", str(round_number))
            await wire.cut()
            await write(admin_client, namespace, "b", str(round_number))
            await admin_client.delete(CONFIG_MAP, Key(namespace, "a"))
            last = await write(admin_client, namespace, "c", str(round_number))
            with anyio.fail_after(20):
                await store.reached(int(last))
            found = {key.name: view.data["v"] for key in store.keys() if (view := store.get(key))}
            assert found == {"before": "1", "b": str(round_number), "c": str(round_number)}
        assert len(relists) == 1, "a broken connection resumes where it was"


async def test_a_silent_wire_is_given_up(
    admin_client: Client, kubeconfig: Path, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "INACTIVITY_S", 1.0)
    async with following(kubeconfig, namespace) as (store, wire, _):
        wire.silence()
        await write(admin_client, namespace, "a", "1")
        assert store.get(Key(namespace, "a")) is None
        wire.flowing = anyio.Event()
        wire.flowing.set()  # for new connections; what the old ones carry stays where it is
        await until(store, lambda: store.get(Key(namespace, "a")) is not None)


async def test_a_store_reads_thousands(admin_client: Client, kubeconfig: Path, namespace: str) -> None:
    async with anyio.create_task_group() as group:
        for number in range(600):
            group.start_soon(write, admin_client, namespace, f"n{number}", "x" * 100)
    async with following(kubeconfig, namespace, streaming=False) as (store, _, _):
        assert len(store) == 600
    async with following(kubeconfig, namespace) as (store, _, _):
        assert len(store) == 600


async def test_our_versions_are_numbers_to_the_server_too(admin_client: Client, namespace: str) -> None:
    versions = [int(await write(admin_client, namespace, "a", str(number))) for number in range(5)]
    assert versions == sorted(set(versions))
    listed = [page async for page in admin_client.list_pages(CONFIG_MAP, namespace=namespace)]
    assert int(listed[-1].rv) >= versions[-1]
    assert msgspec.json.decode(listed[-1].items[0])["metadata"]["name"]
