"""The table of every route of `subresources.kubevirt.io`.

Routing, access reviews, discovery, OpenAPI and the user roles are all read from `ROUTES`,
so a route cannot exist without an access review, nor be granted without existing.
Source: KubeVirt's aggregated API.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

GROUP = "subresources.kubevirt.io"
VERSIONS = ("v1", "v1alpha3")
"""Served versions, preferred first; every route exists in both."""

RBAC_VERBS = {"GET": "get", "PUT": "update", "POST": "create", "PATCH": "patch", "DELETE": "delete"}

VM = "virtualmachines"
VMI = "virtualmachineinstances"

DEFAULT = "default"
ADMIN = "admin"
EDIT = "edit"
VIEW = "view"
MIGRATE = "migrate"

_WRITERS = (ADMIN, EDIT)
_READERS = (ADMIN, EDIT, VIEW)


@dataclass(frozen=True, slots=True)
class Route:
    """One verb of one resource.

    `resource` is empty for what concerns no object (`version`). `path` is the subresource as
    RBAC spells it, with every segment; for a route about no object it is the resource RBAC knows.
    `tails` are the URL parameters after it, which RBAC does not see. `roles` are the user roles
    that grant it. `body` and `kind` name what is sent and what is answered (`api.subresource_models`), `query` the
    parameters of the query with their types, `code` is the status of a success. `later` says, where the route is
    not served yet, what it waits for.
    """

    method: str
    resource: str
    path: str
    summary: str
    roles: tuple[str, ...] = ()
    stream: bool = False
    reviewed: bool = True
    namespaced: bool = True
    tails: tuple[str, ...] = ("",)
    body: str = ""
    kind: str = ""
    query: tuple[tuple[str, str], ...] = ()
    code: int = 200
    later: str = ""

    @property
    def rbac_verb(self) -> str:
        return RBAC_VERBS[self.method]

    @property
    def rbac_resource(self) -> str:
        """The name in a role: `virtualmachines/start`, `virtualmachineinstances/vnc/screenshot`, `version`."""
        return f"{self.resource}/{self.path}" if self.resource else self.path

    @property
    def templates(self) -> tuple[str, ...]:
        """URL templates below `/apis/<group>/<version>`."""
        base = f"/{self.path}"
        if self.resource:
            base = f"/namespaces/{{namespace}}/{self.resource}/{{name}}/{self.path}"
        elif self.namespaced:
            base = f"/namespaces/{{namespace}}/{self.path}"
        return tuple(base + tail for tail in self.tails)


_PORTS = ("/{port}", "/{port}/{protocol}")
_SEV = "the WorkloadEncryptionSEV feature"
_BACKUP = "incremental backup"

ROUTES: tuple[Route, ...] = (
    Route("PUT", VM, "start", "Start a stopped VirtualMachine.", _WRITERS, body="StartOptions", code=202),
    Route("PUT", VM, "stop", "Stop a running VirtualMachine.", _WRITERS, body="StopOptions", code=202),
    Route(
        "PUT", VM, "restart", "Stop a running VirtualMachine and start it again.", _WRITERS,
        body="RestartOptions", code=202,
    ),
    Route(
        "PUT", VM, "migrate", "Live-migrate a VirtualMachine.", (MIGRATE,), later="live migration",
        body="MigrateOptions", code=202,
    ),
    Route(
        "PUT", VM, "addvolume", "Plug a volume into a VirtualMachine.", _WRITERS,
        body="AddVolumeOptions", code=202,
    ),
    Route(
        "PUT", VM, "removevolume", "Unplug a volume from a VirtualMachine.", _WRITERS,
        body="RemoveVolumeOptions", code=202,
    ),
    Route(
        "PUT", VM, "memorydump", "Dump the guest's memory into a claim.", _WRITERS,
        body="VirtualMachineMemoryDumpRequest", code=202,
    ),
    Route("PUT", VM, "removememorydump", "Forget the guest's memory dump.", _WRITERS, code=202),
    Route(
        "PUT", VM, "evacuate/cancel", "Call off the evacuation of a VirtualMachine.", _WRITERS,
        body="EvacuateCancelOptions",
    ),
    Route("GET", VM, "expand-spec", "The VirtualMachine with its instance type.", _READERS, kind="VirtualMachine"),
    Route(
        "GET", VM, "objectgraph", "The objects a VirtualMachine depends on.", _READERS,
        body="ObjectGraphOptions", kind="ObjectGraphNode",
    ),
    Route("GET", VM, "portforward", "A stream to a port of the guest.", _WRITERS, stream=True, tails=_PORTS),
    Route("PUT", VMI, "pause", "Pause the guest.", _WRITERS, body="PauseOptions"),
    Route("PUT", VMI, "unpause", "Continue a paused guest.", _WRITERS, body="UnpauseOptions"),
    Route(
        "PUT", VMI, "freeze", "Freeze the guest's file systems.", _WRITERS,
        body="FreezeUnfreezeTimeout",
    ),
    Route("PUT", VMI, "unfreeze", "Thaw the guest's file systems.", _WRITERS),
    Route("PUT", VMI, "reset", "Reset the guest as its reset button would.", _WRITERS),
    Route("PUT", VMI, "softreboot", "Ask the guest to reboot, by its agent or ACPI.", _WRITERS),
    Route(
        "PUT", VMI, "addvolume", "Plug a volume into the guest.", _WRITERS,
        body="AddVolumeOptions", code=202,
    ),
    Route(
        "PUT", VMI, "removevolume", "Unplug a volume from the guest.", _WRITERS,
        body="RemoveVolumeOptions", code=202,
    ),
    Route(
        "PUT", VMI, "evacuate/cancel", "Call off the evacuation of the guest.", _WRITERS,
        body="EvacuateCancelOptions",
    ),
    Route("PUT", VMI, "backup", "Control a backup of the guest's disks.", later=_BACKUP, body="BackupOptions"),
    Route(
        "PUT", VMI, "redefine-checkpoint", "Give the guest a backup checkpoint.", later=_BACKUP,
        body="BackupCheckpoint",
    ),
    Route("GET", VMI, "console", "The first serial console.", _WRITERS, stream=True),
    Route(
        "GET", VMI, "vnc", "The graphical console, RFB protocol.", _WRITERS, stream=True,
        query=(("preserveSession", "boolean"),),
    ),
    Route(
        "GET", VMI, "vnc/screenshot", "A picture of the screen, PNG.", (ADMIN,),
        query=(("moveCursor", "boolean"),),
    ),
    Route("GET", VMI, "usbredir", "A USB redirection channel.", _WRITERS, stream=True),
    Route("GET", VMI, "portforward", "A stream to a port of the guest.", _WRITERS, stream=True, tails=_PORTS),
    Route(
        "GET", VMI, "vsock", "A stream to a VSOCK port of the guest.", stream=True,
        query=(("port", "integer"), ("tls", "boolean")),
    ),
    Route(
        "GET", VMI, "guestosinfo", "What the guest agent tells of the guest.", _READERS,
        kind="VirtualMachineInstanceGuestAgentInfo",
    ),
    Route("GET", VMI, "userlist", "Users logged in.", _READERS, kind="VirtualMachineInstanceGuestOSUserList"),
    Route("GET", VMI, "filesystemlist", "Mounted file systems.", _READERS, kind="VirtualMachineInstanceFileSystemList"),
    Route(
        "GET", VMI, "objectgraph", "The objects the guest depends on.", _READERS,
        body="ObjectGraphOptions", kind="ObjectGraphNode",
    ),
    Route(
        "GET", VMI, "sev/fetchcertchain", "The SEV platform certificates.", _READERS, later=_SEV,
        kind="SEVPlatformInfo",
    ),
    Route(
        "GET", VMI, "sev/querylaunchmeasurement", "The SEV launch measurement.", _READERS, later=_SEV,
        kind="SEVMeasurementInfo",
    ),
    Route(
        "PUT", VMI, "sev/setupsession", "Hand over the SEV session.", _WRITERS, later=_SEV,
        body="SEVSessionOptions", code=202,
    ),
    Route(
        "PUT", VMI, "sev/injectlaunchsecret", "Inject the SEV launch secret.", _WRITERS, later=_SEV,
        body="SEVSecretOptions",
    ),
    Route(
        "PUT", "", "expand-vm-spec", "As expand-spec, of a given VirtualMachine.", _READERS, kind="VirtualMachine",
        body="VirtualMachine",
    ),
    Route("GET", "", "version", "Version of virt-api.", (DEFAULT,), reviewed=False, namespaced=False, kind="Version"),
    Route(
        "GET", "", "guestfs", "The guestfs image.", (DEFAULT,), reviewed=False, namespaced=False,
        kind="GuestfsInfo",
    ),
    Route("GET", "", "healthz", "Health of virt-api.", reviewed=False, namespaced=False),
    Route("GET", "", "start-cluster-profiler", "Start profiling: 403, there is no profiler.", namespaced=False),
    Route("GET", "", "stop-cluster-profiler", "Stop profiling: 403, there is no profiler.", namespaced=False),
    Route(
        "GET", "", "dump-cluster-profiler", "Fetch profiles: 403, there is no profiler.", namespaced=False,
        body="ClusterProfilerRequest",
    ),
)  # fmt: skip


_NAMES = frozenset(route.rbac_resource for route in ROUTES)


def granted(role: str, verb: str) -> Iterable[str]:
    """RBAC resource names that user role `role` may use with RBAC verb `verb`, sorted.

    kube-apiserver looks at a request before it passes it on, and takes only the first segment after an object's name
    for its subresource. So `virtualmachines/evacuate/cancel` needs `virtualmachines/evacuate` beside it, which alone
    opens nothing: virt-api asks for the whole path.
    """
    found = {route.rbac_resource for route in ROUTES if role in route.roles and route.rbac_verb == verb}
    first = {"/".join(name.split("/")[:2]) for name in found}
    return sorted(found | (first - _NAMES))
