# pin_of PEER: the public key of a peer as curl pins it, where its leaf is one that is accepted.
pin_of() {
    leaf_at "$1" || return 1
    case " $(accepted "$1") " in
        *" $(fingerprint "$work/leaf.pem") "*) ;;
        *)
            say "error: $1 presents $(fingerprint "$work/leaf.pem"), which is not accepted: nothing is sent to it"
            return 1
            ;;
    esac
    pin=$(openssl x509 -in "$work/leaf.pem" -noout -pubkey | openssl pkey -pubin -outform der |
        openssl dgst -sha256 -binary | openssl base64)
    # Nothing is asked without one.
    [ "${#pin}" -eq 44 ] && printf '%s\n' "$pin"
}

# peer PEER: it is who it should be.
peer() {
    if pin_of "$1" >/dev/null; then return 0; fi
    say "error: nothing says that $1 is who it should be"
    return 1
}

# first_line FILE, as it stands in a quoted string of curl's configuration or of JSON.
first_line() { head -n 1 "$1" | sed "s/$(printf '\r')\$//" | sed 's/[\\"]/\\&/g' | tr -d '\n'; }

# password FILE: its first line is one that can be sent.
password() {
    if head -n 1 "$1" | grep -q '[^[:space:]]' && ! first_line "$1" | grep -q '[[:cntrl:]]'; then return 0; fi
    say "error: no password that can be sent is in the first line of $1"
    return 1
}

# ask SCHEME METHOD PEER PATH LOGINS [OPTION...]: one request, as each login in turn while the answer is 401. `answer` is then
# the status; `empty` or `lost` where there was none; `refused` or `unsent` where nothing was sent. curl is told to take no
# issuer and no name, but the one key that belongs to a leaf that is accepted; it follows no redirection.
ask() {
    scheme=$1 method=$2 peer=$3 path=$4 logins=$5
    shift 5
    for login in $logins; do
        pin=''
        : >"$work/answer"
        if [ "$scheme" = https ] && ! pin=$(pin_of "$peer"); then
            answer=unsent
            return
        fi
        answer=$(curl -q --silent --noproxy '*' --globoff --proto "=$scheme" --max-time 20 \
            --insecure ${pin:+--pinnedpubkey "sha256//$pin"} --config "$work/login$login" \
            --request "$method" --output "$work/answer" --write-out '%{http_code}' "$@" "$scheme://$peer$path")
        case $? in
            0) ;;
            7) answer=refused ;;
            52) answer=empty ;;
            6 | 35 | 90) answer=unsent ;;
            *) answer=lost ;;
        esac
        if [ "$answer" != 401 ]; then return; fi
    done
}

# send METHOD PEER PATH LOGINS [OPTION...]: a request that changes something. It fails where nothing can have come of it; what
# is presented and answered afterwards decides the rest.
send() {
    if [ -n "$stopped" ]; then return 1; fi
    say "sending $1 https://$2$3"
    open=''
    end=$(($(date +%s) + 20))
    while :; do
        ask https "$@"
        case $answer in
            2??)
                if ! grep -q '"success"' "$work/answer" || grep -q '"success"[[:space:]]*:[[:space:]]*true' "$work/answer"; then
                    return 0
                fi
                break
                ;;
            empty | lost) return 0 ;;
            50[234]) open=yes ;;
            refused | unsent) ;;
            *) break ;;
        esac
        if [ -n "$stopped" ] || [ "$(date +%s)" -ge "$end" ]; then break; fi
        sleep 1
    done
    say "answer: $answer"
    [ -n "$open" ]
}

# answers ANSWER... -- SCHEME PEER PATH LOGINS
answers() {
    wanted=' '
    while [ "$1" != -- ]; do
        wanted="$wanted$1 "
        shift
    done
    ask "$2" GET "$3" "$4" "$5"
    case $wanted in
        *" $answer "*) return 0 ;;
    esac
    return 1
}
