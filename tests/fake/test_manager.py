"""Managers against the fake API server, on virtual time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kubevirt_py.reconcile import Manager
from kubevirt_py.reconcile.testing import FakeApi, Server, virtual_now
from tests.behaviour.kinds import NAMESPACE
from tests.behaviour.manager import ManagerBehaviour


@pytest.mark.looptime
class TestManager(ManagerBehaviour):
    @pytest.fixture
    async def api(self) -> FakeApi:
        api = FakeApi(Server(), watch_lag_s=0.03)
        api.server.create(NAMESPACE, "", {"metadata": {"name": "here"}})
        return api

    @pytest.fixture
    def namespace(self) -> str:
        return "here"

    @pytest.fixture
    def new_manager(self, api: FakeApi) -> Callable[[str], Manager]:
        return lambda name: Manager(FakeApi(api.server, watch_lag_s=0.03), name=name, clock=virtual_now)
