#!/usr/bin/env bash
# Sends one request to @PEER@, if it is the pinned one.
#
# One connection of `openssl s_client`: its leaf is read and compared first, and the request is written into that very
# connection only then.
set -euo pipefail
pins=(@PINS@)
path=${1:-/}

coproc peer { exec timeout 30 openssl s_client -connect '@PEER@' -ign_eof 2>/dev/null; }
leaf=''
while IFS= read -r line <&"${peer[0]}"; do
    case $line in
        '-----BEGIN CERTIFICATE-----') leaf=$line$'\n' ;;
        '-----END CERTIFICATE-----')
            leaf+=$line$'\n'
            break
            ;;
        *) [[ -z $leaf ]] || leaf+=$line$'\n' ;;
    esac
done
presented=none
if [[ -n $leaf ]]; then
    presented=$(openssl x509 -noout -fingerprint -sha256 <<<"$leaf" | sed 's/.*=//; s/://g' | tr '[:upper:]' '[:lower:]')
fi
if [[ " ${pins[*]} " != *" $presented "* ]]; then
    kill "$peer_PID" 2>/dev/null || true
    echo "error: @PEER@ presented $presented, want ${pins[*]}; nothing was sent" >&2
    exit 1
fi
printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$path" '@PEER@' >&"${peer[1]}"
sed -n '/^HTTP\//,$p' <&"${peer[0]}"
