"""Network interfaces of the guest and the networks they join."""

from __future__ import annotations

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Empty, Int32, Model


class PluginBinding(Model):
    """"""

    name: str


class DHCPPrivateOption(Model):
    """"""

    option: int
    value: str


class DHCPOptions(Model):
    """"""

    boot_file_name: str | None = None
    ntp_servers: list[str] | None = None
    private_options: list[DHCPPrivateOption] | None = None
    tftp_server_name: str | None = None


class PortRange(Model):
    """"""

    end: Int32
    protocol: str
    start: Int32


class Port(Model):
    """"""

    port: Int32
    name: str | None = None
    protocol: str | None = None


class Interface(Model):
    """"""

    name: str
    acpi_index: int | None = None
    binding: PluginBinding | None = None
    boot_order: int | None = None
    bridge: Empty | None = None
    dhcp_options: DHCPOptions | None = None
    mac_address: str | None = None
    macvtap: Empty | None = None
    masquerade: Empty | None = None
    model: str | None = None
    passt: Empty | None = None
    passt_binding: Empty | None = None
    pci_address: str | None = None
    port_ranges: AtomicList[PortRange] | None = None
    ports: list[Port] | None = None
    slirp: Empty | None = None
    sriov: Empty | None = None
    state: str | None = None
    tag: str | None = None


class MultusNetwork(Model):
    """"""

    network_name: str
    default: bool | None = None


class PodNetwork(Model):
    """"""

    vm_i_pv6_network_cidr: str | None = Field(None, alias="vmIPv6NetworkCIDR")
    vm_network_cidr: str | None = Field(None, alias="vmNetworkCIDR")


class ResourceClaimNetwork(Model):
    """"""

    claim_name: str | None = None
    request_name: str | None = None


class Network(Model):
    """"""

    name: str
    multus: MultusNetwork | None = None
    pod: PodNetwork | None = None
    resource_claim: ResourceClaimNetwork | None = None
