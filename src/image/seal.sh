# Removes a build's residue from the machine that this runs on, as root. POSIX shell with the tools of busybox.
# `src/image/seal.rs` puts the build's values in front and the table of `src/image/residue.rs` where it says TABLE.
# It talks in lines of `ovenbird-seal`, a kind, an id and a text, separated by tabs.

set -u
umask 022
unset HISTFILE CDPATH ENV BASH_ENV
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
# Lists are split at line ends only.
IFS='
'
id=start
build=/var/lib/ovenbird-build

say() { printf 'ovenbird-seal\t%s\t%s\t%s\n' "$1" "$2" "$3"; }
fail() { say failed "$1" "$2"; exit 1; }
there() { [ -e "$1" ] || [ -L "$1" ]; }
folder() { [ -d "$1" ] && [ ! -L "$1" ]; }

# Whether no folder above a path is a symbolic link: what is behind one is not ours to remove.
plain() {
    rest=${1#/}
    above=
    while :; do
        case $rest in */*) ;; *) return 0 ;; esac
        above=$above/${rest%%/*}
        rest=${rest#*/}
        if [ -L "$above" ]; then
            say skipped "$id" "$1"
            return 1
        fi
    done
}

# Removes what is in a folder, never following a link, never leaving its file system.
clear_folder() {
    find "$1" -xdev -mindepth 1 ! -type d -exec rm -f {} + 2>/dev/null
    find "$1" -xdev -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null
}

remove() {
    if folder "$1"; then
        clear_folder "$1"
        rmdir "$1" 2>/dev/null
    else
        rm -f "$1"
    fi
}

# One row of the table: id, action, condition, patterns.
residue() {
    id=$1
    action=$2
    condition=$3
    shift 3
    if [ -n "$condition" ] && [ ! -e "$condition" ]; then return 0; fi
    count=0
    for pattern in "$@"; do
        # Unquoted on purpose: this is where patterns become paths.
        for path in $pattern; do
            if there "$path" && plain "$path"; then "do_$action" "$path"; fi
        done
    done
    if [ "$count" -gt 0 ]; then say removed "$id" "$count"; fi
}

do_delete() {
    count=$((count + 1))
    remove "$1"
}

do_empty() {
    folder "$1" || return 0
    count=$((count + $(find "$1" -xdev -mindepth 1 2>/dev/null | wc -l)))
    clear_folder "$1"
}

do_truncate() {
    folder "$1" || return 0
    count=$((count + $(find "$1" -xdev -type f -size +0 2>/dev/null | wc -l)))
    find "$1" -xdev -type f \( -name '*.gz' -o -name '*.xz' -o -name '*.zst' -o -name '*.bz2' -o -name '*.old' \
        -o -name '*.[0-9]' -o -name '*.[0-9][0-9]' \) -exec rm -f {} + 2>/dev/null
    find "$1" -xdev -type f -size +0 -exec sh -c 'for file do : >"$file"; done' sh {} + 2>/dev/null
}

# The build's key, in every place where a server looks for keys. Other keys of the same files stay.
do_build_key() {
    # A directory service may know homes that `passwd` does not.
    for home in /root /home/* $(cut -d: -f6 /etc/passwd 2>/dev/null) \
        $(getent passwd "$user" 2>/dev/null | cut -d: -f6); do
        for keys in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; do forget_key "$keys"; done
    done
    for keys in /etc/ssh/authorized_keys /etc/ssh/authorized_keys/* /etc/ssh/authorized_keys.d/* \
        /etc/dropbear/authorized_keys; do
        forget_key "$keys"
    done
}

forget_key() {
    [ -f "$1" ] && grep -q -F -e "$key" "$1" || return 0
    count=$((count + 1))
    rest=$(grep -v -F -e "$key" "$1")
    # Written in place, which keeps owner and mode.
    if [ -n "$rest" ]; then printf '%s\n' "$rest" >"$1"; else : >"$1"; fi
    # A file that has no key left was made for the build's.
    if ! grep -q -v -e '^[[:space:]]*$' "$1"; then
        rm -f "$1"
        case $1 in */.ssh/*) rmdir "${1%/*}" 2>/dev/null ;; esac
    fi
}

do_resolver() {
    [ -f "$1" ] && [ ! -L "$1" ] && grep -q -F -e "$resolver_marks" "$1" || return 0
    count=$((count + 1))
    # Programs expect the file.
    : >"$1"
}

do_dbus_machine_id() {
    if [ ! -L "$1" ]; then do_delete "$1"; fi
}

do_machine_id() {
    # Without systemd, a machine that has none needs none.
    there /etc/machine-id || [ -e /usr/lib/systemd/systemd ] || [ -e /lib/systemd/systemd ] || return 0
    if [ -s /etc/machine-id ] || [ -L /etc/machine-id ]; then count=$((count + 1)); fi
    if [ -L /etc/machine-id ]; then rm -f /etc/machine-id; fi
    : >/etc/machine-id
}

# Whether something makes new host keys before the server starts.
host_keys_return() {
    if [ -x /usr/bin/cloud-init ] && [ ! -e /etc/cloud/cloud-init.disabled ]; then
        for unit in /etc/systemd/system/*.wants/cloud-init*.service /etc/systemd/system/*.wants/cloud-config.service \
            /etc/runlevels/*/cloud-init*; do
            [ -e "$unit" ] && [ "$(readlink "/etc/systemd/system/${unit##*/}")" != /dev/null ] && return 0
        done
    fi
    # Enabled units, drop-ins of the server, scripts of other init systems.
    for lib in /etc/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
        for unit in "$lib"/*.wants/* "$lib"/*.requires/* "$lib"/ssh*.service.d/*.conf "$lib"/dropbear*.service.d/*.conf; do
            [ -f "$unit" ] && [ "$(readlink "/etc/systemd/system/${unit##*/}")" != /dev/null ] &&
                makes_host_keys "$unit" && return 0
        done
    done
    for script in /etc/runlevels/*/* /etc/rc[2-5S].d/S* /etc/rc.local /etc/inittab /etc/init.d/rcS /init \
        /etc/default/dropbear /etc/conf.d/dropbear \
        $(sed -n 's/^[^#:]*:[^:]*:sysinit:\([^ ]*\).*/\1/p' /etc/inittab 2>/dev/null); do
        [ -f "$script" ] && makes_host_keys "$script" && return 0
    done
    return 1
}

