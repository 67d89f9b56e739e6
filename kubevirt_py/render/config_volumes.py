"""Volumes of small files that Kubernetes keeps: Secrets, ConfigMaps, service accounts, fields of the pod, sysprep.

The kubelet projects them into the pod. A disk of them is an ISO image made at start (render/isos.py); a file system
of them is shared with the guest as it is, and follows changes.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubevirt_py.plan import Document

SOURCES = ("configMap", "downwardAPI", "secret", "serviceAccount", "sysprep")
LABEL = "cfgdata"
SYSPREP_LABEL = "unattendCD"
"""What Windows Setup and KubeVirt's users expect the answer files' disk to be called."""
ANSWER_FILES = ("autounattend.xml", "unattend.xml")
"""What Windows Setup looks for, in letters of any case."""
TOKEN_S = 3607
"""A lifetime for which the API server, by default, accepts a token for a year: the image is not renewed."""


def source_of(volume: Document) -> str:
    """The source of a VMI volume if it is one of these kinds, else an empty string."""
    return next((source for source in SOURCES if source in volume), "")


def label(volume: Document) -> str:
    """The volume label of the image that the guest sees."""
    source = source_of(volume)
    return (volume[source] or {}).get("volumeLabel") or (SYSPREP_LABEL if source == "sysprep" else LABEL)


def check_answers(volume: Document, files: Iterable[str]) -> None:
    """Raises ValueError for a sysprep volume in whose files Windows would find no answers."""
    if not {name.lower() for name in files} & set(ANSWER_FILES):
        given = volume["sysprep"]
        kind, key = ("Secret", "secret") if given.get("secret") else ("ConfigMap", "configMap")
        wanted = " nor ".join(ANSWER_FILES)
        raise ValueError(f"volume {volume['name']}: sysprep: {kind} {given[key]['name']} has neither {wanted}")


def projection(volume: Document) -> Document | None:
    """The projected pod volume's source for a VMI volume, None for other kinds."""
    source = source_of(volume)
    if not source:
        return None
    given = volume[source] or {}
    match source:
        case "configMap":
            sources = [{"configMap": {"name": given["name"]} | _optional(given)}]
        case "secret":
            sources = [{"secret": {"name": given["secretName"]} | _optional(given)}]
        case "downwardAPI":
            sources = [{"downwardAPI": {"items": given.get("fields") or []}}]
        case "serviceAccount":
            sources = _service_account()
        case _:
            kind = "secret" if given.get("secret") else "configMap"
            sources = [{kind: {"name": given[kind]["name"]}}]
    return {"sources": sources}


def service_account(spec: Document) -> str:
    """The service account the pod runs under, empty for the namespace's default one. It has no token but by volume."""
    named = (volume["serviceAccount"] for volume in spec.get("volumes") or () if volume.get("serviceAccount"))
    return next((str(name) for one in named if (name := one.get("serviceAccountName"))), "") or str(
        spec.get("serviceAccountName") or ""
    )


def _optional(given: Document) -> Document:
    return {"optional": given["optional"]} if "optional" in given else {}


def _service_account() -> list[Document]:
    """token, ca.crt and namespace, as pods get them."""
    field = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_S}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [field]}},
    ]
