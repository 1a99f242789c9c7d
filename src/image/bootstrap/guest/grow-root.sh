#!/bin/sh
# Grows the root partition, the disk's last, and its file system to the end of the disk.
set -eu
device=$(readlink -f "$(findmnt --noheadings --nofsroot --output SOURCE /)")
part=/sys/class/block/${device##*/}
if [ ! -e "$part/partition" ]; then
    exit 0
fi
disk=$(basename "$(dirname "$(readlink -f "$part")")")
number=$(cat "$part/partition")
end=$(($(cat "$part/start") + $(cat "$part/size")))
# Up to 2 MiB are the backup partition table and alignment.
if [ $(($(cat "/sys/class/block/$disk/size") - end)) -gt 4096 ]; then
    sfdisk --no-reread --no-tell-kernel --relocate gpt-bak-std "/dev/$disk" || true
    echo ", +" | sfdisk --no-reread --no-tell-kernel --quiet -N "$number" "/dev/$disk"
    partx --update --nr "$number" "/dev/$disk"
elif [ $(($(stat --file-system --format='%b * %S' /) * 10 / 9 / 512)) -ge "$(cat "$part/size")" ]; then
    # The file system fills its partition, but for its own tables. When not, this was interrupted before.
    exit 0
fi
exec resize2fs "$device"
