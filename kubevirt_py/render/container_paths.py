"""containerPath volumes: what others mount into QEMU's container, shared with the guest by a virtiofs server.

Service meshes, secret stores and cloud identities add volumes to pods at their admission. virt-controller therefore
only notes on the pod which paths its guest is to have; virt-api, asked last, gives each path's server the one mount
that covers it (KubeVirt's `/virt-launcher-pod-mutate`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from kubevirt_py.api import names
from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.shares import container_name, server, share_names

GATE = "ContainerPathVolumes"
DATA_DIR = "/virtiofs-data"
"""Where a server sees its files: a place at which nobody else mounts anything."""
SOURCES = ("configMap", "downwardAPI", "emptyDir", "projected", "secret")
"""Pod volumes that may be shared, as upstream: never claims, nor anything of the node."""
_PRIVATE = re.compile(r"/(var/)?run/kubevirt")


def is_plain(path: str) -> bool:
    """Whether a path is absolute, names something, and has neither empty parts nor `.` and `..`."""
    head, *parts = path.removesuffix("/").split("/")
    return not head and bool(parts) and not {"", ".", ".."}.intersection(parts) and "\0" not in path


def is_private(path: str) -> bool:
    """Whether a path is one of our own: secrets of the machine, its state, sockets, the agent's directory."""
    return bool(_PRIVATE.match(path))


def container_paths(spec: Document) -> dict[str, str]:
    """The paths that a VMI's guest is to have, by volume."""
    shared = share_names(spec)
    return {
        str(volume["name"]): str(volume["containerPath"].get("path") or "")
        for volume in spec.get("volumes") or ()
        if volume.get("containerPath") is not None and volume["name"] in shared
    }


def note(spec: Document) -> dict[str, str]:
    """The annotation that tells virt-api; none where there is nothing to tell."""
    paths = container_paths(spec)
    return {names.CONTAINER_PATHS_ANNOTATION: msgspec.json.encode(paths).decode()} if paths else {}


def missing(spec: Document, init_containers: Iterable[str]) -> dict[str, str]:
    """Paths by volume for which a pod with these init containers has no server."""
    there = set(init_containers)
    return {volume: path for volume, path in container_paths(spec).items() if container_name(volume) not in there}


def servers(pod: Document, config: ClusterConfig) -> list[Document]:
    """The servers that a pod at admission still lacks. A path that no mount covers has none."""
    spec = pod.get("spec") or {}
    compute = next((one for one in spec.get("containers") or () if one.get("name") == names.COMPUTE), None)
    if compute is None:
        return []
    there = {one.get("name") for one in spec.get("initContainers") or ()}
    found = []
    for volume, path in _noted(pod).items():
        mount = covering_mount(spec, compute, path)
        if mount is not None and container_name(volume) not in there:
            own = mount | {"mountPath": f"{DATA_DIR}/{volume}", "readOnly": True}
            found.append(server(volume, own, config, compute["image"], compute.get("resources") or {}))
    return found


def patch(pod: Document, config: ClusterConfig) -> tuple[Document, ...]:
    """The JSON patch that adds the servers after all other init containers, whose files they may share."""
    added = servers(pod, config)
    if not added:
        return ()
    if "initContainers" not in pod["spec"]:
        return ({"op": "add", "path": "/spec/initContainers", "value": added},)
    return tuple({"op": "add", "path": "/spec/initContainers/-", "value": one} for one in added)


def covering_mount(spec: Document, compute: Document, path: str) -> Document | None:
    """Volume and `subPath` of what stands at `path` in QEMU's container; None where nothing does that may be shared.

    The innermost mount counts. A volume that is mounted at a place of ours as well is not for the guest.
    """
    if not is_plain(path) or is_private(path):
        return None
    wanted = path.strip("/").split("/")
    mounts = compute.get("volumeMounts") or ()
    covering = [(parts, one) for one in mounts if wanted[: len(parts := _parts(one))] == parts]
    if not covering:
        return None
    parts, mount = max(covering, key=lambda pair: len(pair[0]))
    ours = {one["name"] for one in mounts if is_private(one["mountPath"])}
    volume: Document = next((one for one in spec.get("volumes") or () if one["name"] == mount["name"]), {})
    if mount["name"] in ours or "subPathExpr" in mount or not any(source in volume for source in SOURCES):
        return None
    inner = "/".join((*filter(None, mount.get("subPath", "").split("/")), *wanted[len(parts) :]))
    return {"name": mount["name"], **({"subPath": inner} if inner else {})}


def _parts(mount: Document) -> list[str]:
    return [part for part in str(mount["mountPath"]).split("/") if part]


def _noted(pod: Document) -> dict[str, str]:
    """Whoever makes a pod can write the annotation; what makes no sense is nothing."""
    text = ((pod.get("metadata") or {}).get("annotations") or {}).get(names.CONTAINER_PATHS_ANNOTATION)
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, str])
    except msgspec.MsgspecError:
        return {}
