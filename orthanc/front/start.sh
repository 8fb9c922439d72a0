#!/bin/sh
# Says which ports of this machine lead where, then serves.
set -eu

printf '{"node": %d, "pacs": %d, "viewer": %d}\n' \
    "$CXR_NODE_PORT" "$CXR_PACS_PORT" "$CXR_VIEWER_PORT" >/tmp/ports.json
exec nginx -c /srv/front/nginx.conf -g 'daemon off;'
