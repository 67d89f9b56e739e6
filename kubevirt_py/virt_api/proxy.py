"""Verbs that the node agent carries out: check here, then pass on."""

from __future__ import annotations

import msgspec
from aiohttp import web

from kubevirt_py.api import kinds
from kubevirt_py.api.durations import parse_duration
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import NotFound
from kubevirt_py.plan import Key
from kubevirt_py.virt_api import machines
from kubevirt_py.virt_api.agents import CALL_S, Agents
from kubevirt_py.virt_api.answers import VMI_RESOURCE, Handler, Refused, conflict, dry_run, read_options

GUEST_S = 65.0
"""For what the agent in the guest does or tells: a busy one is slow, and a freeze first writes out what file systems
hold back."""
BY_GUEST = ("softreboot", "unfreeze")
SCREENSHOT_S = 30.0
SCREENSHOT_BYTES = 64 << 20
"""A PNG can be a little larger than the pixels it shows."""


class _VmStatus(msgspec.Struct, rename="camel"):
    snapshot_in_progress: str | None = None


class _Vm(msgspec.Struct):
    status: _VmStatus = msgspec.field(default_factory=_VmStatus)


class Proxy:
    """Handlers of the VMI's verbs."""

    def __init__(self, api: Api, agents: Agents) -> None:
        self._api = api
        self._agents = agents

    @property
    def handlers(self) -> dict[str, Handler]:
        """By subresource name."""
        puts = {verb: self._putting(verb, check) for verb, check in machines.PUT_CHECKS.items()}
        gets = {verb: self._getting(verb, check) for verb, check in machines.GET_CHECKS.items()}
        return puts | gets | {"freeze": self.freeze, "vnc/screenshot": self.screenshot}

    async def freeze(self, request: web.Request) -> web.Response:
        """Refused 400 for a body that is no FreezeUnfreezeTimeout."""
        options = await read_options(request)
        timeout = options.get("unfreezeTimeout")
        try:
            parse_duration(timeout or "0s")
        except (ValueError, TypeError) as error:
            raise Refused(400, f"unfreezeTimeout: {error}") from error
        machine = await self._machine(request)
        machines.check_freeze(machine)
        body = msgspec.json.encode({"unfreezeTimeout": timeout}) if timeout else b""
        await self._agents.call(machine, "PUT", "freeze", body, within_s=GUEST_S)
        return web.Response(status=200)

    async def screenshot(self, request: web.Request) -> web.Response:
        """A picture of the screen, PNG."""
        machine = await self._machine(request)
        machines.check_screenshot(machine)
        params = {"moveCursor": "true"} if request.query.get("moveCursor") == "true" else None
        answer = await self._agents.call(
            machine, "GET", "vnc/screenshot", params=params, within_s=SCREENSHOT_S, at_most=SCREENSHOT_BYTES
        )
        return web.Response(body=answer.body, content_type=answer.content_type)

    async def _machine(self, request: web.Request) -> machines.Machine:
        return await machines.read(self._api, Key(request.match_info["namespace"], request.match_info["name"]))

    def _putting(self, verb: str, check: machines.Check) -> Handler:
        async def put(request: web.Request) -> web.Response:
            dry = dry_run(await read_options(request))
            key = Key(request.match_info["namespace"], request.match_info["name"])
            machine = await machines.read(self._api, key)
            check(machine)
            if verb == "unpause":
                await self._check_snapshot(key)
            if not dry:
                await self._agents.call(machine, "PUT", verb, within_s=GUEST_S if verb in BY_GUEST else CALL_S)
            return web.Response(status=200)

        return put

    def _getting(self, verb: str, check: machines.Check) -> Handler:
        async def get(request: web.Request) -> web.Response:
            key = Key(request.match_info["namespace"], request.match_info["name"])
            machine = await machines.read(self._api, key)
            check(machine)
            answer = await self._agents.call(machine, "GET", verb, within_s=GUEST_S)
            return web.Response(status=answer.status, body=answer.body, content_type=answer.content_type)

        return get

    async def _check_snapshot(self, key: Key) -> None:
        """A snapshot in progress holds the guest still; it goes on by itself when that is done."""
        try:
            vm = msgspec.json.decode(await self._api.get(kinds.VM, key), type=_Vm)
        except NotFound:
            return
        if vm.status.snapshot_in_progress:
            raise conflict(VMI_RESOURCE, key.name, f"VM snapshot {vm.status.snapshot_in_progress} is in progress")
