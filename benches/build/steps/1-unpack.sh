#!/bin/sh
# Files by the thousand, as an application brings them.
set -eu
mkdir -p /srv/app
tar -xf /root/payload.tar -C /srv/app
rm /root/payload.tar
