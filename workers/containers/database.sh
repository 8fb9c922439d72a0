#!/bin/sh
# PostgreSQL with one user and one database, both named cxr; made on the first start. Where it
# is given a certificate it speaks TLS.
set -eu

keys=/var/lib/cxr-keys
certificates=/var/lib/cxr-certificates
data=/var/lib/database/data
if [ ! -e "$data/ready" ]; then
    rm -rf "$data"
    initdb --pgdata="$data" --username=cxr --pwfile="$keys/database" --encoding=UTF8 \
        --locale=C.UTF-8 --auth-local=reject --auth-host=scram-sha-256 >/dev/null
    echo 'host cxr cxr samenet scram-sha-256' >>"$data/pg_hba.conf"
    echo 'CREATE DATABASE cxr' | postgres --single -D "$data" postgres >/dev/null
    touch "$data/ready"
fi
set -- -c listen_addresses='*' -c unix_socket_directories=/tmp
if [ -e "$certificates/database.key" ]; then
    set -- "$@" -c ssl=on -c ssl_cert_file="$certificates/database.pem" \
        -c ssl_key_file="$certificates/database.key"
fi
exec postgres -D "$data" "$@"
