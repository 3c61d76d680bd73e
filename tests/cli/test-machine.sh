#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every verb on a machine, with a scripted QEMU: status, stdout and message of each.
# The workload is a script of words, see tests/lib/fake-qemu.c.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
fake_qemu
kernel
load static

fake() {
	run volt run --rm "$@"
}

run_gives_output_and_status() {
	fake static out:hello err:oops exit:3
	status 3
	stdout hello
	stderr_like '^oops$'
}

statuses_are_podman_s() {
	fake static exit:255
	status 255
	fake static signal:9
	status 137
	fake static signal:15
	status 143
	fake static fail:126
	status 126
	one_line_error ''
	fake static fail:127
	status 127
	one_line_error ''
}

the_machine_is_given_what_was_asked() {
	fake -e A=1 -e GREETING=other -w /there -u 7:8 static args env cwd user
	status 0
	is "$(head -n 5 "$T/out")" $'/static\nargs\nenv\ncwd\nuser'
	stdout_like '^A=1$'
	stdout_like '^GREETING=other$'
	unlike "$(cat "$T/out")" 'GREETING=hello'
	stdout_like '^/there$'
	stdout_like '^7:8$'
}

values_reach_the_machine_as_they_are() {
	fake -e 'A=b:c!+' -e 'B=!#:+' -e 'C=a=b,c "d" $e' -e D= static env '!#:+'
	status 2 # no such word: as it was typed
	stdout_like '^A=b:c!\+$'
	stdout_like '^B=!#:\+$'
	stdout_like '^C=a=b,c "d" \$e$'
	stdout_like '^D=$'
	stderr_like ': !#:\+$'
}

stdin_goes_through_and_much_of_it() {
	head -c 5000000 /dev/urandom >"$T/in"
	run_in volt run --rm -i static echo <"$T/in"
	status 0
	ok cmp "$T/in" "$T/out"
}

without_i_there_is_no_stdin() {
	echo secret >"$T/in"
	run_in volt run --rm static out:x <"$T/in"
	stdout x
}

much_output_to_a_slow_reader_is_whole() {
	"$VOLT" run --rm static raw:3000000 out:end 2>"$T/err" | {
		sleep 1
		cat
	} >"$T/out"
	is "$(wc -c <"$T/out")" 3000004
	is "$(tail -n 1 "$T/out")" end
}

a_reader_that_goes_away_ends_the_workload_as_a_pipe_does() {
	"$VOLT" run --name pipe static raw:1000000 exit:0 2>"$T/err" | head -c 10 >/dev/null
	# as in any pipeline: it wrote where nobody reads, and got SIGPIPE
	run timeout 30 "$VOLT" wait pipe
	stdout 141
	volt rm pipe >/dev/null
}

options_may_follow_the_machine_but_not_the_image() {
	volt run --name after static out:one out:two exit:0 >/dev/null
	run volt logs after --tail 1
	status 0
	stdout two
	volt start after >/dev/null
	run volt rm after --frobnicate
	status 125
	one_line_error "'--frobnicate'"
	run volt inspect after --format json
	status 0
	volt rm after -f >/dev/null
	run volt ps -a -q --filter name=after
	stdout ''
	fake static args --rm -f
	status 2
	is "$(head -n 4 "$T/out")" $'/static\nargs\n--rm\n-f'
}

several_are_started_at_a_time() {
	local n
	for n in a b c; do
		volt create --name $n static hang >/dev/null
	done
	run volt start a b c nobody
	status 125
	is "$(sort "$T/out")" $'a\nb\nc'
	one_line_error "'nobody'"
	is "$(state_of a) $(state_of b) $(state_of c)" 'running running running'
	run volt start --all
	status 0
	volt rm -f a b c >/dev/null
}

signals_that_are_ignored_are_not_passed_on() {
	env --ignore-signal=HUP "$VOLT" run --rm static out:up hang >"$T/nohup" 2>&1 &
	wait_for 20 grep -q up "$T/nohup"
	kill -HUP $!
	kill -USR1 $!
	wait $!
	is $? 138 'status' # of USR1
}

detached_run_prints_the_id() {
	run volt run -d --name bg static hang
	status 0
	like "$(cat "$T/out")" '^[0-9a-f]{64}$'
	is "$(state_of bg)" running
	run volt ps
	stdout_like 'bg'
	run volt ps -q --no-trunc
	is "$(cat "$T/out")" "$(inspect bg .spec.id)"
}

