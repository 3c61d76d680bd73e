#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Supervisors in the foreground, and the units that run them. What systemd itself does with
# such a unit is tests/vm/test-systemd.sh.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
fake_qemu
kernel
load static

# A service manager's ear: writes each message to $T/notify, its lines parted by spaces.
listen() {
	: >"$T/notify"
	python3 - "$T/notify.sock" "$T/notify" <<'EOF' &
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1] + ".new")
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    with open(sys.argv[2], "ab") as f:
        f.write(s.recv(65536).replace(b"\n", b" ") + b"\n")
EOF
	ear=$!
	wait_for 20 test -S "$T/notify.sock"
	export NOTIFY_SOCKET=$T/notify.sock
}
no_ear() {
	kill "$ear"
	wait "$ear" 2>/dev/null
	rm -f "$T/notify.sock"
	unset NOTIFY_SOCKET
}
heard() {
	grep -q -- "$1" "$T/notify"
}

the_foreground_process_is_the_supervisor_and_says_when_it_is_ready() {
	local pid
	listen
	"$VOLT" run --foreground --name fg static hang >"$T/out" 2>"$T/err" &
	pid=$!
	wait_for 20 heard READY=1 || return
	is "$(inspect fg .state.supervisor)" "$pid" 'the supervisor'
	like "$(grep READY=1 "$T/notify")" "MAINPID=$pid( |$)"
	is "$(state_of fg)" running
	not_ok heard STOPPING
	run volt stop fg
	status 0
	wait $pid
	is $? 0 'status of what was asked to end'
	ok heard STOPPING=1
	is "$(cat "$T/err")" ''
	no_ear
	volt rm fg >/dev/null
}

it_is_not_ready_before_the_workload_runs() {
	listen
	run "$VOLT" run --foreground --name fg static fail:127
	status 127
	not_ok heard READY
	like "$(cat "$T/err")" '^volt-supervisor: '
	is "$(volt ps -a -q --filter name=fg)" '' 'what never ran is not kept'
	no_ear
}

the_status_is_the_workloads() {
	run volt run --foreground --rm static exit:3
	status 3
	run volt run --foreground --rm static exit:0
	status 0
	volt create --name twice static exit:4 >/dev/null
	run volt start --foreground twice
	status 4
	is "$(inspect twice .state.exit_code)" 4
	run volt start --foreground twice
	status 4
	volt rm twice >/dev/null
}

sigterm_stops_it_in_order() {
	local pid
	listen
	"$VOLT" run --foreground --name fg static hang >"$T/out" 2>"$T/err" &
	pid=$!
	wait_for 20 heard READY=1 || return
	kill -TERM $pid
	wait $pid
	is $? 0 status
	is "$(inspect fg .state.stopped_by)" signal
	is "$(state_of fg)" exited
	no_ear
	volt rm fg >/dev/null
}

a_qemu_that_dies_is_a_failure_with_a_line_that_says_so() {
	local pid
	listen
	"$VOLT" run --foreground --name fg static hang >"$T/out" 2>"$T/err" &
	pid=$!
	wait_for 20 heard READY=1 || return
	kill -9 "$(inspect fg .state.qemu)"
	wait $pid
	is $? 125 status
	like "$(cat "$T/err")" '^volt-supervisor: QEMU was killed by SIGKILL'
	no_ear
	volt rm fg >/dev/null
}

what_does_not_start_fails_and_leaves_the_machine_as_it_was() {
	volt create --name broken static hang >/dev/null
	run env VOLT_QEMU="$T/nowhere" "$VOLT" start --foreground broken
	status 125
	one_line_error "no 'qemu-system-.*nowhere"
	is "$(state_of broken)" created
	run volt start --foreground --attach broken
	status 125
	one_line_error "'--foreground' and '--attach'"
	run volt start broken
	run volt start --foreground broken
	status 125
	one_line_error "'broken' is already running"
	volt rm -f broken >/dev/null
	run volt run --foreground -d static hang
	status 125
	one_line_error "'--foreground' and '--detach'"
}

# verify UNIT-FILE: what systemd itself has to say about it must be nothing.
verify() {
	run systemd-analyze verify --man=no --recursive-errors=no "$1"
	status 0
	is "$(cat "$T/out" "$T/err")" '' "$1"
}

a24_systemd_accepts_the_units() {
	volt create --name plain -p 127.0.0.1::80 static hang >/dev/null
	volt create --name odd -e 'A=a "b" %n $HOME ${X} \ ; '"'"$'\n\t\001' --tmpfs '/a b' \
		-v "$T:/x:ro" -v /usr:/u --label 'k=%i' --restart on-failure:3 \
		static $'two\nlines' '' ';' '%%' '$$' >/dev/null
	mkdir -p "$T/units"
	cd "$T/units" || return
	for options in '' --new --name=false '--new --restart-policy always --restart-sec 3' \
		'--stop-timeout 3 --start-timeout 7 --after a@b.service --wants x.target' \
		'--no-header -t 5 --requires local-fs.target'; do
		for name in plain odd; do
			rm -f volt-*
			# shellcheck disable=SC2086 # words
			run volt generate systemd --files $options $name
			status 0
			is "$(cat "$T/out")" "$T/units/$(ls)" 'the path that is printed'
			verify "$(cat "$T/out")"
		done
	done
	cd / || return
}

