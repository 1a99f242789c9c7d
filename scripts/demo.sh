#!/usr/bin/env bash
# Bakes examples/debian-web, boots each finished image fresh, and fetches the page from it.
#
#   OVENBIRD_BIN      use this binary instead of building one
#   DEMO_DEADLINE     seconds from power-on to the page (default: 120 with KVM, 600 without)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
example=$root/examples/debian-web
name=debian-web
work=$(mktemp -d "${TMPDIR:-/var/tmp}/ovenbird-demo.XXXXXX")
qemu=

# Ends the machine that this script started, by its id, and removes what it used.
clean_up() {
    if [[ -n $qemu ]]; then
        kill -KILL "$qemu" 2>/dev/null || true
        wait "$qemu" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() {
    echo "demo: $*" >&2
}

fail() {
    echo "error: $1" >&2
    if [[ -n ${2:-} ]]; then
        echo "hint: $2" >&2
    fi
    exit 1
}

# The accelerator that the build found to work: a machine may have a /dev/kvm that hangs every guest.
accelerator_of() {
    if tr -d ' \n\t' <"$1/manifest.json" | grep -o '"accelerator":{[^}]*}' | grep -q '"name":"kvm"'; then
        echo kvm
    else
        echo tcg
    fi
}

# A loopback port that nobody listens on now. Between this and QEMU's start someone may take it: QEMU then ends at once,
# and `boot` tries another.
free_port() {
    local port
    while :; do
        port=$((RANDOM % 20000 + 20000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
}

# Boots a disk on a throw-away overlay; sets `qemu`, `port`, and `monitor`, the way to its monitor.
boot() {
    local disk=$1 accelerator=$2 attempt
    for attempt in 1 2 3; do
        port=$(free_port)
        rm -f "$work/monitor"
        mkfifo "$work/monitor"
        # Opened for both ways, so that neither side waits for the other.
        exec {monitor}<>"$work/monitor"
        # `-snapshot` keeps every write in an unnamed file in TMPDIR: the image stays as it was baked.
        TMPDIR=$work qemu-system-x86_64 -accel "$accelerator" -m 1024 -smp 2 -snapshot -nodefaults -display none \
            -drive "file=$disk,if=virtio,format=qcow2" -serial "file:$work/console.txt" -monitor stdio \
            -nic "user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:$port-:80" \
            <&"$monitor" >"$work/qemu.txt" 2>&1 &
        qemu=$!
        if runs; then
            return
        fi
        wait "$qemu" || true
        qemu=
        exec {monitor}>&-
        grep -q 'hostfwd\|forwarding' "$work/qemu.txt" || break
        say "port $port was taken, attempt $attempt"
    done
    fail "QEMU did not start: $(grep -av '^QEMU .* monitor' "$work/qemu.txt" | tail -n 1)"
}

# Waits until the machine runs; false when QEMU has ended. Its monitor answers only after everything was set up, ports
# included.
runs() {
    echo 'info status' >&"$monitor"
    until grep -q 'VM status' "$work/qemu.txt"; do
        kill -0 "$qemu" 2>/dev/null || return 1
        sleep 0.1
    done
}

# Whether the machine ends within so many seconds.
ended_within() {
    local deadline=$((SECONDS + $1))
    while ((SECONDS < deadline)); do
        kill -0 "$qemu" 2>/dev/null || return 0
        sleep 0.2
    done
    return 1
}

# Gets a path from the machine once it serves; fails after the deadline or when the machine ends.
fetch() {
    local path=$1 to=$2 deadline=$3
    until curl --silent --fail --max-time 15 --noproxy '*' --output "$to" "http://127.0.0.1:$port/$path"; do
        if ! kill -0 "$qemu" 2>/dev/null; then
            tail -n 20 "$work/console.txt" "$work/qemu.txt" >&2
            fail "the machine ended before it served a page"
        fi
        if ((SECONDS > deadline)); then
            tail -n 20 "$work/console.txt" >&2
            fail "no page within the deadline" "set DEMO_DEADLINE to more seconds on a slow machine"
        fi
        sleep 1
    done
}

# Presses the power button. What ran was a throw-away copy, so a guest that does not answer is just ended.
power_off() {
    echo system_powerdown >&"$monitor"
    if ! ended_within 90; then
        say "the machine does not answer its power button; ending it"
        echo quit >&"$monitor"
        ended_within 10 || kill -KILL "$qemu"
    fi
    wait "$qemu" || true
    qemu=
    exec {monitor}>&-
}

# Proves one finished image; adds a row to the result.
prove() {
    local folder=$1 job accelerator deadline begin took
    job=$(basename "$folder")
    accelerator=$(accelerator_of "$folder")
    deadline=${DEMO_DEADLINE:-$([[ $accelerator == kvm ]] && echo 120 || echo 600)}
    say "booting $job fresh ($accelerator)"
    begin=$SECONDS
    boot "$folder/$name.qcow2" "$accelerator"
    fetch index.html "$work/index.html" $((begin + deadline))
    took=$((SECONDS - begin))
    cmp "$work/index.html" "$example/site/index.html" || fail "the page of $job is not the one that was uploaded"
    fetch about.txt "$work/about.txt" $((begin + deadline))
    grep -q "Debian ${job##*-}" "$work/about.txt" || fail "about.txt of $job is wrong: $(cat "$work/about.txt")"
    power_off
    rows+=("$(printf '%-16s %-12s %8s  %6s MiB  %s' "$job" "$accelerator" "$took s" \
        "$(($(stat -c %s "$folder/$name.qcow2") / 1048576))" "the page is the one that was uploaded")")
}

main() {
    "$root/scripts/setup.sh" run
    local binary=${OVENBIRD_BIN:-}
    if [[ -z $binary ]]; then
        export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/ovenbird/target}
        (cd "$root" && cargo build --locked)
        binary=$CARGO_TARGET_DIR/debug/ovenbird
        [[ $binary == /* ]] || binary=$root/$binary
    fi
    cd "$example"
    say "baking $name with $("$binary" --version)"
    "$binary" build

    local folder
    rows=()
    for folder in "$example"/ovenbird-out/*/; do
        if [[ -f $folder/manifest.json ]]; then
            prove "${folder%/}"
        fi
    done
    ((${#rows[@]})) || fail "the build left no image in $example/ovenbird-out"
    echo
    printf '%-16s %-12s %8s  %10s  %s\n' job accelerator 'to page' size result
    printf '%s\n' "${rows[@]}"
    echo
    echo "Every finished image was booted fresh and served its page. They are in examples/$name/ovenbird-out/."
}

main
