"""What virt-api tells of the installation: where images are, and that there is no profiler."""

from __future__ import annotations

import msgspec
from aiohttp import web

from kubevirt_py.api import kinds
from kubevirt_py.api.views import KubeVirt
from kubevirt_py.kube.api import Api
from kubevirt_py.virt_api.answers import Handler, Refused, json_response

PROFILER = ("start-cluster-profiler", "stop-cluster-profiler", "dump-cluster-profiler")


class _Deployed(msgspec.Struct, rename="camel"):
    image_prefix: str = ""
    gs_image: str = ""


class _Status(msgspec.Struct, rename="camel"):
    registry: str = msgspec.field(default="", name="observedKubeVirtRegistry")
    version: str = msgspec.field(default="", name="observedKubeVirtVersion")
    config: str = msgspec.field(default="{}", name="observedDeploymentConfig")


class Installed:
    """Handlers by resource and path."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @property
    def handlers(self) -> dict[tuple[str, str], Handler]:
        profiler: dict[tuple[str, str], Handler] = {("", path): _no_profiler for path in PROFILER}
        return profiler | {("", "guestfs"): self._guestfs}

    async def _guestfs(self, _: web.Request) -> web.Response:
        """Where the image with libguestfs should be, as the KubeVirt CR's status tells it."""
        async for page in self._api.list_pages(kinds.KUBEVIRT):
            for item in page.items:
                status = msgspec.json.decode(msgspec.json.decode(item, type=KubeVirt).status, type=_Status)
                if not status.version:
                    continue
                deployed = msgspec.json.decode(status.config, type=_Deployed)
                return json_response(
                    {
                        "registry": status.registry,
                        "tag": status.version,
                        "imagePrefix": deployed.image_prefix,
                        "gsImage": deployed.gs_image,
                    }
                )
        raise Refused(500, "there is no KubeVirt resource that says which version is deployed")


async def _no_profiler(request: web.Request) -> web.Response:
    verb = request.path.rpartition("/")[2].partition("-")[0]
    raise Refused(403, f"Unable to {verb} profiler: this release has no cluster profiler to enable")
