"""KubeVirt's API, served from Python: virtual machines on Kubernetes without libvirt."""

__version__ = "0.1.0"
