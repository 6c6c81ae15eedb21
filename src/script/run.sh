work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
: >"$work/login0"
stopped=''
trap 'stopped=yes' HUP INT TERM

if ! check; then
    say 'refused: nothing was changed'
    exit 1
fi
if forward; then
    say "done: $reached"
    exit 0
fi
trap '' HUP INT TERM
stopped=''
say 'going back'
if back; then
    say 'rolled back: everything is as before'
    exit 3
fi
say 'stuck: not everything is as before, see above'
exit 4
