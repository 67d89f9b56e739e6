"""What a guest is told at its first boot: who it is, user data, network data, keys; and data that is not there."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest

from e2e import machines
from e2e.console import Console, console
from e2e.kubectl import Document, Namespace, condition
from e2e.test_networks import attachment

MACS = {"no-cloud": "02:00:00:00:81:07", "drive": "02:00:00:00:81:08"}
ADDRESSES = {"no-cloud": ("10.81.0.7", "fd81::7"), "drive": ("10.81.0.8", "fd81::8")}
"""On a network that itself gives no addresses."""
NETWORK_CONFIG = f"""\
version: 2
ethernets:
  told:
    match: {{macaddress: "{MACS["no-cloud"]}"}}
    addresses: [{ADDRESSES["no-cloud"][0]}/24, "{ADDRESSES["no-cloud"][1]}/64"]"""
NETWORK_DATA = json.dumps(
    {
        "links": [{"id": "told", "type": "phy", "ethernet_mac_address": MACS["drive"]}],
        "networks": [
            {
                "id": "4",
                "link": "told",
                "type": "ipv4",
                "ip_address": ADDRESSES["drive"][0],
                "netmask": "255.255.255.0",
            },
            {"id": "6", "link": "told", "type": "ipv6", "ip_address": ADDRESSES["drive"][1], "netmask": "64"},
        ],
        "services": [{"type": "dns", "address": "192.0.2.53"}],
    }
)
DISC = "mkdir -p /run/disc && mount -o ro /dev/$(basename $(dirname $(grep -l '^seed$' /sys/block/*/serial))) /run/disc"


def secret(name: str, **data: str) -> Document:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def with_network(machine: Document, name: str) -> Document:
    """The machine with a second card, which nobody but its network data gives an address."""
    devices, networks = machine["spec"]["domain"]["devices"], machine["spec"]["networks"]
    devices["interfaces"].append({"name": "told", "bridge": {}, "macAddress": MACS[name]})
    networks.append({"name": "told", "multus": {"networkName": "told"}})
    return machine


def with_keys(machine: Document, method: str) -> Document:
    keys = {"source": {"secret": {"secretName": "keys"}}, "propagationMethod": {method: {}}}
    return machine | {"spec": machine["spec"] | {"accessCredentials": [{"sshPublicKey": keys}]}}


@pytest.fixture(scope="module")
def key(shared: Namespace, nodes: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The private key of a user who may log in to the guests of this module, which boot side by side."""
    key = tmp_path_factory.mktemp("keys") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "user", "-f", key], check=True)
    refs = {"secretRef": {"name": "user"}, "networkDataSecretRef": {"name": "network"}}
    alone = {"networkDataBase64": base64.b64encode(NETWORK_DATA.encode()).decode()}
    guests = (
        ("no-cloud", "cloudInitNoCloud", refs, "noCloud"),
        ("drive", "cloudInitConfigDrive", alone, "configDrive"),
    )
    shared.apply(
        attachment("told", ipam={}),
        secret("keys", key=key.with_suffix(".pub").read_text()),
        secret("user", userdata="#!/bin/sh\necho of-user >/tmp/made\n", networkdata="not this"),
        secret("network", userdata="#!/bin/sh\necho of-network >/tmp/made\n", networkdata=NETWORK_CONFIG),
        *(
            with_keys(
                machines.with_disk(
                    with_network(machines.vmi(name, node=nodes[0]), name),
                    "seed",
                    {kind: source},
                    disk={"bus": "virtio"},
                    serial="seed",
                ),
                method,
            )
            for name, kind, source, method in guests
        ),
    )
    return key


def logs_in(space: Namespace, name: str, key: Path) -> bool:
    options = ("-i", str(key), "--known-hosts", "/dev/null", "-t", "-oStrictHostKeyChecking=no")
    return "uid=0" in space.virtctl("ssh", *options, "-c", "id", f"root@vmi/{name}")


def given(guest: Console, name: str) -> list[str]:
    """What addresses the guest has set on its second card."""
    card = f"$(basename $(dirname $(grep -l {MACS[name]} /sys/class/net/*/address)))"
    return guest.run(f"ip -o addr show dev {card} scope global | awk '{{ print $4 }}'").split()


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
        assert given(guest, "no-cloud") == ["10.81.0.7/24", "fd81::7/64"]
    assert logs_in(shared, "no-cloud", key)


def test_a_config_drive_tells_a_guest_its_network_and_no_user_data(shared: Namespace, key: Path) -> None:
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
        assert given(guest, "drive") == ["10.81.0.8/24", "fd81::8/64"]
        for own, other in zip(ADDRESSES["drive"], ADDRESSES["no-cloud"], strict=True):
            guest.until(f"nc.openbsd -N -w 5 -s {own} {other} 22 </dev/null | head -c 7", "SSH-2.0")
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
