"""Admission: AdmissionReview in, verdict out. The rules themselves are in render.defaults and render.validate.

Deletion and the removal of finalizers always pass: an object that is going away is neither defaulted nor
checked, and an update that leaves the spec alone is not held to rules made since it was stored.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from kubevirt_py.api.v1.vmi import VirtualMachineInstance
from kubevirt_py.kube.api import Api
from kubevirt_py.plan import Document
from kubevirt_py.render import container_paths, defaults, presets, requests, validate
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.fixed import fixed_spec
from kubevirt_py.render.parse import parse_causes
from kubevirt_py.render.review import ALLOWED, Request, Review, Verdict, response
from kubevirt_py.render.tuning import tuning_warnings
from kubevirt_py.virt_api.answers import Refused, json_response, read_body
from kubevirt_py.virt_api.eviction import Eviction
from kubevirt_py.virt_api.migrations import Migrations

REVIEW_BYTES = 8 * 1024 * 1024
"""Two objects of the largest size the API server stores, and room."""
PATCHED = ("metadata", "spec", "status")


Rule = Callable[[Request], Verdict]
LiveRule = Callable[[Request], Awaitable[Verdict]]
"""A rule that looks at other objects of the cluster."""
Check = Callable[[Document, ClusterConfig], list[validate.Cause]]


class Admission:
    """The rules by path. `users` are our own components, `new_uuid` and `now` (aware) the outside world.

    `presets_of` gives the presets of a namespace.
    """

    def __init__(
        self,
        config: Callable[[], ClusterConfig],
        users: Iterable[str],
        new_uuid: Callable[[], str],
        now: Callable[[], datetime],
        presets_of: Callable[[str], Iterable[presets.Preset]] = lambda _: (),
    ) -> None:
        self._config = config
        self._users = frozenset(users)
        self._new_uuid = new_uuid
        self._now = now
        self._presets_of = presets_of

    @property
    def rules(self) -> Mapping[str, Rule]:
        """Those that need nothing but the review, by URL path as render.webhooks registers them."""
        instancetype = self._checking(lambda new, _: validate.validate_instancetype(new))
        preference = self._checking(lambda new, _: validate.validate_preference(new))
        return {
            "/virtualmachines-mutate": self.default_vm,
            "/virtualmachineinstances-mutate": self.default_vmi,
            "/virt-launcher-pod-mutate": self.share_container_paths,
            "/migration-mutate-create": self.default_migration,
            "/vm-clone-mutate-create": self.default_clone,
            "/virtualmachines-validate": self.check_vm,
            "/virtualmachineinstances-validate-create": self.check_vmi_create,
            "/virtualmachineinstances-validate-update": self.check_vmi_update,
            "/virtualmachinereplicaset-validate": self._checking(validate.validate_replicaset),
            "/virtualmachinepool-validate": self.check_pool,
            "/vmipreset-validate": self._checking(validate.validate_preset),
            "/virtualmachinesnapshots-validate": self._fixed(validate.validate_snapshot),
            "/virtualmachinerestores-validate": self._fixed(validate.validate_restore),
            "/virtualmachineexports-validate": self._fixed(lambda new, _: validate.validate_export(new)),
            "/virtualmachinebackups-validate": self._fixed(validate.validate_backup),
            "/virtualmachinebackuptrackers-validate": self._fixed(validate.validate_backup_tracker),
            "/vm-clone-validate-create": self._fixed(validate.validate_clone),
            "/virtualmachineinstancetypes-validate": instancetype,
            "/virtualmachineclusterinstancetypes-validate": instancetype,
            "/virtualmachinepreferences-validate": preference,
            "/virtualmachineclusterpreferences-validate": preference,
            "/migration-policy-validate-create": self._checking(lambda new, _: validate.validate_migration_policy(new)),
            "/plugin-validate": self._checking(validate.validate_plugin),
            "/status-validate": self.check_status,
        }

    def live_rules(self, api: Api) -> Mapping[str, LiveRule]:
        """Those that look at the cluster, by URL path."""
        migrations = Migrations(api, self._config, self._users)
        return {
            "/migration-validate-create": migrations.check_create,
            "/migration-validate-update": migrations.check_update,
            "/pod-eviction-validate": Eviction(api, self._config).check,
        }

    def default_vm(self, request: Request) -> Verdict:
        if request.operation == "CREATE":
            return _patched(request.new, defaults.default_vm(request.new, self._config(), self._new_uuid))
        if request.deleting:
            return ALLOWED
        return _patched(request.new, defaults.default_vm_update(request.new, self._config()))

    def default_vmi(self, request: Request) -> Verdict:
        """Presets and defaults at creation; later, a status written by anyone but us is put back."""
        if request.operation == "CREATE":
            return self._new_vmi(request)
        if request.user in self._users:
            return ALLOWED
        return _patched(request.new, defaults.restore_vmi_status(request.new, request.old))

    def _new_vmi(self, request: Request) -> Verdict:
        if parse_causes(VirtualMachineInstance, request.new):
            return ALLOWED
        outcome = presets.apply(request.new, self._presets_of(request.namespace))
        if outcome.causes:
            return Verdict(causes=outcome.causes)
        full = defaults.default_vmi(outcome.vmi, self._config(), self._now(), self._new_uuid)
        return _patched(request.new, full, outcome.warnings)

    def share_container_paths(self, request: Request) -> Verdict:
        return Verdict(container_paths.patch(request.new, self._config()))

    def default_migration(self, request: Request) -> Verdict:
        return _patched(request.new, requests.default_migration(request.new))

    def default_clone(self, request: Request) -> Verdict:
        return _patched(request.new, requests.default_clone(request.new, self._new_uuid))

    def check_vm(self, request: Request) -> Verdict:
        if request.operation == "CREATE":
            causes = validate.validate_vm_create(request.new, self._config())
        else:
            causes = validate.validate_vm_update(request.new, request.old, self._config())
        return _judged(causes, () if causes or _untouched(request) else validate.vm_warnings(request.new))

    def check_vmi_create(self, request: Request) -> Verdict:
        ours = request.user in self._users
        causes = validate.validate_vmi_create(request.new, self._config(), by_kubevirt=ours)
        annotations = request.new["metadata"].get("annotations") or {}
        return _judged(causes, () if causes or ours else tuning_warnings(annotations))

    def check_vmi_update(self, request: Request) -> Verdict:
        ours = request.user in self._users
        return _judged(validate.validate_vmi_update(request.new, request.old, self._config(), by_kubevirt=ours))

    def check_pool(self, request: Request) -> Verdict:
        if request.operation == "CREATE":
            return _judged(validate.validate_pool_create(request.new, self._config()))
        if _untouched(request):
            return ALLOWED
        return _judged(validate.validate_pool_update(request.new, request.old, self._config()))

    def check_status(self, request: Request) -> Verdict:
        if request.user in self._users or request.new.get("status") == request.old.get("status"):
            return ALLOWED
        message = "the status may be changed by KubeVirt's own components only; leave it out of the update"
        return Verdict(causes=(validate.Cause("status", "FieldValueNotSupported", message),))

    def _checking(self, check: Check) -> Rule:
        """Every spec that is new or changed is checked."""

        def rule(request: Request) -> Verdict:
            return ALLOWED if _untouched(request) else _judged(check(request.new, self._config()))

        return rule

    def _fixed(self, check: Check) -> Rule:
        """The spec is checked once and then stays."""

        def rule(request: Request) -> Verdict:
            if request.operation == "CREATE":
                return _judged(check(request.new, self._config()))
            return _judged(list(fixed_spec(request.new, request.old)))

        return rule


def _untouched(request: Request) -> bool:
    """Whether an update leaves the spec alone, or the object is on its way out."""
    return request.operation != "CREATE" and (request.deleting or request.new.get("spec") == request.old.get("spec"))


def _judged(causes: list[validate.Cause], warnings: tuple[str, ...] = ()) -> Verdict:
    return Verdict(causes=tuple(causes), warnings=warnings)


def _patched(old: Document, new: Document, warnings: tuple[str, ...] = ()) -> Verdict:
    """Replace whole top-level parts that differ: few and simple operations, whatever changed inside."""
    ops: list[Document] = []
    for part in PATCHED:
        if part in new and new[part] != old.get(part):
            ops.append({"op": "add", "path": f"/{part}", "value": new[part]})
        elif part in old and part not in new:
            ops.append({"op": "remove", "path": f"/{part}"})
    return Verdict(tuple(ops), warnings=warnings)


def add_webhooks(app: web.Application, rules: Mapping[str, Rule], live: Mapping[str, LiveRule] | None = None) -> None:
    """Serve each rule under its path."""
    for path, rule in rules.items():
        app.router.add_post(path, _serving(_at_once(rule)))
    for path, live_rule in (live or {}).items():
        app.router.add_post(path, _serving(live_rule))


def _at_once(rule: Rule) -> LiveRule:
    async def judge(request: Request) -> Verdict:
        return rule(request)

    return judge


def _serving(rule: LiveRule) -> Callable[[web.Request], Any]:
    async def serve(request: web.Request) -> web.Response:
        try:
            review = msgspec.json.decode(await read_body(request, REVIEW_BYTES), type=Review)
        except msgspec.MsgspecError as error:
            raise Refused(400, f"the body is not an admission.k8s.io/v1 AdmissionReview: {error}") from error
        return json_response(response(review.request.uid, await rule(review.request)))

    return serve
