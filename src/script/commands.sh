# run SECONDS COMMAND...
run() {
    say "running: $*"
    timeout "$@" </dev/null
}
