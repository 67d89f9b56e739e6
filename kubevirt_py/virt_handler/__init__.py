"""The node agent: device plugin, networks, QMP, consoles."""
