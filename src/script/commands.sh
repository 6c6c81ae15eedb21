# run SECONDS COMMAND...
run() {
    limit=$1
    shift
    say "running: $*"
    timeout "$limit" "$@" </dev/null
}
