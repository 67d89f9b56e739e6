"""start, stop and restart of a VirtualMachine: the decisions as pure functions, and one way to carry them out.

What a verb does hangs on the run strategy: strategies that follow the spec get a spec patch, those that
follow the user get an entry in `status.stateChangeRequests`, which virt-controller obeys.
Source: KubeVirt's subresource API.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from aiohttp import web

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import Condition, VirtualMachine, VirtualMachineInstance
from kubevirt_py.decide import phases
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import ApiError, NotFound
from kubevirt_py.plan import Document, Key
from kubevirt_py.virt_api.answers import VM_RESOURCE, Handler, Refused, conflict, dry_run, read_options

FORCED_GRACE_S = 1
NOT_RUNNING = "VM is not running"


@dataclass(frozen=True, slots=True)
class Change:
    """Patches that carry out a verb: first the VMI's grace period in seconds, if any, then the VM."""

    vm_ops: tuple[Document, ...]
    subresource: str = ""
    grace_s: int | None = None


class _Spec(msgspec.Struct, rename="camel"):
    termination_grace_period_seconds: int | None = None


def grace_of(vmi: VirtualMachineInstance) -> int | None:
    """The VMI's own grace period in seconds, None where it is not set."""
    return msgspec.json.decode(vmi.spec, type=_Spec).termination_grace_period_seconds


def run_strategy(vm: VirtualMachine) -> str:
    """The strategy in force; the older `spec.running` means Always or Halted."""
    if vm.spec.run_strategy:
        return vm.spec.run_strategy
    return "Always" if vm.spec.running else "Halted"


def plan_start(vm: VirtualMachine, vmi: VirtualMachineInstance | None, options: Document) -> Change:
    """Refused 409 where the machine runs already or its strategy takes no starts."""
    name, strategy = vm.metadata.name, run_strategy(vm)
    if vmi is not None and vmi.status.phase not in (*phases.FINAL, phases.UNSET, "Unknown"):
        raise conflict(VM_RESOURCE, name, "VM is already running")
    recovery = _true(vm.status.conditions, names.MANUAL_RECOVERY_REQUIRED)
    if recovery is not None:
        raise conflict(VM_RESOURCE, name, f"manual recovery is required before a start: {recovery.message}")
    start: Document = {"action": "Start"}
    if options.get("paused"):
        start["data"] = {"paused": "true"}
    if strategy == "Halted":
        if options.get("paused"):
            return Change(_request(vm, start), "status")
        return Change(_follow_spec(vm, running=True))
    if strategy not in ("Manual", "RerunOnFailure"):
        raise conflict(VM_RESOURCE, name, f"{strategy} does not support manual start requests")
    if vmi is None or vmi.status.phase not in phases.FINAL:
        return Change(_request(vm, start), "status")
    if strategy == "RerunOnFailure" and vmi.status.phase == phases.FAILED:
        raise conflict(VM_RESOURCE, name, f"{strategy} does not support starting VM from failed state")
    return Change(_request(vm, _stop(vmi), start), "status")


def plan_stop(vm: VirtualMachine, vmi: VirtualMachineInstance | None, options: Document) -> Change:
    """Refused 409 where nothing runs. `gracePeriod` in seconds replaces the VMI's own while it runs."""
    name, strategy = vm.metadata.name, run_strategy(vm)
    live = vmi if vmi is not None and vmi.status.phase not in phases.FINAL else None
    grace_s = _seconds(options, "gracePeriod") if live is not None else None
    if strategy in ("Always", "Once"):
        return Change(_follow_spec(vm, running=False), grace_s=grace_s)
    if live is None:
        raise conflict(VM_RESOURCE, name, NOT_RUNNING)
    own_s = grace_of(live)
    if strategy == "Halted" and (grace_s is None or (own_s is not None and grace_s >= own_s)):
        raise conflict(VM_RESOURCE, name, "Halted only supports manual stop requests with a shorter graceperiod")
    return Change(_request(vm, _stop(live), replace=True), "status", grace_s)


def plan_restart(vm: VirtualMachine, vmi: VirtualMachineInstance | None, options: Document) -> Change:
    """Refused 409 where nothing runs; `gracePeriodSeconds` may only be 0, which kills the guest at once."""
    name, strategy = vm.metadata.name, run_strategy(vm)
    grace_s = _seconds(options, "gracePeriodSeconds")
    if grace_s:
        raise Refused(400, "For force restart, only gracePeriod=0 is supported for now")
    if strategy in ("Halted", "Once"):
        raise conflict(VM_RESOURCE, name, f"RunStrategy {strategy} does not support manual restart requests")
    if vmi is None:
        raise conflict(VM_RESOURCE, name, NOT_RUNNING)
    if _true(vm.status.conditions, names.VOLUMES_CHANGE) is not None:
        raise conflict(VM_RESOURCE, name, "a change of volumes is under way; wait for it or undo it before a restart")
    changes = _request(vm, _stop(vmi), {"action": "Start"})
    return Change(changes, "status", FORCED_GRACE_S if grace_s == 0 else None)


