"""Pure: what should exist. Documents in, documents out."""
