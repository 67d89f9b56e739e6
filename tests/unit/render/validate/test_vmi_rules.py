"""Each rule of a VMI's spec: one edit, the field that is named, and words the user needs."""

from __future__ import annotations

import pytest

from kubevirt_py.api.crd import root_schema
from kubevirt_py.api.v1.vmi import VirtualMachineInstance
from kubevirt_py.plan import Document
from kubevirt_py.render import causes
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.defaults import default_vmi
from kubevirt_py.render.validate import unsupported, validate_vmi_create
from kubevirt_py.render.validate.unsupported import VMI_FIELDS, VMI_VALUES
from tests.unit.render.validate.machines import CONFIG, NOW, REMOVE, UUID, edited, vmi

DISK = "domain.devices.disks[0]"
NIC = "domain.devices.interfaces[0]"
LUN = {"name": "root", "persistentVolumeClaim": {"claimName": "shared"}}


def _keys(method: str, **how: list[str]) -> Document:
    return {"sshPublicKey": {"source": {"secret": {"secretName": "keys"}}, "propagationMethod": {method: how}}}


def _volume(**source: Document) -> Document:
    return {"domain.devices.disks[2]": {"name": "v", "disk": {}}, "volumes[2]": {"name": "v", **source}}


ACCEPTED: dict[str, Document] = {
    "to be moved at a drain": {"evictionStrategy": "LiveMigrate"},
    "a network's name in capitals": {"domain.devices.interfaces[0].name": "Net_1", "networks[0].name": "Net_1"},
    "as it is": {},
    "a dongle and disk space": {
        "domain.resources.requests": {"memory": "64M", "ephemeral-storage": "1Gi", "example.com/dongle": 1},
        "domain.resources.limits": {"example.com/dongle": "1"},
    },
    "BIOS on the serial console": {"domain.firmware.bootloader.bios.useSerial": True},
    "UEFI without secure boot": {"domain.firmware.bootloader.efi.secureBoot": False},
    "UEFI without secure boot on an old board": {
        "domain.firmware.bootloader.efi.secureBoot": False,
        "domain.machine.type": "pc-i440fx-10.0",
    },
    "the last ACPI index": {f"{NIC}.acpiIndex": 16383},
    "secure boot with SMM": {"domain.firmware.bootloader.efi": {}, "domain.features.smm": {}},
    "a claim": {"volumes[0]": {"name": "root", "persistentVolumeClaim": {"claimName": "disk"}}},
    "an ephemeral claim": {"volumes[0]": {"name": "root", "ephemeral": {"persistentVolumeClaim": {"claimName": "d"}}}},
    "an empty disk": {"volumes[2]": {"name": "empty", "emptyDisk": {"capacity": "1Gi"}}},
    "a data volume": {"volumes[0]": {"name": "root", "dataVolume": {"name": "disk"}}},
    "a secret as a disk": _volume(secret={"secretName": "s", "volumeLabel": "KEYS"}),
    "a config map as a disk": _volume(configMap={"name": "c"}),
    "a service account as a disk": _volume(serviceAccount={"serviceAccountName": "robot"}),
    "fields of the pod as a disk": _volume(downwardAPI={"fields": [{"path": "a/b", "fieldRef": {"fieldPath": "f"}}]}),
    "answer files": _volume(sysprep={"configMap": {"name": "unattend"}}),
    "a config map as a file system": {
        "domain.devices.filesystems": [{"name": "v", "virtiofs": {}}],
        "volumes[2]": {"name": "v", "configMap": {"name": "c"}},
    },
    "a TPM that remembers": {"domain.devices.tpm": {"persistent": True}},
    "EFI variables that stay": {"domain.firmware.bootloader.efi": {"persistent": True, "secureBoot": False}},
    "a config drive": {"volumes[1]": {"name": "seed", "cloudInitConfigDrive": {"secretRef": {"name": "x"}}}},
    "network data alone": {"volumes[1].cloudInitNoCloud": {"networkData": "version: 2"}},
    "network data alone, from a Secret": {
        "volumes[1]": {"name": "seed", "cloudInitConfigDrive": {"networkDataSecretRef": {"name": "x"}}}
    },
    "SSH keys by cloud-init": {"accessCredentials": [_keys("noCloud")]},
    "SSH keys by the guest agent": {"accessCredentials": [_keys("qemuGuestAgent", users=["root"])]},
    "direct kernel boot": {"domain.firmware.kernelBoot": {"container": {"image": "k", "kernelPath": "/boot/vmlinuz"}}},
    "a CD-ROM": {DISK: {"name": "root", "cdrom": {"bus": "sata"}}},
    "USB": {f"{DISK}.disk.bus": "usb"},
    "a port of two cards": {
        f"{NIC}.ports": [{"port": 22}],
        "domain.devices.interfaces[1]": {"name": "blue", "bridge": {}, "ports": [{"port": 22}]},
        "networks[1]": {"name": "blue", "multus": {"networkName": "blue"}},
    },
    "large blocks": {f"{DISK}.blockSize.custom": {"logical": 4096, "physical": 4096, "discardGranularity": 65536}},
    "no discards": {f"{DISK}.blockSize.custom": {"logical": 512, "physical": 512, "discardGranularity": 0}},
    "blocks of SATA": {
        f"{DISK}.disk.bus": "sata",
        f"{DISK}.blockSize.custom": {"logical": 512, "physical": 4096, "discardGranularity": 512},
    },
    "a topology": {"domain.cpu": {"sockets": 2, "cores": 2, "threads": 2}},
    "bridge": {NIC: {"name": "default", "bridge": {}}},
    "a readiness probe": {"readinessProbe": {"httpGet": {"port": 80}}},
    "paused from the start": {"startStrategy": "Paused"},
    "pinged and paused from the start": {"startStrategy": "Paused", "livenessProbe": {"guestAgentPing": {}}},
    "an old disk that can be plugged": {
        "domain.machine.type": "pc",
        "domain.devices.useVirtioTransitional": True,
        "volumes[0]": {"name": "root", "persistentVolumeClaim": {"claimName": "c", "hotpluggable": True}},
    },
    "a watchdog": {"domain.devices.watchdog": {"name": "dog", "i6300esb": {"action": "poweroff"}}},
    "a tablet": {"domain.devices.inputs": [{"name": "tablet", "type": "tablet", "bus": "virtio"}]},
    "no network at all": {
        "domain.devices.autoattachPodInterface": False,
        "domain.devices.interfaces": REMOVE,
        "networks": REMOVE,
    },
    "nulls": {"domain.cpu": None, "hostname": None, "domain.devices.watchdog": None},
}

