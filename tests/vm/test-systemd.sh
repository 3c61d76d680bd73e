#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Units of `volt generate systemd` under a real systemd: it is process 1 of namespaces of its
# own, on an overlay of this host's files, with no units but the test's. All of it goes with
# that process.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
if [ "$(id -u)" != 0 ] || ! [ -x /lib/systemd/systemd ]; then
	needs_root_and_systemd() {
		skip 'only root can start a systemd'
	}
	tap_run needs_root_and_systemd
	exit
fi
kernel
load busybox static

units=$T/units
init=
mkdir "$units" "$T/new" "$T/dump"

# The targets that any service has to do with, empty.
for target in sysinit basic shutdown umount final default network-online; do
	printf '[Unit]\nDescription=%s\nDefaultDependencies=no\n' $target >"$units/$target.target"
done

# A cgroup of the test's own, so that the namespace begins below it.
cgroup=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)/volt-test-$$

# In new namespaces: makes $T/new a root and becomes systemd.
cat >"$T/enter" <<EOF
set -e
mount --make-rprivate /
mount -t tmpfs none '$T/new'
cd '$T/new'
mkdir upper work root
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work none root
for dir in '$T' '${VOLT%/*}'; do
	mkdir -p "root\$dir"
	mount --bind "\$dir" "root\$dir"
done
cd root
mount -t proc none proc
mount -t sysfs none sys
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs none run
mount -t tmpfs none dev
for node in null zero full random urandom tty kvm net/tun; do
	[ -e "/dev/\$node" ] || continue
	mkdir -p "\$(dirname "dev/\$node")"
	: >"dev/\$node"
	mount --bind "/dev/\$node" "dev/\$node"
done
mkdir dev/pts dev/shm
mount -t devpts none dev/pts -o newinstance,ptmxmode=0666
ln -s pts/ptmx dev/ptmx
pivot_root . mnt
cd /
umount -l mnt
exec env -i container=volt PATH="\$PATH" SYSTEMD_UNIT_PATH='$units' \\
	/lib/systemd/systemd --system --unit=default.target --log-target=console \\
	--show-status=no --default-standard-output=null
EOF

