#!/usr/bin/env bash
# Makes a Debian 13 root with its Orthanc, outside the checkout, once: tests run the plugin there.
# Exit 3: this user may not.
set -euo pipefail

((EUID == 0)) || exit 3
packages=(orthanc orthanc-python orthanc-dicomweb)
target=${XDG_CACHE_HOME:-$HOME/.cache}/cxr-node/debian-13-orthanc
[[ -e $target/usr/sbin/Orthanc ]] && exit 0

here=$(dirname "${BASH_SOURCE[0]}")
began=$SECONDS
base=$("$here/debian-base.sh" trixie)
rm -rf "$target.new"
mkdir "$target.new"
tar -C "$target.new" -xf "$base"
cp /etc/resolv.conf "$target.new/etc/resolv.conf"
printf '#!/bin/sh\nexit 101\n' >"$target.new/usr/sbin/policy-rc.d" # nothing is started in there
chmod 755 "$target.new/usr/sbin/policy-rc.d"

inside() {
    local try
    for try in 1 2 3; do
        chroot "$target.new" env DEBIAN_FRONTEND=noninteractive \
            apt-get -q -y -o Acquire::Retries=3 "$@" >"$target.log" 2>&1 && return
        sleep $((try * 5))
    done
    tail -n 30 "$target.log" >&2
    return 1
}
inside update
inside install --no-install-recommends "${packages[@]}"
inside clean
rm -f "$target.log"
mv "$target.new" "$target"
echo "Debian 13 with Orthanc made in $((SECONDS - began)) s"
