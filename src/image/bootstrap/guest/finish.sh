# Turns the installed system under $1 into the root file system on the disk that is open as descriptor 3.
# Runs on the host, in mmdebstrap's namespace, so that owners are right also for an ordinary user.
# OVENBIRD_BIOS: `yes` to prepare GRUB for BIOS. OVENBIRD_GRUB_EFI: GRUB's name of the EFI platform.
# OVENBIRD_ROOT_UUID, _OFFSET (bytes), _SIZE (KiB): the root file system. OVENBIRD_CMDLINE: the kernel's arguments.
set -eu
root=$1

chroot "$root" systemctl --quiet enable systemd-networkd.service systemd-resolved.service \
    systemd-timesyncd.service ssh.service ovenbird-host-keys.service ovenbird-grow-root.service

chroot "$root" sh -c 'echo LANG=C.UTF-8 > /etc/default/locale'

# The initramfs that no-initramfs.sh held back.
rm "$root/usr/sbin/update-initramfs"
mv "$root/usr/sbin/update-initramfs.real" "$root/usr/sbin/update-initramfs"
chroot "$root" dpkg-divert --quiet --local --no-rename --remove /usr/sbin/update-initramfs
# It would look for a checker of the root file system's type by looking at its device, which is not there yet.
echo FSTYPE=ext4 > "$root/etc/initramfs-tools/conf.d/ovenbird"
for kernel in "$root"/boot/vmlinuz-*; do
    chroot "$root" update-initramfs -c -k "${kernel##*/vmlinuz-}"
done
rm "$root/etc/initramfs-tools/conf.d/ovenbird"

# GRUB, as grub-install would leave it. grub-install itself wants to see the disk as a block device.
grub=$root/boot/grub
mkdir -p "$grub/fonts" "$grub/$OVENBIRD_GRUB_EFI"
cp "$root/usr/share/grub/unicode.pf2" "$grub/fonts/"
cp "$root/usr/lib/grub/$OVENBIRD_GRUB_EFI"/*.mod "$root/usr/lib/grub/$OVENBIRD_GRUB_EFI"/*.lst \
    "$grub/$OVENBIRD_GRUB_EFI/"
if [ "$OVENBIRD_BIOS" = yes ]; then
    mkdir -p "$grub/i386-pc"
    cp "$root"/usr/lib/grub/i386-pc/*.mod "$root"/usr/lib/grub/i386-pc/*.lst "$root"/usr/lib/grub/i386-pc/boot.img \
        "$grub/i386-pc/"
    chroot "$root" grub-mkimage --format=i386-pc --output=/boot/grub/i386-pc/core.img \
        --prefix="$OVENBIRD_GRUB_PREFIX" biosdisk part_gpt ext2
fi
chroot "$root" grub-editenv /boot/grub/grubenv create
cat > "$grub/grub.cfg" <<CONFIG
# Written when this image was made. It names no kernel version: the links in / always lead to the newest kernel.
# update-grub replaces it, from /etc/default/grub.
if [ -s \$prefix/grubenv ]; then
  load_env
fi
set default=0
set timeout=1
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
search --no-floppy --fs-uuid --set=root $OVENBIRD_ROOT_UUID

menuentry 'Debian GNU/Linux' --class debian --class gnu-linux {
  linux /vmlinuz root=UUID=$OVENBIRD_ROOT_UUID ro $OVENBIRD_CMDLINE
  initrd /initrd.img
}
menuentry 'Debian GNU/Linux, previous kernel' --class debian --class gnu-linux {
  linux /vmlinuz.old root=UUID=$OVENBIRD_ROOT_UUID ro $OVENBIRD_CMDLINE
  initrd /initrd.img.old
}
menuentry 'Debian GNU/Linux, recovery mode' --class debian --class gnu-linux {
  linux /vmlinuz root=UUID=$OVENBIRD_ROOT_UUID ro single $OVENBIRD_CMDLINE
  initrd /initrd.img
}
CONFIG
# From now on upgrades of GRUB and shim are written to the disk, which in a running machine is a block device.
if [ -d "$root/usr/share/doc/grub-cloud-amd64" ]; then
    : > "$root/etc/grub.d/enable_cloud"
fi

# Nothing of this machine and nothing that must be unique stays.
rm -rf "$root"/etc/ssh/ssh_host_*_key "$root"/etc/ssh/ssh_host_*_key.pub \
    "$root"/etc/apt/apt.conf.d/00mmdebstrap "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin \
    "$root"/var/cache/apt/archives/*.deb "$root"/var/cache/ldconfig/aux-cache \
    "$root"/var/log/dpkg.log "$root"/var/log/apt/* "$root"/var/log/alternatives.log "$root"/var/log/bootstrap.log \
    "$root"/var/lib/dbus/machine-id "$root"/var/lib/systemd/random-seed "$root"/var/lib/systemd/credential.secret
: > "$root/etc/machine-id"
ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
mkdir -p "$root/boot/efi" "$root/var/lib/apt/lists/partial"

# A second look at the root, without what mmdebstrap mounted in it. Where it can't mount, it has mounted nothing.
view=$root
if mount --bind "$root" "$root/mnt"; then
    view=$root/mnt
    trap 'umount "$root/mnt/dev" "$root/mnt"' EXIT
    # The kernel fills /dev; what is there now are mount points for the devices of the host.
    mount -t tmpfs -o mode=755 tmpfs "$view/dev"
fi
rm -rf "$view"/run/* "$view"/tmp/* "$view"/tmp/.[!.]* "$view"/var/tmp/*

# The inode tables and the journal come on top of the content.
content=$(du --summarize --one-file-system --block-size=1M "$view" | cut -f1)
need=$(((content + 96) * 105 / 100))
if [ "$((need * 1024))" -gt "$OVENBIRD_ROOT_SIZE" ]; then
    echo "ovenbird-needs-mib $need" >&2
    exit 1
fi
# All features are named, because newer e2fsprogs turn on what older GRUBs and guests can't read. The tables are written
# now: else the guest's kernel does it in the background of its first boot.
mke2fs -q -F -t ext4 -L root -U "$OVENBIRD_ROOT_UUID" -d "$view" \
    -O "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum" \
    -E "offset=$OVENBIRD_ROOT_OFFSET,lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0" \
    /proc/self/fd/3 "${OVENBIRD_ROOT_SIZE}k"
