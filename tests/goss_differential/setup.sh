#!/bin/sh
# What the specification of every guest looks at. Portable: dash and busybox.
set -eu
umask 022
mkdir -p /srv/diff
cd /srv/diff
printf 'first line\nsecond line\n\n  indented\nlast, no end' >text
: >empty
printf '\n' >newline
printf '17\n' >number
printf 'a\r\nb\r\n' >crlf
printf '{"a": {"b": 3, "list": [1, 2, "x"]}, "name": "goss", "ok": true, "none": null}\n' >data.json
printf 'caf\303\251 \377 bad\n' >bytes
printf 'one\0two\n' >zero
# A line of 2 MiB, and one of a little less than goss's 1 MiB.
head -c 2097152 /dev/zero | tr '\0' x >long
{ head -c 1000000 /dev/zero | tr '\0' y; printf '\nend\n'; } >wide
echo s >setuid && chmod 4755 setuid
echo s >setgid && chmod 2711 setgid
echo s >sticky && chmod 1644 sticky
echo s >odd && chmod 7000 odd
echo s >closed && chmod 0000 closed
echo s >strange && chown 12345:54321 strange
echo s >alices && chown 4001:4002 alices
mkdir -p folder shared && echo inner >folder/inner && chmod 1777 shared
mkdir -p 'a b' && echo spaced >'a b/c d'
echo quoted >"it's"
echo dollar >'$HOME'
echo star >'*'
echo accent >'ünï'
echo backslash >'back\slash'
ln -sf text link
ln -sf link chain
ln -sf /nowhere dangling
ln -sf /srv/diff/folder to-folder
ln -sf loop loop
[ -p pipe ] || mkfifo pipe
[ -b block ] || mknod block b 240 7

# Accounts, plain and odd.
cat >>/etc/passwd <<'PASSWD'
alice:x:4001:4002:Alice:/home/alice:/bin/sh
bob:x:4003:59999::/home/bob:
twin:x:4004:4002:first:/first:/bin/first
twin:x:4005:4002:second:/second:/bin/second
shadowed:x:0:0:another name of root:/root:/bin/sh
comma:x:4006:4006:A, B & C:/home/a b:/bin/sh
PASSWD
cat >>/etc/group <<'GROUP'
alices:x:4002:
readers:x:4010:alice,bob
doubled:x:4011:alice,alice
empty-group:x:4012:
near:x:4013:alicea
same-a:x:4014:
same-b:x:4014:alice
GROUP

# Mounts: options, two on top of each other, a name with a space, a bind, a full one.
mkdir -p '/srv/mount point' /srv/stacked /srv/bound /srv/half
mount -t tmpfs -o size=1m,mode=700,noexec,nosuid 'a source' '/srv/mount point'
mount -t tmpfs -o size=2m lower /srv/stacked
mount -t tmpfs -o size=1m,ro upper /srv/stacked
mount --bind /srv/diff /srv/bound 2>/dev/null || mount -o bind /srv/diff /srv/bound
mount -t tmpfs -o size=1m half /srv/half
head -c 524288 /dev/zero >/srv/half/fill

printf '192.0.2.10 many.test\n192.0.2.11 many.test\n2001:db8::5 six.test\n192.0.2.12 both.test alias.test\n2001:db8::6 both.test\n' >>/etc/hosts

# Processes: one of a long name, one with a space and a bracket in it.
cp "$(readlink -f /bin/sleep)" /srv/diff/sleep
busybox=/bin/busybox
start() {
    if cmp -s "$busybox" /srv/diff/sleep; then
        printf '#!/bin/sh\nwhile :; do /bin/sleep 100; done\n' >"$1"
        chmod 755 "$1"
    else
        cp sleep "$1"
    fi
    (exec setsid "./$1" 100000 </dev/null >/dev/null 2>&1 &)
}
start plainly
start 'with (a) space'
start a-name-of-more-than-fifteen
