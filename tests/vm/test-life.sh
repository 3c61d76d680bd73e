#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A machine's life: stop, kill, restart, wait, its disk and its logs. Real machines.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
kernel
load busybox

logged() {
	volt logs "$1" 2>&1 | grep -q -- "$2"
}

sigterm_reaches_the_workload_and_its_clean_up_runs() {
	volt run -d --name clean busybox trap-term >/dev/null
	wait_for 30 logged clean ready || return
	run volt stop clean
	status 0
	stdout clean
	run volt logs clean
	stdout $'ready\ncleaned up'
	is "$(inspect clean .state.stopped_by)" signal
	is "$(inspect clean .state.exit_code)" 0
	is "$(state_of clean)" exited
}

a_workload_that_ignores_sigterm_is_ended_after_its_time() {
	volt run -d --name stubborn --stop-timeout 2 busybox ignore-term >/dev/null
	wait_for 30 logged stubborn ready || return
	run volt stop stubborn
	status 0
	like "$(inspect stubborn .state.stopped_by)" '^(shutdown|quit|kill)$'
	is "$(inspect stubborn .state.exit_code)" 137
	is "$(state_of stubborn)" exited
	run volt stop stubborn
	status 0
	volt rm stubborn >/dev/null
}

other_signals_reach_the_workload() {
	volt run -d --name sig --stop-signal USR1 busybox sh -c \
		'trap "echo hup" HUP; trap "echo usr1; exit 7" USR1; echo ready; while :; do sleep 1; done' >/dev/null
	wait_for 30 logged sig ready || return
	run volt kill -s HUP sig
	status 0
	wait_for 20 logged sig hup
	volt stop sig >/dev/null
	run volt wait sig
	stdout 7
	is "$(inspect sig .state.exit_code)" 7
	run volt kill sig
	status 125
	one_line_error 'sig'
	volt rm sig >/dev/null
}

kill_ends_at_once_with_137() {
	volt run -d --name victim busybox ignore-term >/dev/null
	run volt kill victim
	status 0
	run volt wait victim
	stdout 137
	is "$(state_of victim)" exited
	volt rm victim >/dev/null
}

a_kept_machine_keeps_its_disk() {
	run volt run --name keep busybox sh -c 'test -e /data || echo first; date >>/data; rm -f /etc/group; ls /etc/group'
	stdout first
	run volt start -a keep
	stdout ''
	stderr_like 'group: No such file'
	volt restart keep >/dev/null
	run volt wait keep
	run volt rm keep
	status 0
	run volt ps -a -q --filter name=keep
	stdout ''
}

a_machine_with_rm_is_gone_when_it_ends() {
	local id
	run volt run -d --rm --name brief busybox sh -c 'exit 4'
	status 0
	id=$(cat "$T/out")
	like "$id" '^[0-9a-f]{64}$'
	run volt wait brief
	like "$(cat "$T/out" "$T/err")" '^4$|no machine'
	wait_for 20 sh -c "[ -z \"\$('$VOLT' ps -a -q --filter name=brief)\" ]"
	is "$(find "$VOLT_ROOT/machines" -name "$id")" ''
}

on_failure_restarts_as_often_as_asked() {
	volt run -d --name again --restart on-failure:2 busybox sh -c 'echo try; exit 9' >/dev/null
	run volt wait again
	stdout 9
	is "$(inspect again .state.restarts)" 2
	is "$(volt logs again | grep -c try)" 3
	volt rm again >/dev/null
}

always_restarts_until_it_is_stopped() {
	volt run -d --name forever --restart always busybox sh -c 'echo try; exit 0' >/dev/null
	wait_for 60 sh -c "[ \$('$VOLT' logs forever | grep -c try) -ge 3 ]"
	run volt stop forever
	status 0
	is "$(state_of forever)" exited
	volt rm forever >/dev/null
}

logs_can_be_followed_cut_and_stamped() {
	volt run -d --name logs busybox sh -c 'echo one; echo two >&2; echo three; sleep 3; echo four; printf no-newline' >/dev/null
	run timeout 60 "$VOLT" logs -f logs
	status 0
	stdout $'one\nthree\nfour\nno-newline'
	stderr two
	run volt logs --tail 2 logs
	is "$(cat "$T/out")" $'four\nno-newline'
	run volt logs -t logs
	like "$(head -n 1 "$T/out")" '^20[0-9-]+T[0-9:.]+(Z|[+-][0-9:]+) one$'
	run volt logs --until 2020-01-01T00:00:00Z logs
	stdout ''
	run volt logs --since 2020-01-01T00:00:00Z logs
	stdout_like '^four$'
	run volt logs --console logs
	like "$(cat "$T/out" "$T/err")" 'reboot: '
	unlike "$(cat "$T/out" "$T/err")" '^three'
	volt rm logs >/dev/null
}

attach_sees_what_comes_and_detaching_leaves_it_running() {
	volt run -d -i --name att busybox sh -c 'while read -r l; do echo "got $l"; [ "$l" = end ] && exit 6; done' >/dev/null
	printf 'a\nend\n' >"$T/in"
	run_in volt attach att <"$T/in"
	status 6
	stdout_like 'got end'
	volt rm att >/dev/null
}

create_start_and_inspect_agree() {
	run volt create --name made -e X=1 --label role=test -m 128m busybox sh -c 'echo $X'
	status 0
	is "$(state_of made)" created
	is "$(inspect made '.spec.labels.role')" test
	is "$(inspect made '.spec.memory')" 134217728
	run volt start -a made
	stdout 1
	status 0
	is "$(inspect made '.isolation')" "$([ "$(inspect made .state.accel)" = kvm ] && echo hardware || echo emulated)"
	is "$(volt ps -a --filter label=role=test -q | wc -l)" 1
	volt rm made >/dev/null
}

tap_run sigterm_reaches_the_workload_and_its_clean_up_runs \
	a_workload_that_ignores_sigterm_is_ended_after_its_time other_signals_reach_the_workload \
	kill_ends_at_once_with_137 a_kept_machine_keeps_its_disk \
	a_machine_with_rm_is_gone_when_it_ends on_failure_restarts_as_often_as_asked \
	always_restarts_until_it_is_stopped logs_can_be_followed_cut_and_stamped \
	attach_sees_what_comes_and_detaching_leaves_it_running create_start_and_inspect_agree \
	nothing_is_left