a_name_in_use_is_said() {
	run volt run -d --name bg static hang
	status 125
	stdout ''
	one_line_error "'bg'.*in use"
	is "$(volt ps -a -q | wc -l)" 1
}

a_name_that_is_the_beginning_of_an_id_is_another_machine() {
	local id prefix
	id=$(volt create static)
	prefix=${id:0:4}
	run volt create --name "$prefix" static
	status 0
	run volt create --replace --name "$prefix" static
	status 0
	ok volt inspect "$id" >/dev/null
	is "$(volt ps -a -q --filter "id=$id")" "${id:0:12}"
	volt rm "$prefix" "$id" >/dev/null
}

running_machines_are_not_removed_without_force() {
	run volt rm bg
	status 2
	one_line_error "bg"
	run volt start bg
	status 0 || status 125
	is "$(state_of bg)" running
}

stop_prints_the_name_and_is_idempotent() {
	run volt stop bg
	status 0
	stdout bg
	is "$(state_of bg)" exited
	run volt stop bg
	status 0
	stdout bg
	run volt rm bg
	status 0
	stdout bg
	run volt rm bg
	status 1
	one_line_error "'bg'"
}

stop_walks_the_ladder() {
	volt run -d --name a static trap >/dev/null
	volt stop a >/dev/null
	is "$(inspect a '"\(.state.stopped_by) \(.state.exit_code)"')" 'signal 0'
	volt run -d --name b --stop-timeout 1 static ignore >/dev/null
	volt stop b >/dev/null
	like "$(inspect b '"\(.state.stopped_by) \(.state.exit_code)"')" '^(shutdown|quit) 137'
	volt run -d --name c --stop-timeout 1 static deaf ignore >/dev/null
	volt stop c >/dev/null
	like "$(inspect c '"\(.state.stopped_by) \(.state.exit_code)"')" '^(quit|kill) 137'
	volt rm a b c >/dev/null
}

several_stop_for_a_caller_that_ignores_its_children() {
	volt run -d --name a static trap >/dev/null
	volt run -d --name b static trap >/dev/null
	run timeout 60 env --ignore-signal=CHLD "$VOLT" stop a b
	status 0
	is "$(sort "$T/out")" $'a\nb'
	is "$(state_of a) $(state_of b)" 'exited exited'
	volt rm a b >/dev/null
}

paused_machines_stop_too() {
	volt run -d --name paused static trap >/dev/null
	run volt pause paused
	status 0
	is "$(state_of paused)" paused
	run volt stop -t 2 paused
	status 0
	is "$(state_of paused)" exited
	volt rm paused >/dev/null
}

all_are_paused_and_all_go_on_whatever_some_are() {
	volt run -d --name a static trap >/dev/null
	volt run -d --name b --label x=y static trap >/dev/null
	run volt pause --filter label=x=y
	status 0
	is "$(state_of a) $(state_of b)" 'running paused'
	run volt unpause --all
	status 0
	stdout_like '^[0-9a-f]{64}$'
	is "$(state_of a) $(state_of b)" 'running running'
	volt pause a >/dev/null
	run volt pause --all
	status 0
	is "$(wc -l <"$T/out")" 1 'machines that were paused'
	is "$(state_of a) $(state_of b)" 'paused paused'
	run volt unpause --all
	status 0
	is "$(state_of a) $(state_of b)" 'running running'
	volt create --name c --label x=y static trap >/dev/null
	run volt pause --all --filter label=x
	status 0
	stderr ''
	is "$(state_of a) $(state_of b)" 'running paused'
	run volt unpause --all --filter label=x
	status 0
	stderr ''
	is "$(state_of a) $(state_of b)" 'running running'
	run volt pause --all --filter status=created
	status 125
	one_line_error 'c'
	volt rm -f a b c >/dev/null
}

a_port_in_use_is_said() {
	free_port
	volt run -d --name one -p "$port:80" static hang >/dev/null
	run volt run -d --name two -p "$port:80" static hang
	status 125 || status 126
	stdout ''
	one_line_error "$port"
	run volt ps -a -q --filter name=two
	stdout ''
	volt rm -f one >/dev/null
}

a_missing_kernel_is_said_and_what_to_do() {
	run volt run --rm --kernel nothere static
	status 125
	one_line_error "'nothere'"
	mkdir "$T/nokernel"
	VOLT_ROOT=$T/nokernel run volt load -q -i "$(image static)"
	VOLT_ROOT=$T/nokernel run volt run --rm static
	status 125
	one_line_error 'volt kernel import'
	VOLT_ROOT=$T/nokernel run volt ps -a -q
	stdout ''
}

