"""Lays down the seccomp profiles of this release where the node's kubelet looks for them."""

from __future__ import annotations

import json
import os
from pathlib import Path

from kubevirt_py.render.seccomp import PASST_PROFILE, passt_profile


def lay_down(directory: Path) -> None:
    """Write the profiles below the kubelet's directory; a pod that starts meanwhile finds the old or the new one."""
    path = directory / PASST_PROFILE
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(passt_profile()))
    os.replace(partial, path)
