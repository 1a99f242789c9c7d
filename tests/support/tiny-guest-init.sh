#!/bin/sh
# The tiny guest's own start-up: drivers, seed, network. See tiny-guest.sh.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs run /run
mount -o remount,rw /
# A disk that was made without being root belongs to whoever made it.
[ "$(stat -c %u /root)" = 0 ] || chown -h -R 0:0 /bin /boot /etc /lib /lib64 /root /sbin /usr /var
hostname -F /etc/hostname
while read -r module; do
    # Drivers of the first root file system are loaded already.
    insmod "/lib/ovenbird-modules/$module" 2>/dev/null
done </lib/ovenbird-modules/order

# A NoCloud seed, once for each instance-id, as cloud-init does it.
take_seed() {
    device=$(findfs LABEL=cidata 2>/dev/null || findfs LABEL=CIDATA 2>/dev/null) || return 0
    mkdir -p /run/seed
    mount -t vfat -o ro "$device" /run/seed || return 0
    instance=$(sed -n 's/^instance-id: *//p' /run/seed/meta-data | tr -d '"')
    if [ "$instance" != "$(cat /var/lib/cloud/instance-id 2>/dev/null)" ]; then
        # The block under `ed25519_private: |`, without its indentation: up to and with the key's own last line.
        rm -f /etc/dropbear/dropbear_*_host_key
        sed -n '/ed25519_private: *|/,/-----END/{/ed25519_private/d;s/^ *//;p}' /run/seed/user-data >/run/host-key
        if [ -s /run/host-key ]; then
            chmod 600 /run/host-key
            dropbearconvert openssh dropbear /run/host-key /etc/dropbear/dropbear_ed25519_host_key 2>/dev/null
            rm -f /run/host-key
        fi
        mkdir -p /root/.ssh
        chmod 700 /root/.ssh
        # Keys are the list items that look like one, whatever list they are in.
        sed -n 's/^ *- *"\{0,1\}\(ssh-[a-z0-9-]* [^"]*\)"\{0,1\} *$/\1/p' /run/seed/user-data | sort -u >>/root/.ssh/authorized_keys
        chmod 600 /root/.ssh/authorized_keys
        name=$(sed -n 's/^local-hostname: *//p' /run/seed/meta-data)
        if [ -n "$name" ]; then
            echo "$name" >/etc/hostname
            hostname "$name"
        fi
        echo "$instance" >/var/lib/cloud/instance-id
    fi
    umount /run/seed
}
take_seed
[ -s /etc/machine-id ] || tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
[ -s /etc/dropbear/dropbear_ed25519_host_key ] || dropbearkey -t ed25519 -f /etc/dropbear/dropbear_ed25519_host_key >/dev/null

ifconfig lo 127.0.0.1 up
ifconfig eth0 up
udhcpc -q -n -s /usr/share/udhcpc/default.script -i eth0 -t 20 -T 1 >/dev/null || echo "tiny: no network"
# For tests that need something to happen on the way.
[ -x /etc/rc.local ] && /etc/rc.local
echo "tiny: up"
