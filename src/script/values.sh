# member HEAD FILE...: a JSON document whose last member is what the files hold, one after the other. PEM needs nothing but its
# line ends written as two characters.
member() {
    printf '%s"' "$1"
    shift
    cat "$@" | sed 's/$/\\n/' | tr -d '\n'
    echo '"}'
}

# value NUMBER PEER PATH LOGINS NAME: keeps what is there now, as it is written there.
value() {
    number=$1 name=$5
    ask https GET "$2" "$3" "$4"
    if [ "$answer" = 200 ]; then
        tr -d '\r\n' <"$work/answer" |
            grep -oE "\"$name\"[[:space:]]*:[[:space:]]*(\"([^\"\\\\]|\\\\.)*\"|null)" >"$work/found"
        if [ "$(grep -c '' "$work/found")" = 1 ]; then
            sed 's/^"[^"]*"[[:space:]]*:[[:space:]]*//' "$work/found" | tr -d '\n' >"$work/was$number"
            return 0
        fi
    fi
    say "error: https://$2$3 does not tell its $name ($answer): it could not be put back"
    return 1
}

# before HEAD NUMBER: the same document with what was kept.
before() { printf '%s' "$1" && cat "$work/was$2" && echo '}'; }

# leave: what was kept stays where it could not be put back.
leave() {
    trap - EXIT
    rm -f "$work"/login* "$work/body"
    say "what was there before is in $work, a key too, until you remove it"
}
