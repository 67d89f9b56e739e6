"""The kubelet's device plugins: kvm, tun, attachment, vhost-net, vhost-vsock, pr-helper. The only importer of grpc.

A pod that gets a tun or an attachment gets the agent's socket with it: Allocate mounts the device's directory
read-only.
The kubelet forgets its plugins when it restarts; it then makes its own socket anew, and we register again.
Each time our sockets have new names: a kubelet that is asked to connect to a path while it still knows an agent there
refuses, and afterwards takes that path for connected until it restarts (seen with Kubernetes 1.37).
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import grpc
import grpc.aio

from kubevirt_py.api import names
from kubevirt_py.virt_handler.deviceplugin_pb import deviceplugin_pb2 as pb

VERSION = "v1beta1"
KUBELET_SOCKET = "kubelet.sock"
WATCH_S = 1.0
REGISTER_S = 10.0
STOP_S = 2.0
HEALTHY = "Healthy"
_SERVICE = "v1beta1.DevicePlugin"
_REGISTER = "/v1beta1.Registration/Register"

Allocate = Callable[[Sequence[str]], pb.ContainerAllocateResponse]

log = logging.getLogger(__name__)


class Plugin:
    """One resource: `count` devices that are all alike, and what a container gets with some of them."""

    def __init__(self, resource: str, count: int, allocate: Allocate) -> None:
        self.resource = resource
        self.short = resource.rpartition("/")[2]
        self._allocate = allocate
        self._works = count > 0
        self._count = count
        self._changed = anyio.Event()

    def resize(self, count: int) -> None:
        """Offer `count` devices from now on, if the host has any; those in use stay with their pods."""
        if self._works and count != self._count:
            self._count = count
            self._changed.set()
            self._changed = anyio.Event()

    def handler(self) -> grpc.GenericRpcHandler:
        """The gRPC service of this plugin."""

        def unary(method: Callable[[Any, Any], Awaitable[Any]], request: Any) -> grpc.RpcMethodHandler:
            return grpc.unary_unary_rpc_method_handler(
                method, request_deserializer=request.FromString, response_serializer=_serialize
            )

        methods = {
            "GetDevicePluginOptions": unary(self._options, pb.Empty),
            "Allocate": unary(self._answer, pb.AllocateRequest),
            "ListAndWatch": grpc.unary_stream_rpc_method_handler(
                self._list, request_deserializer=pb.Empty.FromString, response_serializer=_serialize
            ),
        }
        return grpc.method_handlers_generic_handler(_SERVICE, methods)

    async def _options(self, _request: pb.Empty, _context: Any) -> pb.DevicePluginOptions:
        return pb.DevicePluginOptions()

    async def _list(self, _request: pb.Empty, _context: Any) -> AsyncIterator[pb.ListAndWatchResponse]:
        """The list, again whenever it changes; the open stream says that it still holds."""
        while True:
            changed = self._changed
            devices = [pb.Device(id=f"{self.short}{index}", health=HEALTHY) for index in range(self._count)]
            yield pb.ListAndWatchResponse(devices=devices)
            await changed.wait()

    async def _answer(self, request: pb.AllocateRequest, context: Any) -> pb.AllocateResponse:
        try:
            answers = [self._allocate(list(one.devices_ids)) for one in request.container_requests]
        except OSError as error:
            log.exception("allocating a device failed", extra={"resource": self.resource})
            await context.abort(grpc.StatusCode.INTERNAL, f"{self.resource}: {error}")
        return pb.AllocateResponse(container_responses=answers)


def _serialize(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


async def serve(
    plugins: Sequence[Plugin], directory: Path, new_name: Callable[[], str] = lambda: secrets.token_hex(4)
) -> None:
    """Serve and register the plugins until cancelled, again whenever the kubelet's socket is a new one.

    `new_name` tells the sockets of one registration from those of all others.
    """
    while True:
        kubelet = await _identity(directory / KUBELET_SOCKET)
        if kubelet is None:
            await anyio.sleep(WATCH_S)
            continue
        servers: list[Any] = []
        name = new_name()
        try:
            for plugin in plugins:
                servers.append(await _start(plugin, directory, name))  # noqa: PERF401  (those that started are stopped)
            await _register(plugins, directory, name)
            while await _identity(directory / KUBELET_SOCKET) == kubelet:  # noqa: ASYNC110
                await anyio.sleep(WATCH_S)
            log.info("the kubelet has restarted, registering again")
        except (grpc.aio.AioRpcError, TimeoutError) as error:
            log.warning("the kubelet did not take the device plugins", extra={"error": str(error)})
            await anyio.sleep(WATCH_S)
        finally:
            with anyio.move_on_after(STOP_S * len(servers), shield=True):
                for server in servers:
                    await server.stop(None)


def _socket(plugin: Plugin, name: str) -> str:
    return f"kubevirt-{plugin.short}-{name}.sock"


async def _start(plugin: Plugin, directory: Path, name: str) -> Any:
    await anyio.to_thread.run_sync(_clear, plugin, directory)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((plugin.handler(),))
    server.add_insecure_port(f"unix:{directory / _socket(plugin, name)}")
    await server.start()
    return server


def _clear(plugin: Plugin, directory: Path) -> None:
    """Remove what agents before this one left; a connection outlives the name of its socket."""
    for path in directory.glob(f"kubevirt-{plugin.short}*.sock"):
        path.unlink(missing_ok=True)


async def _register(plugins: Sequence[Plugin], directory: Path, name: str) -> None:
    async with grpc.aio.insecure_channel(f"unix:{directory / KUBELET_SOCKET}") as channel:
        register = channel.unary_unary(
            _REGISTER, request_serializer=_serialize, response_deserializer=pb.Empty.FromString
        )
        for plugin in plugins:
            endpoint = _socket(plugin, name)
            request = pb.RegisterRequest(version=VERSION, endpoint=endpoint, resource_name=plugin.resource)
            await register(request, timeout=REGISTER_S)
            log.info("device plugin registered", extra={"resource": plugin.resource})


async def _identity(path: Path) -> tuple[int, int] | None:
    """Tells a file from its successors: a file system may give the same inode number again."""
    try:
        found = await anyio.to_thread.run_sync(path.stat)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_ctime_ns


def tun(make_directory: Callable[[str], str], count: int) -> Plugin:
    """Each tun device is a directory with the launcher's socket; the tap itself is made by the agent."""
    return _directories(names.TUN_DEVICE, make_directory, count)


