"""The eviction webhook: a drained node's guests are moved away instead of being killed with their pods."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import Pod
from kubevirt_py.decide import eviction
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import ApiError, NotFound, PatchTestFailed
from kubevirt_py.plan import Key
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.review import ALLOWED, Request, Verdict

CHANGED = "the VMI changed meanwhile; try again"


class Eviction:
    """Answers reviews of `pods/eviction`. `config` gives the cluster's configuration now."""

    def __init__(self, api: Api, config: Callable[[], ClusterConfig]) -> None:
        self._api = api
        self._config = config

    async def check(self, request: Request) -> Verdict:
        """A guest that shall move is marked, unless this is a dry run; its pod then goes by itself."""
        key = Key(request.namespace, request.name)
        try:
            pod = msgspec.json.decode(await self._api.get(kinds.POD, key), type=Pod)
            match pod.metadata.labels.get(names.APP_LABEL):
                case names.VIRT_LAUNCHER:
                    return await self._of_launcher(request, pod)
                case names.HOTPLUG_DISK:
                    return await self._of_attachment(pod)
        except NotFound:
            return ALLOWED
        return ALLOWED

    async def _of_launcher(self, request: Request, pod: Pod) -> Verdict:
        owner = pod.metadata.controller
        if owner is None or owner.kind != kinds.VMI.kind or not eviction.is_running(pod):
            return ALLOWED
        key = Key(pod.metadata.namespace, owner.name)
        guest = msgspec.json.decode(await self._api.get(kinds.VMI, key), type=eviction.Guest)
        if guest.metadata.uid != owner.uid:
            return ALLOWED
        answer = eviction.launcher_eviction(pod, guest, self._config().eviction_strategy, request.new)
        if answer.ops and not _is_dry(request):
            try:
                await self._api.json_patch(kinds.VMI, key, answer.ops)
            except PatchTestFailed:
                return Verdict(later=CHANGED)
            except NotFound:
                raise
            except ApiError as error:
                return Verdict(later=f"the VMI could not be told to move: {error.message}")
        return Verdict(later=answer.later)

    async def _of_attachment(self, pod: Pod) -> Verdict:
        owner = pod.metadata.controller
        if owner is None:
            return ALLOWED
        found = await self._api.get(kinds.POD, Key(pod.metadata.namespace, owner.name))
        launcher = msgspec.json.decode(found, type=Pod)
        same = launcher.metadata.uid == owner.uid
        return Verdict(later=eviction.attachment_eviction(launcher if same else None).later)


def _is_dry(request: Request) -> bool:
    """By the request, or by the options for the deletion that it carries."""
    return request.dry_run or bool((request.new.get("deleteOptions") or {}).get("dryRun"))
