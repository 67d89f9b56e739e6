"""Certificates, keys and kubeconfigs, made with the openssl command."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.processes import run

DAYS = "3650"
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True)
class Leaf:
    """A certificate to issue: subject as openssl writes it, and the names a server answers to."""

    name: str
    ca: str
    subject: str
    names: tuple[str, ...] = ()


class Pki:
    """A folder of PEM files; everything in it is made once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def crt(self, name: str) -> Path:
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def authority(self, name: str) -> None:
        """A self-signed certificate authority."""
        if self.crt(name).exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        fresh = self.crt(name).with_suffix(".new")
        out = ["-keyout", str(self.key(name)), "-out", str(fresh)]
        run(["openssl", "req", "-x509", *NEW_KEY, "-days", DAYS, *out, "-subj", f"/CN={name}"])
        fresh.rename(self.crt(name))

    def issue(self, leaf: Leaf) -> None:
        """A certificate for server and client use."""
        if self.crt(leaf.name).exists():
            return
        request, extensions = self.folder / f"{leaf.name}.csr", self.folder / f"{leaf.name}.ext"
        extensions.write_text(
            "extendedKeyUsage=serverAuth,clientAuth\n"
            + (f"subjectAltName={','.join(leaf.names)}\n" if leaf.names else "")
        )
        out = ["-keyout", str(self.key(leaf.name)), "-out", str(request)]
        run(["openssl", "req", *NEW_KEY, *out, "-subj", leaf.subject])
        # A random serial, because several certificates are issued at once.
        fresh = self.crt(leaf.name).with_suffix(".new")
        serial = f"0x{os.urandom(8).hex()}"
        signer = ["-CA", str(self.crt(leaf.ca)), "-CAkey", str(self.key(leaf.ca)), "-set_serial", serial, "-days", DAYS]
        files = ["-in", str(request), "-extfile", str(extensions), "-out", str(fresh)]
        run(["openssl", "x509", "-req", *signer, *files])
        request.unlink()
        extensions.unlink()
        fresh.rename(self.crt(leaf.name))

    def token_key(self) -> None:
        """The key pair that signs ServiceAccount tokens: sa.key and sa.pub."""
        public = self.folder / "sa.pub"
        if public.exists():
            return
        run(["openssl", "genrsa", "-out", str(self.key("sa")), "2048"])
        run(["openssl", "rsa", "-in", str(self.key("sa")), "-pubout", "-out", str(public)])

    def kubeconfig(self, name: str, server: str, *, embed: bool = False) -> Path:
        """A kubeconfig for the certificate of that name; `embed` makes it a single file that can be copied away."""
        path = self.folder / f"{name}.kubeconfig"
        files = {
            "certificate-authority": self.crt("ca"),
            "client-certificate": self.crt(name),
            "client-key": self.key(name),
        }
        text = render_kubeconfig(server, {key: str(file) for key, file in files.items()})
        if embed:
            text = render_kubeconfig(
                server, {f"{key}-data": base64.b64encode(file.read_bytes()).decode() for key, file in files.items()}
            )
        write_if_changed(path, text)
        return path


def render_kubeconfig(server: str, credentials: dict[str, str]) -> str:
    """A kubeconfig document (JSON, which is YAML). Pure.

    Of the credentials, those that start with "certificate-authority" tell who the server is, the others who we are.
    """
    is_ca = {key: key.startswith("certificate-authority") for key in credentials}
    cluster = {"server": server} | {key: value for key, value in credentials.items() if is_ca[key]}
    user = {key: value for key, value in credentials.items() if not is_ca[key]}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "kubevirt-py", "cluster": cluster}],
            "users": [{"name": "admin", "user": user}],
            "contexts": [{"name": "kubevirt-py", "context": {"cluster": "kubevirt-py", "user": "admin"}}],
            "current-context": "kubevirt-py",
        },
        indent=1,
    )


def write_if_changed(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file whole, and only when its content differs."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.rename(path)


def control_plane_leaves(server_names: Sequence[str]) -> tuple[Leaf, ...]:
    """Every certificate the control plane needs; `server_names` are the API server's, in openssl's notation. Pure."""
    return (
        Leaf("apiserver", "ca", "/CN=kube-apiserver", tuple(server_names)),
        Leaf("front-proxy", "front-proxy-ca", "/CN=front-proxy-client"),
        Leaf("apiserver-kubelet", "ca", "/O=system:masters/CN=apiserver-kubelet-client"),
        Leaf("admin", "ca", "/O=system:masters/CN=admin"),
        Leaf("controller-manager", "ca", "/CN=system:kube-controller-manager"),
        Leaf("scheduler", "ca", "/CN=system:kube-scheduler"),
        Leaf("kube-proxy", "ca", "/CN=system:kube-proxy"),
        Leaf("network-policy", "ca", "/CN=network-policy"),
        Leaf("multus", "ca", "/CN=multus"),
        Leaf("provisioner", "ca", "/CN=provisioner"),
    )
