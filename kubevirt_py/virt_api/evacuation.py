"""evacuate/cancel: let a guest stay on a node that it was told to leave."""

from __future__ import annotations

import msgspec
from aiohttp import web

from kubevirt_py.api import kinds, names
from kubevirt_py.api.subresources import VM, VMI
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import ApiError, NotFound
from kubevirt_py.plan import Key
from kubevirt_py.virt_api.answers import VMI_RESOURCE, Handler, Refused, conflict, dry_run, read_options

_PATH = "/status/evacuationNodeName"


class _Status(msgspec.Struct, rename="camel"):
    evacuation_node_name: str = ""


class _Vmi(msgspec.Struct):
    status: _Status = msgspec.field(default_factory=_Status)


class _Taint(msgspec.Struct):
    key: str
    effect: str


class _NodeSpec(msgspec.Struct):
    taints: tuple[_Taint, ...] = ()


class _Node(msgspec.Struct):
    spec: _NodeSpec = msgspec.field(default_factory=_NodeSpec)


class Evacuation:
    """Handlers of both routes, by resource and path."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @property
    def handlers(self) -> dict[tuple[str, str], Handler]:
        return {(VM, "evacuate/cancel"): self._of_vm, (VMI, "evacuate/cancel"): self._of_vmi}

    async def _of_vm(self, request: web.Request) -> web.Response:
        await self._api.get(kinds.VM, Key(request.match_info["namespace"], request.match_info["name"]))
        return await self._of_vmi(request)

    async def _of_vmi(self, request: web.Request) -> web.Response:
        """Nothing is done where no evacuation is under way, or only one from another node than the client names."""
        options = await read_options(request)
        dry = dry_run(options)
        key = Key(request.match_info["namespace"], request.match_info["name"])
        node = msgspec.json.decode(await self._api.get(kinds.VMI, key), type=_Vmi).status.evacuation_node_name
        if not node or options.get("evacuationNodeName") not in (None, "", node):
            return web.Response(status=200)
        await self._check_node(key.name, node)
        ops = [{"op": "test", "path": _PATH, "value": node}, {"op": "remove", "path": _PATH}]
        try:
            await self._api.json_patch(kinds.VMI, key, ops, dry_run=dry)
        except ApiError as error:
            if error.status == 422 and not error.causes:
                raise conflict(VMI_RESOURCE, key.name, "the VMI changed meanwhile; try again") from error
            raise
        return web.Response(status=200)

    async def _check_node(self, name: str, node: str) -> None:
        """Refused 400 while the node's taint would start the evacuation again."""
        try:
            taints = msgspec.json.decode(await self._api.get(kinds.NODE, Key("", node)), type=_Node).spec.taints
        except NotFound:
            return
        if any(taint.key == names.DRAIN_TAINT and taint.effect == "NoSchedule" for taint in taints):
            raise Refused(
                400,
                f"evacuation of {name} cannot be canceled: node {node} has the taint {names.DRAIN_TAINT}:NoSchedule; "
                "remove it first",
            )
