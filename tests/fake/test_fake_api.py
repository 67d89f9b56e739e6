"""The fake API server behaves like the real one, as far as the same suite can tell."""

from __future__ import annotations

import pytest

from kubevirt_py.reconcile.testing import FakeApi, Server
from tests.behaviour.api import ApiBehaviour
from tests.behaviour.kinds import GADGET, POD


@pytest.mark.looptime
class TestFakeApi(ApiBehaviour):
    @pytest.fixture
    async def api(self) -> FakeApi:
        return FakeApi(Server(without_status=[GADGET], graceful=[POD]))

    @pytest.fixture
    def namespace(self) -> str:
        return "default"
