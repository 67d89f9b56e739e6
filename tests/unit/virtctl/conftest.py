"""The command line against a small cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kubevirt_py.virtctl.main import main
from tests.unit.virtctl.clusterlab import Cluster, running


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    with running(tmp_path) as cluster:
        monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)
        yield cluster


class Shell:
    """Runs `virtctl` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        code = main(list(words))
        return (code, *self._capsys.readouterr())


@pytest.fixture
def virtctl(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)
