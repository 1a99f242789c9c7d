# Looks at this machine for the checks that every image gets. Standard input: a boundary, then patterns of what a build
# leaves, one a line: `id condition pattern`, `-` for no condition. Standard output: frames, each opened by
# `newline boundary 0 name newline`; units, files of keys and patterns have a frame each. POSIX shell only.
# What could wait for ever is bounded by `timeout` where there is one; whoever runs this bounds all of it.
export LC_ALL=C PAGER=cat SYSTEMD_PAGER=cat SYSTEMD_COLORS=0
exec 2>/dev/null
IFS= read -r boundary

frame() { printf '\n%s 0 %s\n' "$boundary" "$1"; }
has() { command -v "$1" >/dev/null; }
bounded() {
  seconds=$1; shift
  if has timeout; then timeout "$seconds" "$@" </dev/null; else "$@" </dev/null; fi
}
uptime() { up=0; read -r up _ </proc/uptime; echo "${up%%.*}"; }

patience=90
# Waits until the machine has booted, as its service manager sees it.
settle() {
  until=$(($(uptime) + patience))
  if [ -d /run/systemd/system ]; then
    state=$(has timeout && bounded $patience systemctl is-system-running --wait)
    while case $state in ''|initializing|starting) [ "$(uptime)" -lt "$until" ];; *) false;; esac; do
      state=$(bounded 20 systemctl is-system-running)
      case $state in initializing|starting) sleep 1;; '') break;; esac
    done
    manager=systemd
  elif [ -d /run/openrc ]; then
    while [ -e /run/openrc/rc.starting ] && [ "$(uptime)" -lt "$until" ]; do sleep 1; done
    state=running
    [ -e /run/openrc/rc.starting ] && state=starting
    manager=openrc
  else
    manager=none state=
  fi
}

systemd() {
  target=$(bounded 20 systemctl get-default)
  frame target; printf '%s\n' "$target"; [ "$target" ] && bounded 20 systemctl is-active "$target"
  frame jobs; [ "$state" = starting ] && bounded 20 systemctl list-jobs --no-legend --no-pager | head -n 20
  # A manager that does not answer has no failed units to tell of: then there is no frame.
  failed=$(bounded 20 systemctl list-units --state=failed --plain --no-legend --no-pager --full) && {
    failed=$(printf '%s\n' "$failed" | head -n 50)
    frame failed; printf '%s\n' "$failed"
  }
  printf '%s\n' "$failed" | head -n 5 | while read -r unit rest; do
    [ "$unit" = '●' ] && unit=${rest%% *}
    [ "$unit" ] || continue
    frame unit; printf '%s\n' "$unit"
    has journalctl && bounded 20 journalctl -q -b --no-pager -o cat -n 6 -u "$unit" | tail -c 4096
  done
  frame cycles
  has journalctl && bounded 20 journalctl -q -b --no-pager -o cat SYSLOG_IDENTIFIER=systemd |
    grep -i 'ordering cycle' | head -n 20 | head -c 8192
}
openrc() {
  frame target; cat /run/openrc/softlevel
  frame jobs; ls /run/openrc/starting
  frame failed
  { ls /run/openrc/failed; has rc-status && bounded 20 rc-status -f ini --crashed | sed 's/ *=.*//'; } | sort -u |
    grep -v '^\[' | head -n 50
}

kernel() {
  frame kernel
  log=$(bounded 20 dmesg | tail -c 262144)
  if [ "$log" ]; then printf '%s\n' "$log"
  else has journalctl && bounded 20 journalctl -q -k -b --no-pager -o short-monotonic | tail -c 262144; fi
}

seed_files='/var/lib/systemd/random-seed /var/lib/seedrng/* /var/lib/urandom/random-seed /var/lib/misc/random-seed
  /var/lib/random-seed'
identity() {
  frame boot-id; cat /proc/sys/kernel/random/boot_id
  frame btime; grep '^btime ' /proc/stat
  frame machine-id; head -c 256 /etc/machine-id
  frame machine-id-time; stat -L -c %Y /etc/machine-id
  if [ -f /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ]; then
    frame dbus-id-time; stat -c %Y /var/lib/dbus/machine-id
  fi
  frame hostname; head -n 1 /proc/sys/kernel/hostname
  frame host-key-times
  for key in /etc/ssh/ssh_host_*_key /etc/dropbear/dropbear_*_host_key; do
    [ -f "$key" ] && [ -s "$key" ] && stat -L -c '%Y %n' "$key"
  done
  frame host-keys
  for key in /etc/ssh/ssh_host_*_key.pub; do
    [ -f "$key" ] && head -n 1 "$key" | head -c 4096
  done
  for key in /etc/dropbear/dropbear_*_host_key; do
    [ -f "$key" ] && [ -s "$key" ] && sha256sum <"$key" | sed "s|-\$|$key|"
  done
  frame seeds
  for seed in $seed_files; do
    [ -f "$seed" ] && [ -s "$seed" ] && head -c 1048576 "$seed" | sha256sum | sed "s|-\$|$seed|"
  done
}

