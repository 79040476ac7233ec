#!/usr/bin/env bash
# A newcomer's machine: a Debian of its own with python3, python3-venv, make and git, and nothing else. Both
# commands of the README run there, in a clone of this repository, as root of that folder (which is kept in
# build/bare for the next run). Needs root and debootstrap.
set -euo pipefail
cd "$(dirname "$0")/../.."
bare=$PWD/build/bare
if [ ! -e "$bare/etc/debian_version" ]; then
  debootstrap --variant=minbase --include=python3,python3-venv,make,git,ca-certificates trixie "$bare"
fi
rm -rf "$bare/loa"
git clone -q . "$bare/loa"
# How this machine reaches names and packages; a newcomer's has its own way.
cp /etc/resolv.conf /etc/hosts "$bare/etc/"
cp /etc/ssl/certs/ca-certificates.crt "$bare/etc/ssl/certs/"
passed=$(env | grep -E '^(PIP_|SSL_|[a-zA-Z]+_proxy=)' | grep -v -E '^PIP_(FIND_LINKS|CONSTRAINT)=' || true)
mapfile -t own <<<"$passed"
# Mounts of its own, which are gone with it.
unshare --mount bash -euc '
  mount --rbind /dev "$0/dev"; mount -t proc proc "$0/proc"; mount -t tmpfs tmpfs "$0/tmp"
  exec chroot "$0" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
' "$bare" "${own[@]}" bash -euc 'cd /loa && make demo N=3000 && make test'
