# shellcheck shell=bash
# What the server scripts beside this file share: the life of one private instance in one folder.
#
# Sourced by `postgres`, `mariadb`, `mysql`, `rabbitmq` and `network`, which set
#   kind          the name of the script, kept in DIR/kind so that no script touches another's folder
#   run_as        users to choose from when started by root (empty: stay root)
#   stop_signal   what asks the server to stop gracefully
# and define
#   create_data   fills $dir before the first start
#   choose_ports  keeps any further ports it needs in $dir (optional)
#   choose_inner_ports  the same with those that no client knows, again at each start (optional)
#   before_serve  starts whatever must be there before the server (optional)
#   after_kill    removes what a killed server leaves outside the folder (optional)
#   orders        further commands, each with a function COMMAND_instance that takes what follows DIR,
#                 and in orders_usage the lines of `usage` about them (optional)
#   serve         execs the server in the foreground through `become`
#   answers       succeeds as soon as this very instance accepts clients
#   url           prints the connection URL
#
# Invariant: every file of an instance is in its folder, it listens on loopback only, and
# a signal goes only to a process that this folder's pid files name by id *and* start time.
set -euo pipefail

start_seconds_max=120
stop_seconds_max=60
port_attempts_max=5

choose_ports() { :; }
choose_inner_ports() { :; }
before_serve() { :; }
after_kill() { :; }
: "${orders:=}" "${orders_usage:=}"

usage() {
    cat >&2 <<USAGE
usage: $kind start DIR [PORT]   new instance in DIR (absent or empty); prints its URL
       $kind resume DIR         start it again on its port after stop or kill; prints its URL
       $kind stop DIR           stop gracefully
       $kind kill DIR           kill -9 of all its processes
       $kind freeze|thaw DIR    SIGSTOP, SIGCONT to all its processes
USAGE
    [[ -z $orders_usage ]] || printf '%s\n' "$orders_usage" >&2
    exit 2
}

