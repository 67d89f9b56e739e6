"""A VirtualMachine manifest while flags are added to it."""

from __future__ import annotations

from typing import Any

from kubevirt_py.plan import Document
from kubevirt_py.virtctl.create.manifest import metadata
from kubevirt_py.virtctl.create.params import check_label, flag_error
from kubevirt_py.virtctl.main import Failure

_INFERABLE = ("pvc", "registry", "snapshot")


class Draft:
    """The manifest, and which boot orders are taken."""

    def __init__(self, name: str, namespace: str, run_strategy: str, grace_s: int, memory: str) -> None:
        self.name = name
        self.spec: Document = {"domain": {"devices": {}, "memory": {"guest": memory}}}
        self.spec["terminationGracePeriodSeconds"] = grace_s
        self.document: Document = {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachine",
            "metadata": metadata(name, namespace),
            "spec": {"runStrategy": run_strategy, "template": {"spec": self.spec}},
        }
        self._boot_orders: dict[int, str] = {}

    def forget_memory(self) -> None:
        """For machines whose instance type says it."""
        self.spec["domain"].pop("memory", None)

    def has_volume(self, name: str) -> bool:
        return any(volume["name"] == name for volume in self.spec.get("volumes", ()))

    def add_volume(self, flag: str, name: str, source: Document, boot_order: int | None = None) -> None:
        """Append a volume, and a disk where a boot order is wanted. Failure names `flag`."""
        check_label(flag, name)
        if self.has_volume(name):
            raise flag_error(flag, f'there is already a volume with name "{name}"')
        self.spec.setdefault("volumes", []).append({"name": name, **source})
        if boot_order is None:
            return
        if boot_order == 0:
            raise flag_error(flag, "bootorder must be greater than 0")
        if boot_order in self._boot_orders:
            raise flag_error(flag, f"bootorder {boot_order} was specified multiple times")
        self._boot_orders[boot_order] = name
        self.spec["domain"]["devices"].setdefault("disks", []).append({"name": name, "bootOrder": boot_order})

    def add_data_volume(self, flag: str, name: str, spec: Document, boot_order: int | None) -> None:
        """A volume whose content is imported when the machine is made."""
        self.add_volume(flag, name, {"dataVolume": {"name": name}}, boot_order)
        templates = self.document["spec"].setdefault("dataVolumeTemplates", [])
        templates.append({"metadata": metadata(name), "spec": spec})

    def first_boot_volume(self) -> str:
        """The volume with the lowest boot order, else the first. Failure where there is none."""
        if self._boot_orders:
            return self._boot_orders[min(self._boot_orders)]
        if not self.spec.get("volumes"):
            raise Failure("at least one volume is needed to infer an instance type or preference")
        name: str = self.spec["volumes"][0]["name"]
        return name

    def infer(self, field: str, volume: str, *, explicit: bool) -> None:
        """Take `instancetype` or `preference` from a volume's labels. Failure where the volume cannot have any.

        What was not asked for is ignored by the server where the labels are missing.
        """
        volume = volume or self.first_boot_volume()
        self._check_inferable(volume)
        self.document["spec"][field] = {"inferFromVolume": volume}
        if not explicit:
            self.document["spec"][field]["inferFromVolumeFailurePolicy"] = "Ignore"
        elif field == "instancetype":
            self.forget_memory()

    def _check_inferable(self, name: str) -> None:
        found: dict[str, Any] | None = next(
            (each for each in self.spec.get("volumes", ()) if each["name"] == name), None
        )
        if found is None:
            raise Failure(f'there is no volume with name "{name}"')
        if "persistentVolumeClaim" in found:
            return
        if "dataVolume" not in found:
            raise Failure("inference of instancetype or preference works only with datasources, datavolumes or pvcs")
        for template in self.document["spec"]["dataVolumeTemplates"]:
            spec = template["spec"]
            if template["metadata"]["name"] != name or "sourceRef" in spec:
                continue
            if not any(kind in spec["source"] for kind in _INFERABLE):
                raise Failure(
                    "this datavolume is not valid to infer an instancetype or preference from "
                    "(source needs to be PVC, Registry or Snapshot, sourceRef needs to be DataSource)"
                )
