#!/usr/bin/env bash
# The same small build by Packer, by a bare script, and by Ovenbird: interleaved rounds, medians, ratios. See README.md.
#
#   benches/compare.sh [ROUNDS]     default: 3
#   BENCH_ACCELERATOR               tcg (default) or kvm, for all three
#   BENCH_WAYS                      default: "packer bare ovenbird"
#   OVENBIRD_BIN                    use this binary instead of building one
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
rounds=${1:-3}
accelerator=${BENCH_ACCELERATOR:-tcg}
read -ra ways <<<"${BENCH_WAYS:-packer bare ovenbird}"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ovenbird/bench
base=$cache/base.qcow2
work=$(mktemp -d "${TMPDIR:-/var/tmp}/ovenbird-bench.XXXXXX")
# Longer than any way takes on a busy machine without KVM; a way that hangs ends the comparison.
deadline=1800
qemu=

# Ends the machine that this script started itself, by its id, and removes what it used.
clean_up() {
    if [[ -n $qemu ]]; then
        kill -KILL "$qemu" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() {
    echo "bench: $*" >&2
}

fail() {
    echo "error: $1" >&2
    if [[ -f ${2:-} ]]; then
        tail -n 30 "$2" >&2
    fi
    exit 1
}

# The image that every way starts from: baked once, kept as long as its definition does not change.
prepare_base() {
    mkdir -p "$cache"
    if [[ -f $base ]] && cmp -s "$root/benches/base/ovenbird.yml" "$cache/base.yml"; then
        return
    fi
    say "baking the base image (once)"
    (cd "$root/benches/base" && "$binary" build --out "$work/base") >&2
    local baked=("$work"/base/*/bench-base.qcow2)
    [[ -f ${baked[0]} ]] || fail "the base image was not baked"
    # Uncompressed, so that no way is measured by how fast it reads zstd.
    qemu-img convert -O qcow2 "${baked[0]}" "$base.new"
    mv "$base.new" "$base"
    cp "$root/benches/base/ovenbird.yml" "$cache/base.yml"
}

# One folder with what all ways use: the payload (half of it packs well), a key, and the seed that brings it in.
prepare_build() {
    cp -r "$root/benches/build" "$work/build"
    local payload=$work/payload
    mkdir "$payload"
    head -c 25M /dev/urandom >"$payload/noise"
    # `head` closes the pipe on `seq`, which then ends by a signal.
    { seq 1 4000000 || true; } | head -c 20M >"$payload/text"
    mkdir "$payload/files"
    (cd "$payload/files" && head -c 5M "$payload/noise" | split -b 2048 -a 4)
    tar -C "$payload" -cf "$work/build/payload.tar" .
    rm -r "$payload"

    ssh-keygen -q -t ed25519 -N '' -C bench -f "$work/key"
    cat >"$work/user-data" <<SEED
#cloud-config
disable_root: false
users:
  - name: root
    ssh_authorized_keys: ["$(cat "$work/key.pub")"]
SEED
    echo 'instance-id: bench' >"$work/meta-data"
    mkfs.vfat -n CIDATA -C "$work/seed.img" 1024 >/dev/null
    mcopy -i "$work/seed.img" "$work/user-data" "$work/meta-data" ::
}

run_packer() {
    local out=$1
    sed -e "s|@ACCELERATOR@|$accelerator|" -e "s|@BASE@|$base|" -e "s|@OUT@|$out|" -e "s|@SEED@|$work/seed.img|" \
        -e "s|@KEY@|$work/key|" "$work/build/packer.json.in" >"$work/build/packer.json"
    (cd "$work/build" && CHECKPOINT_DISABLE=1 PACKER_CACHE_DIR=$work/packer-cache PACKER_CONFIG_DIR=$work \
        timeout --foreground "$deadline" packer build -color=false packer.json)
}

run_ovenbird() {
    local out=$1
    (cd "$work/build" && BENCH_BASE=$base BENCH_ACCELERATOR=$accelerator \
        timeout --foreground "$deadline" "$binary" build --out "$out" --events "$out.jsonl")
}

guest_ssh() {
    ssh -i "$work/key" -o BatchMode=yes -o ConnectTimeout=30 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        -o LogLevel=ERROR -p "$port" root@127.0.0.1 "$@"
}

# What one would write by hand: an overlay, QEMU, ssh, qemu-img. Called in a condition, where `set -e` is off: every
# failure returns.
run_bare() {
    local out=$1 end=$((SECONDS + deadline)) step
    mkdir "$out" || return
    qemu-img create -q -f qcow2 -F qcow2 -b "$base" "$out/overlay.qcow2" || return
    port=$((RANDOM % 20000 + 20000))
    qemu-system-x86_64 -machine "pc,accel=$accelerator" -m 1024 -smp 2 -display none -serial none -monitor none \
        -drive "file=$out/overlay.qcow2,if=virtio,format=qcow2,cache=unsafe,discard=unmap" \
        -drive "file=$work/seed.img,if=virtio,format=raw,readonly=on" \
        -nic "user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:$port-:22" &
    qemu=$!
    until guest_ssh true 2>/dev/null; do
        kill -0 "$qemu" 2>/dev/null || fail "QEMU ended" "$out.txt"
        ((SECONDS < end)) || fail "no login within the deadline" "$out.txt"
        sleep 0.5
    done
    guest_ssh 'cat >/root/payload.tar' <"$work/build/payload.tar" || return
    for step in 1-unpack 2-process 3-service trim; do
        guest_ssh 'sh -s' <"$work/build/steps/$step.sh" || return
    done
    # The connection breaks when the guest goes down.
    guest_ssh poweroff || true
    wait "$qemu" || return
    qemu=
    qemu-img convert -c -O qcow2 -o compression_type=zstd "$out/overlay.qcow2" "$out/bench.qcow2"
}

# Runs a way once; adds its seconds and the image's size to its lists.
measure() {
    local way=$1 round=$2 out=$work/$1-$2 begin end image
    say "round $round of $rounds: $way"
    begin=$EPOCHREALTIME
    # In this shell, not a subshell: `clean_up` must know of the machine.
    "run_$way" "$out" >"$out.txt" 2>&1 || fail "$way failed" "$out.txt"
    end=$EPOCHREALTIME
    image=$(find "$out" -name bench.qcow2 -size +1M | head -n 1)
    [[ -n $image ]] || fail "$way left no image" "$out.txt"
    awk -v begin="$begin" -v end="$end" 'BEGIN { printf "%.1f\n", end - begin }' >>"$work/$way.seconds"
    stat -c %s "$image" >>"$work/$way.bytes"
    rm -r "$out"
}

# The median of numbers on standard input.
median() {
    sort -n | awk '{ n[NR] = $1 } END { print NR % 2 ? n[(NR + 1) / 2] : (n[NR / 2] + n[NR / 2 + 1]) / 2 }'
}

report() {
    local way reference=-
    if [[ -f $work/packer.seconds ]]; then
        reference=$(median <"$work/packer.seconds")
    fi
    echo
    echo "$rounds rounds, accelerator $accelerator, $(nproc) cores, $(qemu-system-x86_64 --version | head -n 1)"
    printf '%-10s %9s %9s %9s %10s %9s\n' way median fastest slowest 'to packer' size
    for way in "${ways[@]}"; do
        printf '%-10s %7s s %7s s %7s s %10s %5d MiB\n' "$way" "$(median <"$work/$way.seconds")" \
            "$(sort -n "$work/$way.seconds" | head -n 1)" "$(sort -n "$work/$way.seconds" | tail -n 1)" \
            "$(median <"$work/$way.seconds" | awk -v reference="$reference" '
                reference == "-" { print "-" }
                reference != "-" { printf "%.2f", $1 / reference }')" \
            "$(median <"$work/$way.bytes" | awk '{ printf "%d", $1 / 1048576 }')"
    done
    phases
}

# Where our own time goes: medians of the phases in the runs' events.
phases() {
    local events=("$work"/ovenbird-*.jsonl) phase
    [[ -f ${events[0]} ]] || return 0
    echo
    echo "ovenbird by phase (medians)"
    # A phase's events hold both its name and its seconds, in this order.
    local finished='"phase-finished","phase":"\([a-z-]*\)","seconds":\([0-9.e-]*\)'
    sed -n "s/.*$finished.*/\1 \2/p" "${events[@]}" >"$work/phases"
    while read -r phase; do
        printf '  %-10s %7.1f s\n' "$phase" "$(awk -v phase="$phase" '$1 == phase { print $2 }' "$work/phases" | median)"
    done < <(awk '!seen[$1]++ { print $1 }' "$work/phases")
}

main() {
    [[ $rounds =~ ^[1-9][0-9]*$ ]] || fail "\`$rounds\` is not a number of rounds"
    "$root/scripts/setup.sh" bench
    binary=${OVENBIRD_BIN:-}
    if [[ -z $binary ]]; then
        export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/ovenbird/target}
        (cd "$root" && cargo build --locked)
        binary=$CARGO_TARGET_DIR/debug/ovenbird
        [[ $binary == /* ]] || binary=$root/$binary
    fi
    prepare_base
    prepare_build
    local round way
    for ((round = 1; round <= rounds; round++)); do
        # Interleaved: a machine that gets busy slows all ways, not one.
        for way in "${ways[@]}"; do
            measure "$way" "$round"
        done
    done
    report
}

main
