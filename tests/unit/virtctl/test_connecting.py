"""Whom virtctl asks, as whom, and whom it trusts: flags that go before the kubeconfig, for requests and for streams."""

from __future__ import annotations

import json
import shlex
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from kubevirt_py.virtctl.options import Options
from tests.unit.virtctl.clusterlab import SUBRESOURCES, Cluster, running
from tests.unit.virtctl.conftest import Shell
from tests.unit.virtctl.test_forwarding import PROGRAM

VM = f"{SUBRESOURCES}/namespaces/work/virtualmachines/vm1"
WAIT_S = 60


@dataclass
class Secured:
    """A cluster behind TLS, and files to reach it with."""

    cluster: Cluster
    authority: Path
    stranger: Path
    """Another authority."""
    certificate: Path
    key: Path
    other_key: Path

    def edit(self, change: Callable[[Any], None]) -> None:
        """Write the kubeconfig anew."""
        path = Path(self.cluster.kubeconfig)
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))


@pytest.fixture
def secured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Secured]:
    ca, other = trustme.CA(), trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1", "api.example.com").configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    ann, bob = ca.issue_cert("ann@example.com", common_name="ann"), ca.issue_cert("bob@example.com")
    files = [tmp_path / name for name in ("ca.pem", "stranger.pem", "ann.pem", "ann.key", "bob.key")]
    blobs = (ca.cert_pem, other.cert_pem, ann.cert_chain_pems[0], ann.private_key_pem, bob.private_key_pem)
    for path, blob in zip(files, blobs, strict=True):
        blob.write_to_path(path)
    with running(tmp_path, context) as cluster:
        monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)
        yield Secured(cluster, *files)


def _stream(*flags: str) -> tuple[int, bytes, str]:
    """Exit code of a port-forward, what came back for `hello`, and what it says."""
    words = [*PROGRAM, *flags, "port-forward", "--stdio", "vm/vm1", "22"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"hello")
        process.stdin.flush()
        heard = process.stdout.read(5)
        _, said = process.communicate(timeout=WAIT_S)
        return process.returncode, heard, said.decode()