a_qemu_that_fails_is_quoted() {
	run volt run --name fault-exit-early static
	status 125
	one_line_error 'cannot set up guest memory'
	volt rm -f fault-exit-early >/dev/null 2>&1
	run volt run --rm --name fault-qmp-garbage static
	status 125
	one_line_error ''
}

a_kernel_panic_shows_its_last_lines() {
	run volt run --rm --name fault-panic static
	status 125
	stderr_like 'Unable to mount root fs'
}

a_guest_of_another_version_is_refused() {
	run volt run --rm --name fault-bad-version static
	status 125
	stderr_like 'version'
	run volt run --rm --name fault-bad-frame static
	status 125
	stderr_like '^volt[a-z ]*: '
}

a_guest_that_breaks_the_protocol_is_ended() {
	run volt run --name breaks static out:x garbage
	status 125
	stdout x
	is "$(state_of breaks)" failed
	like "$(inspect breaks .state.reason)" 'protocol|agent|guest'
	volt rm breaks >/dev/null
}

a_qemu_that_dies_is_recorded() {
	run volt run --name vanish static out:x vanish
	status 125
	is "$(state_of vanish)" failed
	run volt run --name abort static out:x abort
	status 125
	like "$(inspect abort .state.reason)" 'QEMU.*(signal|SIGABRT|abort)'
	volt rm vanish abort >/dev/null
}

restart_policies_count() {
	volt run -d --name again --restart on-failure:2 static out:try exit:9 >/dev/null
	run timeout 60 "$VOLT" wait again
	stdout 9
	is "$(inspect again .state.restarts)" 2
	is "$(volt logs again | grep -c try)" 3
	volt run -d --name fine --restart on-failure static out:try exit:0 >/dev/null
	run timeout 60 "$VOLT" wait fine
	stdout 0
	is "$(inspect fine '.state.restarts // 0')" 0
	volt rm again fine >/dev/null
}

wait_answers_for_several() {
	volt run -d --name w1 static exit:1 >/dev/null
	volt run -d --name w2 static exit:2 >/dev/null
	run volt wait w1 w2
	stdout $'1\n2'
	volt rm w1 w2 >/dev/null
}

logs_keep_streams_apart_and_cut() {
	volt run --name logs static out:one err:two out:three part:end >/dev/null 2>&1
	run volt logs logs
	stdout $'one\nthree\nend'
	stderr two
	run volt logs --tail 1 logs
	stdout end
	run volt logs --console logs
	like "$(cat "$T/out" "$T/err")" 'Linux version 6.1.0-fake'
	volt rm logs >/dev/null
}

# What opens may still fail at the first guest; where it does not open, it is said.
kvm_that_fails_is_given_up_for_emulation() {
	local note='KVM started but the guest did not boot under it: emulating' kind
	[ -w /dev/kvm ] || note='/dev/kvm'
	believe_in_kvm
	for kind in exit hang; do
		run volt run --name "fault-kvm-$kind" static out:emulated exit:3
		status 3
		stdout emulated
		is "$(inspect "fault-kvm-$kind" .state.accel)" tcg
		like "$(inspect "fault-kvm-$kind" .state.accel_note)" "$note"
		volt rm "fault-kvm-$kind" >/dev/null
	done
	run volt run --name fault-kvm-exit --accel kvm static exit:0
	status 125
	one_line_error "$([ -w /dev/kvm ] && echo 'QEMU was killed by SIGABRT' || echo '/dev/kvm')"
	rm "$VOLT_ROOT/run/kvm.json"
}

a23_b29_user_strings_reach_qemu_only_as_json() {
	mkdir -p "$T/dir,readonly=off"
	run volt run --name 'json' -v "$T/dir,readonly=off:/x:ro" --hostname h static exit:0
	status 0
	volt logs --console json >"$T/console" 2>&1
	grep 'readonly=off' "$T/console" | grep -v '{.*readonly=off.*}' >"$T/out"
	stdout ''
	volt rm json >/dev/null
}

a22_the_monitor_is_not_on_the_console() {
	volt run --name mon static exit:0
	volt logs --console mon >"$T/console" 2>&1
	unlike "$(cat "$T/console")" 'mon:|monitor stdio'
	like "$(cat "$T/console")" 'nodefaults'
	like "$(cat "$T/console")" 'sandbox'
	volt rm mon >/dev/null
}

