"""The installation as a whole: what its operator is told, how it is put back, and what components say of themselves."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from e2e.kubectl import Document, Namespace, condition, eventually, run, status
from kubevirt_py import __version__
from kubevirt_py.render.install import Installation, render_base

SYSTEM = Namespace("kubevirt")
EMBEDDED = "/.cache/kubevirt-py/" in os.environ.get("KUBECONFIG", "") or "KUBEVIRT_PY_CACHE" in os.environ
"""Whether the cluster is one of hack/cluster, of which the tests may load images and kill a kubelet."""
CACHE = Path(os.environ.get("KUBEVIRT_PY_CACHE", "~/.cache/kubevirt-py")).expanduser()
TOP = Path(__file__).resolve().parent.parent
COMPONENTS = ("virt-operator", "virt-api", "virt-controller", "virt-handler")
GONE_S = 120.0
"""How long anything may take to go."""
ROLLED_S = 240.0

_ASK = (
    "import json, ssl, urllib.request as r; "
    "c = ssl._create_unverified_context(); "
    "print(r.urlopen('https://127.0.0.1:8443/healthz', context=c, timeout=5).read().decode())"
)
_SERVED = "import ssl; print(ssl.get_server_certificate(('127.0.0.1', 8443)))"


@dataclass(frozen=True, slots=True)
class Installed:
    """What must be applied to have this installation again."""

    image: str
    launcher: str
    cr: Document

    @classmethod
    def now(cls) -> Installed:
        cr = SYSTEM.get("kubevirt", "kubevirt")
        kept = {"name": cr["metadata"]["name"], "namespace": cr["metadata"]["namespace"]}
        plain = {"apiVersion": cr["apiVersion"], "kind": cr["kind"], "metadata": kept, "spec": cr["spec"]}
        return cls(*operator_images(), plain)

    def apply(self) -> None:
        """Apply namespace, CRD, operator and CR, and wait until all is deployed."""
        inst = Installation(namespace=SYSTEM.name, version=__version__, image=self.image, launcher_image=self.launcher)
        base = render_base(inst)
        run("kubectl", "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump_all(base))
        run("kubectl", "wait", "--for=condition=Established", "--timeout=60s", "crd/kubevirts.kubevirt.io")
        SYSTEM.kubectl("rollout", "status", "deployment/virt-operator", "--timeout=180s", timeout_s=200)
        self.put_cr()

    def put_cr(self) -> None:
        """Give the CR this spec again, making it if it is gone, and wait until it is deployed."""
        text = yaml.safe_dump(self.cr)

        def taken() -> bool:
            verb = "replace" if SYSTEM.get("kubevirt", "kubevirt") else "create"
            return bool(SYSTEM.kubectl(verb, "-f", "-", stdin=text, check=False))

        assert eventually(taken, 60, 1.0), "the KubeVirt CR is not accepted"
        until_deployed()


def operator_images() -> tuple[str, str]:
    """Control plane and launcher image of the operator that runs."""
    (container,) = SYSTEM.get("deployment", "virt-operator")["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one.get("value", "") for one in container["env"]}
    return env["CONTROL_PLANE_IMAGE"], env["LAUNCHER_IMAGE"]


def run_operator(image: str, launcher: str) -> None:
    """What a user does to change the version: another image for the operator, which brings the others along."""
    inst = Installation(namespace=SYSTEM.name, version=__version__, image=image, launcher_image=launcher)
    deployment = next(one for one in render_base(inst) if one["kind"] == "Deployment")
    SYSTEM.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump(deployment))
    SYSTEM.kubectl("rollout", "status", "deployment/virt-operator", "--timeout=180s", timeout_s=200)
    until_deployed(image, launcher)


def until_deployed(*images: str) -> None:
    """Wait until the CR says that these images are rolled out and all is well."""

    def deployed(cr: Document) -> bool:
        config = str(status(cr, "observedDeploymentConfig"))
        states = {name: condition(cr, name).get("status") for name in ("Available", "Progressing", "Degraded")}
        same = status(cr, "observedDeploymentID") == status(cr, "targetDeploymentID")
        fresh = status(cr, "observedGeneration") == cr["metadata"]["generation"] if cr else False
        well = states == {"Available": "True", "Progressing": "False", "Degraded": "False"}
        return well and same and fresh and all(f'"{image}"' in config for image in images)

    SYSTEM.until("kubevirt", "kubevirt", deployed, "deployed", ROLLED_S)


def configure(**configuration: Any) -> None:
    """Merge into spec.configuration."""
    patch(configuration=configuration)


def patch(**spec: Any) -> None:
    """Merge into spec."""
    SYSTEM.kubectl("patch", "kubevirt", "kubevirt", "--type=merge", "-p", json.dumps({"spec": spec}))


def pods(component: str) -> list[str]:
    """Names of a component's pods that are not going."""
    found = SYSTEM.items("pods", f"kubevirt.io={component}")
    return [pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"]]


def health(pod: str) -> Document:
    """What a component's /healthz says."""
    found: Document = json.loads(SYSTEM.kubectl("exec", pod, "--", "python3", "-c", _ASK))
    return found


def served_certificate(pod: str) -> str:
    """The certificate a component serves with, as PEM."""
    return SYSTEM.kubectl("exec", pod, "--", "python3", "-c", _SERVED)


def all_follow(*components: str) -> bool:
    """Whether every pod of these components, or of all, follows the CR as it is now."""
    wanted = SYSTEM.get("kubevirt", "kubevirt")["metadata"]["resourceVersion"]
    parts = components or COMPONENTS
    return all(health(pod)["config-resource-version"] == wanted for part in parts for pod in pods(part))


def leftovers() -> list[str]:
    """What an uninstalled KubeVirt must not leave in the cluster."""
    kinds = "crd,apiservice,clusterrole,clusterrolebinding,priorityclass"
    hooks = "mutatingwebhookconfiguration,validatingwebhookconfiguration,validatingadmissionpolicy"
    ours = run("kubectl", "get", f"{kinds},{hooks}", "-l", "app.kubernetes.io/managed-by=virt-operator", "-o", "name")
    return ours.split()


def load_as(image: str, tag: str) -> str:
    """Load the image once more under another tag, and return its name."""
    path, _, held = image.rpartition(":")
    name = path.rpartition("/")[2]
    archive = CACHE / "images" / f"{name}-{held}.tar"
    assert archive.exists(), f"{archive} is missing: run hack/images"
    with tempfile.TemporaryDirectory(dir=CACHE) as directory:
        layout = Path(directory) / "layout"
        with tarfile.open(archive) as tar:
            tar.extractall(layout, filter="data")
        index = json.loads((layout / "index.json").read_text())
        one = index["manifests"][0]
        one["annotations"] = {"org.opencontainers.image.ref.name": f"{path}:{tag}"}
        (layout / "index.json").write_text(json.dumps({**index, "manifests": [one]}))
        again = Path(directory) / f"{name}-{tag}.tar"
        with tarfile.open(again, "w") as tar:
            tar.add(layout, ".")
        shutil.rmtree(layout)
        run(sys.executable, str(TOP / "hack/cluster"), "load", str(again), timeout_s=300)
    return f"{path}:{tag}"
