"""cloud-init volumes -> the files that guests read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kubevirt_py.render.cloudinit import CloudInitImage, cloud_init_images, credential_volume, key_secrets
from kubevirt_py.render.validate.cloudinit import check


def _image(source: dict[str, Any], secrets: dict[str, dict[str, bytes]] | None = None, **spec: Any) -> CloudInitImage:
    document = {"volumes": [{"name": "ci", **source}], **spec}
    (image,) = cloud_init_images("ns", "vm.example", "uid-1", document, secrets or {})
    return image


def test_no_cloud() -> None:
    image = _image({"cloudInitNoCloud": {"userData": "#cloud-config", "networkData": "version: 2"}})
    assert (image.label, image.path) == ("cidata", "ns/vm.example/noCloud.iso")
    assert json.loads(image.files["meta-data"]) == {"instance-id": "uid-1", "local-hostname": "vm"}
    assert (image.files["user-data"], image.files["network-config"]) == (b"#cloud-config", b"version: 2")


def test_config_drive() -> None:
    image = _image({"cloudInitConfigDrive": {"userDataBase64": "aGVsbG8="}}, hostname="web")
    assert (image.label, image.path) == ("config-2", "ns/vm.example/configdrive.iso")
    assert image.files["openstack/latest/user_data"] == b"hello"
    meta = json.loads(image.files["openstack/latest/meta_data.json"])
    assert meta == {"instance_id": "vm.example.ns", "hostname": "web", "uuid": "uid-1"}


@pytest.mark.parametrize(
    ("kind", "file", "member"),
    [
        ("cloudInitNoCloud", "meta-data", "instance-id"),
        ("cloudInitConfigDrive", "openstack/latest/meta_data.json", "uuid"),
    ],
)
def test_a_restarted_machine_is_the_same_instance_and_one_made_anew_is_not(kind: str, file: str, member: str) -> None:
    def instance(uid: str, firmware: str) -> str:
        spec = {"volumes": [{"name": "ci", kind: {"userData": "x"}}], "domain": {"firmware": {"uuid": firmware}}}
        (image,) = cloud_init_images("ns", "vm", uid, spec, {})
        return str(json.loads(image.files[file])[member])

    assert instance("first-run", "board-1") == instance("second-run", "board-1") == "board-1"
    assert instance("third-run", "board-2") == "board-2"


def test_base64_may_stand_in_lines() -> None:
    """As `base64` and YAML's block scalars give it."""
    for given in ("aGVs\nbG8=\n", "aGVs\r\nbG8=\r\n"):
        image = _image({"cloudInitNoCloud": {"userDataBase64": given, "networkDataBase64": given}})
        assert (image.files["user-data"], image.files["network-config"]) == (b"hello", b"hello")
        volumes = [{"name": "ci", "cloudInitNoCloud": {"userDataBase64": given}}]
        assert not list(check(volumes, "spec"))


def test_an_image_without_user_data_is_still_one() -> None:
    assert _image({"cloudInitNoCloud": {"networkData": "version: 2"}}).files["user-data"] == b""


@pytest.mark.parametrize("key", ["userdata", "userData"])
def test_data_from_secrets(key: str) -> None:
    secrets = {"ci/udata": {key: b"\x00\xffbinary"}, "ci/ndata": {"networkdata": b"net"}}
    image = _image({"cloudInitNoCloud": {"secretRef": {"name": "s"}, "networkDataSecretRef": {"name": "n"}}}, secrets)
    assert (image.files["user-data"], image.files["network-config"]) == (b"\x00\xffbinary", b"net")


@pytest.mark.parametrize("kind", ["cloudInitNoCloud", "cloudInitConfigDrive"])
def test_each_part_is_read_only_from_the_secret_named_for_it(kind: str) -> None:
    both = {"userdata": b"user", "networkdata": b"net"}
    only_user = _image({kind: {"secretRef": {"name": "s"}}}, {"ci/udata": both})
    assert b"net" not in only_user.files.values()
    only_network = _image({kind: {"networkDataSecretRef": {"name": "s"}}}, {"ci/ndata": both})
    assert b"user" not in only_network.files.values()


@pytest.mark.parametrize(
    ("ref", "folder", "key"),
    [("secretRef", "ci/udata", "userdata"), ("networkDataSecretRef", "ci/ndata", "networkdata")],
)
@pytest.mark.parametrize("content", [{}, {"user-data": b"x"}, {"userdata": b"", "networkdata": b""}])
def test_a_secret_without_its_key_is_named(ref: str, folder: str, key: str, content: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match=rf"volume ci: cloudInitConfigDrive\.{ref}: Secret words .* key {key}$"):
        _image({"cloudInitConfigDrive": {ref: {"name": "words"}}}, {folder: content})


@pytest.mark.parametrize(
    ("kind", "method", "file", "member"),
    [
        ("cloudInitNoCloud", "noCloud", "meta-data", "public-keys"),
        ("cloudInitConfigDrive", "configDrive", "openstack/latest/meta_data.json", "public_keys"),
    ],
)
def test_ssh_keys(kind: str, method: str, file: str, member: str) -> None:
    credential = {"sshPublicKey": {"source": {"secret": {"secretName": "keys"}}, "propagationMethod": {method: {}}}}
    secrets = {credential_volume("keys"): {"b": b"ssh-rsa B\n", "a": b"ssh-ed25519 A\n\nssh-ed25519 C\n"}}
    image = _image({kind: {}}, secrets, accessCredentials=[credential])
    assert json.loads(image.files[file])[member] == {"0": "ssh-ed25519 A", "1": "ssh-ed25519 C", "2": "ssh-rsa B"}
    other = {
        "sshPublicKey": {"source": {"secret": {"secretName": "keys"}}, "propagationMethod": {"qemuGuestAgent": {}}}
    }
    assert key_secrets({"accessCredentials": [other]}) == ()


def test_bad_data_names_the_field() -> None:
    with pytest.raises(ValueError, match=r"volume ci: cloudInitNoCloud\.userDataBase64 is not base64"):
        _image({"cloudInitNoCloud": {"userDataBase64": "!"}})
    with pytest.raises(ValueError, match="larger than 2 MiB"):
        _image({"cloudInitNoCloud": {"secretRef": {"name": "s"}}}, {"ci/udata": {"userdata": bytes(3 << 20)}})