systemd_ends() {
	[ -n "$shell" ] && kill -9 "$shell" 2>/dev/null && wait "$shell" 2>/dev/null
	cat "$cgroup/cgroup.procs" "$cgroup"/*/cgroup.procs 2>/dev/null | xargs -r kill -9
	wait_for 20 sh -c "! [ -d '$cgroup' ] || find '$cgroup' -depth -type d -exec rmdir {} +"
}

has_child() {
	[ -n "$(cat "/proc/$1/task/$1/children")" ]
}

shell=
start_systemd() {
	mkdir "$cgroup" || return
	at_exit systemd_ends
	sh -c "echo \$\$ >'$cgroup/cgroup.procs' && exec unshare --pid --fork --kill-child \
		--mount --uts --ipc --net --cgroup bash '$T/enter'" >"$T/systemd.log" 2>&1 </dev/null &
	shell=$!
	if wait_for 20 has_child "$shell"; then
		init=$(tr -d ' ' <"/proc/$shell/task/$shell/children")
		wait_for 60 systemctl_inside is-active default.target && return
	fi
	bad 'systemd does not start' "$(cat "$T/systemd.log")"
}

# A command beside that systemd.
inside() {
	nsenter -t "$init" -m -u -i -n -p -C -r -w env -i PATH="$PATH" LC_ALL="$LC_ALL" \
		VOLT_ROOT="$VOLT_ROOT" SYSTEMD_UNIT_PATH="$units" "$@"
}
systemctl_inside() {
	inside systemctl "$@"
}
property() {
	systemctl_inside show -P "$2" "$1"
}
is_active() {
	[ "$(property "$1" ActiveState)" = active ]
}
is_inactive() {
	[ "$(property "$1" ActiveState)" = inactive ]
}

# install MACHINE [OPTION…]: its unit, whose service says on stderr what went wrong.
install_unit() {
	local machine=$1
	shift
	volt generate systemd "$@" "$machine" >"$units/volt-$machine.service" || return
	mkdir -p "$units/volt-$machine.service.d"
	printf '[Service]\nStandardError=append:%s\n' "$T/$machine.log" \
		>"$units/volt-$machine.service.d/log.conf"
	systemctl_inside daemon-reload
}

a_systemd_runs() {
	start_systemd && return
	echo 'Bail out! no systemd'
	exit 1
}

a_service_is_active_when_its_workload_runs_and_not_before() {
	local state
	volt create --name web --network none busybox trap-term >/dev/null
	install_unit web || bad "no unit" || return
	systemctl_inside start --no-block volt-web.service
	# What is read first is the older.
	while state=$(property volt-web.service ActiveState) && [ "$state" != active ]; do
		is "$state" activating || return
	done
	is "$(state_of web)" running
	is "$(property volt-web.service MainPID)" "$(inspect web .state.supervisor)"
	is "$(property volt-web.service StatusText)" running
}

a25_stopping_it_is_a_stop_by_volt() {
	wait_for 60 logged web ready || return
	systemctl_inside stop volt-web.service
	is "$(volt logs web)" $'ready\ncleaned up'
	is "$(inspect web .state.stopped_by)" signal
	is "$(property volt-web.service ActiveState)" inactive
	is "$(property volt-web.service Result)" success
}

logged() {
	volt logs "$1" 2>&1 | grep -q -- "$2"
}

# restarted MACHINE N
restarted() {
	[ "$(property "volt-$1.service" NRestarts)" = "$2" ] && is_active "volt-$1.service"
}

it_is_started_again_when_qemu_is_killed() {
	local qemu
	systemctl_inside start volt-web.service
	qemu=$(inspect web .state.qemu)
	inside kill -9 "$qemu"
	wait_for 120 restarted web 1 || bad 'not restarted' "$(cat "$T/web.log")"
	is "$(state_of web)" running
	not_ok [ "$qemu" = "$(inspect web .state.qemu)" ]
	like "$(cat "$T/web.log")" 'QEMU was killed by SIGKILL'
}

it_is_started_again_when_its_supervisor_is_killed() {
	local qemu
	qemu=$(inspect web .state.qemu)
	inside kill -9 "$(inspect web .state.supervisor)"
	wait_for 120 restarted web 2 || bad 'not restarted' "$(cat "$T/web.log")"
	is "$(state_of web)" running
	not_ok inside kill -0 "$qemu" 2>/dev/null
	is "$(property volt-web.service MainPID)" "$(inspect web .state.supervisor)"
}

what_volt_stopped_stays_stopped() {
	run inside "$VOLT" stop web
	status 0
	# Not "activating", as between an end and a new start.
	wait_for 60 is_inactive volt-web.service
	is "$(property volt-web.service Result)" success
	volt rm web >/dev/null
}

a_machine_made_anew_gets_the_same_words_and_goes_with_its_service() {
	local odd=$'a "b" \'c\' %n $HOME ${X} $$ \\ ;\n\ttail '
	volt create --name fresh --network none -e "ODD=$odd" busybox \
		sh -c 'printf "<%s>\n" "$ODD" "$@"; exec sleep 1000' -- "$odd" '' ';' '%%' >/dev/null
	install_unit fresh --new || bad "no unit" || return
	volt rm fresh >/dev/null
	systemctl_inside start volt-fresh.service || bad 'no start' "$(cat "$T/fresh.log")"
	wait_for 60 logged fresh '<%%>'
	is "$(volt logs fresh)" "<$odd>"$'\n'"<$odd>"$'\n<>\n<;>\n<%%>'
	inside kill -9 "$(inspect fresh .state.supervisor)"
	wait_for 120 restarted fresh 1
	systemctl_inside stop volt-fresh.service
	is "$(volt ps -a -q --filter name=fresh)" ''
}

# The wish of a machine, but for what differs between two of the same.
wish() {
	inspect "$1" '.spec | del(.id, .name, .created_at, .rm) | tojson'
}

a24_any_words_come_out_of_systemd_as_they_went_in() {
	local n names
	python3 - "$VOLT" >"$T/names" <<'EOF' || bad 'create failed'
import random, subprocess, sys
pieces = ["a", " ", "  ", "\t", "\n", "\r", '"', "'", "\\", "\\n", "\\x41", "%", "%%", "%i", "%n", "$",
          "$$", "${HOME}", "$HOME", ";", " ; ", "#", "=", "-", "--", "@", ":", "!", "+", "|", "*", "?",
          "~", "{", "}", "`", "\x01", "\x1b[0m", "\x7f", "\u00e9", "\u2028", "\ufeff", "\ufdd0",
          "\ufffe", "\U0001ffff", "\U0001f600", "\u0085", ""]
random.seed(25)
def text():
    return "".join(random.choice(pieces) for _ in range(random.randrange(10)))
for i in range(24):
    name = "h%d" % i
    words = [sys.argv[1], "create", "--name", name, "--rm"]
    for k in range(4):
        words += ["-e", "E%d=%s" % (k, text()), "--label", "l%d=%s" % (k, text())]
    words += ["-w", "/" + text(), "--tmpfs", "/t" + text().replace(":", "").replace("/", ""),
              "static", "hang"] + [text() for _ in range(6)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    print(name)
EOF
	names=$(cat "$T/names")
	is "$(wc -w <<<"$names")" 24
	# shellcheck disable=SC2016 # for the other shell
	printf '#!/bin/bash\nprintf "%%s\\0" "$@" >"$0.args"\n' >"$T/dump/dump"
	chmod +x "$T/dump/dump"
	for n in $names; do
		ln "$T/dump/dump" "$T/dump/$n"
		volt generate systemd --new "$n" | sed -e "s|^ExecStart=[^ ]* |ExecStart=$T/dump/$n |" \
			-e 's/^Type=notify/Type=oneshot/' -e '/^ExecStop/d' -e '/^Restart=/d' \
			>"$units/volt-$n.service"
	done
	systemctl_inside daemon-reload
	# shellcheck disable=SC2086,SC2046 # words
	systemctl_inside start $(printf 'volt-%s.service ' $names) || bad "not started" || return
	for n in $names; do
		python3 - "$VOLT" "$T/dump/$n.args" "again-$n" <<'EOF' || bad "$n"
import subprocess, sys
args = open(sys.argv[2], "rb").read().split(b"\0")[:-1]
args = args[args.index(b"run") + 1:]
args.remove(b"--foreground")
args[args.index(b"--name") + 1] = sys.argv[3].encode()
subprocess.run([sys.argv[1].encode(), b"create"] + args, check=True, stdout=subprocess.DEVNULL)
EOF
		is "$(wish "again-$n")" "$(wish "$n")" "$n"
	done
	volt rm -a >/dev/null
}

nothing_of_systemd_is_left() {
	systemd_ends
	shell=
	not_ok test -d "$cgroup"
	is "$(grep -c "$T" /proc/self/mounts)" 0 'mounts'
}

tap_run \
	a_systemd_runs \
	a_service_is_active_when_its_workload_runs_and_not_before \
	a25_stopping_it_is_a_stop_by_volt \
	it_is_started_again_when_qemu_is_killed \
	it_is_started_again_when_its_supervisor_is_killed \
	what_volt_stopped_stays_stopped \
	a_machine_made_anew_gets_the_same_words_and_goes_with_its_service \
	a24_any_words_come_out_of_systemd_as_they_went_in \
	nothing_of_systemd_is_left \
	nothing_is_left
