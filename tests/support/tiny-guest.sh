#!/bin/sh
# Makes the tests' tiny guest: Debian's kernel, busybox, bash, GNU tar and dropbear on a bootable disk that comes up in
# a few seconds without KVM. Only user-space tools: nothing is mounted, no root is needed.
#
#   tiny-guest.sh WORK OUT      WORK: an empty folder that may be thrown away; OUT: the qcow2 file to make
#
# What is on the disk: an MBR with GRUB in the gap, one ext4 partition from 1 MiB. What the guest does: loads its drivers,
# takes its keys from a NoCloud seed (a volume labelled `cidata`) once for each instance-id as cloud-init does, gets an
# address by DHCP, and answers SSH. `poweroff` and `reboot` work. It keeps what is written to it.
set -eu

work=$1
out=$2
here=$(cd "$(dirname "$0")" && pwd)
disk_mib=256
cd "$work"

need() {
    command -v "$1" >/dev/null || { echo "tiny-guest: \`$1\` is not installed: apt-get install $2" >&2; exit 1; }
}
need apt-get apt
need dpkg-deb dpkg
need cpio cpio
need xz xz-utils
need mke2fs e2fsprogs
need sfdisk fdisk
need grub-mkimage grub-common
need qemu-img qemu-utils
modules_folder=/usr/lib/grub/i386-pc
[ -f $modules_folder/boot.img ] || { echo "tiny-guest: no $modules_folder/boot.img: apt-get install grub-pc-bin" >&2; exit 1; }

