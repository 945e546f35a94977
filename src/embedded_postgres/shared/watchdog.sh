# Ends the shared test server when the last test process has gone, however it went.
#
#   $1  state folder      $2  data folder of the server      $3  seconds to linger
#
# Every test process holds the file "lock" shared for its life; the kernel drops such a lock even after kill -9. Here
# it is taken exclusively, which succeeds when nobody is left. Standard input is the file "watchdog", locked by the
# process that started us: while we live, nobody starts a second one.

state=$1 data=$2 linger=$3
trap '' HUP INT

# The lock belongs to what descriptor 9 has open, so it stays with this shell after the program that took it ends.
# No helper keeps our standard input: if we are killed, a waiting helper must not look like a living watchdog.
if command -v flock >/dev/null 2>&1; then
    wait_for_lock() { flock -x 9 </dev/null; }
    try_lock() { flock -n -x 9 </dev/null; }
else
    wait_for_lock() { perl -MFcntl=:flock -e 'open(my $f, ">&=", 9) && flock($f, LOCK_EX) or exit 1' </dev/null; }
    try_lock() { perl -MFcntl=:flock -e 'open(my $f, ">&=", 9) && flock($f, LOCK_EX | LOCK_NB) or exit 1' </dev/null; }
fi

# Each process that arrives writes something new into the lock file.
last_arrival() { read -r arrival <"$state/lock" && echo "$arrival"; }

running() {
    pid=$(sed -n 1p "$data/postmaster.pid" 2>/dev/null) && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
    # After a crash the number may belong to anybody: a postmaster works in its data folder.
    [ ! -e /proc/self/cwd ] || [ "$(readlink "/proc/$pid/cwd")" = "$data" ]
}

# If somebody removes the folder under us there is nothing left to watch: the server ends itself within a minute once
# its data folder is gone.
# Linger: a runner with a process per test leaves gaps between them that are no reason to start anew.
while :; do
    exec 9<>"$state/lock" || exit 1
    wait_for_lock || exit 1
    seen=$(last_arrival)
    exec 9>&-
    sleep "$linger" </dev/null
    exec 9<>"$state/lock" || exit 1
    if try_lock && [ "$(last_arrival)" = "$seen" ]; then break; fi
    exec 9>&-
done

# From here to the end nobody can come in: who arrives waits for the lock, then finds that its file is no longer the
# one at that path, and begins again in a new folder.
if running; then
    kill -QUIT "$pid"
    waited=0
    while running && [ "$waited" -lt 100 ]; do
        sleep 0.1 </dev/null
        waited=$((waited + 1))
    done
    if running; then kill -KILL "$pid"; fi
fi
socket_dir=$(cat "$state/server/socket-dir" 2>/dev/null)
case ${socket_dir##*/} in
    blpg-*) rm -rf "$socket_dir" ;;
esac
rm -rf "$state/server"
rm -f "$state/setup" "$state/watchdog" "$state/lock"
rmdir "$state" 2>/dev/null
