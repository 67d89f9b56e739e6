"""The KubeVirt CR as commands for administrators find it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubevirt_py.plan import Document, Kind

if TYPE_CHECKING:
    from kubevirt_py.virtctl.session import Session

KUBEVIRT: Kind[Any] = Kind("kubevirt.io", "v1", "KubeVirt", "kubevirts", dict)


async def list_kubevirts(session: Session, namespace: str) -> list[Document]:
    """The CRs in `namespace`, in all of them where it is empty."""
    import msgspec

    from kubevirt_py.kube.client import list_all

    return [
        msgspec.json.decode(item) for item in await list_all(session.client.list_pages(KUBEVIRT, namespace=namespace))
    ]
