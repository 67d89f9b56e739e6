"""Access credentials: SSH keys in the cloud-init image or by the guest's agent, and passwords by the latter."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import REQUIRED, Cause, exactly_one
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.credentials import METHOD, secret_of
from kubevirt_py.render.validate.text import dns_subdomain

KINDS = ("sshPublicKey", "userPassword")
CARRIERS = {"noCloud": "cloudInitNoCloud", "configDrive": "cloudInitConfigDrive"}
METHODS = {"sshPublicKey": (*CARRIERS, METHOD), "userPassword": (METHOD,)}


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    sources = {kind for volume in spec.get("volumes") or () for kind in volume}
    for index, credential in enumerate(spec.get("accessCredentials") or ()):
        field = f"{path}.accessCredentials[{index}]"
        yield from exactly_one(field, credential, KINDS, "kind of credential")
        for kind in KINDS:
            if kind in credential:
                yield from _credential(kind, credential[kind], f"{field}.{kind}")
        method = (credential.get("sshPublicKey") or {}).get("propagationMethod") or {}
        for name, source in CARRIERS.items():
            if name in method and source not in sources:
                place = f"{field}.sshPublicKey.propagationMethod.{name}"
                yield Cause(place, REQUIRED, f"needs a volume with {source} in {path}.volumes")


def _credential(kind: str, given: Document, field: str) -> Iterator[Cause]:
    secret, method = secret_of(given), given.get("propagationMethod") or {}
    if not secret:
        yield Cause(f"{field}.source.secret.secretName", REQUIRED, "must name a Secret in the same namespace")
    else:
        yield from dns_subdomain(f"{field}.source.secret.secretName", secret)
    yield from exactly_one(f"{field}.propagationMethod", method, METHODS[kind], "propagation method")
    if kind == "sshPublicKey" and METHOD in method and not method[METHOD].get("users"):
        yield Cause(f"{field}.propagationMethod.{METHOD}.users", REQUIRED, "must name users of the guest")
