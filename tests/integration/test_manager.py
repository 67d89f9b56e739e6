"""Managers against a real API server, by the suite that runs on the fake one too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kubevirt_py.kube.client import Client
from kubevirt_py.reconcile import Manager
from tests.behaviour.kinds import WIDGET, definition
from tests.behaviour.manager import ManagerBehaviour
from tests.integration.definitions import install_crd


class TestManager(ManagerBehaviour):
    @pytest.fixture
    async def api(self, admin_client: Client) -> Client:
        await install_crd(admin_client, definition(WIDGET, status=True))
        return admin_client

    @pytest.fixture
    def new_manager(self, api: Client) -> Callable[[str], Manager]:
        return lambda name: Manager(api, name=name)
