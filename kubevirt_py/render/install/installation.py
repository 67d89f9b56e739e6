"""What an installation is made from: the KubeVirt CR, the images and the CA bundle."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property

import msgspec

from kubevirt_py.api import names
from kubevirt_py.plan import Document

DEFAULT_REPLICAS = 2


class Installation(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The input of every install document. `ca_bundle` is base64 of PEM, empty until a CA exists."""

    namespace: str
    version: str
    image: str
    launcher_image: str
    spec: Document = {}
    ca_bundle: str = ""

    @property
    def registry(self) -> str:
        """The image prefix, as upstream reports it in status.observedKubeVirtRegistry."""
        return self.spec.get("imageRegistry") or self.image.rpartition("/")[0]

    @property
    def control_plane_image(self) -> str:
        return self._image(self.image)

    @property
    def virt_launcher_image(self) -> str:
        return self._image(self.launcher_image)

    def _image(self, default: str) -> str:
        path, _, tag = default.rpartition(":")
        registry, _, name = path.rpartition("/")
        return f"{self.spec.get('imageRegistry') or registry}/{name}:{self.spec.get('imageTag') or tag}"

    @property
    def pull_policy(self) -> str:
        return self.spec.get("imagePullPolicy") or "IfNotPresent"

    @property
    def replicas(self) -> int:
        """Replicas of virt-api and virt-controller (spec.infra.replicas)."""
        return int((self.spec.get("infra") or {}).get("replicas") or DEFAULT_REPLICAS)

    def placement(self, part: str) -> Document:
        """spec.infra or spec.workloads nodePlacement as pod spec fields."""
        wanted = (self.spec.get(part) or {}).get("nodePlacement") or {}
        return {name: wanted[name] for name in ("nodeSelector", "affinity", "tolerations") if wanted.get(name)}

    @property
    def persistent_reservations(self) -> bool:
        """Whether each node has qemu-pr-helper (spec.configuration.persistentReservationConfiguration.enabled)."""
        configuration = self.spec.get("configuration") or {}
        return bool((configuration.get("persistentReservationConfiguration") or {}).get("enabled"))

    def deployment_config(self) -> Document:
        """The settings that, when changed, roll the workloads out again."""
        return {
            "id": self.deployment_id,
            "namespace": self.namespace,
            "registry": self.registry,
            "kubeVirtVersion": self.version,
            "virtApiImage": self.control_plane_image,
            "virtControllerImage": self.control_plane_image,
            "virtHandlerImage": self.control_plane_image,
            "virtLauncherImage": self.virt_launcher_image,
            "additionalProperties": {"ImagePullPolicy": self.pull_policy},
        }

    @cached_property
    def deployment_id(self) -> str:
        """SHA-1 over everything that shapes the workloads."""
        shape = [
            self.namespace, self.version, self.control_plane_image, self.virt_launcher_image, self.pull_policy,
            self.replicas, self.placement("infra"), self.placement("workloads"), self.spec.get("imagePullSecrets"),
            self.spec.get("customizeComponents"), self._labels(),
        ]  # fmt: skip
        if self.persistent_reservations:
            shape.append("pr-helper")
        return hashlib.sha1(json.dumps(shape, sort_keys=True).encode(), usedforsecurity=False).hexdigest()

    def stamp(self, document: Document) -> Document:
        """A copy marked as ours: the labels and annotations upstream tools look for."""
        meta = document.get("metadata", {})
        annotations = {
            names.INSTALL_VERSION_ANNOTATION: self.version,
            names.INSTALL_REGISTRY_ANNOTATION: self.registry,
            names.INSTALL_IDENTIFIER_ANNOTATION: self.deployment_id,
        }
        marks = {
            "labels": {**meta.get("labels", {}), **self._labels()},
            "annotations": {**meta.get("annotations", {}), **annotations},
        }
        return {**document, "metadata": {**meta, **marks}}

    def _labels(self) -> dict[str, str]:
        labels = {
            "app.kubernetes.io/managed-by": names.VIRT_OPERATOR,
            "app.kubernetes.io/component": self.spec.get("productComponent") or "kubevirt",
        }
        if self.spec.get("productName"):
            labels["app.kubernetes.io/part-of"] = self.spec["productName"]
        if self.spec.get("productVersion"):
            labels["app.kubernetes.io/version"] = self.spec["productVersion"]
        return labels


MANAGED_SELECTOR = f"app.kubernetes.io/managed-by={names.VIRT_OPERATOR}"
