"""Access credentials: SSH keys that reach the guest in its cloud-init image."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import REQUIRED, Cause
from kubevirt_py.render.config import ClusterConfig

CARRIERS = {"noCloud": "cloudInitNoCloud", "configDrive": "cloudInitConfigDrive"}


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    sources = {kind for volume in spec.get("volumes") or () for kind in volume}
    for index, credential in enumerate(spec.get("accessCredentials") or ()):
        field = f"{path}.accessCredentials[{index}].sshPublicKey"
        key = credential.get("sshPublicKey") or {}
        if not key:
            continue
        if not ((key.get("source") or {}).get("secret") or {}).get("secretName"):
            yield Cause(f"{field}.source.secret.secretName", REQUIRED, "must name a Secret in the same namespace")
        method = key.get("propagationMethod") or {}
        if not method:
            yield Cause(f"{field}.propagationMethod", REQUIRED, f"set one of: {', '.join(CARRIERS)}")
        for name, source in CARRIERS.items():
            if name in method and source not in sources:
                yield Cause(
                    f"{field}.propagationMethod.{name}", REQUIRED, f"needs a volume with {source} in {path}.volumes"
                )
