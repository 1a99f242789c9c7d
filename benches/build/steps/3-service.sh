#!/bin/sh
# What most images end with: a user and a service.
set -eu
useradd --system --home-dir /srv/app app
cat >/etc/systemd/system/app.service <<'UNIT'
[Unit]
Description=An application

[Service]
User=app
ExecStart=/usr/bin/sleep infinity

[Install]
WantedBy=multi-user.target
UNIT
systemctl enable app.service
