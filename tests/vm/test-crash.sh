#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of everything, at many points. Afterwards every machine is in a state that can be
# shown and removed, and nothing is left: no process, socket or temporary file.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
kernel
load busybox

logged() {
	volt logs "$1" 2>&1 | grep -q -- "$2"
}

# pid NAME supervisor|qemu
pid() {
	inspect "$1" ".state.$2"
}

start_one() {
	volt run -d --name "$1" "${@:2}" busybox sh -c 'echo ready; while :; do sleep 1; done' >/dev/null &&
		wait_for 30 logged "$1" ready
}

gone() {
	local p
	for p in "$@"; do
		alive "$p" && return 1
	done
	return 0
}

killed_qemu_is_recorded_and_undone() {
	start_one qemu || return
	local qemu members
	qemu=$(pid qemu qemu)
	members=$(family "$(pid qemu supervisor)")
	kill -9 "$qemu"
	run volt wait qemu
	status 0
	is "$(state_of qemu)" failed
	like "$(inspect qemu .state.reason)" 'QEMU|signal|killed'
	# shellcheck disable=SC2086 # words
	wait_for 20 gone $members
	run volt start qemu
	status 0
	volt rm -f qemu >/dev/null
}

# Volumes have a server each; without it the guest would wait for ever.
killed_virtiofsd_ends_its_machine() {
	local p server=
	mkdir "$T/volume"
	start_one volume -v "$T/volume:/v" || return
	for p in $(family "$(pid volume supervisor)"); do
		grep -aq virtiofsd "/proc/$p/cmdline" 2>/dev/null && server=$p
	done
	kill -9 "$server"
	run volt wait volume
	stdout 125
	is "$(state_of volume)" failed
	like "$(inspect volume .state.reason)" '^virtiofsd ended'
	volt rm -f volume >/dev/null
}

killed_supervisor_takes_qemu_along_and_the_next_command_cleans_up() {
	free_port
	start_one sup -p "$port:80" || return
	local members
	members=$(family "$(pid sup supervisor)")
	like "$(wc -w <<<"$members")" '^[2-9]' 'processes of the machine'
	kill -9 "$(pid sup supervisor)"
	# shellcheck disable=SC2086 # words
	wait_for 20 gone $members
	run volt ps -a --format json
	status 0
	is "$(state_of sup)" failed
	like "$(inspect sup .state.reason)" 'supervisor'
	run volt start sup
	status 0
	is "$(state_of sup)" running
	volt rm -f sup >/dev/null
}

killed_supervisor_of_a_machine_with_rm_leaves_nothing() {
	start_one rm --rm || return
	local members
	members=$(family "$(pid rm supervisor)")
	kill -9 "$(pid rm supervisor)"
	# shellcheck disable=SC2086 # words
	wait_for 20 gone $members
	run volt ps -a -q
	stdout ''
	is "$(machine_files)" ''
}

killed_client_leaves_a_detached_machine_alone() {
	run_and_kill() {
		"$VOLT" run --name att busybox sh -c 'echo ready; while :; do sleep 1; done' >"$T/att" &
		client=$!
		wait_for 30 grep -q ready "$T/att" || return
		kill -9 "$client"
		wait "$client" 2>/dev/null
		return 0
	}
	run_and_kill || return
	is "$(state_of att)" running
	run volt stop -t 1 att
	status 0
	volt rm att >/dev/null
}

a_closed_terminal_hangs_up_the_workload() {
	run "$here/with-pty" 24x80 wait:ready hangup -- \
		"$VOLT" run -it --name tty busybox sh -c 'echo ready; exec sleep 1000'
	run volt wait tty
	stdout 129
	is "$(state_of tty)" exited
	volt rm tty >/dev/null
}

# consistent NAME: whatever happened to it, it can be shown and removed, and then it is gone.
consistent() {
	local s
	run volt ps -a --format json
	status 0
	jq -e . "$T/out" >/dev/null || bad 'ps prints broken json' "$(cat "$T/out")"
	# A start that is given up removes its machine, perhaps between two of these.
	s=$(state_of "$1" 2>/dev/null)
	if volt inspect "$1" >/dev/null 2>&1; then
		like "$s" '^(created|running|exited|failed|starting|stopping)$' "state of $1"
		run volt rm -f "$1"
		[ "$status" = 0 ] || ! volt inspect "$1" >/dev/null 2>&1 || status 0
	fi
	wait_for 20 no_processes || bad 'left' "$(show_processes "$(processes)")"
	is "$(machine_files)" '' 'directories'
}

