#!/usr/bin/env bash
# Fetches the OHIF viewer of one fixed version into a folder outside the checkout, once.
# Exit 3: npm is not there.
set -euo pipefail

version=3.12.10
sha256=fbabd410be33e5b9898931b725229b9da9553aac339914b5c29796d3aa5d4b2d
target=${XDG_CACHE_HOME:-$HOME/.cache}/cxr-node/ohif-$version

[[ -e $target/index.html ]] && exit 0
command -v npm >/dev/null || exit 3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "fetching OHIF $version (once; 48 MB)"
for try in 1 2 3; do
    (cd "$work" && npm pack --silent "@ohif/app@$version" >/dev/null 2>"$work/log") && break
    ((try < 3)) || { cat "$work/log" >&2; exit 1; }
    sleep $((try * 5))
done
archive=$(echo "$work"/*.tgz)
echo "$sha256  $archive" | sha256sum --check --status || {
    echo "OHIF $version is not the file that was pinned" >&2
    exit 1
}
tar -xzf "$archive" -C "$work"
mkdir -p "$(dirname "$target")"
rm -rf "$target"
mv "$work/package/dist" "$target"