# --- Debian's packages, with the libraries that they need ---------------------------------------------------------
mkdir deb root initrd
kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)/\1/p' | head -n 1)
[ -n "$kernel" ] || { echo "tiny-guest: apt knows no linux-image-cloud-amd64: apt-get update" >&2; exit 1; }
libraries=$(apt-cache depends --recurse --important bash tar dropbear-bin | grep -E '^(lib|zlib)' | sort -u)
(
    cd deb
    # shellcheck disable=SC2086 # One word a package.
    apt-get -q -o APT::Sandbox::User=root download "$kernel" busybox-static bash tar dropbear-bin $libraries
)
for deb in deb/*.deb; do dpkg-deb -x "$deb" root; done

version=$(basename root/boot/vmlinuz-*)
version=${version#vmlinuz-}
mv root/boot/vmlinuz-* vmlinuz
mv "root/lib/modules/$version/kernel" modules 2>/dev/null || mv "root/usr/lib/modules/$version/kernel" modules
rm -rf root/boot root/usr/share root/lib/modules root/usr/lib/modules root/usr/lib/x86_64-linux-gnu/gconv

# --- Modules, in the order in which they are loaded ---------------------------------------------------------------
# A module's own `depends=` names what must be there first. What is built in has no file.
find modules -name '*.ko.xz' -exec xz -d {} +
add_module() {
    found=$(find modules -name "$(echo "$2" | tr _ '?' | sed 's/-/?/g').ko" | head -n 1)
    [ -n "$found" ] || return 0
    [ ! -e "$1/$2" ] || return 0
    for dependency in $(tr '\0' '\n' <"$found" | sed -n 's/^depends=//p' | tr , ' '); do (add_module "$1" "$dependency"); done
    cp "$found" "$1/$2"
    echo "$2" >>"$1/order"
}
put_modules() {
    target=$1
    shift
    mkdir -p "$target"
    for name in "$@"; do add_module "$target" "$name"; done
}
put_modules initrd/modules virtio_pci virtio_blk
put_modules root/lib/ovenbird-modules virtio_net vfat nls_ascii nls_cp437 nls_iso8859-1 virtio_rng pvpanic_pci

# --- The first root file system: finds the disk and hands over -------------------------------------------------------
mkdir -p initrd/bin initrd/dev initrd/proc initrd/sys initrd/root
cp root/bin/busybox initrd/bin/busybox
cat >initrd/init <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
while read -r module; do /bin/busybox insmod "/modules/$module"; done </modules/order
# The disk's device appears a moment after its driver.
tries=0
until /bin/busybox mount -t ext4 /dev/vda1 /root; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { echo "ALERT! /dev/vda1 does not exist. Dropping to a shell!"; exec /bin/busybox sh; }
    /bin/busybox usleep 50000
done
/bin/busybox umount /proc
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init
INIT
chmod 755 initrd/init
(cd initrd && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) | gzip -1 >initrd.gz

# --- The root file system ----------------------------------------------------------------------------------------------
(
    cd root
    mkdir -p bin sbin usr/bin usr/sbin boot dev proc sys run tmp etc/dropbear root var/lib/cloud var/log usr/local/bin mnt
    chmod 1777 tmp
    chmod 700 root
    for applet in $(./bin/busybox --list-full); do
        [ -e "$applet" ] || [ -L "$applet" ] || ln -s /bin/busybox "$applet"
    done
    ln -sf bash bin/rbash
    ln -sf busybox bin/sh
    printf 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >etc/passwd
    printf 'root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n' >etc/shadow
    chmod 600 etc/shadow
    printf 'root:x:0:\nnogroup:x:65534:\n' >etc/group
    printf '/bin/sh\n/bin/bash\n' >etc/shells
    echo tiny >etc/hostname
    printf '127.0.0.1 localhost tiny\n' >etc/hosts
    printf 'NAME="Tiny guest of the tests"\nID=tiny\n' >etc/os-release
    echo 'passwd: files' >etc/nsswitch.conf
    : >etc/machine-id
    : >etc/resolv.conf
    cp "$here/tiny-guest-init.sh" etc/rc
    chmod 755 etc/rc
    cat >etc/inittab <<'INITTAB'
::sysinit:/etc/rc
::respawn:/usr/sbin/dropbear -F -E -s -j -k -r /etc/dropbear/dropbear_ed25519_host_key
::ctrlaltdel:/sbin/reboot
::shutdown:/bin/sync
::shutdown:/bin/umount -a -r
INITTAB
    mkdir -p usr/share/udhcpc
    cat >usr/share/udhcpc/default.script <<'DHCP'
#!/bin/sh
[ "$1" = bound ] || exit 0
ifconfig "$interface" "$ip" netmask "$subnet"
route add default gw "$router" 2>/dev/null
: >/etc/resolv.conf
for server in $dns; do echo "nameserver $server" >>/etc/resolv.conf; done
DHCP
    chmod 755 usr/share/udhcpc/default.script
    cp ../vmlinuz boot/vmlinuz
    cp ../initrd.gz boot/initrd.img
)

# --- The disk ---------------------------------------------------------------------------------------------------------
disk=disk.raw
truncate -s ${disk_mib}M $disk
printf 'label: dos\nlabel-id: 0x0b1ed0\nstart=2048, type=83, bootable\n' | sfdisk -q $disk
mke2fs -q -t ext4 -L tiny -O ^metadata_csum_seed,^orphan_file -E "offset=1048576,root_owner=0:0" -d root $disk $(((disk_mib - 1) * 1024))k
cat >grub.cfg <<'GRUB'
set root=hd0,msdos1
linux /boot/vmlinuz root=/dev/vda1 console=tty0 console=ttyS0 panic=0 mitigations=off nokaslr no_timer_check quiet
initrd /boot/initrd.img
boot
GRUB
grub-mkimage -O i386-pc -o core.img -c grub.cfg -p '(hd0,msdos1)/boot/grub' biosdisk part_msdos ext2 linux normal search
dd if=$modules_folder/boot.img of=$disk bs=440 count=1 conv=notrunc status=none
dd if=core.img of=$disk bs=512 seek=1 conv=notrunc status=none
qemu-img convert -q -f raw -O qcow2 $disk disk.qcow2
mv disk.qcow2 "$out"
