"""objectgraph: what a machine depends on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from kubevirt_py.api import kinds, names
from kubevirt_py.api.subresource_models import ObjectGraphOptions
from kubevirt_py.api.subresources import VM, VMI
from kubevirt_py.api.views import Pod
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import NotFound
from kubevirt_py.plan import Document, Key, Kind
from kubevirt_py.render import objectgraph
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.parse import parse_causes
from kubevirt_py.virt_api.answers import Handler, Refused, json_response, read_options

GATE = "ObjectGraph"
Render = Callable[[Document, list[str]], Document]


class Graph:
    """Handlers of both routes, by resource and path."""

    def __init__(self, api: Api, config: Callable[[], ClusterConfig]) -> None:
        self._api = api
        self._config = config

    @property
    def handlers(self) -> dict[tuple[str, str], Handler]:
        return {
            (VM, "objectgraph"): self._serving(kinds.VM, objectgraph.of_vm),
            (VMI, "objectgraph"): self._serving(kinds.VMI, objectgraph.of_vmi),
        }

    def _serving(self, kind: Kind[Any], render: Render) -> Handler:
        async def serve(request: web.Request) -> web.Response:
            if not self._config().gate(GATE):
                raise Refused(400, f"{GATE} feature gate not enabled: Unable to return object graph.")
            options = await read_options(request)
            if causes := parse_causes(ObjectGraphOptions, options):
                raise Refused(400, f"{causes[0].field}: {causes[0].message}")
            key = Key(request.match_info["namespace"], request.match_info["name"])
            document = msgspec.json.decode(await self._api.get(kind, key))
            graph = render(document, await self._pods(key))
            return json_response(objectgraph.chosen(graph, options))

        return serve

    async def _pods(self, key: Key) -> list[str]:
        """Names of the pods that belong to the instance of this name, sorted."""
        try:
            uid = msgspec.json.decode(await self._api.get(kinds.VMI, key), type=kinds.VMI.view).metadata.uid
        except NotFound:
            return []
        found = self._api.list_pages(
            kinds.POD, namespace=key.namespace, labels=f"{names.CREATED_BY_LABEL}={uid}"
        )  # fmt: skip
        pods = [msgspec.json.decode(item, type=Pod) async for page in found for item in page.items]
        owned = (pod for pod in pods if pod.metadata.controller and pod.metadata.controller.uid == uid)
        return sorted(pod.metadata.name for pod in owned)
