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

# keep FILE: a copy of it, whole or not at all, whenever this is killed.
keep() {
    if cp -p "$1" "$1$new" && mv -f "$1$new" "$1$kept"; then return 0; fi
    rm -f "$1$new"
    return 1
}

# place SOURCE FILE OWNER MODE: beside it, then over it by one rename.
place() {
    say "placing $2"
    if [ -e "$2" ]; then cp -p "$2" "$2$new" || return 1; else : >"$2$new" || return 1; fi
    chown "$3" "$2$new" && chmod "$4" "$2$new" && cat "$1" >"$2$new" && mv -f "$2$new" "$2"
}

# restore FILE: its copy back in its place; the copy stays until that is proved.
restore() {
    [ -e "$1$kept" ] || return 0
    say "restoring $1"
    cp -p "$1$kept" "$1$new" && mv -f "$1$new" "$1"
}
