"""Installs and keeps everything from the KubeVirt CR."""
