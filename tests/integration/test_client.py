"""The client against a real API server, by the suite that the fake one passes too."""

from __future__ import annotations

import pytest

from kubevirt_py.kube.client import Client
from kubevirt_py.kube.errors import Forbidden, Invalid, NotFound, Unauthorized
from kubevirt_py.plan import Key, Kind
from tests.behaviour.api import ApiBehaviour, decode
from tests.behaviour.kinds import GADGET, WIDGET, definition, widget
from tests.integration.definitions import install_crd


class TestClient(ApiBehaviour):
    @pytest.fixture
    async def api(self, admin_client: Client) -> Client:
        await install_crd(admin_client, definition(WIDGET, status=True))
        await install_crd(admin_client, definition(GADGET, status=False))
        return admin_client

    async def test_validation_names_the_field(self, api: Client, namespace: str) -> None:
        with pytest.raises(Invalid) as caught:
            await api.create(WIDGET, namespace, widget(Key(namespace, "a"), size=5000))
        assert [cause.field for cause in caught.value.causes] == ["spec.size"]

    async def test_an_unknown_kind_is_not_found(self, api: Client, namespace: str) -> None:
        unknown: Kind[dict[str, object]] = Kind("example.com", "v1", "Nothing", "nothings", dict)
        with pytest.raises(NotFound):
            await api.get(unknown, Key(namespace, "a"))

    async def test_without_credentials(self, api: Client, namespace: str) -> None:
        async with Client(api.base_url, _Anonymous(api)) as nobody:
            with pytest.raises(Forbidden):
                await nobody.get(WIDGET, Key(namespace, "a"))
        async with Client(api.base_url, _Anonymous(api, token="wrong")) as nobody:
            with pytest.raises(Unauthorized):
                await nobody.get(WIDGET, Key(namespace, "a"))
            with pytest.raises(Unauthorized):
                _ = [line async for line in nobody.watch(WIDGET)]

    async def test_version_by_path(self, api: Client) -> None:
        assert decode(await api.request("GET", "/version"))["gitVersion"].startswith("v1.")


class _Anonymous:
    """Knows the server's CA but not who it is."""

    def __init__(self, other: Client, token: str = "") -> None:
        import ssl

        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def headers(self) -> dict[str, str]:
        return self._headers

    def tls(self) -> object:
        return self._context

    async def renew(self) -> bool:
        return False