def test_a_certificate_is_trusted_and_presented_by_requests_and_streams(secured: Secured, virtctl: Shell) -> None:
    trusted = ["--certificate-authority", str(secured.authority)]
    me = ["--client-certificate", str(secured.certificate), "--client-key", str(secured.key)]
    assert virtctl("start", "vm1", *trusted) == (0, "VM vm1 was scheduled to start\n", "")
    assert virtctl("start", "vm1", *trusted, *me)[0] == 0
    assert _stream(*trusted, *me) == (0, b"HELLO", "")
    assert [(each.path, each.common_name) for each in secured.cluster.requests] == [
        (f"{VM}/start", ""),
        (f"{VM}/start", "ann"),
        (f"{VM}/portforward/22/tcp", "ann"),
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_authority_is_refused_unless_any_is_trusted(secured: Secured, virtctl: Shell, stream: bool) -> None:
    def ask(*flags: str) -> tuple[int, str]:
        code, _, said = _stream(*flags) if stream else virtctl("start", "vm1", *flags)
        return code, said

    code, said = ask("--certificate-authority", str(secured.stranger))
    assert code == 1 and "check --certificate-authority and --tls-server-name" in said
    assert not secured.cluster.requests
    assert ask("--insecure-skip-tls-verify")[0] == 0
    assert ask("--insecure-skip-tls-verify=true")[0] == 0
    secured.edit(lambda config: config["clusters"][0]["cluster"].update({"insecure-skip-tls-verify": True}))
    assert ask()[0] == 0
    assert ask("--certificate-authority", str(secured.stranger))[0] == 1, "an authority asks for verification again"


@pytest.mark.parametrize("stream", [False, True])
def test_the_servers_name_may_be_another_and_goes_with_the_server(
    secured: Secured, virtctl: Shell, stream: bool
) -> None:
    def code(*flags: str) -> int:
        return (_stream(*flags) if stream else virtctl("start", "vm1", *flags))[0]

    trusted = ["--certificate-authority", str(secured.authority)]
    assert code(*trusted, "--tls-server-name=api.example.com") == 0
    assert code(*trusted, "--tls-server-name=db.example.com") == 1
    secured.edit(lambda config: config["clusters"][0]["cluster"].update({"tls-server-name": "db.example.com"}))
    assert code(*trusted) == 1
    server = json.loads(Path(secured.cluster.kubeconfig).read_text())["clusters"][0]["cluster"]["server"]
    assert code(*trusted, "--server", server) == 0


def test_cluster_and_user_of_the_kubeconfig_may_be_chosen(cluster: Cluster, virtctl: Shell) -> None:
    path = Path(cluster.kubeconfig)
    config = json.loads(path.read_text())
    config["clusters"].insert(0, {"name": "gone", "cluster": {"server": "http://127.0.0.1:1"}})
    config["users"].append({"name": "ann", "user": {"token": "anns"}})
    config["contexts"][0]["context"]["cluster"] = "gone"
    path.write_text(json.dumps(config))
    assert virtctl("start", "vm1")[0] == 1
    assert virtctl("start", "vm1", "--cluster=lab")[0] == 0
    assert virtctl("start", "vm1", "--cluster=lab", "--user=ann")[0] == 0
    del config["current-context"]
    path.write_text(json.dumps(config))
    assert virtctl("start", "vm1", "--cluster=lab", "--user=ann", "-n", "work")[0] == 0
    tokens = [value for each in cluster.requests for name, value in each.headers if name == "Authorization"]
    assert tokens == ["Bearer t", "Bearer anns", "Bearer anns"]
    assert "chosen" not in path.read_text()


def test_a_flag_of_a_command_goes_before_the_users(cluster: Cluster, virtctl: Shell) -> None:
    code, out, err = virtctl("--user", "nobody", "create", "vm", "--user", "joe", "--ssh-key", "ssh-ed25519 AAAA joe")
    assert (code, err) == (0, "") and "user: joe" in out
    code, _, err = virtctl("--user=nobody", "start", "vm1")
    assert code == 1
    assert err.endswith(": there is no user 'nobody'; there are: me; choose one with --user\n")


def test_the_uid_goes_with_the_user(cluster: Cluster, virtctl: Shell) -> None:
    assert virtctl("start", "vm1", "--as=ann", "--as-uid=7")[0] == 0
    assert {("Impersonate-User", "ann"), ("Impersonate-Uid", "7")} < set(cluster.requests[-1].headers)


def test_a_request_takes_as_long_as_it_may(cluster: Cluster, virtctl: Shell) -> None:
    cluster.late_s = 0.5
    code, _, err = virtctl("start", "vm1", "--request-timeout=100ms")
    assert code == 1 and "allow more than 0.1s by --request-timeout" in err
    assert "allow more than 0.1s" in _stream("--request-timeout=100ms")[2]
    for enough in ("0", "20", "1m30s"):
        assert virtctl("start", "vm1", f"--request-timeout={enough}")[0] == 0
    code, _, err = virtctl("start", "vm1", "--request-timeout=soon")
    assert code == 2 and "--request-timeout" in err


def test_the_time_of_a_request_does_not_end_a_stream(cluster: Cluster) -> None:
    """It outlives the time that its opening may take."""
    words = [*PROGRAM, "port-forward", "--stdio", "vm/vm1", "22", "--request-timeout=3s"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        for pause_s in (4, 0):
            process.stdin.write(b"a")
            process.stdin.flush()
            assert process.stdout.read(1) == b"A"
            time.sleep(pause_s)
        process.stdin.close()
        assert process.wait(WAIT_S) == 0


WRONG = [
    (
        "--insecure-skip-tls-verify --certificate-authority {ca.pem}",
        "--insecure-skip-tls-verify and --certificate-authority exclude each other: leave one of them out",
    ),
    (
        "--certificate-authority nowhere.pem",
        "--certificate-authority: cannot read nowhere.pem: No such file or directory",
    ),
    ("--client-certificate nowhere.pem", "--client-certificate: cannot read nowhere.pem: No such file or directory"),
    ("--client-key nowhere.key", "--client-key: cannot read nowhere.key: No such file or directory"),
    ("--certificate-authority {ann.key}", "--certificate-authority: {ann.key} holds no certificate; name a PEM file"),
    (
        "--client-certificate {ann.pem} --client-key {bob.key}",
        "--client-certificate {ann.pem} and --client-key {bob.key} are no certificate and its key; name two PEM files",
    ),
    ("--client-certificate {ann.pem}", "give --client-certificate and --client-key together"),
    ("--client-key {ann.key}", "give --client-certificate and --client-key together"),
    ("--as-uid 7", "--as-uid needs --as: name the user to impersonate"),
    ("--as-group dev", "--as-group needs --as: name the user to impersonate"),
    ("--cluster other", "there is no cluster 'other'; there are: lab; choose one with --cluster"),
    ("--context other", "there is no context 'other'; there are: lab; choose one with --context"),
]


@pytest.mark.parametrize(("flags", "said"), WRONG, ids=[flags for flags, _ in WRONG])
def test_wrong_flags_are_named(secured: Secured, virtctl: Shell, flags: str, said: str) -> None:
    folder = secured.authority.parent
    for name in ("ca.pem", "ann.pem", "ann.key", "bob.key"):
        flags, said = (text.replace(f"{{{name}}}", str(folder / name)) for text in (flags, said))
    code, _, err = virtctl("start", "vm1", *flags.split())
    assert code == 1 and err.startswith("Error") and said in err
    assert not secured.cluster.requests


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--cluster=lab", "--cluster needs a kubeconfig, and there is none at "),
        ("--client-key={key} -s https://localhost", "--client-certificate and --client-key need each other: give both"),
    ],
)
def test_without_a_kubeconfig_flags_say_what_they_need(
    secured: Secured, virtctl: Shell, monkeypatch: pytest.MonkeyPatch, flags: str, said: str
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere/config")
    code, _, err = virtctl("start", "vm1", *flags.format(key=secured.key).split())
    assert code == 1 and said in err


def test_a_server_needs_no_kubeconfig(secured: Secured, virtctl: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    server = json.loads(Path(secured.cluster.kubeconfig).read_text())["clusters"][0]["cluster"]["server"]
    monkeypatch.setenv("KUBECONFIG", "/nowhere/config")
    me = ["--client-certificate", str(secured.certificate), "--client-key", str(secured.key)]
    words = ["-s", server, "--certificate-authority", str(secured.authority), *me]
    assert virtctl("start", "vm1", "-n", "work", *words)[0] == 0
    assert secured.cluster.requests[-1].common_name == "ann"
    assert virtctl("start", "vm1", *words, "--tls-server-name=db.example.com")[0] == 1


def test_a_virtctl_that_ssh_starts_is_told_the_same() -> None:
    flags = (
        "--kubeconfig=k --context=c --cluster=l --user=u --server=s --tls-server-name=n --certificate-authority=a "
        "--client-certificate=p --client-key=q --token=t --as=w --as-uid=7 --as-group=g --as-group=h "
        "--request-timeout=90s"
    )
    given = Options(
        kubeconfig="k", context="c", cluster="l", user="u", server="s", tls_server_name="n", certificate_authority="a",
        client_certificate="p", client_key="q", token="t", impersonate="w", uid="7", groups=("g", "h"),
        request_timeout_s=90.0, insecure=True,
    )  # fmt: skip
    assert given.arguments() == [*shlex.split(flags.replace("=", " ")), "--insecure-skip-tls-verify"]
    assert Options(request_timeout_s=0.0).arguments() == ["--request-timeout", "0s"]
