"""addvolume and removevolume of VirtualMachines and their instances.

With the gate DeclarativeHotplugVolumes (the default) a VM's volumes change in its template, and virt-controller
brings the running guest along; with the older gate HotplugVolumes a request is queued in the VM's status. On an
instance the change lasts until its guest ends. Source: KubeVirt's subresource API.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import msgspec
from aiohttp import web

from kubevirt_py.api import kinds
from kubevirt_py.api.subresources import VM, VMI
from kubevirt_py.decide import phases
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import ApiError
from kubevirt_py.plan import Document, Key
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.default_devices import DISK_KINDS
from kubevirt_py.render.hotplug_volumes import SOURCES, is_hotpluggable
from kubevirt_py.render.pod_volumes import claim_of
from kubevirt_py.render.volume_requests import with_request
from kubevirt_py.virt_api.answers import (
    VM_RESOURCE,
    VMI_RESOURCE,
    Handler,
    Refused,
    conflict,
    dry_run,
    read_options,
)

DECLARATIVE = "DeclarativeHotplugVolumes"
IMPERATIVE = "HotplugVolumes"
Verb = Literal["add", "remove"]
CLAIM_KEYS = {"persistentVolumeClaim": "claimName", "dataVolume": "name"}
TEMPLATE = "/spec/template/spec"
REQUESTS = "/status/volumeRequests"


def volume_request(verb: Verb, options: Document) -> Document:
    """The body as an entry of status.volumeRequests. Refused 400 for what is missing in it."""
    kind = "AddVolumeOptions" if verb == "add" else "RemoveVolumeOptions"
    name = options.get("name")
    if not name or not isinstance(name, str):
        raise Refused(400, f"{kind} requires name to be set")
    if verb == "remove":
        return {"removeVolumeOptions": {"name": name}}
    if not isinstance(options.get("disk"), dict):
        raise Refused(400, "AddVolumeOptions requires disk to not be nil")
    source = options.get("volumeSource")
    given = [name for name in SOURCES if isinstance(source, dict) and isinstance(source.get(name), dict)]
    if not given:
        raise Refused(400, "AddVolumeOptions requires VolumeSource to not be nil")
    assert isinstance(source, dict)
    found = {given[0]: {**source[given[0]], "hotpluggable": True}}
    key = CLAIM_KEYS[given[0]]
    if not isinstance(claim := source[given[0]].get(key), str) or not claim:
        raise Refused(400, f"AddVolumeOptions requires volumeSource.{given[0]}.{key} to be set")
    disk = {key: value for key, value in options["disk"].items() if value is not None}
    if wrong := next((each for each in DISK_KINDS if not isinstance(disk.get(each, {}), dict)), ""):
        raise Refused(400, f"AddVolumeOptions.disk.{wrong} must be an object, not {disk[wrong]!r}")
    return {"addVolumeOptions": {"name": name, "disk": {**disk, "name": name}, "volumeSource": found}}


def check_request(request: Document, spec: Document, resource: str, name: str) -> None:
    """Refused 409 where the volume or its source is there already, or is not there to be taken away."""
    volumes = spec.get("volumes") or []
    if added := request.get("addVolumeOptions"):
        claim = claim_of({"name": added["name"], **added["volumeSource"]})
        for volume in volumes:
            if volume["name"] == added["name"]:
                words = f"Unable to add volume [{added['name']}] because volume with that name already exists"
                raise conflict(resource, name, words)
            if claim_of(volume) == claim:
                raise conflict(resource, name, f"Unable to add volume source [{claim}] because it already exists")
        return
    wanted = request["removeVolumeOptions"]["name"]
    found = next((volume for volume in volumes if volume["name"] == wanted), None)
    if found is None:
        raise conflict(resource, name, f"Unable to remove volume [{wanted}] because it does not exist")
    if not is_hotpluggable(found):
        raise conflict(resource, name, f"Unable to remove volume [{wanted}] because it is not hotpluggable")


def spec_ops(path: str, old: Document, new: Document) -> tuple[Document, ...]:
    """A patch of the lists of volumes and disks below `path`, guarded by what they were."""
    ops: list[Document] = []
    for field in ("volumes", "domain/devices/disks"):
        before, after = _at(old, field), _at(new, field)
        if before != after:
            place = f"{path}/{field}"
            ops += [{"op": "test", "path": place, "value": before}, {"op": "add", "path": place, "value": after}]
    return tuple(ops)


def request_ops(vm: Document, request: Document) -> tuple[Document, ...]:
    """Queue a request. Refused 409 where one about the same volume waits already."""
    queued = (vm.get("status") or {}).get("volumeRequests") or []
    name = _name_of(request)
    if any(_name_of(one) == name for one in queued):
        words = f"a request for volume [{name}] is already being carried out; wait for it"
        raise conflict(VM_RESOURCE, vm["metadata"]["name"], words)
    if not vm.get("status"):
        return ({"op": "add", "path": "/status", "value": {"volumeRequests": [request]}},)
    test = {"op": "test", "path": REQUESTS, "value": queued or None}
    return (test, {"op": "add", "path": REQUESTS, "value": [*queued, request]})


class Volumes:
    """Handlers of the verbs, for both kinds."""

    def __init__(self, api: Api, config: Callable[[], ClusterConfig]) -> None:
        self._api = api
        self._config = config

    @property
    def handlers(self) -> dict[tuple[str, str], Handler]:
        """By resource and path of the route table."""
        verbs: tuple[tuple[str, Verb], ...] = (("addvolume", "add"), ("removevolume", "remove"))
        found = {(VM, path): self._serving(verb, self._change_vm) for path, verb in verbs}
        return found | {(VMI, path): self._serving(verb, self._change_vmi) for path, verb in verbs}

    def _serving(self, verb: Verb, change: Callable[[Key, Document, bool], Any]) -> Handler:
        async def serve(request: web.Request) -> web.Response:
            if not (self._config().gate(DECLARATIVE) or self._config().gate(IMPERATIVE)):
                words = f"Unable to {verb.title()} Volume because {IMPERATIVE} feature gate is not enabled."
                raise Refused(400, words)
            options = await read_options(request, required=True)
            key = Key(request.match_info["namespace"], request.match_info["name"])
            await change(key, volume_request(verb, options), dry_run(options))
            return web.Response(status=202)

        return serve

    async def _change_vm(self, key: Key, request: Document, dry: bool) -> None:
        vm: Document = msgspec.json.decode(await self._api.get(kinds.VM, key))
        spec = vm["spec"]["template"]["spec"]
        check_request(request, spec, VM_RESOURCE, key.name)
        queued = self._config().gate(IMPERATIVE)
        ops = spec_ops(TEMPLATE, spec, with_request(copy.deepcopy(spec), request))
        with changed_meanwhile(VM_RESOURCE, key):
            # A request that could not be carried out later is refused now.
            await self._api.json_patch(kinds.VM, key, ops, dry_run=dry or queued)
            if queued:
                ops = request_ops(vm, request)
                await self._api.json_patch(kinds.VM, key, ops, subresource="status", dry_run=dry)

    async def _change_vmi(self, key: Key, request: Document, dry: bool) -> None:
        vmi: Document = msgspec.json.decode(await self._api.get(kinds.VMI, key))
        if (vmi.get("status") or {}).get("phase") != phases.RUNNING:
            raise conflict(VMI_RESOURCE, key.name, "VMI is not running")
        owners = vmi["metadata"].get("ownerReferences") or ()
        if not self._config().gate(IMPERATIVE) and any(owner.get("kind") == "VirtualMachine" for owner in owners):
            words = f"{key.name} belongs to the VirtualMachine of that name; add or remove the volume there"
            raise Refused(400, words)
        check_request(request, vmi["spec"], VMI_RESOURCE, key.name)
        ops = spec_ops("/spec", vmi["spec"], with_request(copy.deepcopy(vmi["spec"]), request))
        with changed_meanwhile(VMI_RESOURCE, key):
            await self._api.json_patch(kinds.VMI, key, ops, dry_run=dry)


@contextmanager
def changed_meanwhile(resource: str, key: Key) -> Iterator[None]:
    """A failed `test` of a patch in it means that the object was changed between our reading and our patch."""
    try:
        yield
    except ApiError as error:
        if error.status == 422 and not error.causes:
            raise conflict(resource, key.name, "it changed meanwhile; try again") from error
        raise


def _at(document: Document, path: str) -> Any:
    found: Any = document
    for part in path.split("/"):
        found = (found or {}).get(part)
    return found


def _name_of(request: Document) -> str:
    return str((request.get("addVolumeOptions") or request.get("removeVolumeOptions") or {}).get("name"))
