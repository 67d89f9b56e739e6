#!/bin/sh
# Give a node its own folders. Runs once in the node's fresh mount and UTS namespaces.
#   node-setup.sh NAME STATE-FOLDER
set -eu
name=$1 state=$2
hostname "$name"

# Copies of other namespaces' mounts would keep those namespaces alive.
umount -R -l /run/kubevirt-py 2>/dev/null || true
umount -R -l /run/netns 2>/dev/null || true

mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/containerd /run/netns /run/lock
for folder in /var/lib/kubelet /var/lib/containerd /var/lib/cni /etc/cni/net.d /var/log/pods /var/log/containers; do
  mkdir -p "$folder" "$state/root$folder"
  mount --bind "$state/root$folder" "$folder"
done
# Volumes that the kubelet mounts must reach containers that are already running.
mount --make-rshared /
touch /run/node-is-set-up
