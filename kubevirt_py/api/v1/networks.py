"""Network interfaces of the guest and the networks they join."""

from __future__ import annotations

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Empty, Int32, Model


class PluginBinding(Model):
    """A network binding plugin."""

    name: str
    """Name under which the plugin is registered."""


class DHCPPrivateOption(Model):
    """A DHCP option for the site's own use."""

    option: int
    """Number, 224 to 254."""
    value: str
    """Text of the option."""


class DHCPOptions(Model):
    """More for the answers of the built-in DHCP server."""

    boot_file_name: str | None = None
    """Option 67."""
    ntp_servers: list[str] | None = None
    """Option 42, IPv4 addresses."""
    private_options: list[DHCPPrivateOption] | None = None
    """Options 224 to 254."""
    tftp_server_name: str | None = None
    """Option 66."""


class PortRange(Model):
    """A range of ports."""

    end: Int32
    """Last port."""
    protocol: str
    """TCP or UDP."""
    start: Int32
    """First port."""


class Port(Model):
    """A port the guest listens on."""

    port: Int32
    """Port number, 1 to 65535."""
    name: str | None = None
    """Name of the port, which probes and Services can refer to."""
    protocol: str | None = None
    """TCP or UDP; TCP unless set."""


class Interface(Model):
    """A network interface. Choose one binding; it joins the network of the same name."""

    name: str
    """The network of the same name."""
    acpi_index: int | None = None
    """ACPI index, from which guests derive a stable name."""
    binding: PluginBinding | None = None
    """A network binding plugin registered in the KubeVirt resource."""
    boot_order: int | None = None
    """Rank among all disks and interfaces; 1 is tried first."""
    bridge: Empty | None = None
    """The guest takes over the pod's own addresses."""
    dhcp_options: DHCPOptions | None = None
    """More for the answers of the built-in DHCP server."""
    mac_address: str | None = None
    """MAC address, such as 02:00:00:12:34:56; made up unless set."""
    macvtap: Empty | None = None
    """Connect by macvtap."""
    masquerade: Empty | None = None
    """The guest has addresses of its own behind NAT; the pod keeps its addresses."""
    model: str | None = None
    """virtio, e1000, e1000e, ne2k_pci, pcnet or rtl8139; virtio unless set."""
    passt: Empty | None = None
    """Connect by passt."""
    passt_binding: Empty | None = None
    """Connect by passt, former spelling."""
    pci_address: str | None = None
    """PCI address, such as 0000:81:01.0."""
    port_ranges: AtomicList[PortRange] | None = None
    """Ranges of ports the guest listens on."""
    ports: list[Port] | None = None
    """Ports the guest listens on; all unless set."""
    slirp: Empty | None = None
    """A binding that no longer exists."""
    sriov: Empty | None = None
    """Pass a virtual function of the host's network card through."""
    state: str | None = None
    """up, down (cable pulled) or absent (remove it)."""
    tag: str | None = None
    """Metadata tag shown in cloud-init's config drive."""


class MultusNetwork(Model):
    """A secondary network."""

    network_name: str
    """NetworkAttachmentDefinition, with its namespace in front if it is in another."""
    default: bool | None = None
    """Take this network in place of the pod's own."""


class PodNetwork(Model):
    """The pod's own network."""

    vm_ipv6_network_cidr: str | None = Field(None, alias="vmIPv6NetworkCIDR")
    """IPv6 range of a guest behind masquerade; fd10:0:2::/120 unless set."""
    vm_network_cidr: str | None = Field(None, alias="vmNetworkCIDR")
    """IPv4 range of a guest behind masquerade; 10.0.2.0/24 unless set."""


class ResourceClaimNetwork(Model):
    """A network device from a resource claim."""

    claim_name: str | None = None
    """Entry of resourceClaims."""
    request_name: str | None = None
    """Request inside the claim."""


class Network(Model):
    """A network that an interface of the same name joins; choose one kind."""

    name: str
    """Name of the network and of its interface."""
    multus: MultusNetwork | None = None
    """A secondary network, made by Multus."""
    pod: PodNetwork | None = None
    """The pod's own network."""
    resource_claim: ResourceClaimNetwork | None = None
    """A network device from a resource claim."""
