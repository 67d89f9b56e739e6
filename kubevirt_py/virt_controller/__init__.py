"""The cluster-side reconcilers: wiring of stores to decide."""
