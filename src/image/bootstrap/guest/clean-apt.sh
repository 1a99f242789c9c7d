# What mmdebstrap wrote for its own use goes before our own apt files come. $1 is the new system's root.
set -eu
rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* \
    "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap
