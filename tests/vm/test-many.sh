#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Twenty machines started at once on whatever this machine is.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
kernel
load busybox
n=20

twenty_machines_start_at_once() {
	local i pids=() ids
	for ((i = 0; i < n; i++)); do
		"$VOLT" run -d -m 96m --name "many-$i" busybox \
			sh -c "echo machine $i; trap 'exit 0' TERM; while :; do sleep 1; done" \
			>"$T/many.$i" 2>"$T/many.$i.err" &
		pids+=($!)
	done
	for ((i = 0; i < n; i++)); do
		wait "${pids[i]}" || bad "machine $i did not start" "$(cat "$T/many.$i.err")"
	done
	run volt ps -q
	is "$(wc -l <"$T/out")" $n 'running machines'
	ids=$(cat "$T"/many.*[0-9] | sort -u | wc -l)
	is "$ids" $n 'different ids'
}

each_has_said_its_own() {
	local i
	for ((i = 0; i < n; i++)); do
		wait_for 60 sh -c "'$VOLT' logs many-$i | grep -qx 'machine $i'"
	done
}

all_stop_by_their_signal() {
	local names=() i
	for ((i = 0; i < n; i++)); do
		names+=("many-$i")
	done
	run volt stop -t 60 "${names[@]}"
	status 0
	is "$(wc -l <"$T/out")" $n
	for ((i = 0; i < n; i++)); do
		is "$(inspect "many-$i" '"\(.state.status) \(.state.stopped_by) \(.state.exit_code)"')" 'exited signal 0'
	done
}

tap_run twenty_machines_start_at_once each_has_said_its_own all_stop_by_their_signal nothing_is_left