# A start lasts some seconds: the client, then the supervisor, then QEMU are killed at
# moments spread over it.
kill_9_of_the_client_at_many_points_of_a_start() {
	local ms client
	for ms in 002 005 010 020 040 080 150 300 600 900 1300 1800; do
		"$VOLT" run -d --name point busybox sleep 1000 >/dev/null 2>&1 &
		client=$!
		sleep "$(awk "BEGIN { print $ms / 1000 }")"
		kill -9 $client 2>/dev/null
		wait $client 2>/dev/null
		consistent point || { echo "#   killed after $ms ms"; return; }
	done
}

kill_9_of_the_supervisor_at_many_points_of_a_start() {
	local ms client p
	for ms in 005 020 060 120 250 500 900 1500; do
		"$VOLT" run -d --name point busybox sleep 1000 >/dev/null 2>"$T/point" &
		client=$!
		sleep "$(awk "BEGIN { print $ms / 1000 }")"
		for p in $(processes); do
			[ "$p" = $client ] || ! grep -aq volt-supervisor "/proc/$p/cmdline" 2>/dev/null ||
				kill -9 "$p"
		done
		wait $client 2>/dev/null
		consistent point || { echo "#   killed after $ms ms"; return; }
	done
}

kill_9_of_qemu_at_many_points_of_a_start() {
	local ms client p
	for ms in 050 150 400 800 1400; do
		"$VOLT" run -d --name point busybox sleep 1000 >/dev/null 2>"$T/point" &
		client=$!
		sleep "$(awk "BEGIN { print $ms / 1000 }")"
		for p in $(processes); do
			grep -aq qemu-system "/proc/$p/cmdline" 2>/dev/null && kill -9 "$p"
		done
		wait $client 2>/dev/null
		consistent point || { echo "#   killed after $ms ms"; return; }
	done
}

kill_9_of_the_supervisor_while_it_stops() {
	local ms client
	for ms in 000 010 050 200; do
		start_one stopping || return
		"$VOLT" stop -t 1 stopping >/dev/null 2>&1 &
		client=$!
		sleep "$(awk "BEGIN { print $ms / 1000 }")"
		kill -9 "$(pid stopping supervisor)" 2>/dev/null
		wait $client 2>/dev/null
		consistent stopping || { echo "#   killed after $ms ms"; return; }
	done
}

kill_9_of_load_and_rm_leaves_a_whole_store() {
	local ms client layout
	layout=$(image static)
	for ms in 001 004 010 020 040 080 160; do
		"$VOLT" load -i "$layout" >/dev/null 2>&1 &
		client=$!
		sleep "$(awk "BEGIN { print $ms / 1000 }")"
		kill -9 $client 2>/dev/null
		wait $client 2>/dev/null
		run volt load -q -i "$layout"
		status 0
		run volt image inspect static
		status 0
		"$VOLT" rmi static >/dev/null 2>&1 &
		client=$!
		sleep "$(awk "BEGIN { print $ms / 4000 }")"
		kill -9 $client 2>/dev/null
		wait $client 2>/dev/null
		run volt images
		status 0
	done
	run volt load -q -i "$layout"
	status 0
	run volt run --rm static
	status 0
}

tap_run killed_qemu_is_recorded_and_undone killed_virtiofsd_ends_its_machine \
	killed_supervisor_takes_qemu_along_and_the_next_command_cleans_up \
	killed_supervisor_of_a_machine_with_rm_leaves_nothing \
	killed_client_leaves_a_detached_machine_alone \
	a_closed_terminal_hangs_up_the_workload \
	kill_9_of_the_client_at_many_points_of_a_start \
	kill_9_of_the_supervisor_at_many_points_of_a_start \
	kill_9_of_qemu_at_many_points_of_a_start kill_9_of_the_supervisor_while_it_stops \
	kill_9_of_load_and_rm_leaves_a_whole_store nothing_is_left
