#!/bin/sh
# The servers, services and packages of the Debian guest.
set -eu
cat >/etc/nginx/conf.d/diff.conf <<'NGINX'
server {
    listen 127.0.0.1:8080;
    listen [::1]:8080;
    listen 127.0.0.1:8443 ssl;
    server_name localhost;
    ssl_certificate /srv/diff/tls.crt;
    ssl_certificate_key /srv/diff/tls.key;
    root /srv/www;
    default_type text/plain;
    add_header X-Many one;
    add_header X-Many two;
    location = /moved { return 301 /data.json; }
    location = /circle { return 302 /circle; }
    location = /away { return 302 http://127.0.0.1:9/; }
    location = /teapot { return 418 "short and stout\n"; }
    location = /nothing { return 204; }
    location = /host { return 200 "host=$http_host agent=$http_user_agent method=$request_method auth=$http_authorization x=$http_x_test accept=$http_accept type=$http_content_type length=$content_length\n"; }
    location = /put { client_max_body_size 1m; if ($request_method = PUT) { return 201 "put\n"; } return 405; }
    location = /secret { auth_basic "here"; auth_basic_user_file /srv/diff/htpasswd; try_files /index.txt =404; }
    location = /slow { limit_rate 1; limit_rate_after 1; try_files /index.txt =404; }
}
NGINX
mkdir -p /srv/www
echo 'Hello from Debian' >/srv/www/index.txt
echo '{"status": "ok", "count": 3}' >/srv/www/data.json
printf 'user:{PLAIN}word\n' >/srv/diff/htpasswd
sed -i 's/listen 80 default_server;/listen 80 default_server;/' /etc/nginx/sites-enabled/default

unit() { cat >"/etc/systemd/system/$1"; }
unit diff-idle.service <<'UNIT'
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
Alias=diff-alias.service
UNIT
unit diff-static.service <<'UNIT'
[Service]
ExecStart=/bin/sleep infinity
UNIT
unit diff-failing.service <<'UNIT'
[Service]
ExecStart=/bin/false
[Install]
WantedBy=multi-user.target
UNIT
unit diff-done.service <<'UNIT'
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
UNIT
unit diff-once.service <<'UNIT'
[Service]
Type=oneshot
ExecStart=/bin/true
[Install]
WantedBy=multi-user.target
UNIT
unit diff-masked.service <<'UNIT'
[Service]
ExecStart=/bin/sleep infinity
UNIT
unit diff-many@.service <<'UNIT'
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
DefaultInstance=one
UNIT
unit 'diff-odd name.service' <<'UNIT' || true
[Service]
ExecStart=/bin/sleep infinity
UNIT
unit diff-also.service <<'UNIT'
[Service]
ExecStart=/bin/true
[Install]
Also=diff-idle.service
UNIT
unit diff-echo.socket <<'UNIT'
[Socket]
ListenStream=127.0.0.1:7001
ListenStream=[::]:7002
ListenStream=[::1]:7003
ListenDatagram=127.0.0.1:7004
ListenDatagram=[::]:7005
ListenStream=/srv/diff/socket
Accept=no
[Install]
WantedBy=sockets.target
UNIT
unit diff-echo.service <<'UNIT'
[Service]
ExecStart=/bin/sleep infinity
UNIT
cat >/etc/init.d/diff-old <<'INIT'
#!/bin/sh
### BEGIN INIT INFO
# Provides:          diff-old
# Required-Start:    $remote_fs
# Required-Stop:     $remote_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: an old service
### END INIT INFO
case $1 in start|status) exit 0;; *) exit 0;; esac
INIT
chmod 755 /etc/init.d/diff-old
update-rc.d diff-old defaults
rm -f /etc/systemd/system/diff-masked.service
ln -s /dev/null /etc/systemd/system/diff-masked.service
systemctl daemon-reload
systemctl enable -q --now diff-idle.service diff-echo.socket 'diff-many@two.service'
systemctl enable -q diff-once.service
systemctl start diff-done.service diff-static.service nginx.service
systemctl start diff-failing.service || true
ip link add diff0 type dummy && ip addr add 198.51.100.1/24 dev diff0 && ip addr add 198.51.100.2/32 dev diff0 &&
    ip addr add 10.9.9.1 peer 10.9.9.2/32 dev diff0 && ip addr add 2001:db8:1::1/64 dev diff0 && ip link set diff0 mtu 1400 up
ip link add diff-down type dummy
ip link add link diff0 name diff0.7 type vlan id 7 && ip addr add 198.51.100.129/25 dev diff0.7 && ip link set diff0.7 up || true
sysctl -q -w net.ipv4.ip_forward=1
# A package that is gone and left its settings behind.
cat >>/var/lib/dpkg/status <<'STATUS'
Package: diff-gone
Status: deinstall ok config-files
Priority: optional
Section: misc
Installed-Size: 1
Maintainer: Nobody <nobody@example.test>
Architecture: all
Version: 1.0
Description: gone

Package: diff-half
Status: install ok half-configured
Priority: optional
Section: misc
Installed-Size: 1
Maintainer: Nobody <nobody@example.test>
Architecture: all
Version: 2.0
Description: half

STATUS