REFUSED: dict[str, tuple[Document, str, str, str]] = {
    "SSH keys without an image to carry them": (
        {"accessCredentials": [_keys("configDrive")]},
        "accessCredentials[0].sshPublicKey.propagationMethod.configDrive",
        causes.REQUIRED,
        "needs a volume with cloudInitConfigDrive",
    ),
    "SSH keys by the guest agent for nobody": (
        {"accessCredentials": [_keys("qemuGuestAgent", users=[])]},
        "accessCredentials[0].sshPublicKey.propagationMethod.qemuGuestAgent.users",
        causes.REQUIRED,
        "must name users",
    ),
    "a credential of no kind": (
        {"accessCredentials": [{}]},
        "accessCredentials[0]",
        causes.REQUIRED,
        "sshPublicKey, userPassword",
    ),
    "a password from nowhere": (
        {"accessCredentials": [{"userPassword": {"source": {}, "propagationMethod": {"qemuGuestAgent": {}}}}]},
        "accessCredentials[0].userPassword.source.secret.secretName",
        causes.REQUIRED,
        "must name a Secret",
    ),
    "SSH keys from nowhere": (
        {"accessCredentials": [{"sshPublicKey": {"source": {}, "propagationMethod": {"noCloud": {}}}}]},
        "accessCredentials[0].sshPublicKey.source.secret.secretName",
        causes.REQUIRED,
        "must name a Secret",
    ),
    "no such bus": (
        {f"{DISK}.disk.bus": "virtoi"},
        f"{DISK}.disk.bus",
        causes.NOT_SUPPORTED,
        "virtio, sata, scsi, usb",
    ),
    "a CD-ROM on virtio": (
        {DISK: {"name": "root", "cdrom": {"bus": "virtio"}}},
        f"{DISK}.cdrom.bus",
        causes.NOT_SUPPORTED,
        "sata, scsi, usb",
    ),
    "a disk that is also a LUN": ({f"{DISK}.lun": {}}, DISK, causes.INVALID, "only one of"),
    "a disk without volume": ({f"{DISK}.name": "boot"}, f"{DISK}.name", causes.NOT_FOUND, "root, seed"),
    "a disk without name": ({f"{DISK}.name": ""}, f"{DISK}.name", causes.REQUIRED, "name a volume"),
    "two disks of one volume": (
        {"domain.devices.disks[1].name": "root"},
        "domain.devices.disks[1].name",
        causes.DUPLICATE,
        "root",
    ),
    "two boot orders alike": (
        {f"{DISK}.bootOrder": 1, f"{NIC}.bootOrder": 1},
        f"{NIC}.bootOrder",
        causes.DUPLICATE,
        "disks[0].bootOrder",
    ),
    "boot order zero": ({f"{DISK}.bootOrder": 0}, f"{DISK}.bootOrder", causes.INVALID, "between 1 and"),
    "a boot order beyond QEMU's": (
        {f"{DISK}.bootOrder": 1 << 31},
        f"{DISK}.bootOrder",
        causes.INVALID,
        "between 1 and",
    ),
    "discards of more than QEMU takes at once": (
        {f"{DISK}.blockSize.custom": {"logical": 512, "physical": 512, "discardGranularity": 1 << 32}},
        f"{DISK}.blockSize.custom.discardGranularity",
        causes.INVALID,
        "at most 4294967295",
    ),
    "no such cache": ({f"{DISK}.cache": "directsync"}, f"{DISK}.cache", causes.NOT_SUPPORTED, "writethrough"),
    "no such I/O mode": ({f"{DISK}.io": "uring"}, f"{DISK}.io", causes.NOT_SUPPORTED, "native"),
    "io_uring": ({f"{DISK}.io": "io_uring"}, f"{DISK}.io", causes.NOT_SUPPORTED, "customProfile.localhostProfile"),
    "native I/O by way of the cache": (
        {f"{DISK}.io": "native", f"{DISK}.cache": "writeback"},
        f"{DISK}.io",
        causes.INVALID,
        "use cache none, not writeback",
    ),
    "a LUN of an image": ({DISK: {"name": "root", "lun": {}}}, f"{DISK}.lun", causes.INVALID, "volumeMode Block"),
    "a serial for a LUN that has one": (
        {DISK: {"name": "root", "lun": {"bus": "scsi"}, "serial": "other"}, "volumes[0]": LUN},
        f"{DISK}.serial",
        causes.NOT_SUPPORTED,
        "of its device",
    ),
    "block sizes for a LUN that has some": (
        {
            DISK: {"name": "root", "lun": {}, "blockSize": {"custom": {"logical": 512, "physical": 512}}},
            "volumes[0]": LUN,
        },
        f"{DISK}.blockSize.custom",
        causes.NOT_SUPPORTED,
        "of its device",
    ),
    "reservations where no node has the helper": (
        {DISK: {"name": "root", "lun": {"reservation": True}}, "volumes[0]": LUN},
        f"{DISK}.lun.reservation",
        causes.NOT_SUPPORTED,
        "persistentReservationConfiguration.enabled: true",
    ),
    "no such error policy": ({f"{DISK}.errorPolicy": "panic"}, f"{DISK}.errorPolicy", causes.NOT_SUPPORTED, "stop"),
    "a serial with blanks": ({f"{DISK}.serial": "a b"}, f"{DISK}.serial", causes.INVALID, "letters"),
    "a disk on SATA that is only read": (
        {f"{DISK}.disk": {"bus": "sata", "readonly": True}},
        f"{DISK}.disk.bus",
        causes.INVALID,
        "virtio or scsi",
    ),
    "a claim on SATA that is only read": (
        {
            f"{DISK}.disk": {},
            "volumes[0]": {"name": "root", "persistentVolumeClaim": {"claimName": "c", "readOnly": True}},
        },
        f"{DISK}.disk.bus",
        causes.INVALID,
        "readOnly of its claim",
    ),
    "an I/O thread on SATA": (
        {f"{DISK}.disk.bus": "sata", f"{DISK}.dedicatedIOThread": True},
        f"{DISK}.dedicatedIOThread",
        causes.NOT_SUPPORTED,
        "virtio",
    ),
    "an odd block size": (
        {f"{DISK}.blockSize.custom": {"logical": 1000, "physical": 4096}},
        f"{DISK}.blockSize.custom.logical",
        causes.INVALID,
        "power of 2",
    ),
    "a logical block larger than the physical": (
        {f"{DISK}.blockSize.custom": {"logical": 4096, "physical": 512}},
        f"{DISK}.blockSize.custom.logical",
        causes.INVALID,
        "physical",
    ),
    "large blocks on SATA": (
        {f"{DISK}.disk.bus": "sata", f"{DISK}.blockSize.custom": {"logical": 4096, "physical": 4096}},
        f"{DISK}.blockSize.custom.logical",
        causes.INVALID,
        "use virtio or scsi",
    ),
    "large discards on SATA": (
        {
            f"{DISK}.disk.bus": "sata",
            f"{DISK}.blockSize.custom": {"logical": 512, "physical": 512, "discardGranularity": 4096},
        },
        f"{DISK}.blockSize.custom.discardGranularity",
        causes.INVALID,
        "blocks of 512 bytes",
    ),
    "a shared disk in the host's cache": (
        {f"{DISK}.shareable": True, f"{DISK}.cache": "writeback"},
        f"{DISK}.cache",
        causes.INVALID,
        "use cache none",
    ),
    "an old disk that cannot be plugged": (
        {
            "domain.devices.useVirtioTransitional": True,
            "volumes[0]": {"name": "root", "persistentVolumeClaim": {"claimName": "c", "hotpluggable": True}},
        },
        f"{DISK}.disk.bus",
        causes.INVALID,
        "use bus scsi",
    ),
    "a disk that is plugged at an address of its own": (
        {
            f"{DISK}.disk.pciAddress": "0000:81:01.0",
            "volumes[0]": {"name": "root", "persistentVolumeClaim": {"claimName": "c", "hotpluggable": True}},
        },
        f"{DISK}.disk.pciAddress",
        causes.INVALID,
        "leave it or hotpluggable out",
    ),
    "half a block size": (
        {f"{DISK}.blockSize.custom": {"logical": 512}},
        f"{DISK}.blockSize.custom.physical",
        causes.REQUIRED,
        "both",
    ),
    "a volume without source": ({"volumes[0]": {"name": "root"}}, "volumes[0]", causes.REQUIRED, "containerDisk"),
    "a volume of two sources": ({"volumes[0].emptyDisk.capacity": "1Gi"}, "volumes[0]", causes.INVALID, "only one"),
    "two volumes of one name": ({"volumes[1].name": "root"}, "volumes[1].name", causes.DUPLICATE, "root"),
    "a volume name in capitals": (
        {"volumes[0].name": "Root", f"{DISK}.name": "Root"},
        "volumes[0].name",
        causes.INVALID,
        "lower-case",
    ),
    "an image without name": (
        {"volumes[0].containerDisk.image": ""},
        "volumes[0].containerDisk.image",
        causes.REQUIRED,
        "image",
    ),
    "a relative path in an image": (
        {"volumes[0].containerDisk.path": "disk/x"},
        "volumes[0].containerDisk.path",
        causes.INVALID,
        "absolute",
    ),
    "a path that leaves the image": (
        {"volumes[0].containerDisk.path": "/disk/../../etc/shadow"},
        "volumes[0].containerDisk.path",
        causes.INVALID,
        "'..'",
    ),
    "a claim without name": (
        {"volumes[0]": {"name": "root", "persistentVolumeClaim": {"claimName": ""}}},
        "volumes[0].persistentVolumeClaim.claimName",
        causes.REQUIRED,
        "must name",
    ),
    "an empty disk of nothing": (
        {"volumes[0]": {"name": "root", "emptyDisk": {"capacity": "0"}}},
        "volumes[0].emptyDisk.capacity",
        causes.INVALID,
        "more than 0",
    ),
    "two cloud-init volumes": (
        {"volumes[0]": {"name": "root", "cloudInitConfigDrive": {"userData": "x"}}},
        "volumes[1].cloudInitNoCloud",
        causes.DUPLICATE,
        "only one",
    ),
    "cloud-init without data": (
        {"volumes[1].cloudInitNoCloud": {}},
        "volumes[1].cloudInitNoCloud",
        causes.REQUIRED,
        "secretRef, networkData",
    ),
    "cloud-init from two places": (
        {"volumes[1].cloudInitNoCloud.secretRef.name": "x"},
        "volumes[1].cloudInitNoCloud.secretRef",
        causes.INVALID,
        "only one",
    ),
    "cloud-init data that is too long": (
        {"volumes[1].cloudInitNoCloud.userData": "x" * 2049},
        "volumes[1].cloudInitNoCloud.userData",
        causes.INVALID,
        "secretRef",
    ),
    "cloud-init data that is not base64": (
        {"volumes[1].cloudInitNoCloud": {"userDataBase64": "%%%"}},
        "volumes[1].cloudInitNoCloud.userDataBase64",
        causes.INVALID,
        "base64",
    ),
    "zero cores": ({"domain.cpu.cores": 0}, "domain.cpu.cores", causes.INVALID, "at least 1"),
    "zero sockets": ({"domain.cpu.sockets": 0}, "domain.cpu.sockets", causes.INVALID, "at least 1"),
    "room for too many CPUs": (
        {"domain.cpu": {"sockets": 1, "cores": 2, "maxSockets": 128}},
        "domain.cpu.maxSockets",
        causes.INVALID,
        "is 256",
    ),
    "a CPU feature that QEMU does not know": (
        {"domain.cpu.features[0]": {"name": "ase", "policy": "disable"}},
        "domain.cpu.features[0].name",
        causes.NOT_SUPPORTED,
        "'ase'",
    ),
    "a CPU feature in two spellings": (
        {"domain.cpu.features": [{"name": "sse4.1"}, {"name": "sse4_1", "policy": "disable"}]},
        "domain.cpu.features[1].name",
        causes.DUPLICATE,
        "sse4.1",
    ),
    "too many CPUs": ({"domain.cpu": {"sockets": 64, "cores": 64}}, "domain.cpu", causes.INVALID, "255"),
    "no such CPU flag policy": (
        {"domain.cpu.features": [{"name": "vmx", "policy": "maybe"}]},
        "domain.cpu.features[0].policy",
        causes.NOT_SUPPORTED,
        "require",
    ),
    "a request of no CPU": (
        {"domain.resources.requests.cpu": "0"},
        "domain.resources.requests.cpu",
        causes.INVALID,
        "more than 0",
    ),
    "a CPU request above the limit": (
        {"domain.resources.requests.cpu": "2", "domain.resources.limits.cpu": 1},
        "domain.resources.requests.cpu",
        causes.INVALID,
        "limit",
    ),
    "realtime without dedicated CPUs": (
        {"domain.cpu.realtime": {}},
        "domain.cpu.realtime",
        causes.INVALID,
        "dedicatedCpuPlacement",
    ),
    "a bad quantity": (
        {"domain.resources.requests.memory": "64 MB"},
        "domain.resources.requests.memory",
        causes.INVALID,
        "1.5Gi",
    ),
    "no memory": ({"domain.resources": REMOVE}, "domain.memory.guest", causes.REQUIRED, "memory.guest"),
    "memory in bytes by mistake": ({"domain.memory.guest": 64}, "domain.memory.guest", causes.INVALID, "Mi"),
    "negative memory": ({"domain.memory.guest": "-1Gi"}, "domain.memory.guest", causes.INVALID, "at least 1Mi"),
    "more memory than the limit": (
        {"domain.memory.guest": "2Gi", "domain.resources.limits.memory": "1Gi"},
        "domain.memory.guest",
        causes.INVALID,
        "limit",
    ),
    "pages of a size that no node has": (
        {"domain.memory": {"guest": "66Mi", "hugepages": {"pageSize": "3Mi"}}},
        "domain.memory.hugepages.pageSize",
        causes.INVALID,
        "2Mi, 1Gi",
    ),
    "memory that is no multiple of a page": (
        {"domain.memory": {"guest": "65Mi", "hugepages": {"pageSize": "2Mi"}}},
        "domain.memory.guest",
        causes.INVALID,
        "multiple",
    ),
    "an interface without network": ({f"{NIC}.name": "blue"}, f"{NIC}.name", causes.NOT_FOUND, "default"),
    "a network without interface": ({"networks[0].name": "blue"}, "networks[0].name", causes.INVALID, "interface"),
    "an interface without binding": ({NIC: {"name": "default"}}, NIC, causes.REQUIRED, "masquerade"),
    "two bindings": ({f"{NIC}.bridge": {}}, NIC, causes.INVALID, "only one"),
    "slirp": ({NIC: {"name": "default", "slirp": {}}}, f"{NIC}.slirp", causes.NOT_SUPPORTED, "masquerade"),
    "SR-IOV": ({NIC: {"name": "default", "sriov": {}}}, f"{NIC}.sriov", causes.NOT_SUPPORTED, "virtual functions"),
    "passt by its former field": (
        {NIC: {"name": "default", "passt": {}}},
        f"{NIC}.passt",
        causes.NOT_SUPPORTED,
        "passtBinding",
    ),
    "passt on a network of Multus": (
        {
            NIC: {"name": "default", "passtBinding": {}},
            "networks[0]": {"name": "default", "multus": {"networkName": "a"}},
        },
        f"{NIC}.passtBinding",
        causes.INVALID,
        "pod network",
    ),
    "passt with a card it does not know": (
        {NIC: {"name": "default", "passtBinding": {}, "model": "e1000e"}},
        f"{NIC}.model",
        causes.NOT_SUPPORTED,
        "virtio",
    ),
    "passt with options for our DHCP": (
        {NIC: {"name": "default", "passtBinding": {}, "dhcpOptions": {"bootFileName": "a"}}},
        f"{NIC}.dhcpOptions",
        causes.NOT_SUPPORTED,
        "masquerade",
    ),
    "passt with addresses of its own": (
        {NIC: {"name": "default", "passtBinding": {}}, "networks[0].pod": {"vmNetworkCIDR": "10.11.0.0/24"}},
        f"{NIC}.passtBinding",
        causes.INVALID,
        "pod's addresses",
    ),
    "macvtap": ({NIC: {"name": "default", "macvtap": {}}}, f"{NIC}.macvtap", causes.NOT_SUPPORTED, "plugin"),
    "an unknown plugin": (
        {NIC: {"name": "default", "binding": {"name": "fast"}}},
        f"{NIC}.binding.name",
        causes.NOT_FOUND,
        "network.binding",
    ),
    "no such model": ({f"{NIC}.model": "ne1000"}, f"{NIC}.model", causes.NOT_SUPPORTED, "e1000e"),
    "the MAC address of the router behind masquerade": (
        {f"{NIC}.macAddress": "0200.0000.0000"},
        f"{NIC}.macAddress",
        causes.INVALID,
        "the guest's router",
    ),
    "a short MAC address": ({f"{NIC}.macAddress": "02:00"}, f"{NIC}.macAddress", causes.INVALID, "02:00:00:12:34:56"),
    "a multicast MAC address": (
        {f"{NIC}.macAddress": "01:00:00:00:00:01"},
        f"{NIC}.macAddress",
        causes.INVALID,
        "multicast",
    ),
    "masquerade on a second network": (
        {"networks[0]": {"name": "default", "multus": {"networkName": "blue"}}},
        f"{NIC}.masquerade",
        causes.INVALID,
        "pod network",
    ),
    **{
        f"a definition {given!r}": (
            {
                NIC: {"name": "default", "bridge": {}},
                "networks[0]": {"name": "default", "multus": {"networkName": given}},
            },
            "networks[0].multus.networkName",
            reason,
            word,
        )
        for given, reason, word in (
            ("", causes.REQUIRED, "NetworkAttachmentDefinition"),
            ("farm/", causes.REQUIRED, "NetworkAttachmentDefinition"),
            ("/blue", causes.INVALID, "DNS label"),
            ("a/b/c", causes.INVALID, "DNS label"),
            ("..", causes.INVALID, "valid name"),
        )
    },
    "a network of two kinds": ({"networks[0].multus.networkName": "x"}, "networks[0]", causes.INVALID, "only one"),
    "two pod networks": (
        {"networks[1]": {"name": "two", "pod": {}}, "domain.devices.interfaces[1]": {"name": "two", "bridge": {}}},
        "networks[1]",
        causes.DUPLICATE,
        "only one",
    ),
    "no card on the pod network": (
        {NIC: {"name": "default", "bridge": {}, "state": "absent"}},
        f"{NIC}.state",
        causes.INVALID,
        "state down",
    ),
    "port zero": ({f"{NIC}.ports": [{"port": 0}]}, f"{NIC}.ports[0].port", causes.INVALID, "65535"),
    "one port twice": (
        {f"{NIC}.ports": [{"port": 80}, {"port": 80}]},
        f"{NIC}.ports[1].port",
        causes.DUPLICATE,
        "80/TCP",
    ),
    "no such protocol": (
        {f"{NIC}.ports": [{"port": 80, "protocol": "SCTP"}]},
        f"{NIC}.ports[0].protocol",
        causes.NOT_SUPPORTED,
        "UDP",
    ),
    "a DHCP option of the standard": (
        {f"{NIC}.dhcpOptions.privateOptions": [{"option": 3, "value": "x"}]},
        f"{NIC}.dhcpOptions.privateOptions[0].option",
        causes.INVALID,
        "224",
    ),
    "a time server by name": (
        {f"{NIC}.dhcpOptions.ntpServers": ["pool.ntp.test"]},
        f"{NIC}.dhcpOptions.ntpServers[0]",
        causes.INVALID,
        "IPv4",
    ),
    "an address range of one": (
        {"networks[0].pod.vmNetworkCIDR": "10.0.2.1/32"},
        "networks[0].pod.vmNetworkCIDR",
        causes.INVALID,
        "10.0.2.0/24",
    ),
    "IPv4 where IPv6 belongs": (
        {"networks[0].pod.vmIPv6NetworkCIDR": "10.0.2.0/24"},
        "networks[0].pod.vmIPv6NetworkCIDR",
        causes.INVALID,
        "IPv6",
    ),
    "secure boot without SMM": (
        {"domain.firmware.bootloader.efi": {}},
        "domain.firmware.bootloader.efi.secureBoot",
        causes.INVALID,
        "smm",
    ),
    "secure boot without a flash that SMM guards": (
        {"domain.firmware.bootloader.efi": {}, "domain.features.smm": {}, "domain.machine.type": "pc-i440fx-10.0"},
        "domain.firmware.bootloader.efi.secureBoot",
        causes.INVALID,
        "q35, not pc-i440fx-10.0",
    ),
    "an ACPI index beyond QEMU's": ({f"{NIC}.acpiIndex": 16384}, f"{NIC}.acpiIndex", causes.INVALID, "16383"),
    "BIOS and UEFI": (
        {"domain.firmware.bootloader": {"bios": {}, "efi": {"secureBoot": False}}},
        "domain.firmware.bootloader.efi",
        causes.INVALID,
        "either",
    ),
    "kernel arguments without kernel": (
        {"domain.firmware.kernelBoot.kernelArgs": "quiet"},
        "domain.firmware.kernelBoot.container",
        causes.REQUIRED,
        "image",
    ),
    "an initrd without kernel": (
        {"domain.firmware.kernelBoot.container": {"image": "k", "initrdPath": "/i"}},
        "domain.firmware.kernelBoot.container.kernelPath",
        causes.REQUIRED,
        "initrd",
    ),
    "no UUID": ({"domain.firmware.uuid": "tiny"}, "domain.firmware.uuid", causes.INVALID, "UUID"),
    "a resource that pods do not have": (
        {"domain.resources.limits": {"storage": "1Gi"}},
        "domain.resources.limits[storage]",
        causes.NOT_SUPPORTED,
        "ephemeral-storage",
    ),
    "a dongle without limit": (
        {"domain.resources.requests": {"memory": "64M", "example.com/dongle": 1}},
        "domain.resources.requests[example.com/dongle]",
        causes.INVALID,
        "same amount in limits",
    ),
    "a machine with a property": (
        {"domain.machine.type": "pc-q35-10.0,graphics=off"},
        "domain.machine.type",
        causes.INVALID,
        "letters, digits",
    ),
    "a CPU model with a property": (
        {"domain.cpu.model": "Haswell,pmu=on"},
        "domain.cpu.model",
        causes.INVALID,
        "letters",
    ),
    "a vendor with a property": (
        {"domain.features.hyperv.vendorid.vendorid": "KVM,pmu=on"},
        "domain.features.hyperv.vendorid.vendorid",
        causes.INVALID,
        "no comma",
    ),
    "no such machine": ({"domain.machine.type": "isapc"}, "domain.machine.type", causes.NOT_SUPPORTED, "q35*"),
    "no such time zone": (
        {"domain.clock.timezone": "Mars/Olympus"},
        "domain.clock.timezone",
        causes.INVALID,
        "Mars/Olympus",
    ),
    "a NUL in a string": (
        {"domain.firmware.kernelBoot": {"container": {"image": "k", "kernelPath": "/k"}, "kernelArgs": "a\0b"}},
        "domain",
        causes.INVALID,
        "NUL",
    ),
    "no such watchdog action": (
        {"domain.devices.watchdog": {"name": "dog", "i6300esb": {"action": "bark"}}},
        "domain.devices.watchdog.i6300esb.action",
        causes.NOT_SUPPORTED,
        "poweroff",
    ),
    "no such input": (
        {"domain.devices.inputs": [{"name": "x", "type": "wheel"}]},
        "domain.devices.inputs[0].type",
        causes.NOT_SUPPORTED,
        "tablet",
    ),
    "no such video": ({"domain.devices.video.type": "ega"}, "domain.devices.video.type", causes.NOT_SUPPORTED, "vga"),
    "no such sound card": (
        {"domain.devices.sound": {"name": "x", "model": "sb16"}},
        "domain.devices.sound.model",
        causes.NOT_SUPPORTED,
        "ich9",
    ),
    "too few spinlocks": (
        {"domain.features.hyperv.spinlocks.spinlocks": 1},
        "domain.features.hyperv.spinlocks.spinlocks",
        causes.INVALID,
        "4096",
    ),
    "a probe of two kinds": (
        {"livenessProbe": {"httpGet": {"port": 80}, "tcpSocket": {"port": 80}}},
        "livenessProbe",
        causes.INVALID,
        "only one",
    ),
    "a probe of nothing": ({"livenessProbe": {"periodSeconds": 1}}, "livenessProbe", causes.REQUIRED, "httpGet"),
    "a probe of a guest that starts paused": (
        {"startStrategy": "Paused", "livenessProbe": {"tcpSocket": {"port": 22}}},
        "startStrategy",
        causes.INVALID,
        "guestAgentPing",
    ),
    "a probe of port 0": (
        {"readinessProbe.tcpSocket.port": 0},
        "readinessProbe.tcpSocket.port",
        causes.INVALID,
        "65535",
    ),
    "a probe of a port number in quotes": (
        {"readinessProbe.tcpSocket.port": "22"},
        "readinessProbe.tcpSocket.port",
        causes.INVALID,
        "with a letter",
    ),
    "a liveness probe that must succeed twice": (
        {"livenessProbe": {"tcpSocket": {"port": 22}, "successThreshold": 2}},
        "livenessProbe.successThreshold",
        causes.INVALID,
        "1",
    ),
    "an interface with a blank in its name": (
        {"domain.devices.interfaces[0].name": "my net", "networks[0].name": "my net"},
        "domain.devices.interfaces[0].name",
        causes.INVALID,
        "not a name of a network",
    ),
    "a host name with dots": ({"hostname": "a.b"}, "hostname", causes.INVALID, "DNS label"),
    "a subdomain in capitals": ({"subdomain": "Web"}, "subdomain", causes.INVALID, "DNS label"),
    "no such DNS policy": ({"dnsPolicy": "Mine"}, "dnsPolicy", causes.NOT_SUPPORTED, "ClusterFirst"),
    "no name server at all": ({"dnsPolicy": "None"}, "dnsConfig.nameservers", causes.REQUIRED, "name server"),
    "a name server by name": (
        {"dnsConfig.nameservers": ["dns.test"]},
        "dnsConfig.nameservers[0]",
        causes.INVALID,
        "IP address",
    ),
    "a negative grace period": (
        {"terminationGracePeriodSeconds": -1},
        "terminationGracePeriodSeconds",
        causes.INVALID,
        "at least 0",
    ),
    "no such eviction strategy": ({"evictionStrategy": "Run"}, "evictionStrategy", causes.NOT_SUPPORTED, "LiveMigrate"),
    "a bad node label": ({"nodeSelector": {"zone": "a b"}}, "nodeSelector[zone]", causes.INVALID, "label value"),
    "a toleration without key": (
        {"tolerations": [{"operator": "Equal"}]},
        "tolerations[0].operator",
        causes.INVALID,
        "Exists",
    ),
    "a list that is a number": ({"domain.devices.disks": 5}, "domain.devices.disks", causes.INVALID, "list"),
    "a number that is a string": ({"domain.cpu.cores": "2"}, "domain.cpu.cores", causes.INVALID, "whole number"),
    "an enum of the schema": (
        {"domain.rebootPolicy": "Explode"},
        "domain.rebootPolicy",
        causes.NOT_SUPPORTED,
        "Terminate",
    ),
    "a claim as a file system without its gate": (
        {
            "domain.devices.filesystems": [{"name": "v", "virtiofs": {}}],
            "volumes[2]": {"name": "v", "persistentVolumeClaim": {"claimName": "c"}},
        },
        "domain.devices.filesystems[0].virtiofs",
        causes.NOT_SUPPORTED,
        "EnableVirtioFsStorageVolumes",
    ),
    "an empty disk as a file system": (
        {
            "domain.devices.filesystems": [{"name": "v", "virtiofs": {}}],
            "volumes[2]": {"name": "v", "emptyDisk": {"capacity": "1Gi"}},
        },
        "domain.devices.filesystems[0].name",
        causes.NOT_SUPPORTED,
        "cannot be shared; use a volume of: persistentVolumeClaim",
    ),
    "a claim that is plugged as a file system": (
        {
            "domain.devices.filesystems": [{"name": "v", "virtiofs": {}}],
            "volumes[2]": {"name": "v", "persistentVolumeClaim": {"claimName": "c", "hotpluggable": True}},
        },
        "domain.devices.filesystems[0].name",
        causes.NOT_SUPPORTED,
        "leave hotpluggable out",
    ),
    "a tag that is too long": (
        {
            "domain.devices.filesystems": [{"name": "v" * 37, "virtiofs": {}}],
            "volumes[2]": {"name": "v" * 37, "configMap": {"name": "c"}},
        },
        "domain.devices.filesystems[0].name",
        causes.INVALID,
        "at most 36",
    ),
    "a volume named as one of the pod's": (
        {
            "domain.devices.disks[2]": {"name": "private", "disk": {}},
            "volumes[2]": {"name": "private", "emptyDisk": {"capacity": "1Gi"}},
        },
        "volumes[2].name",
        causes.INVALID,
        "each pod has",
    ),
    "a secret without a name": (_volume(secret={}), "volumes[2].secret.secretName", causes.REQUIRED, "must name"),
    "a long label": (
        _volume(configMap={"name": "c", "volumeLabel": "x" * 33}),
        "volumes[2].configMap.volumeLabel",
        causes.INVALID,
        "32 ASCII",
    ),
    "answer files of two sources": (
        _volume(sysprep={"configMap": {"name": "a"}, "secret": {"name": "b"}}),
        "volumes[2].sysprep",
        causes.INVALID,
        "configMap and secret",
    ),
    "a field that leaves its volume": (
        _volume(downwardAPI={"fields": [{"path": "../a", "fieldRef": {"fieldPath": "f"}}]}),
        "volumes[2].downwardAPI.fields[0].path",
        causes.INVALID,
        "without '..'",
    ),
    "a host disk without its gate": (
        _volume(hostDisk={"path": "/a/b", "type": "Disk"}),
        "volumes[2].hostDisk",
        causes.NOT_SUPPORTED,
        "feature gate HostDisk",
    ),
    "a host disk that climbs": (
        _volume(hostDisk={"path": "/a/../etc/shadow", "type": "Disk"}),
        "volumes[2].hostDisk.path",
        causes.INVALID,
        "without '..'",
    ),
    "a host disk that is a directory": (
        _volume(hostDisk={"path": "/a/b/", "type": "Disk"}),
        "volumes[2].hostDisk.path",
        causes.INVALID,
        "name a file",
    ),
    "a host disk of no size": (
        _volume(hostDisk={"path": "/a/b", "type": "DiskOrCreate"}),
        "volumes[2].hostDisk.capacity",
        causes.REQUIRED,
        "needs its size",
    ),
    "a missing name": (
        {"volumes[0]": {"containerDisk": {"image": "x"}}},
        "volumes[0].name",
        causes.REQUIRED,
        "required",
    ),
    "another architecture": ({"architecture": "arm64"}, "architecture", causes.NOT_SUPPORTED, "amd64"),
}


