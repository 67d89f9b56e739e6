"""expand-spec and expand-vm-spec: a VirtualMachine with its instance type and preference merged into it."""

from __future__ import annotations

import msgspec
import yaml
from aiohttp import web

from kubevirt_py.api import kinds
from kubevirt_py.api.v1.vm import VirtualMachine
from kubevirt_py.kube.api import Api
from kubevirt_py.plan import Document, Key
from kubevirt_py.render.parse import parse_causes
from kubevirt_py.virt_api.answers import Refused, json_response, read_body

VM_BYTES = 3 * 1024 * 1024
"""What the API server takes at most."""


def expanded(vm: Document) -> Document:
    """A machine that names neither is its own expansion. Refused 501 for others."""
    spec = vm.get("spec") or {}
    for field in ("instancetype", "preference"):
        if spec.get(field):
            raise Refused(
                501,
                f"spec.{field} cannot be expanded: it needs expansion of instance types and preferences, "
                "which is not available in this version",
            )
    return vm


def checked(vm: object, namespace: str) -> Document:
    """What a client sent. Refused 400 with causes where it is no VirtualMachine, or is one of another namespace."""
    if not isinstance(vm, dict):
        raise Refused(400, "Can not unmarshal the request body: it must be a VirtualMachine object")
    if (kind := vm.get("kind", "VirtualMachine")) != "VirtualMachine":
        raise Refused(400, f"Object is not a valid VirtualMachine: its kind is {kind!r}")
    if causes := parse_causes(VirtualMachine, vm):
        listed = [{"field": cause.field, "reason": cause.reason, "message": cause.message} for cause in causes]
        raise Refused(
            400,
            f"Object is not a valid VirtualMachine: {causes[0].field}: {causes[0].message}",
            details={"causes": listed},
        )
    named = (vm.get("metadata") or {}).get("namespace") or namespace
    if named != namespace:
        raise Refused(400, f"VM namespace must be empty or {namespace}, not {named}")
    return vm


class Expansion:
    """Handlers of both routes."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def stored(self, request: web.Request) -> web.Response:
        """GET expand-spec: the VM as it is stored."""
        key = Key(request.match_info["namespace"], request.match_info["name"])
        return json_response(expanded(msgspec.json.decode(await self._api.get(kinds.VM, key))))

    async def given(self, request: web.Request) -> web.Response:
        """PUT expand-vm-spec: the VM in the body."""
        body = await read_body(request, VM_BYTES)
        try:
            vm = msgspec.json.decode(body) if body.lstrip().startswith(b"{") else yaml.safe_load(body)
        except (msgspec.DecodeError, yaml.YAMLError) as error:
            raise Refused(400, f"Can not unmarshal the request body as JSON or YAML: {error}") from error
        return json_response(expanded(checked(vm, request.match_info["namespace"])))
