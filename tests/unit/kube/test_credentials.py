"""Where credentials come from: a pod's mount, and kubeconfig files."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest
import trustme
import yaml

from kubevirt_py.kube import incluster
from kubevirt_py.kube.connect import KubeConfig, kubeconfig_client
from kubevirt_py.kube.incluster import ServiceAccount, incluster_client


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.crt")
    (tmp_path / "token").write_text("one\n")
    return tmp_path


async def test_a_renewed_token_and_ca_are_picked_up(mount: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = ServiceAccount(mount)
    before = account.tls()
    (mount / "token").write_text("two")
    assert await account.headers() == {"Authorization": "Bearer one"}, "not read for each request"
    monkeypatch.setattr(incluster, "RELOAD_S", -1.0)
    assert await account.headers() == {"Authorization": "Bearer two"}
    assert account.tls() is before
    trustme.CA().cert_pem.write_to_path(mount / "ca.crt")
    await account.headers()
    assert account.tls() is not before


async def test_after_a_401_only_a_new_token_is_worth_a_try(mount: Path) -> None:
    account = ServiceAccount(mount)
    assert not await account.renew()
    (mount / "token").write_text("two")
    assert await account.renew()
    assert await account.headers() == {"Authorization": "Bearer two"}


async def test_the_server_is_where_the_kubelet_says(mount: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(RuntimeError, match="not in a pod"):
        incluster_client(mount)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    async with incluster_client(mount) as client:
        assert client.base_url == "https://[fd00::1]:6443"


def kubeconfig(path: Path, user: dict[str, object], **cluster: object) -> Path:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://localhost:6443", **cluster}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


async def test_an_exec_plugin_runs_again_after_a_401(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = tmp_path / "count"
    plugin = tmp_path / "plugin"
    plugin.write_text(
        f"#!/bin/sh\necho x >> {count}\n"
        'echo "{\\"apiVersion\\":\\"client.authentication.k8s.io/v1\\",\\"kind\\":\\"ExecCredential\\",'
        f'\\"status\\":{{\\"token\\":\\"t$(wc -l < {count})\\"}}}}"\n'
    )
    plugin.chmod(0o755)
    user: dict[str, object] = {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}
    }
    credentials = KubeConfig(str(kubeconfig(tmp_path / "config", user)), None)
    await credentials.load()
    assert await credentials.headers() == {"Authorization": "Bearer t1"}
    assert await credentials.renew()
    assert await credentials.headers() == {"Authorization": "Bearer t2"}


async def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kubeconfig(tmp_path / "config", {"token": "secret"}, **{"tls-server-name": "api.example.com"})
    monkeypatch.setitem(os.environ, "KUBECONFIG", str(path))
    async with kubeconfig_client() as client:
        assert client.base_url == "https://localhost:6443"


async def test_verification_is_off_only_where_the_file_says_so(tmp_path: Path) -> None:
    for insecure, mode in ((False, ssl.CERT_REQUIRED), (True, ssl.CERT_NONE)):
        path = kubeconfig(tmp_path / "config", {"token": "t"}, **{"insecure-skip-tls-verify": insecure})
        credentials = KubeConfig(str(path), "it")
        await credentials.load()
        context = credentials.tls()
        assert isinstance(context, ssl.SSLContext) and context.verify_mode == mode
