"""Admission webhooks and the aggregated API subresources.kubevirt.io."""
