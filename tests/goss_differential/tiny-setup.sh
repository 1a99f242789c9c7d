#!/bin/sh
# The servers of the tiny guest: busybox.
set -eu
mkdir -p /srv/www/folder/cgi-bin /srv/www/cgi-bin
echo 'Hello from the tiny guest' >/srv/www/index.html
echo '{"status": "ok", "count": 3}' >/srv/www/data.json
echo 'inner' >/srv/www/folder/index.html
printf '/secret:user:word\n' >/srv/httpd.conf
mkdir -p /srv/www/secret && echo secret >/srv/www/secret/index.html
cat >/srv/www/cgi-bin/echo <<'CGI'
#!/bin/sh
printf 'Content-Type: text/plain\r\nX-Method: %s\r\nX-Many: one\r\nX-Many: two\r\n\r\n' "$REQUEST_METHOD"
echo "method=$REQUEST_METHOD"
echo "query=$QUERY_STRING"
echo "agent=${HTTP_USER_AGENT-none}"
[ -z "${CONTENT_LENGTH-}" ] || { printf 'body='; head -c "$CONTENT_LENGTH"; echo; }
CGI
chmod 755 /srv/www/cgi-bin/echo
httpd -p 127.0.0.1:80 -h /srv/www -c /srv/httpd.conf
(setsid nc -ll -p 7001 -s 127.0.0.1 -e /bin/true </dev/null >/dev/null 2>&1 &)
(setsid nc -ll -p 7002 -e /bin/true </dev/null >/dev/null 2>&1 &)
(setsid udpsvd -E 127.0.0.1 7004 /bin/cat </dev/null >/dev/null 2>&1 &)