LUN_DISK = {"name": "root", "lun": {"bus": "scsi", "reservation": True}}


def test_reservations_need_the_cluster_to_have_them_and_scsi() -> None:
    config = ClusterConfig(persistent_reservations=True)
    assert judged({DISK: LUN_DISK, "volumes[0]": LUN}, config) == []
    virtio = {"name": "root", "lun": {"bus": "virtio", "reservation": True}}
    (cause,) = judged({DISK: virtio, "volumes[0]": LUN}, config)
    assert cause.field == f"spec.{DISK}.lun.bus" and "use bus scsi" in cause.message
    plugged = {"name": "root", "persistentVolumeClaim": {"claimName": "shared", "hotpluggable": True}}
    (cause,) = judged({DISK: LUN_DISK, "volumes[0]": plugged}, config)
    assert cause.field == f"spec.{DISK}.lun.reservation" and "leave hotpluggable out" in cause.message


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        ({}, {}, False),
        ({"disk": {"bus": "virtio", "readonly": True}}, {}, False),
        ({"disk": {"bus": "virtio", "readonly": True}, "shareable": True}, {}, True),
        ({"disk": {"bus": "virtio", "readonly": True}}, {"cdrom": {}}, True),
        ({"shareable": True}, {"shareable": True}, True),
    ],
    ids=["two that write", "one that writes", "one that bears it", "none that writes", "shared"],
)
def test_two_disks_of_one_machine_are_on_one_claim_only_as_qemu_bears_it(
    first: Document, second: Document, fits: bool
) -> None:
    claim = {"persistentVolumeClaim": {"claimName": "one"}}
    edits = {
        "volumes[0]": {"name": "root"} | claim,
        "volumes[1]": {"name": "again"} | claim,
        DISK: {"name": "root"} | first,
        "domain.devices.disks[1]": {"name": "again"} | second,
    }
    found = judged(edits)
    assert [cause.field for cause in found] == ([] if fits else ["spec.domain.devices.disks[1].name"])


