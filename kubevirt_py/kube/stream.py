"""Websockets: through the API server with the credentials of a client, and as streams of bytes."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import aiohttp
from aiohttp import WSCloseCode, WSMsgType
from multidict import CIMultiDict

from kubevirt_py.kube.client import CONNECT_S, Client
from kubevirt_py.kube.errors import ApiError, Unauthorized, Unreachable, error_from_status

if TYPE_CHECKING:  # virtctl has no server, which would be a quarter of what it loads
    from aiohttp import web

HEARTBEAT_S = 30.0

Websocket: TypeAlias = "aiohttp.ClientWebSocketResponse | web.WebSocketResponse"


async def read_bytes(socket: Websocket) -> bytes | int:
    """The next message's bytes, or the code with which the stream ended: 1006 where it broke.

    The socket's own `close_code` will not do: it becomes 1006 when the peer hangs up after its close frame.
    """
    message = await socket.receive()
    if message.type is WSMsgType.BINARY:
        data: bytes = message.data
        return data
    if message.type is WSMsgType.TEXT:
        return str(message.data).encode()
    if message.type is WSMsgType.CLOSE:
        return int(message.data or WSCloseCode.OK)
    return WSCloseCode.ABNORMAL_CLOSURE


async def open_websocket(
    client: Client, path: str, protocols: Sequence[str] = (), params: Mapping[str, str] | None = None
) -> aiohttp.ClientWebSocketResponse:
    """Connect to `path`; the caller closes it.

    Raises the ApiError that the server answered instead of an upgrade, or Unreachable.
    """
    try:
        return await _connect(client, path, protocols, params)
    except Unauthorized:
        if not await client._credentials.renew():
            raise
        return await _connect(client, path, protocols, params)


async def _connect(
    client: Client, path: str, protocols: Sequence[str], params: Mapping[str, str] | None
) -> aiohttp.ClientWebSocketResponse:
    try:
        return await client._session.ws_connect(
            client.base_url + path,
            params=params,
            protocols=protocols,
            heartbeat=HEARTBEAT_S,
            headers=await client._credentials.headers(),
            ssl=client._credentials.tls(),
            server_hostname=client._server_name,
            timeout=aiohttp.ClientWSTimeout(ws_close=CONNECT_S),
        )
    except aiohttp.WSServerHandshakeError as error:
        raise await _refusal(client, path, params, error) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unreachable(f"{client.base_url}{path}: {error}") from error


async def _refusal(
    client: Client, path: str, params: Mapping[str, str] | None, error: aiohttp.WSServerHandshakeError
) -> ApiError:
    """The reason of a refused upgrade. The library drops the answer's body, so ask once more and read it."""
    headers = CIMultiDict(await client._credentials.headers())
    headers.update(
        {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        }
    )
    try:
        async with client._session.get(
            client.base_url + path,
            params=params,
            headers=headers,
            ssl=client._credentials.tls(),
            server_hostname=client._server_name,
        ) as response:
            if response.status < 400:
                return Unreachable(f"{path}: the server refused first ({error.status}) and accepted then; try again")
            return error_from_status(response.status, await response.read())
    except (aiohttp.ClientError, TimeoutError, OSError):
        return error_from_status(error.status, error.message.encode())
