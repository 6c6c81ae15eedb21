# lacks THERE LISTED PEER PATH LOGINS: it answers, what it answers has the one, and nothing of the other.
lacks() {
    there=$1 listed=$2
    ask https GET "$3" "$4" "$5"
    [ "$answer" = 200 ] || return 1
    tr -d '\r\n' <"$work/answer" >"$work/document"
    grep -q "$there" "$work/document" && ! grep -q "$listed" "$work/document"
}