def judged(edits: Document, config: ClusterConfig = CONFIG) -> list[causes.Cause]:
    """What admission says after it filled in the defaults."""
    defaulted = default_vmi(vmi(edits), config, NOW, lambda: UUID)
    return validate_vmi_create(defaulted, config)


@pytest.mark.parametrize("edits", ACCEPTED.values(), ids=ACCEPTED)
def test_accepts(edits: Document) -> None:
    assert judged(edits) == []


@pytest.mark.parametrize(("edits", "field", "reason", "words"), REFUSED.values(), ids=REFUSED)
def test_refuses_and_names_field_reason_and_what_is_allowed(
    edits: Document, field: str, reason: str, words: str
) -> None:
    found = judged(edits)
    assert (f"spec.{field}", reason) in [(cause.field, cause.reason) for cause in found], found
    assert any(cause.field == f"spec.{field}" and words in cause.message for cause in found), found


def test_another_architecture_is_the_only_thing_wrong_with_its_machine() -> None:
    assert [cause.field for cause in judged({"architecture": "arm64"})] == ["spec.architecture"]


def test_io_uring_is_left_to_a_seccomp_profile_of_the_clusters_own() -> None:
    profile = {"virtualMachineInstanceProfile": {"customProfile": {"localhostProfile": "vms/io-uring.json"}}}
    config = ClusterConfig.from_kubevirt({"configuration": {"seccompConfiguration": profile}})
    edits = {f"{DISK}.io": "io_uring", "volumes[0]": LUN}
    assert judged(edits, config) == []
    assert [cause.field for cause in judged({**edits, f"{DISK}.cache": "fast"}, config)] == [f"spec.{DISK}.cache"]


