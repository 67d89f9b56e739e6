"""guestfs: a shell with libguestfs tools on the disk of a claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kubevirt_py.plan import Document
from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.options import Command

if TYPE_CHECKING:
    from kubevirt_py.virtctl.session import Session

CONTAINER = "libguestfs"
READY_S = 200.0
KVM = "devices.kubevirt.io/kvm"
USER = 107


@click.command(cls=Command)
@click.argument("pvc")
@click.option("--image", default="", help="Image with the tools; the installation's own by default.")
@click.option(
    "--pull-policy",
    type=click.Choice(("Always", "IfNotPresent", "Never")),
    default="IfNotPresent",
    show_default=True,
    help="When to pull the image.",
)
@click.option("--kvm/--no-kvm", default=True, show_default=True, help="Use KVM.")
@click.option("--root", is_flag=True, help="Run as root.")
@click.option("--uid", type=int, help="Run as this user.")
@click.option("--gid", type=int, help="Run as this group.")
@click.option("--fsGroup", "fs_group", type=int, help="Group of the files in the claim.")
@click.option(
    "--vm", default="", help="Run where this VirtualMachine may: its node selector, affinity and tolerations."
)
def guestfs(
    pvc: str, image: str, pull_policy: str, kvm: bool, root: bool, uid: int | None, gid: int | None,
    fs_group: int | None, vm: str,
) -> None:  # fmt: skip
    """Start a shell with libguestfs tools on the disk of a claim that no pod uses.

    Example: virtctl guestfs testclaim
    """
    if root and uid:
        raise click.UsageError(f"cannot set uid {uid} when --root is given")
    user = 0 if root else USER if uid is None else uid
    security: Document = {"runAsNonRoot": user != 0, "runAsUser": user, "runAsGroup": user if gid is None else gid}
    if fs_group is not None:
        security["fsGroup"] = fs_group
    from kubevirt_py.virtctl import session

    async def work(connected: Session) -> None:
        from kubevirt_py.api import kinds
        from kubevirt_py.plan import Key
        from kubevirt_py.virtctl import podshell

        block = await _check_claim(connected, pvc)
        chosen = image or await _installed_image(connected)
        place = await _place_of(connected, vm) if vm else {}
        pod = tools_pod(pvc, chosen, pull_policy, kvm=kvm, security=security, block=block)
        pod["spec"] |= place
        name = pod["metadata"]["name"]
        click.echo(f"Use image: {chosen}", err=True)
        click.echo(f"The PVC has been mounted at {'/dev/vda' if block else '/disk'}", err=True)
        await connected.client.create(kinds.POD, connected.namespace, pod)
        try:
            await podshell.until_running(connected, name, READY_S)
            await podshell.attach(connected, name, CONTAINER)
        finally:
            await connected.client.delete(kinds.POD, Key(connected.namespace, name), grace_s=0)

    session.run(f"running libguestfs tools on PersistentVolumeClaim {pvc}", work)


def tools_pod(pvc: str, image: str, pull_policy: str, *, kvm: bool, security: Document, block: bool) -> Document:
    """The pod; its shell waits for a terminal."""
    container: Document = {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": pull_policy,
        "command": ["/entrypoint.sh"],
        "stdin": True,
        "stdinOnce": True,
        "tty": True,
        "env": [
            {"name": "LIBGUESTFS_BACKEND", "value": "direct"},
            {"name": "LIBGUESTFS_PATH", "value": "/usr/local/lib/guestfs/appliance"},
        ],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp/guestfs"}],
    }
    if kvm:
        container["resources"] = {"limits": {KVM: "1"}}
    if block:
        container["volumeDevices"] = [{"name": "volume", "devicePath": "/dev/vda"}]
    else:
        container["volumeMounts"].append({"name": "volume", "mountPath": "/disk"})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"libguestfs-tools-{pvc}"},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": security | {"seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
            "volumes": [
                {"name": "volume", "persistentVolumeClaim": {"claimName": pvc}},
                {"name": "tmp", "emptyDir": {}},
            ],
        },
    }


async def _check_claim(session: Session, pvc: str) -> bool:
    """Whether it is a block device. Failure where a pod uses it: two writers would ruin the disk."""
    import msgspec

    from kubevirt_py.api import kinds
    from kubevirt_py.kube.client import list_all
    from kubevirt_py.plan import Key

    claim = msgspec.json.decode(await session.client.get(kinds.PVC, Key(session.namespace, pvc)))
    for item in await list_all(session.client.list_pages(kinds.POD, namespace=session.namespace)):
        pod = msgspec.json.decode(item)
        claims = {
            (each.get("persistentVolumeClaim") or {}).get("claimName") for each in pod["spec"].get("volumes") or ()
        }
        if pvc in claims and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
            raise Failure(f"PVC {pvc} is used by pod {pod['metadata']['name']}; stop what uses it first")
    return bool(claim["spec"].get("volumeMode") == "Block")


async def _installed_image(session: Session) -> str:
    from kubevirt_py.virtctl.session import BASE

    info = await session.get_json(f"{BASE}/guestfs")
    if info.get("gsImage"):
        return str(info["gsImage"])
    version = f"@{info['digest']}" if info.get("digest") else f":{info['tag']}"
    return f"{info['registry']}/{info['imagePrefix']}libguestfs-tools{version}"


async def _place_of(session: Session, vm: str) -> Document:
    import msgspec

    from kubevirt_py.api import kinds
    from kubevirt_py.plan import Key

    found = msgspec.json.decode(await session.client.get(kinds.VM, Key(session.namespace, vm)))
    spec = found["spec"]["template"]["spec"]
    return {field: spec[field] for field in ("nodeSelector", "affinity", "tolerations") if spec.get(field)}
