"""A real kube-apiserver with etcd, for the time of the session."""

from __future__ import annotations

import select
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from kubevirt_py.kube.client import Client
from kubevirt_py.kube.connect import kubeconfig_client
from tests.behaviour.kinds import NAMESPACE

START_S = 90.0
ROOT = Path(__file__).parents[2]


CUT_HANDSHAKE = "ignore:Exception ignored in. <(function _SelectorTransport|socket.socket)"
"""A handshake the API server begins just as a test's webhook server ends leaves its socket to the garbage collector."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.filterwarnings(f"{CUT_HANDSHAKE}:pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[Path]:
    """The path of the administrator's kubeconfig."""
    folder = tempfile.mkdtemp(prefix="kubevirt-py-apiserver-")
    command = [sys.executable, "-m", "hack.cluster", "apiserver", "--dir", folder]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            ready, _, _ = select.select([process.stdout], [], [], START_S)
            path = process.stdout.readline().strip() if ready else ""
            assert path, f"no API server within {START_S} s; see its messages above"
            yield Path(path)
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture
async def admin_client(kubeconfig: Path) -> AsyncIterator[Client]:
    """A client that may do everything."""
    async with kubeconfig_client(str(kubeconfig)) as client:
        yield client


@pytest.fixture
async def namespace(admin_client: Client) -> str:
    """A new namespace; it goes with the server."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    await admin_client.create(NAMESPACE, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name
