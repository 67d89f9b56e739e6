"""The device plugins against a kubelet of our own: registration, list, allocation, and a kubelet's restart."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import grpc
import grpc.aio
import pytest

from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.virt_handler import app, deviceplugin
from kubevirt_py.virt_handler.app import Settings
from kubevirt_py.virt_handler.devicedirs import DeviceDirectories
from kubevirt_py.virt_handler.deviceplugin_pb import deviceplugin_pb2 as pb
from kubevirt_py.virt_handler.hostfacts import HostFacts


class Kubelet:
    """Takes registrations, as the kubelet's Registration service does."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.requests: list[pb.RegisterRequest] = []
        self.registered = anyio.Event()
        self.known: set[str] = set()

    def forget_plugins(self) -> None:
        for path in self.directory.glob("*.sock"):
            path.unlink()

    async def register(self, request: pb.RegisterRequest, context: Any) -> pb.Empty:
        if request.endpoint in self.known:
            await context.abort(grpc.StatusCode.UNKNOWN, f"device plugin already connected: {request.endpoint}")
        self.known.add(request.endpoint)
        self.requests.append(request)
        if len(self.requests) == 3:
            self.registered.set()
        return pb.Empty()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        method = grpc.unary_unary_rpc_method_handler(
            self.register,
            request_deserializer=pb.RegisterRequest.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
        server = grpc.aio.server()
        handlers = grpc.method_handlers_generic_handler("v1beta1.Registration", {"Register": method})
        server.add_generic_rpc_handlers((handlers,))
        server.add_insecure_port(f"unix:{self.directory / 'kubelet.sock'}")
        await server.start()
        try:
            yield
        finally:
            await server.stop(None)


@pytest.fixture
def devices(tmp_path: Path) -> DeviceDirectories:
    return DeviceDirectories(tmp_path / "agent")


@asynccontextmanager
async def _plugins(devices: DeviceDirectories, directory: Path, name: str = "first") -> AsyncIterator[None]:
    plugins = [
        deviceplugin.tun(devices.make, 3),
        deviceplugin.kvm(False, 3),
        deviceplugin.vhost_net(True, 3),
    ]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(deviceplugin.serve, plugins, directory, lambda: name)
        yield
        tasks.cancel_scope.cancel()


async def _call(directory: Path, name: str, method: str, request: Any, answer: Any) -> Any:
    async with grpc.aio.insecure_channel(f"unix:{directory / name}") as channel:
        call = channel.unary_unary(
            f"/v1beta1.DevicePlugin/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return await call(request, timeout=10)


async def _list(directory: Path, name: str) -> list[str]:
    async with grpc.aio.insecure_channel(f"unix:{directory / name}") as channel:
        call = channel.unary_stream(
            "/v1beta1.DevicePlugin/ListAndWatch",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=pb.ListAndWatchResponse.FromString,
        )
        async for response in call(pb.Empty(), timeout=10):
            return [device.id for device in response.devices]
    raise AssertionError("the stream ended without a list")


async def test_registers_lists_and_allocates(tmp_path: Path, devices: DeviceDirectories) -> None:
    kubelet = Kubelet(tmp_path)
    listener = devices.listen()
    async with kubelet.running(), _plugins(devices, tmp_path):
        with anyio.fail_after(20):
            await kubelet.registered.wait()
        assert {(r.version, r.resource_name, r.endpoint) for r in kubelet.requests} == {
            ("v1beta1", "devices.kubevirt.io/tun", "kubevirt-tun-first.sock"),
            ("v1beta1", "devices.kubevirt.io/kvm", "kubevirt-kvm-first.sock"),
            ("v1beta1", "devices.kubevirt.io/vhost-net", "kubevirt-vhost-net-first.sock"),
        }
        assert await _list(tmp_path, "kubevirt-tun-first.sock") == ["tun0", "tun1", "tun2"]
        assert await _list(tmp_path, "kubevirt-kvm-first.sock") == []
        request = pb.AllocateRequest(container_requests=[pb.ContainerAllocateRequest(devices_ids=["tun1"])])
        answer = await _call(tmp_path, "kubevirt-tun-first.sock", "Allocate", request, pb.AllocateResponse)
        (mount,) = answer.container_responses[0].mounts
        assert (mount.container_path, mount.read_only) == ("/run/kubevirt-agent", True)
        assert sorted(os.listdir(mount.host_path)) == ["launcher.sock"]
        assert stat.S_IMODE(os.stat(f"{mount.host_path}/launcher.sock").st_mode) == 0o666
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as pod:
            pod.connect(f"{mount.host_path}/launcher.sock")
    listener.close()


async def test_the_kubelet_hears_of_another_number(tmp_path: Path, devices: DeviceDirectories) -> None:
    plugin, unusable = deviceplugin.tun(devices.make, 3), deviceplugin.kvm(False, 3)
    answers = plugin._list(pb.Empty(), None)
    assert len((await anext(answers)).devices) == 3
    plugin.resize(1)
    with anyio.fail_after(5):
        assert [one.id for one in (await anext(answers)).devices] == ["tun0"]
    unusable.resize(5)
    assert len((await anext(unusable._list(pb.Empty(), None))).devices) == 0, "a host without KVM has none to offer"


async def test_an_attachment_is_a_directory_and_no_guest_of_the_node(devices: DeviceDirectories) -> None:
    plugin = deviceplugin.attachment(devices.make, 3)
    assert plugin.resource == "devices.kubevirt.io/attachment"
    (mount,) = plugin._allocate(["attachment1"]).mounts
    assert mount.container_path == "/run/kubevirt-agent" and mount.host_path.endswith("/attachment1")


async def test_the_helper_of_reservations_is_offered_where_the_cluster_wants_it(tmp_path: Path) -> None:
    host = HostFacts(kvm=False, tun=True, vhost_net=False)
    settings = Settings(
        node="node1", namespace="kubevirt", port=0, server_port=0, verbosity=2, max_devices=10,
        directory=tmp_path, plugin_directory=tmp_path, certificates=None, client_ca=tmp_path,
    )  # fmt: skip
    plugins = app._plugins(DeviceDirectories(tmp_path), host, settings)
    counts = {}
    for wanted in (False, True):
        app._resize(plugins, 10, ClusterConfig(persistent_reservations=wanted, vms_per_node=4))
        listed = [await anext(plugin._list(pb.Empty(), None)) for plugin in plugins.values()]
        counts[wanted] = dict(zip(plugins, (len(one.devices) for one in listed), strict=True))
    helper, attachment = "devices.kubevirt.io/pr-helper", "devices.kubevirt.io/attachment"
    assert (counts[False][helper], counts[True][helper]) == (0, 4)
    assert (counts[True]["devices.kubevirt.io/tun"], counts[True][attachment]) == (4, 8)
    (mount,) = plugins[helper]._allocate(["pr-helper0"]).mounts
    assert (mount.container_path, mount.read_only) == ("/run/kubevirt-reservations", True)
    assert mount.host_path == f"{tmp_path}/reservations"
    assert os.listdir(tmp_path) == ["reservations"]


async def test_registers_again_with_a_new_kubelet(tmp_path: Path, devices: DeviceDirectories) -> None:
    first, second = Kubelet(tmp_path), Kubelet(tmp_path)
    async with _plugins(devices, tmp_path):
        for kubelet in (first, second):
            async with kubelet.running():
                with anyio.fail_after(20):
                    await kubelet.registered.wait()
            # A kubelet that starts removes every socket in its directory.
            kubelet.forget_plugins()


async def test_an_agent_registers_while_the_kubelet_still_knows_the_one_before(
    tmp_path: Path, devices: DeviceDirectories
) -> None:
    """A kubelet refuses a socket's path for good that it takes for connected, as it does for a killed agent's."""
    kubelet = Kubelet(tmp_path)
    left = tmp_path / "kubevirt-tun.sock"
    left.touch()
    plugins = [deviceplugin.tun(devices.make, 3), deviceplugin.kvm(False, 3), deviceplugin.vhost_net(True, 3)]
    async with kubelet.running():
        for _ in range(2):
            kubelet.requests, kubelet.registered = [], anyio.Event()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(deviceplugin.serve, plugins, tmp_path)
                with anyio.fail_after(20):
                    await kubelet.registered.wait()
                assert await _list(tmp_path, kubelet.requests[0].endpoint) == ["tun0", "tun1", "tun2"]
                tasks.cancel_scope.cancel()
    assert len(kubelet.known) == 6
    assert not left.exists(), "names of agents before do not heap up"


def test_a_later_pod_keeps_its_directory(devices: DeviceDirectories) -> None:
    """A guest that is cleared away late must not take the directory of the pod that has its device now."""
    devices.make("tun0")
    old = devices.inode("tun0")
    path = devices.make("tun0")
    assert devices.inode("tun0") != old
    devices.release("tun0", old)
    assert os.path.isdir(path)
    devices.release("tun0", devices.inode("tun0"))
    assert not os.path.exists(path)


def test_directories_of_pods_that_never_called_are_swept(devices: DeviceDirectories) -> None:
    used, left = devices.make("tun0"), devices.make("tun1")
    devices.sweep({"tun0"}, time.time())
    assert os.path.isdir(left)
    devices.sweep({"tun0"}, time.time() + 61)
    assert os.path.isdir(used) and not os.path.exists(left)


def test_a_new_agent_links_its_socket_into_every_directory(devices: DeviceDirectories) -> None:
    path = devices.make("tun0")
    devices.listen().close()
    with devices.listen(), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as pod:
        pod.connect(f"{path}/launcher.sock")
