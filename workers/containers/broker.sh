#!/bin/sh
# Redis with one user, cxr, that keeps nothing on disk: the broker is only a bell.
set -eu

exec redis-server - <<EOF
bind *
port 6379
save ""
dir /tmp
user default off
user cxr on >$(cat /var/lib/cxr-keys/broker) ~* &* +@all
EOF
