# dial ADDRESS NAME PATH [CERT KEY [CHAIN]]: calls a peer, and shows the pair. `taken` is then whether it was taken: yes, no, or
# empty where that did not show. Without a path the handshake is all; over TLS 1.3 a peer judges its client after that, so a
# second is waited for its word.
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
    if sleep 1 | timeout 10 openssl s_client -connect "$at" ${name:+-servername "$name"} "$@" >"$work/seen" 2>/dev/null; then
        taken=yes
    elif grep -q '^-----BEGIN CERTIFICATE-----' "$work/seen"; then
        taken=no
    fi
}

# takes, refuses: as dial
takes() { dial "$@" && [ "$taken" = yes ]; }
refuses() { dial "$@" && [ "$taken" = no ]; }
