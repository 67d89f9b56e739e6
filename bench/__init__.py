"""Figures, measured on a running cluster. `make bench` prints them; nothing here fails on a slow machine."""
