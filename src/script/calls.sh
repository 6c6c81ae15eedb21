# dial ADDRESS NAME PATH [CERT KEY [CHAIN]]: calls a peer, and shows the pair. `taken` is then whether it was taken: yes, no, or
# empty where that did not show. Without a path the handshake is all; over TLS 1.3 a peer judges its client after that, so its word
# is waited for.
dial() {
    taken='' at=$1 name=$2 path=$3
    shift 3
    if [ $# -gt 0 ]; then
        key=$2
        cat "$1" ${3+"$3"} >"$work/shown.pem"
        set -- --cert "$work/shown.pem" --key "$key" --pass ''
    fi
    if [ -n "$path" ]; then
        answer=$(timeout 20 curl -q --silent --show-error --noproxy '*' --globoff --proto =https --max-time 10 --insecure \
            --connect-to "::$at" "$@" --output "$work/answer" --write-out '%{http_code}' \
            "https://${name:-${at%:*}}:${at##*:}$path" 2>"$work/said" </dev/null)
        case $answer in
            2?? | 3??) taken=yes ;;
            400 | 401 | 403 | 495 | 496) taken=no ;;
            000) if grep -q alert "$work/said"; then taken=no; fi ;;
        esac
        return
    fi
    if [ $# -gt 0 ]; then
        sed '1,/^-----END CERTIFICATE-----/d' "$work/shown.pem" >"$work/chain.pem"
        set -- -cert "$work/shown.pem" -key "$key" -pass pass:
        if grep -q '^-----BEGIN CERTIFICATE-----' "$work/chain.pem"; then set -- "$@" -cert_chain "$work/chain.pem"; fi
    fi
    rm -f "$work/over"
    : >"$work/states"
    if patience | client -connect "$at" ${name:+-servername "$name"} "$@" >"$work/seen"; then
        taken=yes
    elif grep -q '^-----BEGIN CERTIFICATE-----' "$work/seen"; then
        taken=no
    fi
}

# client ARGUMENT...: the connection, which its input holds open; $work/states tells how far it is, $work/over that it ended.
client() {
    timeout 10 openssl s_client -state "$@" 2>"$work/states"
    ended=$?
    : >"$work/over"
    return "$ended"
}

# patience: holds it open until a ticket shows that the peer is content, or for a second after the handshake where it says nothing.
patience() {
    tenths=0 quiet=0
    while [ ! -e "$work/over" ] && [ "$tenths" -lt 100 ] && [ "$quiet" -lt 10 ]; do
        if grep -q 'read server session ticket' "$work/states"; then return; fi
        if grep -q 'read finished' "$work/states"; then quiet=$((quiet + 1)); fi
        tenths=$((tenths + 1))
        sleep 0.1 2>/dev/null || sleep 1
    done
}

# takes, refuses: as dial
takes() { dial "$@" && [ "$taken" = yes ]; }
refuses() { dial "$@" && [ "$taken" = no ]; }
