say() { printf '%s\n' "$*" >&2; }

# The SHA-256 of a leaf in a file, lower hex.
fingerprint() { openssl x509 -in "$1" -noout -fingerprint -sha256 2>/dev/null | sed 's/.*=//; s/://g' | tr 'A-F' 'a-f'; }

# pair KEY LEAF FINGERPRINT: the files still hold what they did, and the key belongs to the leaf.
pair() {
    if [ "$(fingerprint "$2")" != "$3" ]; then
        say "error: $2 does not begin with the leaf $3"
        return 1
    fi
    openssl x509 -in "$2" -noout -pubkey >"$work/leaf.pub" 2>/dev/null
    if ! openssl pkey -in "$1" -passin pass: -pubout >"$work/key.pub" 2>/dev/null </dev/null ||
        ! cmp -s "$work/leaf.pub" "$work/key.pub"; then
        say "error: the key $1 does not belong to the leaf $2"
        return 1
    fi
}

# leaf_at ADDRESS [NAME]: takes the leaf that is presented there by who signed the handshake with its key. One that then refuses a
# client without a certificate has shown that, too.
leaf_at() {
    timeout 10 openssl s_client -state -connect "$1" ${2:+-servername "$2"} </dev/null >"$work/seen" 2>"$work/states" ||
        grep -qE 'read server (key exchange|certificate verify)' "$work/states" || return 1
    openssl x509 -in "$work/seen" -out "$work/leaf.pem" 2>/dev/null
}

# presents FINGERPRINT ADDRESS [NAME], presents_other FINGERPRINT ADDRESS [NAME]
presents() { leaf_at "$2" "${3-}" && [ "$(fingerprint "$work/leaf.pem")" = "$1" ]; }
presents_other() { leaf_at "$2" "${3-}" && [ "$(fingerprint "$work/leaf.pem")" != "$1" ]; }

# await COMMAND...: it does well three times in a row, before the deadline.
await() {
    row=0
    end=$(($(date +%s) + deadline))
    while [ "$row" -lt 3 ]; do
        if [ -n "$stopped" ]; then return 1; fi
        if "$@"; then
            row=$((row + 1))
            continue
        fi
        row=0
        if [ "$(date +%s)" -ge "$end" ]; then
            say "error: in vain for: $*"
            return 1
        fi
        sleep 1
    done
    say "proved: $*"
}
