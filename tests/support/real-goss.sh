#!/bin/sh
# Fetches the real goss, to be compared with: Debian trixie's package, from the package mirror that this machine's apt is
# set up for, with an apt configuration of its own. Nothing is installed, no root is needed.
#
#   real-goss.sh WORK OUT       WORK: an empty folder that may be thrown away; OUT: the program to make
set -eu

work=$1
out=$2
cd "$work"

need() {
    command -v "$1" >/dev/null || { echo "real-goss: \`$1\` is not installed: apt-get install $2" >&2; exit 1; }
}
need apt-get apt
need dpkg-deb dpkg
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -f $keyring ] || { echo "real-goss: no $keyring: apt-get install debian-archive-keyring" >&2; exit 1; }

# The first archive that this machine is set up for, whatever its suites: a mirror has them all.
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v -- '-security' | head -n 1)
[ -n "$mirror" ] || { echo "real-goss: apt knows no archive: apt-get update" >&2; exit 1; }

mkdir -p state/lists/partial cache/archives/partial parts root
: >state/status
echo "deb [arch=amd64 signed-by=$keyring] $mirror trixie main" >sources.list
apt() {
    apt-get -q -o APT::Sandbox::User=root -o APT::Architecture=amd64 -o APT::Architectures=amd64 -o Acquire::Languages=none \
        -o "Dir::Etc::sourcelist=$work/sources.list" -o "Dir::Etc::sourceparts=$work/parts" -o "Dir::State=$work/state" \
        -o "Dir::State::status=$work/state/status" -o "Dir::Cache=$work/cache" -o Acquire::Retries=3 "$@"
}
apt update
apt download goss=0.4.9*
dpkg-deb -x goss_*.deb root
mv root/usr/bin/goss "$out"