a25_the_unit_stops_by_volt_and_leaves_it_time() {
	run volt generate systemd --stop-timeout 33 plain
	stdout_like '^Type=notify$'
	stdout_like "^ExecStart=$VOLT .* start --foreground plain\$"
	stdout_like '^ExecStop=.* stop --ignore --time 33 plain$'
	stdout_like '^TimeoutStopSec=78$'
	stdout_like '^Restart=on-failure$'
	stdout_like '^Delegate=yes$'
	run volt generate systemd odd
	stdout_like '^Restart=on-abnormal$' # its supervisor counts
	[ "$(id -u)" = 0 ] && unlike "$(cat "$T/out")" '^ProtectSystem' # it writes to /usr
	run volt generate systemd --new odd
	stdout_like '^Restart=on-failure$'
	stdout_like ' run --foreground --replace --name odd .* --rm '
	unlike "$(cat "$T/out")" '--restart'
	[ "$(id -u)" != 0 ] || { volt generate systemd plain | grep -q '^ProtectSystem=yes$'; } ||
		bad 'no ProtectSystem'
}

units_that_cannot_be_are_refused() {
	run volt generate systemd nobody
	status 125
	one_line_error "'nobody'"
	run volt generate systemd --restart-policy sometimes plain
	status 125
	one_line_error "'sometimes' is none of no, "
	run volt generate systemd --after $'x.service\nExecStart=/bin/sh' plain
	status 125
	one_line_error 'is no name of a unit'
	run volt generate systemd --stop-timeout -7 plain
	status 125
	one_line_error "'--stop-timeout': -7"
	run volt generate systemd --new --name=false plain
	status 125
	one_line_error 'another id each time'
	volt create --name brief --rm static hang >/dev/null
	run volt generate systemd brief
	status 125
	one_line_error "'brief' is removed when it ends.*--new"
	run volt generate systemd --new brief
	status 0
	cd "$T/units" && mkdir -p volt-plain.service
	run volt generate systemd -f plain
	status 125
	one_line_error "write 'volt-plain.service'"
	rmdir volt-plain.service
	cd / || return
}

# A machine that boots a disk has no other file of the host's that it cannot do without.
a_unit_waits_for_the_disk_it_boots() {
	truncate -s 4M "$T/disk"
	volt create --name booter --guest disk "$T/disk" >/dev/null
	run volt generate systemd booter
	status 0
	stdout_like "^RequiresMountsFor=\"?$VOLT_ROOT\"? \"?$T/disk\"?$"
	volt rm booter >/dev/null
	[ "$(id -u)" = 0 ] || return 0
	stdout_like '^ProtectSystem=yes$'
	# What the kernel shows below /usr, without a file there.
	run unshare --mount sh -c 'mount --bind "$1" /usr/local && shift && "$@"' - "$T" \
		"$VOLT" create --name booter --guest disk /usr/local/disk
	status 0
	run volt generate systemd booter
	status 0
	unlike "$(cat "$T/out")" ProtectSystem
	volt rm booter >/dev/null
}

# podman's are readable by all, with what --env gave; systemd needs no more than its own rights.
a_unit_with_an_environment_is_for_its_owner_only() {
	mkdir -p "$T/units"
	volt create --name secretive -e PASSWORD=hunter2 static >/dev/null
	cd "$T/units" || return
	run volt generate systemd --new --files secretive
	status 0
	ok grep -q hunter2 volt-secretive.service
	is "$(stat -c %a volt-secretive.service)" 600
	run volt generate systemd --files secretive
	status 0
	not_ok grep -q hunter2 volt-secretive.service
	is "$(stat -c %a volt-secretive.service)" 644
	cd / || return
	volt rm secretive >/dev/null
}

tap_run \
	the_foreground_process_is_the_supervisor_and_says_when_it_is_ready \
	it_is_not_ready_before_the_workload_runs \
	the_status_is_the_workloads \
	sigterm_stops_it_in_order \
	a_qemu_that_dies_is_a_failure_with_a_line_that_says_so \
	what_does_not_start_fails_and_leaves_the_machine_as_it_was \
	a24_systemd_accepts_the_units \
	a25_the_unit_stops_by_volt_and_leaves_it_time \
	units_that_cannot_be_are_refused \
	a_unit_waits_for_the_disk_it_boots \
	a_unit_with_an_environment_is_for_its_owner_only \
	nothing_is_left
