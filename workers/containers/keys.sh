#!/bin/sh
# Draws the sandbox's secrets once, each into a file of a volume that only its containers see.
set -eu

cd /var/lib/cxr-keys
umask 077
for name in broker database engine site; do
    [ -s "$name" ] && continue
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$name.new"
    mv "$name.new" "$name"
done