kill_9_of_the_supervisor_is_repaired_by_the_next_command() {
	local members
	volt run -d --name victim static hang >/dev/null
	members=$(family "$(inspect victim .state.supervisor)")
	kill -9 "$(inspect victim .state.supervisor)"
	for p in $members; do
		wait_for 20 dead "$p"
	done
	is "$(state_of victim)" failed
	run volt start victim
	status 0
	is "$(state_of victim)" running
	volt rm -f victim >/dev/null
}

a_file_of_another_version_does_not_hide_the_others() {
	# B8
	local dir
	volt run -d --name good static hang >/dev/null
	volt create --name torn static >/dev/null
	dir=$VOLT_ROOT/machines/$(inspect torn .spec.id)
	echo '{' >"$dir/state.json"
	run volt ps -a
	status 0
	stdout_like good
	run volt rm -f "$(basename "$dir")"
	status 0
	volt rm -f good >/dev/null
	ok test ! -e "$dir"
}

fifty_machines_at_once_are_consistent() {
	local i pids=()
	for ((i = 0; i < 50; i++)); do
		"$VOLT" run -d --name "many-$i" static hang >/dev/null 2>>"$T/many.err" &
		pids+=($!)
	done
	wait "${pids[@]}"
	is "$(cat "$T/many.err")" ''
	is "$(volt ps -q | wc -l)" 50
	run volt stop -a -t 5
	status 0
	is "$(volt ps -q | wc -l)" 0
	is "$(volt ps -a -q | wc -l)" 50
	run volt rm -a
	status 0
	is "$(volt ps -a -q | wc -l)" 0
}

the_same_name_at_once_is_given_once() {
	local i pids=() good=0
	for ((i = 0; i < 10; i++)); do
		"$VOLT" run -d --name same static hang >/dev/null 2>&1 &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" && good=$((good + 1))
	done
	is "$good" 1 'machines that got the name'
	is "$(volt ps -a -q | wc -l)" 1
	volt rm -f same >/dev/null
}

kill_9_of_the_client_at_many_points() {
	local ms client
	for ms in 0 1 2 3 5 8 12 18 25 40 60 90; do
		"$VOLT" run -d --name point static hang >/dev/null 2>&1 &
		client=$!
		sleep "$(awk "BEGIN { print $ms / 1000 }")"
		kill -9 $client 2>/dev/null
		wait $client 2>/dev/null
		run volt ps -a --format json
		status 0
		volt rm -f point >/dev/null 2>&1
		wait_for 20 no_processes || bad "after $ms ms" "$(show_processes "$(processes)")"
		is "$(machine_files)" '' "after $ms ms"
		run volt create --name point static
		status 0
		volt rm point >/dev/null
	done
}

tap_run run_gives_output_and_status statuses_are_podman_s the_machine_is_given_what_was_asked \
	values_reach_the_machine_as_they_are \
	stdin_goes_through_and_much_of_it without_i_there_is_no_stdin \
	much_output_to_a_slow_reader_is_whole a_reader_that_goes_away_ends_the_workload_as_a_pipe_does \
	options_may_follow_the_machine_but_not_the_image several_are_started_at_a_time \
	signals_that_are_ignored_are_not_passed_on detached_run_prints_the_id a_name_in_use_is_said \
	a_name_that_is_the_beginning_of_an_id_is_another_machine \
	running_machines_are_not_removed_without_force stop_prints_the_name_and_is_idempotent \
	stop_walks_the_ladder several_stop_for_a_caller_that_ignores_its_children paused_machines_stop_too \
	all_are_paused_and_all_go_on_whatever_some_are a_port_in_use_is_said \
	a_missing_kernel_is_said_and_what_to_do a_qemu_that_fails_is_quoted \
	a_kernel_panic_shows_its_last_lines a_guest_of_another_version_is_refused \
	a_guest_that_breaks_the_protocol_is_ended a_qemu_that_dies_is_recorded \
	restart_policies_count wait_answers_for_several logs_keep_streams_apart_and_cut \
	kvm_that_fails_is_given_up_for_emulation a23_b29_user_strings_reach_qemu_only_as_json \
	a22_the_monitor_is_not_on_the_console \
	kill_9_of_the_supervisor_is_repaired_by_the_next_command \
	a_file_of_another_version_does_not_hide_the_others fifty_machines_at_once_are_consistent \
	the_same_name_at_once_is_given_once kill_9_of_the_client_at_many_points nothing_is_left
