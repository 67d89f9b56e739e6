"""A generic asyncio reconcile framework. It knows Kubernetes and has never heard of virtual machines."""
