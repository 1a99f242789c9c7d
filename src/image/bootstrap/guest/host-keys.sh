#!/bin/sh
# Makes SSH host keys on a machine that has none, and shows their public halves on the console, in cloud-init's form, so
# that whoever reads the console knows whom to trust. One key is enough: it may be there on purpose.
set -eu
for key in /etc/ssh/ssh_host_*_key; do
    if [ -s "$key" ]; then
        exit 0
    fi
done
ssh-keygen -A
{
    echo "-----BEGIN SSH HOST KEY KEYS-----"
    cat /etc/ssh/ssh_host_*_key.pub
    echo "-----END SSH HOST KEY KEYS-----"
} > /dev/console || true
