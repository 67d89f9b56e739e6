"""The virt-operator process: stores, the installer, and what wakes it."""

from __future__ import annotations

import argparse
import os
import ssl
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import anyio

from kubevirt_py import __version__, telemetry
from kubevirt_py.api import kinds, names
from kubevirt_py.api.kinds import DAEMON_SET, DEPLOYMENT, KUBEVIRT, SECRET
from kubevirt_py.api.views import Held
from kubevirt_py.kube.incluster import incluster_client
from kubevirt_py.plan import Key, Kind
from kubevirt_py.reconcile.manager import LeaseSpec, Manager, mapped
from kubevirt_py.render.install import Installation, documents, managed_kinds
from kubevirt_py.render.install.installation import MANAGED_SELECTOR
from kubevirt_py.virt_operator.installer import Images, Installer


def main(argv: list[str]) -> int:
    """Run virt-operator until SIGTERM."""
    parser = argparse.ArgumentParser(prog="virt-operator", description="Install and keep KubeVirt from its CR.")
    parser.add_argument("--port", type=int, default=8443, help="port of /metrics and /healthz (HTTPS)")
    parser.add_argument("-v", "--verbosity", type=int, default=2)
    options = parser.parse_args(argv)
    telemetry.setup(names.VIRT_OPERATOR, options.verbosity)
    images = Images(os.environ["CONTROL_PLANE_IMAGE"], os.environ["LAUNCHER_IMAGE"], __version__)
    anyio.run(_run, images, os.environ["POD_NAMESPACE"], options.port)
    return 0