def _seconds(options: Document, field: str) -> int | None:
    value = options.get(field)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Refused(400, f"{field} has to be a number of seconds greater or equal to 0")
    return value


def _true(conditions: tuple[Condition, ...], kind: str) -> Condition | None:
    return next((each for each in conditions if each.type == kind and each.status == "True"), None)


def _stop(vmi: VirtualMachineInstance) -> Document:
    return {"action": "Stop", "uid": vmi.metadata.uid}


def _follow_spec(vm: VirtualMachine, *, running: bool) -> tuple[Document, ...]:
    """Patch whichever of the two fields the user chose; `test` guards against a change meanwhile."""
    if vm.spec.run_strategy:
        path, old, new = "/spec/runStrategy", vm.spec.run_strategy, "Always" if running else "Halted"
        return ({"op": "test", "path": path, "value": old}, {"op": "replace", "path": path, "value": new})
    path = "/spec/running"
    if vm.spec.running is None:
        return ({"op": "add", "path": path, "value": running},)
    return ({"op": "test", "path": path, "value": not running}, {"op": "replace", "path": path, "value": running})


def _request(vm: VirtualMachine, *changes: Document, replace: bool = False) -> tuple[Document, ...]:
    """Queue `changes`. Only a stop may `replace` what is queued already; an absent field equals null in a `test`."""
    path, queued = "/status/stateChangeRequests", vm.status.state_change_requests
    if vm.status == type(vm.status)():
        whole = {"stateChangeRequests": list(changes)}
        return ({"op": "test", "path": "/status", "value": None}, {"op": "add", "path": "/status", "value": whole})
    if not queued:
        return ({"op": "test", "path": path, "value": None}, {"op": "add", "path": path, "value": list(changes)})
    if not replace:
        raise conflict(
            VM_RESOURCE, vm.metadata.name, "unable to complete request: stop/start already underway; try again shortly"
        )
    return (
        {"op": "test", "path": path, "value": msgspec.to_builtins(queued)},
        {"op": "replace", "path": path, "value": list(changes)},
    )


Planner = Callable[[VirtualMachine, VirtualMachineInstance | None, Document], Change]


class Lifecycle:
    """Handlers of the three verbs."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @property
    def handlers(self) -> dict[str, Handler]:
        """By subresource name."""
        return {
            "start": self._serving(plan_start),
            "stop": self._serving(plan_stop),
            "restart": self._serving(plan_restart),
        }

    def _serving(self, planner: Planner) -> Handler:
        async def serve(request: web.Request) -> web.Response:
            options = await read_options(request)
            key = Key(request.match_info["namespace"], request.match_info["name"])
            vm, vmi = await self._observe(key)
            await self._carry_out(key, vmi, planner(vm, vmi, options), dry=dry_run(options))
            return web.Response(status=202)

        return serve

    async def _observe(self, key: Key) -> tuple[VirtualMachine, VirtualMachineInstance | None]:
        vm = msgspec.json.decode(await self._api.get(kinds.VM, key), type=VirtualMachine)
        try:
            found = await self._api.get(kinds.VMI, key)
        except NotFound:
            return vm, None
        return vm, msgspec.json.decode(found, type=VirtualMachineInstance)

    async def _carry_out(self, key: Key, vmi: VirtualMachineInstance | None, change: Change, *, dry: bool) -> None:
        if vmi is not None and change.grace_s is not None:
            await self._set_grace(key, change.grace_s, dry=dry)
        try:
            await self._api.json_patch(kinds.VM, key, change.vm_ops, subresource=change.subresource, dry_run=dry)
        except ApiError as error:
            if vmi is not None and change.grace_s is not None and not dry:
                await self._set_grace(key, grace_of(vmi), dry=False)
            if error.status == 422 and not error.causes:
                raise conflict(VM_RESOURCE, key.name, "the VM changed meanwhile; try again") from error
            raise

    async def _set_grace(self, key: Key, seconds: int | None, *, dry: bool) -> None:
        patch = {"spec": {"terminationGracePeriodSeconds": seconds}}
        await self._api.merge_patch(kinds.VMI, key, patch, dry_run=dry)
