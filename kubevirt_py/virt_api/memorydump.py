"""memorydump and removememorydump of VirtualMachines: a request in the VM's status; virt-controller carries it out.

What could not succeed is refused here, in the words of KubeVirt's subresource API.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from kubevirt_py.api import kinds
from kubevirt_py.api.quantity import format_bytes, quantity_bytes
from kubevirt_py.api.subresources import VM
from kubevirt_py.decide import phases
from kubevirt_py.decide.vm_dump import ASSOCIATING, COMPLETED, DISSOCIATING, FAILED
from kubevirt_py.kube.api import Api
from kubevirt_py.plan import Document, Key
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.memory_dump import claim_bytes, guest_memory, has_dump_volume, with_dump_volume
from kubevirt_py.virt_api.answers import VM_RESOURCE, VMI_RESOURCE, Handler, Refused, conflict, dry_run, read_options
from kubevirt_py.virt_api.volumes import DECLARATIVE, IMPERATIVE, TEMPLATE, changed_meanwhile, spec_ops

CLAIM_RESOURCE = "persistentvolumeclaim"
REQUEST = "/status/memoryDumpRequest"


def wanted_claim(vm: Document, options: Document) -> str:
    """The claim the dump goes to. Refused 400 without one, 409 where dumps go to another one."""
    asked = options.get("claimName") or ""
    if not isinstance(asked, str):
        raise Refused(400, f"claimName must be a string, not {asked!r}")
    known = (_request(vm) or {}).get("claimName") or ""
    if not asked and not known:
        raise Refused(400, "Memory dump requires claim name to be set")
    if asked and known and asked != known:
        words = f"can't request memory dump for pvc [{asked}] while pvc [{known}]"
        words += " is still associated as the memory dump pvc"
        raise conflict(VM_RESOURCE, vm["metadata"]["name"], words)
    return asked or known


def check_claim(claim: Document, vmi: Document) -> None:
    """Refused 409 for a claim that takes no dump of this machine."""
    name, spec = claim["metadata"]["name"], claim["spec"]
    if spec.get("volumeMode") == "Block":
        raise conflict(CLAIM_RESOURCE, name, "pvc should be filesystem pvc")
    if spec.get("accessModes") and all(mode == "ReadOnlyMany" for mode in spec["accessModes"]):
        raise conflict(CLAIM_RESOURCE, name, "pvc access mode can't be read only")
    needed = claim_bytes(guest_memory(vmi["spec"]))
    sizes = ((spec.get("resources") or {}).get("requests"), (claim.get("status") or {}).get("capacity"))
    has = max((quantity_bytes(size["storage"]) for size in sizes if size and "storage" in size), default=0)
    if has < needed:
        words = f"pvc size [{format_bytes(has)}] should be bigger then [{format_bytes(needed)}]"
        raise conflict(CLAIM_RESOURCE, name, words)


def check_place(vm: Document, claim: str) -> None:
    """Refused 409 while another request is carried out, or where another volume has the claim's name."""
    name, phase = vm["metadata"]["name"], (_request(vm) or {}).get("phase")
    if phase == DISSOCIATING:
        words = f"can't dump memory for pvc [{claim}] a remove memory dump request is in progress"
        raise conflict(VM_RESOURCE, name, words)
    if phase not in (None, COMPLETED, FAILED):
        raise conflict(VM_RESOURCE, name, f"memory dump request for pvc [{claim}] already in progress")
    spec = vm["spec"]["template"]["spec"]
    if any(volume["name"] == claim for volume in spec.get("volumes") or ()) and not has_dump_volume(spec, claim):
        words = f"a volume [{claim}] exists that is no memory dump; dump into a claim of another name"
        raise conflict(VM_RESOURCE, name, words)


def removal(vm: Document) -> Document:
    """The request that ends a VM's association with a claim. Refused 409 without one, or where it ends already."""
    name, request = vm["metadata"]["name"], _request(vm)
    if request is None:
        words = f"can't remove memory dump association for vm {name}, no association found"
        raise conflict(VM_RESOURCE, name, words)
    if request.get("remove"):
        words = f"memory dump remove request for pvc [{request['claimName']}] already exists"
        raise conflict(VM_RESOURCE, name, words)
    return {"claimName": request["claimName"], "phase": DISSOCIATING, "remove": True}


def request_ops(vm: Document, request: Document) -> tuple[Document, ...]:
    """The patch of the VM's status, guarded by the request it was decided on."""
    if not vm.get("status"):
        return ({"op": "add", "path": "/status", "value": {"memoryDumpRequest": request}},)
    return (
        {"op": "test", "path": REQUEST, "value": _request(vm)},
        {"op": "add", "path": REQUEST, "value": request},
    )


class MemoryDump:
    """Handlers of both verbs."""

    def __init__(self, api: Api, config: Callable[[], ClusterConfig]) -> None:
        self._api = api
        self._config = config

    @property
    def handlers(self) -> dict[tuple[str, str], Handler]:
        """By resource and path of the route table."""
        return {(VM, "memorydump"): self._dump, (VM, "removememorydump"): self._remove}

    async def _dump(self, request: web.Request) -> web.Response:
        if not (self._config().gate(DECLARATIVE) or self._config().gate(IMPERATIVE)):
            raise Refused(400, f"Unable to memory dump because {IMPERATIVE} feature gate is not enabled.")
        options = await read_options(request, required=True)
        key = Key(request.match_info["namespace"], request.match_info["name"])
        vm = await self._get(kinds.VM, key)
        claim = wanted_claim(vm, options)
        vmi = await self._get(kinds.VMI, key)
        if (vmi.get("status") or {}).get("phase") != phases.RUNNING:
            raise conflict(VMI_RESOURCE, key.name, "VMI is not running")
        check_claim(await self._get(kinds.PVC, Key(key.namespace, claim)), vmi)
        check_place(vm, claim)
        spec = vm["spec"]["template"]["spec"]
        ops = spec_ops(TEMPLATE, spec, with_dump_volume(spec, claim))
        with changed_meanwhile(VM_RESOURCE, key):
            if ops:  # a request that could not be carried out later is refused now
                await self._api.json_patch(kinds.VM, key, ops, dry_run=True)
            await self._write(vm, key, {"claimName": claim, "phase": ASSOCIATING}, dry_run(options))
        return web.Response(status=202)

    async def _remove(self, request: web.Request) -> web.Response:
        options = await read_options(request)
        key = Key(request.match_info["namespace"], request.match_info["name"])
        vm = await self._get(kinds.VM, key)
        with changed_meanwhile(VM_RESOURCE, key):
            await self._write(vm, key, removal(vm), dry_run(options))
        return web.Response(status=202)

    async def _write(self, vm: Document, key: Key, request: Document, dry: bool) -> None:
        ops = request_ops(vm, request)
        await self._api.json_patch(kinds.VM, key, ops, subresource="status", dry_run=dry)

    async def _get(self, kind: Any, key: Key) -> Document:
        found: Document = msgspec.json.decode(await self._api.get(kind, key))
        return found


def _request(vm: Document) -> Document | None:
    return (vm.get("status") or {}).get("memoryDumpRequest") or None
