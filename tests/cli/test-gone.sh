#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A machine goes while a command looks at it: at each call of that command, from the one that
# opens the machine on, the machine is removed (tests/lib/meddle-preload.c). The command does
# what it would have done before, or says what it would say afterwards.
#
# The first calls, and every third of the others; with VOLT_TEST_EVERY=1 every one.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
fake_qemu
kernel
load static

preload=${MEDDLE_PRELOAD:-${VOLT%/*}/tests/lib/libmeddle-preload.so}
crash_preload=${CRASH_PRELOAD:-${VOLT%/*}/tests/lib/libcrash-preload.so}
every=${VOLT_TEST_EVERY:-3}
asan=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0
gone="no machine 'x'\$"
machine=

# stopped: a machine that ended with 3.
stopped() {
	volt run --name x --replace static out:said exit:3 >/dev/null 2>&1
	machine=$(inspect x .spec.id)
}

# running: one that removes itself when it ends, which it does at SIGUSR1, with 138.
running() {
	volt run -d --rm --name x --replace static out:said hang >/dev/null
	machine=$(inspect x .spec.id)
}
# reading: the same, but it also ends where its stdin does.
reading() {
	volt run -d -i --rm --name x --replace static out:said echo >/dev/null
	machine=$(inspect x .spec.id)
}
# Where the command holds the machine's lock just then, removing it would wait for ever.
removes="timeout 2 '$VOLT' rm x"
ends="'$VOLT' kill -s USR1 x && '$VOLT' wait x"

# meddle N DO COMMAND…: runs it; DO happens before its call N. False: it has no such call.
meddle() {
	rm -f "$T/call"
	ASAN_OPTIONS=$asan LD_PRELOAD=$preload VOLT_MEDDLE_FROM=$machine VOLT_MEDDLE_AT=$1 \
		VOLT_MEDDLE_DO="{ $2; } >'$T/meddled' 2>&1" VOLT_MEDDLE_LOG=$T/call run timeout 60 "${@:3}"
	[ -e "$T/call" ]
}

# each_call FIRST MAKE DO SAYS COMMAND…: at one call after the other, from FIRST on. It succeeds
# without a word, or fails with one line that is like SAYS.
each_call() {
	local n first=$1 make=$2 do=$3 says=$4
	shift 4
	for ((n = first; ; n += n < 8 ? 1 : every)); do
		"$make"
		meddle "$n" "$do" "$@" || break
		if [ -s "$T/err" ]; then
			one_line_error "$says"
		elif [ "$status" = 125 ] || [ "$status" = 124 ]; then
			bad 'it failed without a word'
		fi
		[ "$tap_bad" = 0 ] || {
			echo "#   ${*:2}, before call $(cat "$T/call"): $(cat "$T/meddled")"
			return
		}
	done
	volt rm -f x >/dev/null
	[ "$n" -gt "$first" ] || bad "calls of ${*:2}" "$n" # that would prove nothing
}

# SAYS COMMAND…
each_removal() {
	each_call 1 stopped "$removes" "$@"
}
each_end() {
	each_call 1 running "$ends" "$@"
}
# COMMAND…: which never fails, once it has opened the machine.
no_removal_disturbs() {
	each_call 2 stopped "$removes" 'what fails' "$@"
}
no_end_disturbs() {
	each_call 2 running "$ends" 'what fails' "$@"
}

what_looks_at_a_machine_that_is_removed_says_that_there_is_none() {
	each_removal "no machine or image 'x'\$" "$VOLT" inspect x
	each_removal "$gone" "$VOLT" port x
	each_removal "$gone" "$VOLT" logs x
	each_removal "$gone" "$VOLT" logs --tail 1 x
	each_removal "$gone" "$VOLT" logs -f x
	each_removal "$gone" "$VOLT" generate systemd x
	each_removal "$gone" "$VOLT" wait x
}

what_wants_a_machine_that_is_removed_says_that_there_is_none() {
	each_removal "$gone" "$VOLT" start x
	each_removal "$gone" "$VOLT" start -a x
	each_removal "$gone" "$VOLT" restart x
	each_removal "$gone|is not running" "$VOLT" kill x
	each_removal "$gone|is not running" "$VOLT" pause x
	each_removal "$gone|is not running" "$VOLT" attach x
}

what_would_end_a_machine_that_is_removed_has_succeeded() {
	local n
	no_removal_disturbs "$VOLT" stop x
	# Until it has the lock: who comes later waits for it.
	for n in 2 3; do
		stopped
		ok meddle "$n" "'$VOLT' rm x" "$VOLT" rm x
		status 0
		is "$(cat "$T/meddled")" x
	done
}

a_list_leaves_out_what_is_removed() {
	each_call 1 stopped "$removes" 'what fails' "$VOLT" ps -a
	each_call 1 stopped "$removes" 'what fails' "$VOLT" start --all
	each_call 1 stopped "$removes" 'what fails' "$VOLT" machine prune -f
}

a_machine_that_removes_itself_is_gone_for_all_who_look() {
	each_end "no machine or image 'x'\$" "$VOLT" inspect x
	each_end "$gone" "$VOLT" logs x
	each_call 1 reading "$ends" "$gone|is not running" "$VOLT" attach x
	each_end "$gone|is not running" "$VOLT" kill x
	no_end_disturbs "$VOLT" stop x
	each_call 1 running "$ends" 'what fails' "$VOLT" ps
}

# From the call on by which it opens what outlives the machine: the first is that which opens
# the machine.
who_waits_for_a_machine_that_removes_itself_gets_its_exit_status() {
	local n
	for ((n = 2; ; n++)); do
		running
		meddle "$n" "$ends" "$VOLT" wait x || break
		[ "$n" = 2 ] && [ "$status" = 125 ] && one_line_error "$gone" && continue
		status 0
		stdout 138
		[ "$tap_bad" = 0 ] || {
			echo "#   before call $(cat "$T/call")"
			return
		}
	done
	[ "$n" -gt 4 ] || bad 'calls' "$n"
}

# Where whoever removes it is killed half-way, some of its files are there still.
what_is_left_of_a_machine_is_no_machine() {
	local k command
	for ((k = 1; ; k++)); do
		rm -f "$T/crash"
		for command in 'inspect' 'wait' 'logs' 'start' 'rm'; do
			stopped
			meddle 3 "ASAN_OPTIONS=$asan LD_PRELOAD=$crash_preload VOLT_CRASH_AT=$k \
				VOLT_CRASH_LOG=$T/crash '$VOLT' rm x" "$VOLT" "$command" x
			[ "$status" = 0 ] || one_line_error "no machine( or image)? 'x'\$"
			[ "$tap_bad" = 0 ] || {
				echo "#   $command, after rm was killed at call $(cat "$T/crash")"
				return
			}
		done
		[ -e "$T/crash" ] || break
	done
	[ "$k" -gt 4 ] || bad 'calls' "$k"
}

# As one who has just opened the directory might, to lock it.
a_file_that_comes_late_is_removed_too() {
	local late="for d in '$VOLT_ROOT'/machines/.tmp-*/; do : >\$d/late; done" n
	for ((n = 2; ; n++)); do
		stopped
		meddle "$n" "$late" "$VOLT" rm x || break
		status 0
		is "$(machine_files)" '' "what is left, after call $(cat "$T/call")"
	done
	[ "$n" -gt 8 ] || bad 'calls' "$n"
}

tap_run what_looks_at_a_machine_that_is_removed_says_that_there_is_none \
	what_wants_a_machine_that_is_removed_says_that_there_is_none \
	what_would_end_a_machine_that_is_removed_has_succeeded \
	a_list_leaves_out_what_is_removed \
	a_machine_that_removes_itself_is_gone_for_all_who_look \
	who_waits_for_a_machine_that_removes_itself_gets_its_exit_status \
	what_is_left_of_a_machine_is_no_machine a_file_that_comes_late_is_removed_too \
	nothing_is_left
