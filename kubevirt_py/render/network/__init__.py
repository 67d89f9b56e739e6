"""Pod network bindings as data: what to plumb, what to filter, what to answer a guest."""
