#!/bin/sh
# An authority of the sandbox's own and a certificate for each end of an encrypted way.
set -eu

cd /var/lib/cxr-certificates
umask 077
[ -e ready ] && exit 0
openssl req -x509 -newkey rsa:3072 -noenc -days 365 -subj '/CN=hospital sandbox' \
    -keyout ca.key -out ca.pem 2>/dev/null
for name in node pacs database engine; do
    printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$name" >/tmp/extensions
    openssl req -newkey rsa:3072 -noenc -subj "/CN=$name" -keyout "$name.key" -out /tmp/request \
        2>/dev/null
    openssl x509 -req -in /tmp/request -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 \
        -extfile /tmp/extensions -out "$name.pem" 2>/dev/null
done
rm ca.key
touch ready