def test_an_ignition_file_needs_its_gate() -> None:
    document = vmi() | {"metadata": {"name": "a", "annotations": {"kubevirt.io/ignitiondata": "{}"}}}
    open_gate = ClusterConfig(feature_gates=frozenset({"ExperimentalIgnitionSupport"}))
    for config, fields in ((CONFIG, ["metadata.annotations[kubevirt.io/ignitiondata]"]), (open_gate, [])):
        defaulted = default_vmi(document, config, NOW, lambda: UUID)
        assert [cause.field for cause in validate_vmi_create(defaulted, config)] == fields


@pytest.mark.parametrize("path", VMI_FIELDS)
def test_refuses_by_name_what_this_release_does_not_do(path: str) -> None:
    field = path.replace("[]", "[0]")
    found = list(unsupported.check(edited({}, {field: {"x": 1}}), "spec", CONFIG))
    assert [(cause.field, cause.reason) for cause in found] == [(f"spec.{field}", causes.NOT_SUPPORTED)]
    assert "not supported yet by this release" in found[0].message


@pytest.mark.parametrize("path", VMI_VALUES)
def test_refuses_values_this_release_does_not_do(path: str) -> None:
    field, (values, _) = path.replace("[]", "[0]"), VMI_VALUES[path]
    for value in values:
        found = list(unsupported.check(edited({}, {field: value}), "spec", CONFIG))
        assert [(cause.field, cause.reason) for cause in found] == [(f"spec.{field}", causes.NOT_SUPPORTED)]
    assert list(unsupported.check(edited({}, {field: "other"}), "spec", CONFIG)) == []


