# shellcheck shell=bash
# Shared by the lab commands; sourced, never run.
set -euo pipefail

LAB=${CERTROLL_LAB:-/var/cache/certroll-lab}       # everything the lab keeps
NET=${CERTROLL_LAB_NET:-10.213.0}                  # first three octets of the hosts' /24
BRIDGE=certroll0                                   # the hosts' switch; $NET.1 is this machine
SUITE=${CERTROLL_LAB_SUITE:-bookworm}
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PATH=$PATH:/usr/sbin:/sbin

die() { echo "lab: $*" >&2; exit 1; }

need_root() {
  [ "$(id -u)" = 0 ] || die "must be run as root"
  # 21 = CAP_SYS_ADMIN, 12 = CAP_NET_ADMIN
  local eff; eff=$(awk '/^CapEff/ {print $2}' /proc/self/status)
  (( 0x$eff >> 21 & 1 )) || die "CAP_SYS_ADMIN is missing (a container without --privileged?)"
  (( 0x$eff >> 12 & 1 )) || die "CAP_NET_ADMIN is missing (a container without --privileged?)"
}

# Host names become directory names and host names: keep them plain.
good_name() { [[ $1 =~ ^[a-z][a-z0-9-]{0,30}$ && $1 != all ]] || die "bad host name '$1' (use a-z, 0-9, -)"; }

hosts() { local d; for d in "$LAB"/hosts/*/; do [ -d "$d" ] && basename "$d"; done; true; }

# One key for one kind of base: the suite, the packages, and how it is made.
base_key() { { echo "$SUITE ${CERTROLL_LAB_PACKAGES:-}"; cat "$HERE/packages" "$HERE/build"; } | sha256sum | cut -c1-12; }

# A process is known by its id and its start time, so that a reused id is never taken for it.
# One that has ended and only waits to be reaped counts as gone.
start_time() {
  local stat fields
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  read -ra fields <<<"${stat##*) }"
  [ "${fields[0]}" != Z ] && echo "${fields[19]}"
}
alive() { # FILE holding "PID STARTTIME"
  local pid t
  read -r pid t 2>/dev/null <"$1" || return 1
  [ "$(start_time "$pid" || true)" = "$t" ] && echo "$pid"
}

# The cgroup v2 tree, wherever the machine has it (hybrid, unified, or not mounted at all).
cgroup_root() {
  local m
  m=$(awk '{for (i = 7; i < NF; i++) if ($i == "-" && $(i+1) == "cgroup2") {print $5; exit}}' /proc/self/mountinfo)
  if [ -z "$m" ]; then
    m=$LAB/cgroup2; mkdir -p "$m"; mount -t cgroup2 none "$m" || die "this kernel has no usable cgroup v2"
  fi
  echo "$m/certroll-lab"
}

leader() { alive "$LAB/hosts/$1/leader" || { echo "lab: host $1 is not up" >&2; exit 125; }; }

# Run a command inside a host, given its PID 1. The shell in between stays outside the PID
# namespace and reaps the command whatever happens to it; nsenter's own fork would stop along
# with a command that a shutdown stops, and so hold the shutdown up for ever.
enter() { # PID CMD...
  local pid=$1; shift
  nsenter -t "$pid" -a --no-fork /bin/sh -c '"$@"; exit $?' enter setpriv --pdeathsig KILL \
    env -i -C /root HOME=/root USER=root LOGNAME=root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# The port of a host on the bridge, named by the last octet of its address.
port() { echo "certroll-$(cut -d. -f4 "$LAB/hosts/$1/ip")"; }

# What a host leaves in the kernel once its processes are gone. Safe to repeat.
release() {
  local cg; cg=$(cgroup_root)/$1
  ip neigh del "$(cat "$LAB/hosts/$1/ip")" dev "$BRIDGE" 2>/dev/null || true
  ip netns del "certroll-$1" 2>/dev/null || true
  ip link del "$(port "$1")" 2>/dev/null || true
  [ ! -d "$cg" ] || find "$cg" -depth -type d -exec rmdir {} \; 2>/dev/null || true
  rm -f "$LAB/hosts/$1/leader" "$LAB/hosts/$1/keeper" "$LAB/hosts/$1/cut"
}

# Power off hard: PID 1 of the host's PID namespace takes every other process in it along.
power_off() {
  local pid keeper i
  keeper=$(alive "$LAB/hosts/$1/keeper" || true)
  for i in $(seq 100); do
    # Again each time round: a host that is just rebooting gets a new PID 1.
    if pid=$(alive "$LAB/hosts/$1/leader"); then kill -9 "$pid" 2>/dev/null || true
    elif [ -n "$keeper" ] && [ "$i" -gt 50 ]; then kill -9 "$keeper" 2>/dev/null || true; fi
    alive "$LAB/hosts/$1/keeper" >/dev/null || break
    sleep 0.1
  done
  release "$1"
}

# Every host's name and address, in a marked block of an /etc/hosts.
hosts_file() { # FILE
  local h ip; local keep=""
  [ ! -f "$1" ] || keep=$(sed '/^# lab:/,/^# lab end/d' "$1")
  [ -n "$keep" ] || keep="127.0.0.1 localhost
::1 localhost"
  { echo "$keep"; echo "# lab: the hosts that are there"
    for h in $(hosts); do ip=$(cat "$LAB/hosts/$h/ip") && echo "$ip $h.lab.test $h"; done
    echo "# lab end"; } >"$1.lab" && cat "$1.lab" >"$1"
  rm -f "$1.lab"
}

# ssh_config and known_hosts for all hosts there are.
write_ssh_config() {
  local h ip
  { echo "Host $NET.*
  User root
  IdentityFile $LAB/ssh/id_ed25519
  IdentitiesOnly yes
  UserKnownHostsFile $LAB/ssh/known_hosts
  StrictHostKeyChecking yes"
    for h in $(hosts); do
      ip=$(cat "$LAB/hosts/$h/ip")
      echo "Host $h
  HostName $ip
  User root
  IdentityFile $LAB/ssh/id_ed25519
  IdentitiesOnly yes
  UserKnownHostsFile $LAB/ssh/known_hosts
  StrictHostKeyChecking yes"
    done; } >"$LAB/ssh/config.new"
  for h in $(hosts); do
    [ ! -f "$LAB/hosts/$h/hostkey.pub" ] || echo "$(cat "$LAB/hosts/$h/ip") $(cut -d' ' -f1,2 "$LAB/hosts/$h/hostkey.pub")"
  done >"$LAB/ssh/known_hosts.new"
  mv "$LAB/ssh/config.new" "$LAB/ssh/config"
  mv "$LAB/ssh/known_hosts.new" "$LAB/ssh/known_hosts"
}
