#!/usr/bin/env bash
# Installs those of the named Debian packages that are missing; services are not started.
# Exit 0: all are there. Exit 3: they are not and this user may not install them.
set -euo pipefail

missing=()
for package; do
    state=$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null || true)
    [[ $state == ii* ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

as_root=()
if ((EUID != 0)); then
    command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; } || exit 3
    as_root=(sudo)
fi
command -v apt-get >/dev/null || exit 3

# Another apt may hold its locks, a mirror may hiccup: try again for some minutes.
patiently() {
    local try
    for try in 1 2 3 4 5 6; do
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get -q -y -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@" >"$log" 2>&1 && return
        sleep $((try * 5))
    done
    tail -n 30 "$log" >&2
    return 1
}

log=$(mktemp)
policy=/usr/sbin/policy-rc.d
made_policy=no
cleanup() {
    rm -f "$log"
    [[ $made_policy == no ]] || "${as_root[@]}" rm -f "$policy"
}
trap cleanup EXIT

if [[ ! -e $policy ]]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
fi

echo "installing Debian packages: ${missing[*]}"
patiently update
patiently install --no-install-recommends "${missing[@]}"
