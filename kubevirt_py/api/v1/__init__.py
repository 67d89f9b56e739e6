"""kubevirt.io/v1: virtual machines, their instances and the installation."""
