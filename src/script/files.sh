# free FILE: nothing is there.
free() {
    if [ ! -e "$1" ] && [ ! -L "$1" ]; then return 0; fi
    say "error: $1 is there: look at it, and move it away"
    return 1
}

# plain FILE: it is still a file, and no link.
plain() {
    if [ -f "$1" ] && [ ! -L "$1" ]; then return 0; fi
    say "error: $1 is not the plain file any more that the plan saw: plan again"
    return 1
}

# digest FILE: SHA-256 of the salt, which has nobody guess what is short and secret, and of the file behind it.
digest() { cat "$salt" "$1" | sha256sum | cut -d ' ' -f 1; }

# same DIGEST FILE: it is what the plan saw, or what came with this script.
same() {
    if [ "$(digest "$2")" = "$1" ]; then return 0; fi
    say "error: $2 is not what the plan saw: plan again"
    return 1
}

# at FILE COMMAND...: does it in the directory of FILE, wherever that is moved meanwhile; the name of FILE there is $base.
at() {
    at=${1%/*} base=${1##*/}
    shift
    (
        # What is begun here is ended, as by a signal that comes while a command runs.
        trap '' HUP INT TERM
        if ! cd -P "${at:-/}" || [ "$(pwd -P)" != "${at:-/}" ]; then
            say "error: $at is not the directory any more that the plan saw, or behind a link: plan again"
            exit 1
        fi
        "$@"
    )
}

# apart COMMAND...: does it in a new directory there that is this user's alone, where `new` is nobody else's, whoever may write
# beside it; ../$base is the file.
apart() {
    apart=$(mktemp -d ./.certroll-XXXXXX) || return 1
    inside=$(pwd -P)/${apart#./}
    if ! cd -P "$apart" || [ "$(pwd -P)" != "$inside" ] || [ -z "$(find . -prune -user "$(id -u)" -perm 0700)" ]; then
        say "error: somebody else is at $inside"
        return 1
    fi
    failed=0
    "$@" || failed=1
    rm -rf new
    cd .. && rmdir "$apart"
    return "$failed"
}

# take NAME: the file that is there as `new`, with owner, mode and time. A link is not followed, and a pipe, as -R has it, not read.
take() { cp -RPp "../$1" new && [ -f new ] && [ ! -L new ]; }

# put NAME: `new` in its place, by one rename.
put() { mv -fT new "../$1"; }

# keep FILE: a copy of it beside it, whole or not at all, whenever this is killed.
keep() { at "$1" apart copy; }
copy() { take "$base" && put "$base$kept"; }

# place SOURCE FILE OWNER MODE: over it by one rename.
place() {
    say "placing $2"
    at "$2" apart fill "$1" "$3" "$4"
}
fill() {
    if [ -e "../$base" ]; then take "$base" || return 1; else : >new || return 1; fi
    chown "$2" new && chmod "$3" new && cat "$1" >new && put "$base"
}

# restore FILE: its copy back in its place; the copy stays until that is proved.
restore() {
    [ -e "$1$kept" ] || return 0
    say "restoring $1"
    at "$1" apart again
}
again() { take "$base$kept" && put "$base"; }

# drop FILE...: takes them away.
drop() { for file; do at "$file" gone || return 1; done; }
gone() { rm -f "./$base"; }
