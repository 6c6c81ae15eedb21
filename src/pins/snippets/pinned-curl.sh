#!/bin/sh
# Sends one request to @PEER@, if it holds the pinned key.
#
# curl pins the public key, not the leaf: a new leaf with the same key is taken, too. It compares in the handshake of the
# connection that carries the request, and sends nothing to another peer (exit 90). `--insecure` leaves names and issuers
# out, which a self-signed leaf without SAN could not satisfy; the key that is pinned must still be held.
set -eu
path=${1-}
exec curl --silent --show-error --max-time 30 --proto =https \
    --insecure --pinnedpubkey '@KEYS@' --write-out '%{http_code}\n' "@URL@${path#/}"
