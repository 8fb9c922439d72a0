#!/usr/bin/env bash
# Makes the smallest root of a Debian suite, once, and prints where its tarball lies.
# Usage: debian-base.sh SUITE   Environment: DEBIAN_MIRROR.   Exit 3: this user may not.
set -euo pipefail

suite=$1
target=${XDG_CACHE_HOME:-$HOME/.cache}/cxr-node/debian-$suite.tar
if [[ ! -s $target ]]; then
    here=$(dirname "${BASH_SOURCE[0]}")
    "$here/apt.sh" debootstrap >&2
    as_root=()
    ((EUID == 0)) || as_root=(sudo)
    # The mirror that this machine's own apt uses; without one, debootstrap's default.
    mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 2>/dev/null |
        sed -n 's/^Debian \(http.*\)/\1/p' | head -n 1)}

    began=$SECONDS
    mkdir -p "$(dirname "$target")"
    exec 9>"$target.lock"
    flock 9
    if [[ ! -s $target ]]; then # nobody made it while this one waited
        work=$(mktemp -d)
        trap '"${as_root[@]}" rm -rf "$work"' EXIT
        echo "making a Debian $suite root (once)" >&2
        for try in 1 2 3; do
            "${as_root[@]}" debootstrap --variant=minbase "$suite" "$work/root" \
                ${mirror:+"$mirror"} >"$work/log" 2>&1 && break
            ((try < 3)) || { tail -n 30 "$work/log" >&2; exit 1; }
            "${as_root[@]}" rm -rf "$work/root"
            sleep $((try * 5))
        done
        "${as_root[@]}" tar -C "$work/root" --numeric-owner \
            --exclude='./var/cache/apt/archives/*.deb' --exclude='./var/lib/apt/lists/*_*' \
            -cf - . >"$target.new"
        mv "$target.new" "$target"
        echo "Debian $suite root made in $((SECONDS - began)) s" >&2
    fi
fi
echo "$target"