# Everyone's keys: the user and the file on the first line.
keys_of() {
  if [ -f "$2" ] && [ -s "$2" ]; then frame keys; printf '%s %s\n' "$1" "$2"; head -c 65536 "$2"; fi
}
accounts() {
  users=0
  while IFS=: read -r user _ _ _ _ home _; do
    [ $users -lt 200 ] || break
    case $home in ''|/nonexistent) continue;; esac
    users=$((users + 1))
    for file in ${key_files:-.ssh/authorized_keys .ssh/authorized_keys2}; do
      # Two programs for each user would be the slowest part of all.
      case $file in *%*) file=$(printf %s "$file" | sed "s|%u|$user|g;s|%h|$home|g");; esac
      case $file in none) continue;; /*) ;; *) file=${home%/}/$file;; esac
      keys_of "$user" "$file"
    done
  done </etc/passwd
  keys_of root /etc/dropbear/authorized_keys
}

# What a password is, never the password.
root_password() {
  frame root-password
  for list in /etc/shadow /etc/passwd; do
    [ -r $list ] || continue
    while IFS=: read -r user password _; do
      [ "$user" = root ] || continue
      case $password in
        '') echo empty;;
        x) continue 2;;
        [*!]*) echo locked;;
        *) echo usable;;
      esac
      return
    done <$list
  done
}
sshd_settings() {
  sshd=$(command -v sshd || for sshd in /usr/sbin/sshd /usr/local/sbin/sshd; do [ -x $sshd ] && echo $sshd; done)
  effective=
  if [ "$sshd" ]; then
    effective=$(bounded 20 "$sshd" -T -C user=root,host=guest.invalid,addr=192.0.2.1 ||
      bounded 20 "$sshd" -T)
  fi
  if [ "$effective" ]; then
    frame sshd
    printf '%s\n' "$effective" |
      grep -E '^(permitrootlogin|passwordauthentication|kbdinteractiveauthentication|challengeresponseauthentication|permitemptypasswords|authorizedkeysfile) '
    key_files=$(printf '%s\n' "$effective" | sed -n 's/^authorizedkeysfile //p')
  elif [ -f /etc/ssh/sshd_config ]; then
    frame sshd-files
    grep -qi '^ *include .*sshd_config\.d' /etc/ssh/sshd_config && for file in /etc/ssh/sshd_config.d/*.conf; do
      [ -f "$file" ] && { head -c 65536 "$file"; printf '\nMatch all\n'; }
    done
    head -c 65536 /etc/ssh/sshd_config
  fi
  for process in /proc/[0-9]*; do
    name=; read -r name <"$process/comm" || continue
    [ "$name" = dropbear ] || continue
    frame dropbear; tr '\0' '\n' <"$process/cmdline" | head -c 4096
    break
  done
}

network() {
  frame tcp; head -c 262144 /proc/net/tcp; head -c 262144 /proc/net/tcp6
  frame sockets
  # Which process has which socket: names of files do not matter.
  # shellcheck disable=SC2010
  ls -l /proc/[0-9]*/fd | grep -E '^/proc/[0-9]+/fd:|socket:\[' | head -c 262144
  frame processes; grep . /proc/[0-9]*/comm | head -c 262144
  frame ssh-connection; printf '%s\n' "$SSH_CONNECTION"
}

# The root file system, and the devices from it down to its disk: `kind name sectors`.
device() {
  name=$1
  [ -e "/sys/class/block/$name/size" ] || return
  size=0; read -r size <"/sys/class/block/$name/size"
  if [ -e "/sys/class/block/$name/partition" ]; then
    printf 'partition %s %s\n' "$name" "$size"
    disk=$(cd -P "/sys/class/block/$name/.." && pwd); disk=${disk##*/}
    total=0
    for part in /sys/class/block/"$disk"/"$disk"*/size; do
      [ -f "$part" ] && read -r one <"$part" && total=$((total + one))
    done
    read -r size <"/sys/class/block/$disk/size"
    printf 'partitions %s %s\ndisk %s %s\n' "$disk" "$total" "$disk" "$size"
    return
  fi
  below=
  for slave in /sys/class/block/"$name"/slaves/*; do [ -e "$slave" ] && below="$below ${slave##*/}"; done
  case $below in
    '') printf 'disk %s %s\n' "$name" "$size";;
    *\ *\ *) printf 'several %s %s\n' "$name" "$size";;
    *) printf 'mapped %s %s\n' "$name" "$size"; device "${below# }";;
  esac
}
storage() {
  frame root-mount; grep ' / ' /proc/mounts | tail -n 1
  frame room; bounded 20 stat -f -c '%S %b %a %c %d' /
  frame room-df; bounded 20 df -Pk / | tail -n 1
  frame devices
  while read -r _ _ number _ point _; do [ "$point" = / ] && root=$number; done </proc/self/mountinfo
  name=$(cd -P "/sys/dev/block/$root" && pwd)
  if [ "$name" ]; then device "${name##*/}"
  else
    source=$(sed -n 's|^/dev/\([^ ]*\) / .*|\1|p' /proc/mounts | tail -n 1)
    [ "$source" ] && device "${source##*/}"
  fi
}

# Files with something in them that fit a pattern, with the times of their last changes.
residue() {
  while read -r id condition pattern; do
    if [ "$condition" = - ] || [ -e "$condition" ]; then
      # The pattern is meant to be expanded.
      # shellcheck disable=SC2086
      set -- $pattern
      if [ -e "$1" ] || [ -L "$1" ]; then
        frame residue; printf '%s\n' "$id"
        bounded 20 find "$@" -xdev -type f -size +0 -exec stat -c '%Z %n' {} + | head -n 2000 | head -c 262144
      fi
    fi
  done
}

# What some answers need: without it they are missing, and not empty.
tools() {
  frame tools
  [ "$(stat -L -c %Y /)" ] && echo stat
  has find && echo find
}

settle
tools
frame manager; printf '%s\n%s\n' "$manager" "$state"
case $manager in systemd) systemd;; openrc) openrc;; esac
kernel
identity
sshd_settings
root_password
accounts
network
storage
residue
frame now; date +%s
frame end
