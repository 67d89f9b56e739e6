"""What a guest is told at its first boot: who it is, user data, network data, keys; and data that is not there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from e2e import machines
from e2e.console import console
from e2e.kubectl import Document, Namespace, condition

NETWORK_CONFIG = "version: 2\nethernets: {eth7: {dhcp4: true}}"
NETWORK_DATA = '{"links": [], "networks": [], "services": [{"type": "dns", "address": "192.0.2.53"}]}'
DISC = "mkdir -p /run/disc && mount -o ro /dev/$(basename $(dirname $(grep -l '^seed$' /sys/block/*/serial))) /run/disc"


def secret(name: str, **data: str) -> Document:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def with_keys(machine: Document, method: str) -> Document:
    keys = {"source": {"secret": {"secretName": "keys"}}, "propagationMethod": {method: {}}}
    return machine | {"spec": machine["spec"] | {"accessCredentials": [{"sshPublicKey": keys}]}}


@pytest.fixture(scope="module")
def key(shared: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The private key of a user who may log in to the guests of this module, which boot side by side."""
    key = tmp_path_factory.mktemp("keys") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "user", "-f", key], check=True)
    refs = {"secretRef": {"name": "user"}, "networkDataSecretRef": {"name": "network"}}
    alone = {"networkData": NETWORK_DATA}
    guests = (
        ("no-cloud", "cloudInitNoCloud", refs, "noCloud"),
        ("drive", "cloudInitConfigDrive", alone, "configDrive"),
    )
    shared.apply(
        secret("keys", key=key.with_suffix(".pub").read_text()),
        secret("user", userdata="#!/bin/sh\necho of-user >/tmp/made\n", networkdata="not this"),
        secret("network", userdata="#!/bin/sh\necho of-network >/tmp/made\n", networkdata=NETWORK_CONFIG),
        *(
            with_keys(
                machines.with_disk(machines.vmi(name), "seed", {kind: source}, disk={"bus": "virtio"}, serial="seed"),
                method,
            )
            for name, kind, source, method in guests
        ),
    )
    return key


def logs_in(space: Namespace, name: str, key: Path) -> bool:
    options = ("-i", str(key), "--known-hosts", "/dev/null", "-t", "-oStrictHostKeyChecking=no")
    return "uid=0" in space.virtctl("ssh", *options, "-c", "id", f"root@vmi/{name}")


def identity(space: Namespace, name: str) -> str:
    return str(space.get("vmi", name)["spec"]["domain"]["firmware"]["uuid"])


def test_no_cloud_tells_a_guest_what_its_secrets_say(shared: Namespace, key: Path) -> None:
    """Each Secret has both keys; only the one that it is named for is read."""
    shared.until_phase("no-cloud", "Running")
    with console(shared.name, "no-cloud") as guest:
        guest.login()
        assert json.loads(guest.run("cat /run/seed/meta-data")) == {
            "instance-id": identity(shared, "no-cloud"),
            "local-hostname": "no-cloud",
            "public-keys": {"0": key.with_suffix(".pub").read_text().strip()},
        }
        assert guest.run("cat /run/seed/network-config") == NETWORK_CONFIG
        guest.until("cat /tmp/made", "of-user")
    assert logs_in(shared, "no-cloud", key)


def test_a_config_drive_tells_a_guest_its_network_and_nothing_else(shared: Namespace, key: Path) -> None:
    shared.until_phase("drive", "Running")
    with console(shared.name, "drive") as guest:
        guest.login()
        guest.run(DISC)
        assert guest.run("find /run/disc -type f | sort").split() == [
            "/run/disc/openstack/latest/meta_data.json",
            "/run/disc/openstack/latest/network_data.json",
        ]
        assert guest.run("cat /run/disc/openstack/latest/network_data.json") == NETWORK_DATA
        assert json.loads(guest.run("cat /run/disc/openstack/latest/meta_data.json")) == {
            "instance_id": f"drive.{shared.name}",
            "uuid": identity(shared, "drive"),
            "hostname": "drive",
            "public_keys": {"0": key.with_suffix(".pub").read_text().strip()},
        }
    assert logs_in(shared, "drive", key)


def test_data_that_is_not_there_is_named(own: Namespace) -> None:
    sources: dict[str, tuple[Document, str]] = {
        "user": (
            {"cloudInitNoCloud": {"secretRef": {"name": "misspelt"}}},
            "volume seed: cloudInitNoCloud.secretRef: Secret misspelt has nothing under the key userdata",
        ),
        "windows": (
            {"sysprep": {"configMap": {"name": "notes"}}},
            "volume seed: sysprep: ConfigMap notes has neither autounattend.xml nor unattend.xml",
        ),
    }
    notes = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "notes"}, "data": {"notes.xml": "<notes/>"}}
    made = [machines.with_disk(machines.vmi(name), "seed", source) for name, (source, _) in sources.items()]
    own.apply(secret("misspelt", **{"user-data": "#!/bin/sh\n"}), notes, *made)
    for name, (_, text) in sources.items():
        assert condition(own.until_phase(name, "Failed"), "Synchronized")["message"] == text
