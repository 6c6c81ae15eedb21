# names SHA1 SECONDS COMMAND...: what it prints names the leaf.
names() {
    sha1=$1
    shift
    timeout "$@" </dev/null 2>/dev/null >"$work/said" || return 1
    case $(tr -d ':[:space:]' <"$work/said" | tr 'A-F' 'a-f') in
        *"$leaf"* | *"$sha1"*) return 0 ;;
    esac
    return 1
}
