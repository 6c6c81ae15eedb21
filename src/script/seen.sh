# sees FINGERPRINT PEER PATH LOGINS BACKEND NAME: the answer names that leaf as the one that the backend behind it saw, and the
# backend asks for a client certificate and refuses who has none.
sees() {
    leaf_seen=$1 backend=$5 backend_name=$6
    ask https GET "$2" "$3" "$4"
    case $answer in
        2??) ;;
        *) return 1 ;;
    esac
    tr -d '\r\n' <"$work/answer" | grep -oE '"leaf"[[:space:]]*:[[:space:]]*\{[^{}]*\}' >"$work/named"
    [ "$(grep -c '' "$work/named")" = 1 ] || return 1
    grep -qE "\"sha256\"[[:space:]]*:[[:space:]]*\"$leaf_seen\"" "$work/named" || return 1
    refuses "$backend" "$backend_name" '' && grep -qE '^(Requested Signature Algorithms|Client Certificate Types)' "$work/seen"
}