def attachment(make_directory: Callable[[str], str], count: int) -> Plugin:
    """As tun, for the pods that bring hotplugged volumes: they are no guests of the node."""
    return _directories(names.ATTACHMENT_DEVICE, make_directory, count)


def _directories(resource: str, make_directory: Callable[[str], str], count: int) -> Plugin:
    def allocate(ids: Sequence[str]) -> pb.ContainerAllocateResponse:
        # A pod has one; were there more, the first one's directory is the one that is mounted.
        path = make_directory(ids[0])
        mount = pb.Mount(container_path=names.AGENT_DIR, host_path=path, read_only=True)
        return pb.ContainerAllocateResponse(mounts=[mount])

    return Plugin(resource, count, allocate)


def kvm(works: bool, count: int) -> Plugin:
    """KVM's device node. A host where KVM does not work offers none."""
    node = pb.DeviceSpec(container_path="/dev/kvm", host_path="/dev/kvm", permissions="rw")
    return Plugin(names.KVM_DEVICE, count if works else 0, lambda _ids: pb.ContainerAllocateResponse(devices=[node]))


def vhost_net(works: bool, count: int) -> Plugin:
    """Only a promise that the host has vhost-net: the agent opens it and hands it over."""
    return Plugin(names.VHOST_NET_DEVICE, count if works else 0, lambda _ids: pb.ContainerAllocateResponse())


def vhost_vsock(works: bool, count: int) -> Plugin:
    """Only a promise, as for vhost-net."""
    return Plugin(names.VHOST_VSOCK_DEVICE, count if works else 0, lambda _ids: pb.ContainerAllocateResponse())


def pr_helper(directory: Path, count: int) -> Plugin:
    """The directory with the socket of qemu-pr-helper: the helper may restart and make another one there."""

    def allocate(_ids: Sequence[str]) -> pb.ContainerAllocateResponse:
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        mount = pb.Mount(container_path=names.RESERVATIONS_DIR, host_path=str(directory), read_only=True)
        return pb.ContainerAllocateResponse(mounts=[mount])

    return Plugin(names.PR_HELPER_DEVICE, count, allocate)
