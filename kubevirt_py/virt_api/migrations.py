"""Admission of migrations, which depends on the guest that shall move."""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from kubevirt_py.api import kinds
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import NotFound
from kubevirt_py.plan import Document, Key, Kind
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.review import Request, Verdict
from kubevirt_py.render.validate.migration import Guest, validate_migration_create, validate_migration_update

MIGRATION: Kind[Document] = Kind(
    "kubevirt.io", "v1", "VirtualMachineInstanceMigration", "virtualmachineinstancemigrations", dict
)


class Migrations:
    """Judges reviews of migrations. `users` are our own components."""

    def __init__(self, api: Api, config: Callable[[], ClusterConfig], users: Collection[str]) -> None:
        self._api = api
        self._config = config
        self._users = users

    async def check_create(self, request: Request) -> Verdict:
        ours = request.user in self._users
        guest = await self._guest(request)
        return Verdict(causes=tuple(validate_migration_create(request.new, self._config(), guest, by_kubevirt=ours)))

    async def check_update(self, request: Request) -> Verdict:
        ours = request.user in self._users
        return Verdict(causes=tuple(validate_migration_update(request.new, request.old, by_kubevirt=ours)))

    async def _guest(self, request: Request) -> Guest | None:
        """The named VMI as it is now; None where there is none, or where the name cannot be one."""
        spec = request.new.get("spec")
        name = spec.get("vmiName") if isinstance(spec, dict) else None
        if not name or not isinstance(name, str):
            return None
        try:
            vmi = msgspec.json.decode(await self._api.get(kinds.VMI, Key(request.namespace, name)), type=dict)
        except NotFound:
            return None
        found = []
        async for page in self._api.list_pages(MIGRATION, namespace=request.namespace):
            decoded = (msgspec.json.decode(item, type=dict) for item in page.items)
            found += [each for each in decoded if (each.get("spec") or {}).get("vmiName") == name]
        return Guest.of(vmi, found)