say() { printf '%s: %s\n' "$kind" "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

fail_showing() {
    say "$2; the end of $1:"
    tail -n 20 "$1" >&2
    exit 1
}

main() {
    local command=${1:-} folder=${2:-}
    [[ -n $folder ]] || usage
    case $command in
        start) (($# <= 3)) || usage ;;
        resume | stop | kill | freeze | thaw) (($# == 2)) || usage ;;
        *) [[ -n $command && " $orders " == *" $command "* ]] || usage ;;
    esac
    if [[ $command == start ]]; then
        start "$folder" "${3:-}"
        return
    fi
    dir=$(cd "$folder" 2>/dev/null && pwd -P) || fail "no such folder: $folder"
    [[ -f $dir/kind && $(<"$dir/kind") == "$kind" ]] || fail "no $kind instance in $dir"
    "${command}_instance" "${@:3}"
}

# --- start and resume ----------------------------------------------------------------------------

start() {
    mkdir -p "$1"
    dir=$(cd "$1" && pwd -P)
    [[ -z $(ls -A "$dir") ]] || fail "not empty: $dir"
    # A socket's path has at most 107 bytes.
    ((${#dir} <= 80)) || fail "path too long for a socket: $dir"
    printf '%s\n' "$kind" >"$dir/kind"
    hand_over
    cd "$dir"
    create_data >"$dir/create.log" 2>&1 </dev/null ||
        fail_showing "$dir/create.log" 'could not create its data'
    bring_up_on "$2"
    url
}

# Another process may take a free port before the server does, so a port of our own choice is
# given up for another when the server does not come up.
bring_up_on() {
    local port_wanted=$1 attempt
    for ((attempt = 1; attempt <= port_attempts_max; attempt++)); do
        printf '%s\n' "${port_wanted:-$(free_port)}" >"$dir/port"
        choose_ports
        choose_inner_ports
        if bring_up; then return 0; fi
        kill_instance
        [[ -z $port_wanted ]] || break
    done
    fail_showing "$dir/log" 'did not start'
}

resume_instance() {
    ! alive server || fail "already running in $dir"
    # What a server that died by itself left behind would be in the way of the new one.
    kill_instance
    cd "$dir"
    bring_up_again
    url
}

# Its port is known to clients, so it stays; whoever has taken it meanwhile may be gone the next time.
bring_up_again() {
    local attempt
    for ((attempt = 1; attempt <= port_attempts_max; attempt++)); do
        choose_inner_ports
        if bring_up; then return 0; fi
        kill_instance
        sleep 1
    done
    fail_showing "$dir/log" 'did not start again'
}

# Starts the server on the port in $dir/port and waits until it answers.
bring_up() {
    touch "$dir/log"
    log_offset=$(stat -c %s "$dir/log")
    before_serve || return 1
    spawn server serve
    wait_until "$start_seconds_max" answers_or_died
    alive server && answers
}

answers_or_died() { ! alive server || answers; }

# Runs a function that ends in exec, in a session of its own, and keeps its pid in $dir/$1.pid.
# The process writes the file itself, before exec, so that none ever runs without being named.
spawn() {
    local name=$1 function=$2
    rm -f "$dir/$name.pid"
    (
        pid=$BASHPID
        printf '%s %s\n' "$pid" "$(started_at "$pid")" >"$dir/$name.pid.new"
        mv "$dir/$name.pid.new" "$dir/$name.pid"
        "$function"
    ) >>"$dir/log" 2>&1 </dev/null &
    wait_until 10 test -f "$dir/$name.pid"
}

# The user the server runs as: `become` is put before each of its commands. The environment is
# cleaned so that no setting made for a system server reaches a private one.
set_become() {
    local user
    become=(env -i "PATH=$PATH" "HOME=$dir" LANG=C.UTF-8)
    owner=
    if ((EUID == 0)); then
        for user in $run_as; do
            if id -u "$user" >/dev/null 2>&1; then owner=$user; break; fi
        done
    fi
    if [[ -n $owner ]]; then
        become=(setpriv "--reuid=$owner" "--regid=$(id -g "$owner")" --init-groups "${become[@]}")
    fi
}

# Gives the folder to the server's user, and lets that user through the folders above it as far as
# they are temporary ones of ours.
hand_over() {
    local parent temporary
    set_become
    chmod 700 "$dir"
    [[ -n $owner ]] || return 0
    chown "$owner:$(id -g "$owner")" "$dir"
    temporary=$(cd "${TMPDIR:-/tmp}" && pwd -P)
    parent=${dir%/*}
    while [[ $parent == "$temporary" || $parent == "$temporary"/* ]]; do
        if [[ -O $parent ]]; then chmod o+x "$parent"; fi
        parent=${parent%/*}
    done
    "${become[@]}" test -w "$dir" || fail "user $owner can't reach $dir"
}

# A port of 127.0.0.1 that nobody uses, below those the kernel hands out by itself.
free_port() {
    local port
    while :; do
        port=$((15000 + RANDOM % 17000))
        if ! grep -qsi ":$(printf '%04X' "$port") " /proc/net/tcp /proc/net/tcp6; then break; fi
    done
    printf '%s\n' "$port"
}

# --- stop, kill, freeze, thaw --------------------------------------------------------------------

stop_instance() {
    local name
    thaw_instance
    signal_one server "$stop_signal"
    wait_until "$stop_seconds_max" dead server ||
        { kill_instance; fail "did not stop within $stop_seconds_max s, killed"; }
    for name in $(pid_names); do
        signal_one "$name" TERM
        wait_until "$stop_seconds_max" dead "$name" || { kill_instance; fail "$name did not stop, killed"; }
    done
}

# Freezing first keeps a parent from replacing children, or reacting to their death, meanwhile.
kill_instance() {
    local name pid pids=()
    for name in $(pid_names); do
        if ! alive "$name"; then continue; fi
        pid=$(pid_of "$name")
        freeze_tree "$pid"
        mapfile -t -O "${#pids[@]}" pids < <(tree "$pid")
    done
    ((${#pids[@]})) || return 0
    kill -KILL "${pids[@]}" 2>/dev/null || true
    wait_until "$stop_seconds_max" all_gone "${pids[@]}" || fail "processes left: ${pids[*]}"
    after_kill
}

freeze_instance() {
    local name
    alive server || fail "not running in $dir"
    for name in $(pid_names); do
        if alive "$name"; then freeze_tree "$(pid_of "$name")"; fi
    done
}

thaw_instance() {
    local name pids
    for name in $(pid_names); do
        if ! alive "$name"; then continue; fi
        mapfile -t pids < <(tree "$(pid_of "$name")" | tac)
        kill -CONT "${pids[@]}" 2>/dev/null || true
    done
}

# --- processes -----------------------------------------------------------------------------------

# Names of the pid files, the server's first.
pid_names() {
    local file
    for file in "$dir/server.pid" "$dir"/*.pid; do
        if [[ -f $file ]]; then basename "$file" .pid; fi
    done | awk '!seen[$0]++'
}

pid_of() {
    local pid _
    read -r pid _ <"$dir/$1.pid"
    printf '%s\n' "$pid"
}

# A field of /proc/PID/stat, counted as in proc(5); the name in field 2 may hold anything.
stat_field() {
    local line fields
    line=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    read -r -a fields <<<"${line##*) }"
    printf '%s\n' "${fields[$2 - 3]}"
}

state_of() { stat_field "$1" 3; }
started_at() { stat_field "$1" 22; }

# The state first: one that was dead already may be gone at the second look, which then finds nobody.
alive() {
    local pid started state
    [[ -f $dir/$1.pid ]] || return 1
    read -r pid started <"$dir/$1.pid"
    state=$(state_of "$pid") && [[ $state != [ZX] ]] && [[ $(started_at "$pid") == "$started" ]]
}

dead() { ! alive "$1"; }

signal_one() {
    if alive "$1"; then kill -"$2" "$(pid_of "$1")" 2>/dev/null || true; fi
}

# A process and all below it, parents first.
tree() {
    { cat /proc/[0-9]*/stat 2>/dev/null || true; } | awk -v root="$1" '
        { pid = $1; sub(/.*\) . /, ""); children[$1] = children[$1] " " pid }
        function walk(pid,    list, i, n) {
            print pid
            n = split(children[pid], list, " ")
            for (i = 1; i <= n; i++) walk(list[i])
        }
        END { walk(root) }'
}

# Stops the processes of a tree, parents first; again until no child was missed.
freeze_tree() {
    local before='' now pid
    while now=$(tree "$1") && [[ $now != "$before" ]]; do
        for pid in $now; do
            kill -STOP "$pid" 2>/dev/null || true
            wait_until 10 stopped "$pid" || say "process $pid does not freeze"
        done
        before=$now
    done
}

stopped() { case $(state_of "$1") in T | t | Z | '') return 0 ;; *) return 1 ;; esac; }

all_gone() {
    local pid
    for pid in "$@"; do
        case $(state_of "$pid") in Z | X | '') ;; *) return 1 ;; esac
    done
}

# Runs a command every 50 ms until it succeeds; fails after so many seconds.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}
