"""The way to the node agent (virt-handler) of a machine, by mutual TLS, straight to its pod."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
import anyio
import msgspec

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import Pod
from kubevirt_py.decide import phases
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.tls import ReloadingClientContext
from kubevirt_py.virt_api.answers import Refused
from kubevirt_py.virt_api.machines import Machine

CALL_S = 10.0
CONNECT_S = 5.0
HEARTBEAT_S = 40.0
"""Between two pings of a stream. Who answers none is dropped after half of it again: a minute of silence."""
ANSWER_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What the agent said to a call that succeeded."""

    status: int
    content_type: str
    body: bytes


class Agents:
    """Calls and streams to the agent on a machine's node. Use as an async context manager."""

    def __init__(self, api: Api, namespace: str, tls: ReloadingClientContext, port: int = names.HANDLER_PORT) -> None:
        """`namespace`: where the agents' pods run. `tls` presents virt-api's client certificate."""
        self._api = api
        self._namespace = namespace
        self._tls = tls
        self._port = port
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Agents:
        # The agent is found anew for each call, so connections are not kept either.
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(
        self,
        machine: Machine,
        method: str,
        verb: str,
        body: bytes = b"",
        *,
        params: Mapping[str, str] | None = None,
        within_s: float = CALL_S,
        at_most: int = ANSWER_BYTES,
    ) -> Answer:
        """Ask for `verb`. Refused with the agent's own status and words, 503 where it cannot be reached.

        `at_most` is the size in bytes that the answer may have.
        """
        url = await self._url(machine, verb)
        timeout = aiohttp.ClientTimeout(total=within_s, sock_connect=CONNECT_S)
        try:
            async with self._open.request(
                method,
                url,
                params=params,
                data=body or None,
                timeout=timeout,
                ssl=self._tls.context,
                server_hostname=self._tls.server_name,
            ) as response:
                answer = await _read_bounded(response, at_most)
                if response.status >= 400:
                    raise Refused(response.status, _words(answer, response))
                return Answer(response.status, response.content_type, answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(machine, error) from error

    async def stream(self, machine: Machine, verb: str, params: Mapping[str, str]) -> aiohttp.ClientWebSocketResponse:
        """Open a stream; the caller closes it. Refused as for `call`."""
        url = await self._url(machine, verb)
        try:
            with anyio.fail_after(CALL_S):
                return await self._open.ws_connect(
                    url,
                    params=params,
                    protocols=(names.STREAM_PROTOCOL,),
                    heartbeat=HEARTBEAT_S,
                    ssl=self._tls.context,
                    server_hostname=self._tls.server_name,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CONNECT_S),
                )
        except aiohttp.WSServerHandshakeError as error:
            raise Refused(error.status, f"{machine.name}: virt-handler refused {verb}: {error.message}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(machine, error) from error

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("Agents is used outside its context")
        return self._session

    async def _url(self, machine: Machine, verb: str) -> str:
        if machine.phase not in (phases.RUNNING, phases.SCHEDULED):
            raise Refused(
                400,
                f"Unable to connect to VirtualMachineInstance {machine.name}: "
                f"its phase is {machine.phase or 'not set'} instead of Running",
            )
        address = await self._address(machine.vmi.status.node_name)
        host = f"[{address}]" if ":" in address else address
        meta = machine.vmi.metadata
        return f"https://{host}:{self._port}/v1/namespaces/{meta.namespace}/virtualmachineinstances/{meta.name}/{verb}"

    async def _address(self, node: str) -> str:
        pods = self._api.list_pages(
            kinds.POD,
            namespace=self._namespace,
            labels=f"{names.APP_LABEL}={names.VIRT_HANDLER}",
            fields=f"spec.nodeName={node}",
        )
        async for page in pods:
            for item in page.items:
                pod = msgspec.json.decode(item, type=Pod)
                if pod.status.phase == "Running" and pod.status.pod_ip and not pod.metadata.deletion_timestamp:
                    return pod.status.pod_ip
        raise Refused(503, f"no virt-handler runs on node {node}; look at its pod in namespace {self._namespace}")


async def _read_bounded(response: aiohttp.ClientResponse, at_most: int) -> bytes:
    """The body; what a guest had a say in is never read without limit."""
    parts, size = [], 0
    async for part in response.content.iter_chunked(65536):
        size += len(part)
        if size > at_most:
            raise Refused(500, f"the answer of virt-handler is larger than {at_most} bytes")
        parts.append(part)
    return b"".join(parts)


class _Status(msgspec.Struct):
    message: str = ""


def _words(answer: bytes, response: aiohttp.ClientResponse) -> str:
    """The agent's reason: the message of a Status, else its text."""
    try:
        message = msgspec.json.decode(answer, type=_Status).message
    except msgspec.MsgspecError:
        message = answer.decode(errors="replace").strip()[:500]
    return message or response.reason or "virt-handler gave no reason"


def _unreachable(machine: Machine, error: Exception) -> Refused:
    node = machine.vmi.status.node_name
    return Refused(503, f"virt-handler on node {node} does not answer: {type(error).__name__}: {error}")
