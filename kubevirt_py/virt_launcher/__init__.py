"""The stub that is PID 1 of a VM pod until it becomes QEMU. Standard library only."""
