"""One entry point for every process: `python -m kubevirt_py <role> [flags]`."""

from __future__ import annotations

import sys
from importlib import import_module

ROLES = {
    "virt-operator": "kubevirt_py.virt_operator.app",
    "virt-api": "kubevirt_py.virt_api.app",
    "virt-controller": "kubevirt_py.virt_controller.app",
    "virt-handler": "kubevirt_py.virt_handler.app",
    "virtctl": "kubevirt_py.virtctl.main",
    "crds": "kubevirt_py.api.crd",
    "manifests": "kubevirt_py.virt_operator.manifests",
    "pages": "kubevirt_py.pages",
}


def main() -> int:
    """Run the role named by the first argument; each role imports only what it needs."""
    role = sys.argv[1] if len(sys.argv) > 1 else ""
    if role not in ROLES:
        print(f"usage: python -m kubevirt_py {{{','.join(ROLES)}}} [flags]", file=sys.stderr)
        return 2
    status: int = import_module(ROLES[role]).main(sys.argv[2:])
    return status


if __name__ == "__main__":
    sys.exit(main())
