# Answers requests about this machine. Standard input: a boundary on the first line, then one request a line:
# `number kind flags argument`, the argument escaped for `printf %b`. Standard output: frames, each opened by
# `newline boundary number name newline`, its bytes raw; `end` closes a request. POSIX shell only.
export LC_ALL=C
exec 2>/dev/null
IFS= read -r boundary

frame() { printf '\n%s %s %s\n' "$boundary" "$i" "$1"; }
has() { command -v "$1" >/dev/null; }
# Whether a file of accounts lists an id, without starting a program.
listed() {
  while IFS=: read -r _ _ id _; do [ "$id" = "$2" ] && return 0; done <"$1"
  return 1
}
truth() { if "$@" </dev/null >/dev/null; then printf 1; else printf 0; fi; }

distribution() {
  if [ -f /etc/lsb-release ] && grep -q Ubuntu /etc/lsb-release </dev/null; then echo ubuntu
  elif [ -e /etc/redhat-release ] || [ -e /etc/system-release ]; then echo redhat
  elif [ -e /etc/alpine-release ]; then echo alpine
  elif [ -e /etc/arch-release ]; then echo arch
  elif [ -e /etc/debian_version ]; then echo debian
  fi
}
packager() {
  case $(distribution) in
    ubuntu|debian) echo dpkg;; redhat) echo rpm;; alpine) echo apk;; arch) echo pacman;;
    *) for tool in dpkg rpm apk pacman; do has $tool && { echo $tool; return; }; done; echo rpm;;
  esac
}
init() {
  if has systemctl; then echo systemd; return; fi
  case $(distribution) in ubuntu) echo upstart;; alpine) echo openrc;; arch) echo systemd;; *) echo sysv;; esac
}

packages() {
  frame manager; printf %s "$manager"
  frame list
  case $manager in
    dpkg) grep -E '^(Package|Status|Architecture|Version):' /var/lib/dpkg/status </dev/null;;
    apk)
      for list in /lib/apk/db/installed /usr/lib/apk/db/installed; do
        [ -f $list ] && { grep '^[PV]:' $list </dev/null; return; }
      done;;
    pacman) ls /var/lib/pacman/local;;
  esac
}
rpm_version() {
  [ "$manager" = rpm ] || return
  versions=$(rpm -q --nosignature --nohdrchk --nodigest \
    --qf '%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\n' "$a" </dev/null) && { frame versions; printf %s "$versions"; }
}

