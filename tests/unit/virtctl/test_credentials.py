"""credentials: which Secret changes, and how."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from kubevirt_py.virtctl.vmsecrets import without_key
from tests.unit.virtctl.clusterlab import VMI_PATH, Cluster, status
from tests.unit.virtctl.conftest import Shell

VM_PATH = "/apis/kubevirt.io/v1/namespaces/work/virtualmachines/vm1"
SECRETS = "/api/v1/namespaces/work/secrets"
KEY = "ssh-ed25519 AAAA me@here"


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _agent(secret: str, *users: str) -> dict[str, Any]:
    source = {"secret": {"secretName": secret}}
    if users:
        return {"sshPublicKey": {"source": source, "propagationMethod": {"qemuGuestAgent": {"users": list(users)}}}}
    return {"userPassword": {"source": source, "propagationMethod": {"qemuGuestAgent": {}}}}


def _vm(cluster: Cluster, *credentials: dict[str, Any]) -> None:
    spec = {"accessCredentials": list(credentials)} if credentials else {}
    meta = {"name": "vm1", "namespace": "work", "uid": "u1", "resourceVersion": "7"}
    cluster.answer("GET", VM_PATH, 200, {"metadata": meta, "spec": {"template": {"spec": spec}}})


def _secret(cluster: Cluster, name: str, data: dict[str, str], *, owner: str = "u1") -> None:
    meta = {"name": name, "resourceVersion": "3", "ownerReferences": [{"kind": "VirtualMachine", "uid": owner}]}
    encoded = {entry: _encode(text) for entry, text in data.items()}
    cluster.answer("GET", f"{SECRETS}/{name}", 200, {"metadata": meta, "data": encoded})


def _no_instance(cluster: Cluster) -> None:
    cluster.answer("GET", VMI_PATH, *status(404, "NotFound", "not found"))


@pytest.mark.parametrize(
    ("before", "op"),
    [
        ((), ("/spec/template/spec/accessCredentials", list)),
        ((_agent("x", "you"),), ("/spec/template/spec/accessCredentials/-", dict)),
    ],
)
def test_a_first_key_makes_a_secret(
    cluster: Cluster, virtctl: Shell, before: tuple[dict[str, Any], ...], op: tuple[str, type]
) -> None:
    _vm(cluster, *before)
    _no_instance(cluster)
    cluster.answer("POST", SECRETS, 201, {"metadata": {"name": "vm1-ssh-key-abc"}})
    code, out, err = virtctl("credentials", "add-ssh-key", "vm1", "--user", "me", "--value", KEY)
    assert (code, out, err) == (0, 'Successfully added the key to secret "vm1-ssh-key-abc"\n', "")
    ((_, secret),) = cluster.calls("POST")
    assert secret["metadata"]["generateName"] == "vm1-ssh-key-"
    assert secret["metadata"]["ownerReferences"][0]["uid"] == "u1"
    ((entry, data),) = secret["data"].items()
    assert entry.startswith("ssh-key-")
    assert data == _encode(KEY)
    ((path, ops),) = cluster.calls("PATCH")
    assert path == VM_PATH
    assert ops[0] == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    assert (ops[1]["path"], type(ops[1]["value"])) == op
    value = ops[1]["value"]
    assert (value[0] if isinstance(value, list) else value) == _agent("vm1-ssh-key-abc", "me")


def test_a_secret_that_the_vm_does_not_take_is_removed_again(cluster: Cluster, virtctl: Shell) -> None:
    _vm(cluster)
    _no_instance(cluster)
    cluster.answer("POST", SECRETS, 201, {"metadata": {"name": "s"}})
    cluster.answer("PATCH", VM_PATH, *status(422, "Invalid", "SSH keys set by the guest agent: not supported yet"))
    code, _, err = virtctl("credentials", "add-ssh-key", "vm1", "-u", "me", "--value", KEY)
    assert code == 1
    assert "not supported yet" in err
    assert [path for path, _ in cluster.calls("DELETE")] == [f"{SECRETS}/s"]


def test_a_running_machine_needs_force_for_a_new_secret(cluster: Cluster, virtctl: Shell) -> None:
    _vm(cluster)
    cluster.answer("GET", VMI_PATH, 200, {"metadata": {}})
    code, _, err = virtctl("credentials", "add-ssh-key", "vm1", "-u", "me", "--value", KEY)
    assert code == 1
    assert err.startswith("virtual machine vm1 is running. Use --force flag")
    assert cluster.calls("POST") == []


def test_a_key_is_added_to_the_secret_of_its_user(cluster: Cluster, virtctl: Shell, tmp_path: Path) -> None:
    _vm(cluster, _agent("other", "you"), _agent("keys", "me"))
    _secret(cluster, "keys", {"a": "ssh-rsa BBBB"})
    (tmp_path / "key.pub").write_text(f"{KEY}\n")
    code, out, _ = virtctl("credentials", "add-ssh-key", "vm1", "-u", "me", "-f", str(tmp_path / "key.pub"))
    assert (code, out) == (0, 'Successfully added the key to secret "keys"\n')
    ((path, patch),) = cluster.calls("PATCH")
    assert path == f"{SECRETS}/keys"
    assert list(patch["data"].values()) == [_encode(KEY)]


def test_a_key_that_is_there_already(cluster: Cluster, virtctl: Shell) -> None:
    _vm(cluster, _agent("keys", "me"))
    _secret(cluster, "keys", {"a": "ssh-rsa BBBB\nssh-ed25519 AAAA another comment"})
    code, out, _ = virtctl("credentials", "add-ssh-key", "vm1", "-u", "me", "--value", KEY)
    assert (code, out) == (0, 'Secret "keys" already contains this SSH key.\n')
    assert cluster.calls("PATCH") == []


def test_a_secret_of_others_needs_force(cluster: Cluster, virtctl: Shell) -> None:
    _vm(cluster, _agent("keys", "me"), _agent("words"))
    _secret(cluster, "keys", {"a": KEY}, owner="u2")
    _secret(cluster, "words", {}, owner="u2")
    words = ["-u", "me"]
    for line in (["add-ssh-key", "--value=ssh-rsa C"], ["remove-ssh-key", f"--value={KEY}"], ["set-password", "-p=x"]):
        code, _, err = virtctl("credentials", *line, *words, "vm1")
        assert code == 1
        assert "does not have an owner reference pointing to VM vm1" in err
        assert cluster.calls("PATCH") == []
    for line in (["add-ssh-key", "--value=ssh-rsa C"], ["remove-ssh-key", f"--value={KEY}"], ["set-password", "-p=x"]):
        assert virtctl("credentials", *line, *words, "--force", "vm1")[0] == 0
    assert len(cluster.calls("PATCH")) == 3


def test_a_key_is_removed_from_all_secrets_of_its_user(cluster: Cluster, virtctl: Shell) -> None:
    _vm(cluster, _agent("one", "me"), _agent("two", "me"), _agent("three", "me"), _agent("other", "you"))
    _secret(cluster, "one", {"a": KEY, "b": f"ssh-rsa BBBB\n{KEY}\n", "c": "ssh-rsa CCCC"})
    _secret(cluster, "two", {"a": "ssh-rsa BBBB"})
    cluster.answer("GET", f"{SECRETS}/three", *status(404, "NotFound", "not found"))
    code, out, _ = virtctl("credentials", "remove-ssh-key", "vm1", "-u", "me", "--value", KEY)
    assert code == 0
    assert out.splitlines() == [
        'Successfully removed the key from secret "one"',
        'Secret "two" does not contain this SSH key.',
        'Secret "three" does not exist.',
    ]
    assert cluster.calls("PATCH") == [
        (
            f"{SECRETS}/one",
            [
                {"op": "test", "path": "/metadata/resourceVersion", "value": "3"},
                {"op": "remove", "path": "/data/a"},
                {"op": "replace", "path": "/data/b", "value": _encode("ssh-rsa BBBB")},
            ],
        )
    ]


def test_a_secret_that_changed_meanwhile_is_read_again(cluster: Cluster, virtctl: Shell) -> None:
    _vm(cluster, _agent("keys", "me"))
    _secret(cluster, "keys", {"a": KEY})
    path = f"{SECRETS}/keys"
    cluster.answer("PATCH", path, *status(422, "Invalid", "the server rejected our request: test failed"))
    cluster.answer("PATCH", path, 200, {})
    code, out, _ = virtctl("credentials", "remove-ssh-key", "vm1", "-u", "me", "--value", KEY)
    assert (code, out) == (0, 'Successfully removed the key from secret "keys"\n')
    assert len(cluster.calls("PATCH")) == 2


def test_a_password_is_set(cluster: Cluster, virtctl: Shell) -> None:
    _vm(cluster, _agent("words"), _agent("more"))
    _secret(cluster, "more", {})
    line = ["credentials", "set-password", "vm1", "-u", "me", "-p", "hush"]
    assert virtctl(*line)[2] == ("multiple secrets specified, use option --secret to specify which secret to modify\n")
    assert virtctl(*line, "--secret=what")[2] == "secret what was not assigned\n"
    assert virtctl(*line, "--secret=more") == (0, 'Successfully set password in secret "more"\n', "")
    assert cluster.calls("PATCH") == [(f"{SECRETS}/more", {"data": {"me": _encode("hush")}})]


def test_a_machine_without_credentials(cluster: Cluster, virtctl: Shell) -> None:
    _vm(cluster)
    flags = ["vm1", "-u", "me"]
    assert virtctl("credentials", "set-password", *flags, "-p", "x")[2] == (
        "no secrets assigned to UserPassword AccessCredentials\n"
    )
    assert virtctl("credentials", "add-ssh-key", *flags, "--value=k", "--update-secret")[2] == (
        "no secrets specified for user: me\n"
    )
    assert virtctl("credentials", "remove-ssh-key", *flags, "--value=k") == (
        0, "No secrets associated with user me\n", "",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("add-ssh-key vm1 -u me", 2),
        ("add-ssh-key vm1 --value k", 2),
        ("add-ssh-key vm1 -u me --value k --file f", 2),
        ("add-ssh-key vm1 -u me --value k --create-secret --update-secret", 2),
        ("add-ssh-key vm1 -u me --file /does/not/exist", 1),
        ("set-password vm1 -u me", 2),
        ("remove-ssh-key -u me --value k", 2),
    ],
)
def test_wrong_usage_asks_nothing(cluster: Cluster, virtctl: Shell, line: str, code: int) -> None:
    assert virtctl("credentials", *line.split())[0] == code
    assert cluster.requests == []


def test_keys_are_told_by_their_content() -> None:
    texts = {"a": "ssh-ed25519 AAAA x\nssh-ed25519 AAAAB y", "b": 'from="10.0.0.1" ssh-ed25519 AAAA', "c": "ssh-rsa Z"}
    assert without_key(texts, "ssh-ed25519 AAAA") == {"a": "ssh-ed25519 AAAAB y", "b": ""}
    assert without_key(texts, "ssh-ed25519") == {}
