"""A node's agent with a real stub and QEMU, for whichever test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.host.agentlab import FakePod, Node, node


@pytest.fixture
def lab() -> Iterator[Node]:
    with node() as made:
        yield made


@pytest.fixture
def pods() -> Iterator[list[FakePod]]:
    """Pods that are stopped at the end."""
    made: list[FakePod] = []
    yield made
    for pod in made:
        pod.stop()
