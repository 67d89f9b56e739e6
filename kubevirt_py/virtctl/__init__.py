"""The command line, also kubectl virt."""
