"""Fixtures: a cluster with KubeVirt deployed, and a namespace of its own for each module."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator

import pytest

from e2e.kubectl import Namespace, run


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "alone: disturbs other tests, or counts what they make; nothing runs beside it")


@pytest.fixture(scope="session", autouse=True)
def deployed() -> Iterator[None]:
    """Fail at once, with what to do, where there is no cluster with KubeVirt. No namespace may be stuck at the end."""
    assert os.environ.get("KUBECONFIG"), "KUBECONFIG is not set: run the tests with `make e2e`"
    phase = run("kubectl", "-n", "kubevirt", "get", "kubevirt", "kubevirt", "-o", "jsonpath={.status.phase}")
    assert phase == "Deployed", f"KubeVirt is in phase {phase!r}: run `make deploy` and look at its conditions"
    yield
    if _made:
        run(
            "kubectl", "wait", "--for=delete", "--timeout=240s", *(f"namespace/{name}" for name in _made), timeout_s=260
        )


_made: list[str] = []


@pytest.fixture(scope="session")
def nodes() -> tuple[str, ...]:
    """Names of the nodes that take virtual machines."""
    text = run("kubectl", "get", "nodes", "-l", "kubevirt.io/schedulable=true", "-o", "json")
    found = tuple(sorted(node["metadata"]["name"] for node in json.loads(text)["items"]))
    assert len(found) >= 2, f"the tests need two schedulable nodes, there are {found}"
    return found


def _namespace(prefix: str) -> Iterator[Namespace]:
    name = f"e2e-{prefix}-{secrets.token_hex(3)}"
    run("kubectl", "create", "namespace", name)
    _made.append(name)
    run("kubectl", "label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    try:
        yield Namespace(name)
    finally:
        run("kubectl", "delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """One namespace for a whole module, whose tests may build on one another's machines."""
    yield from _namespace(request.module.__name__.rpartition("test_")[2].replace("_", "-"))


@pytest.fixture
def own() -> Iterator[Namespace]:
    """A namespace for one test, removed with all that is in it."""
    yield from _namespace("own")
