# Sends a DNS message by UDP and prints the datagram that comes back. Input: host, port, seconds to wait, and the message
# as octal escapes. On standard error: the machine's clock before and after. Status 3: there is nothing to send it with.
IFS= read -r host
IFS= read -r port
IFS= read -r seconds
IFS= read -r message
exec 3>&2 2>/dev/null </dev/null
clock() { read -r at _ </proc/uptime; echo "$at" >&3; }
# A shell's own printf may send a line at a time; dd makes one datagram of it.
if command -v bash >/dev/null; then
  bash -c '
    clock() { read -r at _ </proc/uptime; echo "$at" >&3; }
    exec 4<>"/dev/udp/$0/$1" || exit 3
    clock
    printf "$2" | dd obs=4096 >&4
    dd bs=65535 count=1 <&4
    clock
  ' "$host" "$port" "$message" && exit 0
fi
for nc in nc 'busybox nc'; do
  $nc -h 2>&1 | grep -Eq '(^|[[:space:][])-[0-9A-Za-z]*u' || continue
  clock
  # It would wait for more: its number comes first, so that it can be ended.
  # shellcheck disable=SC2059,SC2086 # the escapes are the message, and a name may be two words
  printf "$message" | dd obs=4096 | sh -c 'echo $$; exec "$@"' sh $nc -u -w "$seconds" "$host" "$port" | {
    read -r pid
    dd bs=65535 count=1
    clock
    kill "$pid"
  }
  exit 0
done
exit 3