home_of() {
  while IFS=: read -r name _ _ _ _ home _; do [ "$name" = "$1" ] && return 0; done </etc/passwd
  return 1
}
sum() {
  case $f in *$1*) ;; *) return;; esac
  if has "$2"; then frame "$2"; "$2" <"$p"; else raw=1; fi
}
# What is below a file is not merely absent.
absent() {
  parent=${p%/*}
  until [ -e "$parent/." ] || [ -e "$parent" ] || [ -z "$parent" ]; do parent=${parent%/*}; done
  if [ -e "$parent/." ]; then frame absent; else frame below-file; fi
}
file() {
  p=$a
  # shellcheck disable=SC2088 # Tildes are expanded here, and not by the shell.
  case $p in
    '~'|'~/'*) p=${HOME:-/root}${p#?};;
    '~'*)
      user=${p%%/*}
      home_of "${user#?}" || { frame no-user; return; }
      p=$home${p#"$user"};;
    /*) ;;
    *) p=./$p;;
  esac
  [ -e "$p" ] || [ -L "$p" ] || { absent; return; }
  stat=$(ls -ldn "$p")
  frame stat; printf %s "$stat"
  set -f
  # shellcheck disable=SC2086 # Words are wanted.
  set -- $stat
  set +f
  case $f in *o*) listed /etc/passwd "$3" || { has getent && { frame owner; getent passwd "$3" </dev/null; }; };; esac
  case $f in *g*) listed /etc/group "$4" || { has getent && { frame group; getent group "$4" </dev/null; }; };; esac
  case $f in *l*) [ -L "$p" ] && { frame link; readlink "$p" </dev/null; };; esac
  case $f in *[cmsS]*) ;; *) return;; esac
  if [ -d "$p" ]; then frame directory
  elif [ ! -e "$p" ]; then frame dangling
  elif [ ! -f "$p" ]; then frame special
  elif [ ! -r "$p" ]; then frame denied
  else
    raw=
    case $f in *c*) raw=1;; esac
    sum m md5sum; sum s sha256sum; sum S sha512sum
    [ "$raw" ] && { frame content; head -c "$limit" "$p" </dev/null; }
  fi
}

levels() {
  if [ "$init" = openrc ]; then
    for link in /etc/runlevels/*/"$a"; do
      [ -e "$link" ] || [ -L "$link" ] || continue
      link=${link#/etc/runlevels/}; printf '%s\n' "${link%%/*}"
    done
  else
    for link in /etc/rc*.d/S[0-9][0-9]"$a"; do
      [ -e "$link" ] || [ -L "$link" ] || continue
      link=${link#/etc/rc}; printf '%s\n' "${link%%.d/*}"
    done
  fi
}
upstart_enabled() {
  [ -f "/etc/init/$a.override" ] && grep -q '^manual' "/etc/init/$a.override" </dev/null && return 1
  [ -f "/etc/init/$a.conf" ] && grep -q '^[[:space:]]*start on' "/etc/init/$a.conf" </dev/null && return 0
  [ "$(levels)" ]
}
can_tell() { has service || has rc-service || [ -x "/etc/init.d/$a" ]; }
status() {
  if has service; then service "$a" status
  elif has rc-service; then rc-service "$a" status
  else "/etc/init.d/$a" status
  fi </dev/null
}
upstart_running() { case $(status) in *running*|*online*) return 0;; esac; return 1; }
service_state() {
  [ "$init" ] || init=$(init)
  case $f in *e*)
    frame enabled
    case $init in
      systemd) truth systemctl -q is-enabled "$a";;
      upstart) truth upstart_enabled;;
      *) truth test "$(levels)";;
    esac;;
  esac
  case $f in *r*)
    frame running
    case $init in
      systemd) truth systemctl -q is-active "$a";;
      upstart) truth upstart_running;;
      *) if can_tell; then truth status; else printf '?'; fi;;
    esac;;
  esac
  case $f in *l*) frame levels; [ "$init" = systemd ] || levels;; esac
}

processes() {
  frame list
  for process in /proc/[0-9]*; do
    [ "$process" = "/proc/$$" ] && continue
    IFS= read -r comm <"$process/comm" && printf '%s\n' "$comm"
  done
}
usage() {
  frame usage
  stat -f -c '%b %f' "$a" </dev/null && return
  blocks=$(df -kP "$a" </dev/null) || return
  set -f
  # shellcheck disable=SC2086 # The words of the last line are wanted.
  set -- ${blocks##*
}
  set +f
  printf '%s %s' "$2" $(($2 - $3))
}
addresses() {
  if has ip; then frame ip; ip -o -4 addr </dev/null
  else frame trie; cat /proc/net/fib_trie </dev/null; frame route; cat /proc/net/route </dev/null
  fi
  frame inet6; cat /proc/net/if_inet6 </dev/null
}
trusted() {
  for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem \
    /etc/pki/tls/cacert.pem /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem /etc/ssl/cert.pem; do
    [ -f "$bundle" ] && { frame content; head -c "$limit" "$bundle" </dev/null; return; }
  done
}

manager=$(packager) init=
while IFS=' ' read -r i limit k f a; do
  case $a in *\\*) a=$(printf '%bx' "$a"); a=${a%x};; esac
  case $k in
    passwd|group) frame list; cat "/etc/$k" </dev/null;;
    ports) for table in tcp tcp6 udp udp6; do frame $table; cat "/proc/net/$table" </dev/null; done;;
    mounts) frame list; cat /proc/self/mountinfo </dev/null;;
    processes|addresses|packages|trusted|usage|file) $k;;
    service) service_state;;
    rpm) rpm_version;;
    user) has getent && { frame entry; getent passwd "$a" </dev/null; };;
    name) has getent && { frame entry; getent group "$a" </dev/null; };;
    interface) [ -d "/sys/class/net/$a" ] && { frame mtu; cat "/sys/class/net/$a/mtu" </dev/null; };;
    kernel) [ -f "/proc/sys/$a" ] && value=$(cat "/proc/sys/$a" </dev/null) && { frame value; printf %s "$value"; };;
  esac
  frame end
done