makes_host_keys() {
    grep -v '^[[:space:]]*#' "$1" 2>/dev/null |
        grep -q -E -e 'ssh-keygen.* -[A-Za-z]*A' -e 'sshd-keygen' -e 'ssh-keygen.* -t' -e 'dropbear.* -[A-Za-z]*R' \
            -e '(ARGS|OPTS)=.*-[A-Za-z]*R' -e dropbearkey -e 'dpkg-reconfigure.* openssh-server'
}

check_host_keys() {
    id=host-keys
    for file in /etc/ssh/ssh_host_*_key /etc/dropbear/dropbear_*_host_key; do
        if there "$file"; then
            host_keys_return || fail host-keys "$file"
            return 0
        fi
    done
}

# What the bootstrap changed for the build's sake is listed by it, and undone here.
undo_build_changes() {
    id=contract
    folder "$build" || return 0
    if [ -f "$build/remove" ]; then
        while read -r path || [ -n "$path" ]; do
            case $path in *[!/]*) ;; *) continue ;; esac
            case $path in */../* | */..) continue ;; /*) ;; *) continue ;; esac
            if there "$path" && plain "$path"; then remove "$path"; fi
            there "$build/restore$path" || say gone contract "$path"
        done <"$build/remove"
    fi
    if folder "$build/restore"; then
        # File by file: modes of the folders above belong to the image.
        find "$build/restore" ! -type d | while read -r file; do
            target=${file#"$build/restore"}
            plain "$target" || continue
            mkdir -p "${target%/*}/" && rm -f "$target" && cp -a "$file" "$target" || say failed restore "$target"
        done
    fi
}

# Ends what writes logs, so that they stay as they are left: all of it would be stopped moments later anyway.
stop_writers() {
    if [ -d /run/systemd/system ]; then
        mkdir -p /run/systemd/journald.conf.d
        printf '[Journal]\nStorage=volatile\n' >/run/systemd/journald.conf.d/zzzz-ovenbird-seal.conf
        systemctl restart systemd-journald.service 2>/dev/null
        systemctl stop syslog.socket 2>/dev/null
    fi
    for pid in $(log_writers); do
        name=
        read -r name <"/proc/$pid/comm" 2>/dev/null
        case $name in
            '' | systemd* | sshd* | dropbear* | dbus* | NetworkManager | init) continue ;;
        esac
        unit=$(sed -n 's|^.*/\([^/]*\.service\)$|\1|p' "/proc/$pid/cgroup" 2>/dev/null | head -n 1)
        case $unit in
            ssh* | user@*) ;;
            *.service) if [ -d /run/systemd/system ] && systemctl stop "$unit" 2>/dev/null; then continue; fi ;;
        esac
        stop_process "$pid"
    done
    # They write leases when they are asked to end; the addresses stay for as long as the machine does.
    for comm in /proc/[0-9]*/comm; do
        name=
        read -r name 2>/dev/null <"$comm"
        case $name in dhclient | dhcpcd | udhcpc) pid=${comm#/proc/} && kill -9 "${pid%/comm}" 2>/dev/null ;; esac
    done
}

log_writers() {
    pid=
    ls -l /proc/[0-9]*/fd 2>/dev/null |
        sed -n -e 's|^/proc/\([0-9]*\)/fd:$|\1|p' -e 's|^.* -> /var/log/.*$|log|p' |
        while read -r word; do
            case $word in log) echo "$pid" ;; *) pid=$word ;; esac
        done | sort -u
}

stop_process() {
    [ "$1" = 1 ] || [ "$1" = $$ ] && return 0
    kill "$1" 2>/dev/null || return 0
    # No tool of a bare system waits for a process that is not its child.
    for second in 1 2 3 4 5; do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 1
    done
    kill -9 "$1" 2>/dev/null
}

# Takes the writes of a system that goes down; see SHIELDED in residue.rs.
shield() {
    for folder in "$@"; do
        if folder "$folder" && plain "$folder" && ! grep -q -F -e " $folder " /proc/mounts; then
            mount -t tmpfs -o mode="$(mode_of "$folder")" ovenbird-seal "$folder" 2>/dev/null
        fi
    done
}

mode_of() {
    case $1 in /tmp | /var/tmp) echo 1777 ;; *) echo 755 ;; esac
}

# Gives freed blocks back to the disk. Without the sync, what was just removed is missed.
trim() {
    sync
    trimmed=
    while IFS=' ' read -r device mount type rest; do
        case $type in
            ext[234] | xfs | btrfs | f2fs | vfat) if fstrim -v "$mount" 2>/dev/null; then trimmed=yes; fi ;;
        esac
    done </proc/mounts
    if [ -z "$trimmed" ]; then say untrimmed trim ''; fi
}

cd / || exit 1
check_host_keys
undo_build_changes
stop_writers
# TABLE
# SHIELDS
trim
say finished seal ''
