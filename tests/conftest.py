"""Shared test tools: golden files a human can review."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="rewrite golden files instead of comparing")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "sweep: crashes a process at each of its writes; runs with the integration tests"
    )
    # No test may fail because the machine was busy.
    settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("steady")
    # No test trusts the authorities of this machine, and to read them takes longer than most tests.
    os.environ |= {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}
    # Otherwise the first look for a current loop makes one on Python 3.11, which nobody closes.
    asyncio.set_event_loop(None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Virtual time waits for no sockets, for which looptime turns the loop 42 times before each of its steps."""
    for item in items:
        if item.get_closest_marker("looptime"):
            item.add_marker(pytest.mark.looptime(noop_cycles=4))


class Golden:
    """Compares text with tests/golden/<path>; `pytest --update-goldens` rewrites it."""

    def __init__(self, update: bool) -> None:
        self._update = update

    def path(self, relative: str) -> Path:
        return GOLDEN / relative

    def check(self, relative: str, text: str) -> None:
        path = GOLDEN / relative
        if self._update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            return
        assert path.exists(), f"golden file {relative} is missing; review the output of pytest --update-goldens"
        assert text == path.read_text(), f"{relative} differs; review the output of pytest --update-goldens"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(bool(request.config.getoption("--update-goldens")))
