"""The objects that a machine consists of and depends on, as a tree, for tools that back up, restore or move machines.

Source: KubeVirt's subresource `objectgraph`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kubevirt_py.api import names
from kubevirt_py.plan import Document

GROUPS_AND_TYPES = {
    "ConfigMap": ("", "config"),
    "ControllerRevision": ("apps", "config"),
    "DataVolume": ("cdi.kubevirt.io", "storage"),
    "NetworkAttachmentDefinition": ("k8s.cni.cncf.io", "network"),
    "PersistentVolumeClaim": ("", "storage"),
    "Pod": ("", "compute"),
    "Secret": ("", "config"),
    "ServiceAccount": ("", "config"),
    "VirtualMachine": ("kubevirt.io", "compute"),
    "VirtualMachineClusterInstancetype": ("instancetype.kubevirt.io", "config"),
    "VirtualMachineClusterPreference": ("instancetype.kubevirt.io", "config"),
    "VirtualMachineInstance": ("kubevirt.io", "compute"),
    "VirtualMachineInstancetype": ("instancetype.kubevirt.io", "config"),
    "VirtualMachinePreference": ("instancetype.kubevirt.io", "config"),
}
"""API group of each kind, and the way in which a machine depends on such objects."""


def of_vm(vm: Document, pods: Sequence[str]) -> Document:
    """The graph of a VirtualMachine; `pods` are the names of the pods of its instance."""
    meta, spec, status = vm["metadata"], vm["spec"], vm.get("status") or {}
    name, namespace = meta["name"], meta["namespace"]
    children: list[Document] = []
    if status.get("created"):
        running = [_node("Pod", pod, namespace) for pod in pods]
        children.append(_node("VirtualMachineInstance", name, namespace, running))
    for field, kind in (("instancetype", "Instancetype"), ("preference", "Preference")):
        if matcher := spec.get(field):
            children += _matched(matcher, kind, status.get(f"{field}Ref"), namespace)
    children += _needs(spec["template"]["spec"], namespace)
    return _node("VirtualMachine", name, namespace, children)


def of_vmi(vmi: Document, pods: Sequence[str]) -> Document:
    """The graph of a VirtualMachineInstance."""
    name, namespace = vmi["metadata"]["name"], vmi["metadata"]["namespace"]
    children = [_node("Pod", pod, namespace) for pod in pods]
    return _node("VirtualMachineInstance", name, namespace, [*children, *_needs(vmi["spec"], namespace)])


def chosen(node: Document, options: Document) -> Document:
    """The graph without what ObjectGraphOptions leave out: a node is shown only below nodes that are shown."""
    kept = [chosen(child, options) for child in node.get("children", ()) if _fits(child, options)]
    return {key: value for key, value in node.items() if key != "children"} | ({"children": kept} if kept else {})


def _fits(node: Document, options: Document) -> bool:
    if node.get("optional") and options.get("includeOptionalNodes") is False:
        return False
    selector = options.get("labelSelector") or {}
    labels = node["labels"]
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_meets(labels, rule) for rule in selector.get("matchExpressions") or ())


def _meets(labels: Document, rule: Document) -> bool:
    held, values = labels.get(rule["key"]), rule.get("values") or ()
    match rule["operator"]:
        case "In":
            return held in values
        case "NotIn":
            return held not in values
        case "Exists":
            return held is not None
        case _:
            return held is None


def _matched(matcher: Document, kind: str, ref: Document | None, namespace: str) -> Iterator[Document]:
    """An instance type or preference, and the revision of it that the machine keeps."""
    wanted = (matcher.get("kind") or "").lower()
    of_cluster = not wanted or "cluster" in wanted
    whole = f"VirtualMachine{'Cluster' if of_cluster else ''}{kind}"
    if matcher.get("name"):
        yield _node(whole, matcher["name"], "" if of_cluster else namespace, optional=True)
    revision = (ref.get("controllerRevisionRef") or {}).get("name") if ref else matcher.get("revisionName")
    if revision:
        yield _node("ControllerRevision", revision, namespace)


def _needs(spec: Document, namespace: str) -> Iterator[Document]:
    for credential in spec.get("accessCredentials") or ():
        for kind in ("sshPublicKey", "userPassword"):
            source = ((credential.get(kind) or {}).get("source") or {}).get("secret") or {}
            if source.get("secretName"):
                yield _node("Secret", source["secretName"], namespace)
    for volume in spec.get("volumes") or ():
        yield from _volume(volume, namespace)
    for utility in spec.get("utilityVolumes") or ():
        yield _node("PersistentVolumeClaim", utility["claimName"], namespace)
    for network in spec.get("networks") or ():
        if named := (network.get("multus") or {}).get("networkName"):
            place, _, name = named.rpartition("/")
            yield _node("NetworkAttachmentDefinition", name, place or namespace)


def _volume(volume: Document, namespace: str) -> Iterator[Document]:
    for source, field, kind in (
        ("persistentVolumeClaim", "claimName", "PersistentVolumeClaim"),
        ("memoryDump", "claimName", "PersistentVolumeClaim"),
        ("configMap", "name", "ConfigMap"),
        ("secret", "secretName", "Secret"),
        ("serviceAccount", "serviceAccountName", "ServiceAccount"),
    ):
        if name := (volume.get(source) or {}).get(field):
            yield _node(kind, name, namespace)
    if name := ((volume.get("ephemeral") or {}).get("persistentVolumeClaim") or {}).get("claimName"):
        yield _node("PersistentVolumeClaim", name, namespace)
    if name := (volume.get("dataVolume") or {}).get("name"):
        yield _node("DataVolume", name, namespace, [_node("PersistentVolumeClaim", name, namespace)])
    for source in ("cloudInitNoCloud", "cloudInitConfigDrive"):
        for field in ("secretRef", "networkDataSecretRef"):
            if name := ((volume.get(source) or {}).get(field) or {}).get("name"):
                yield _node("Secret", name, namespace)


def _node(
    kind: str, name: str, namespace: str, children: Sequence[Document] = (), *, optional: bool = False
) -> Document:
    group, dependency = GROUPS_AND_TYPES[kind]
    node: Document = {
        "objectReference": {"apiGroup": group, "kind": kind, "name": name, "namespace": namespace},
        "labels": {names.DEPENDENCY_TYPE_LABEL: dependency},
    }
    if optional:
        node["optional"] = True
    if children:
        node["children"] = list(children)
    return node