@pytest.mark.parametrize("path", [*VMI_FIELDS, *VMI_VALUES])
def test_what_is_not_supported_is_a_field_of_the_api(path: str) -> None:
    schema = root_schema(VirtualMachineInstance)["properties"]["spec"]
    for part in path.split("."):
        schema = schema["properties"][part.removesuffix("[]")]
        schema = schema["items"] if part.endswith("[]") else schema


def test_bridge_on_the_pod_network_needs_permission() -> None:
    config = ClusterConfig(permit_bridge_on_pod_network=False)
    found = judged({NIC: {"name": "default", "bridge": {}}}, config)
    assert [cause.field for cause in found] == [f"spec.{NIC}.bridge"]
    assert "permitBridgeInterfaceOnPodNetwork" in found[0].message


def test_more_disks_than_the_machine_has_room_for_are_refused() -> None:
    names = [f"d{index}" for index in range(80)]
    edits = {
        "volumes": [{"name": name, "emptyDisk": {"capacity": "1Gi"}} for name in names],
        "domain.devices.disks": [{"name": name, "disk": {"bus": "virtio"}} for name in names],
    }
    found = judged(edits)
    assert [cause.field for cause in found] == ["spec.domain"]
    assert "room for 64" in found[0].message


def test_port_ranges_need_their_feature_gate() -> None:
    edits = {f"{NIC}.portRanges": [{"start": 8000, "end": 8010, "protocol": "TCP"}]}
    assert "PortRangesSpec" in judged(edits)[0].message
    assert judged(edits, ClusterConfig(feature_gates=frozenset({"PortRangesSpec"}))) == []


def test_an_obsolete_cpu_model_is_refused() -> None:
    found = judged({"domain.cpu.model": "pentium"}, ClusterConfig(obsolete_cpu_models=("pentium",)))
    assert [cause.field for cause in found] == ["spec.domain.cpu.model"]
