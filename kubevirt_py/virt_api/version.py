"""What `version` answers."""

from __future__ import annotations

import platform

from kubevirt_py import __version__
from kubevirt_py.plan import Document


def version_info() -> Document:
    """The fields every client of KubeVirt decodes; the interpreter stands where a compiler would."""
    return {
        "gitVersion": f"v{__version__}",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation(),
        "platform": f"{platform.system().lower()}/{platform.machine()}",
    }
