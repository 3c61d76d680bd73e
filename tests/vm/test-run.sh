#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a workload finds in its machine, and what comes back from it. Real machines.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
kernel
load busybox static

bb() {
	run volt run --rm "$@"
}

stdout_and_stderr_stay_apart() {
	bb busybox sh -c 'echo to out; echo to err >&2'
	status 0
	stdout 'to out'
	stderr_like '^to err$'
	unlike "$(cat "$T/err")" 'to out'
}

exit_code_3_comes_back() {
	bb busybox sh -c 'exit 3'
	status 3
	stdout ''
}

a_command_that_is_not_there_is_127() {
	bb busybox /no/such/command
	status 127
	one_line_error 'no/such/command'
}

a_command_that_cannot_be_run_is_126() {
	bb busybox /not-executable
	status 126
	one_line_error 'not-executable'
}

a_workload_killed_by_sigkill_is_137() {
	bb busybox sh -c 'kill -9 $$'
	status 137
	stdout ''
}

a_static_program_runs_with_nothing_else_in_its_image() {
	bb static 0 'two words' ''
	status 0
	is "$(sed -n 1p "$T/out")" 'hello from a static program'
	is "$(sed -n 2p "$T/out")" 'pid not 1, uid 0, cwd /'
	is "$(sed -n '3,$p' "$T/out")" $'arg 0\narg two words\narg '
	stderr_like '^on stderr$'
}

env_workdir_user_hostname_and_root_are_as_asked() {
	export FROM_HOST='taken along'
	printf 'C=from file\n# a comment\nFROM_HOST\n' >"$T/env"
	bb -e A=1 -e 'B=two  words' --env-file "$T/env" -w /opaque -u app --hostname myhost \
		busybox sh -c 'echo "$A|$B|$C|$FROM_HOST|$FROM_IMAGE"; pwd; id -un; id -gn; hostname
			cat new; ls; ls /gone; stat -c "%a %u" /usr/bin/setuid /home/app/mine /sticky; echo $HOME'
	is "$(sed -n 1p "$T/out")" '1|two  words|from file|taken along|yes'
	is "$(sed -n 2,5p "$T/out" | tr '\n' ' ')" '/opaque app app myhost '
	is "$(sed -n 6,7p "$T/out" | tr '\n' ' ')" 'seen new '
	is "$(sed -n '8,10p' "$T/out" | tr '\n' ' ')" '4755 0 600 1000 1777 0 '
	is "$(sed -n 11p "$T/out")" '/home/app'
	stderr_like '/gone: No such file'
}

entrypoint_replaces_the_image_s_and_drops_its_command() {
	run volt run --rm --entrypoint /static busybox
	status 127
	run volt run --rm --entrypoint '["echo","-n","from entrypoint"]' busybox and args
	stdout 'from entrypoint and args'
	status 0
}

stdin_reaches_the_workload_byte_for_byte() {
	head -c 3000000 /dev/urandom >"$T/in"
	run_in volt run --rm -i busybox sh -c 'tee /tmp/x | sha256sum; wc -c </tmp/x' <"$T/in"
	status 0
	is "$(sed 's/ .*//' "$T/out" | tr '\n' ' ')" "$(sha256sum <"$T/in" | cut -c -64) 3000000 "
}

much_output_arrives_whole() {
	bb busybox sh -c 'i=0; while [ $i -lt 40 ]; do head -c 100000 /dev/zero | tr "\0" "x"; i=$((i + 1)); done; echo; echo end'
	status 0
	is "$(wc -c <"$T/out")" 4000005
	is "$(tail -n 1 "$T/out")" end
}

a_terminal_has_its_size_and_is_told_of_changes() {
	run "$here/with-pty" 30x100 'wait:ready' resize:40x120 'wait:told' 'type:size\n' 'wait:40 120' 'type:exit\n' -- \
		"$VOLT" run --rm -it busybox sh -c 'stty size; test -t 0 && test -t 1 && test -t 2 && echo all
			trap "echo told" WINCH; echo ready
			while :; do read -r l; case $l in size) stty size;; exit) exit 4;; esac; done'
	status 4
	stdout_like '30 100'
	stdout_like 'all'
	stdout_like '40 120'
}

ctrl_c_on_a_terminal_reaches_the_workload() {
	run "$here/with-pty" 24x80 'wait:ready' 'type:\x03' -- \
		"$VOLT" run --rm -it busybox sh -c 'trap "echo got it; exit 5" INT; echo ready; while :; do sleep 1; done'
	status 5
	stdout_like 'got it'
}

volumes_are_read_write_read_only_or_single_files() {
	mkdir -p "$T/rw" "$T/ro"
	echo host >"$T/rw/from-host"
	echo fixed >"$T/ro/f"
	echo one >"$T/single,odd name"
	bb -v "$T/rw:/rw" -v "$T/ro:/a/b/ro:ro" -v "$T/single,odd name:/etc/single:ro" busybox sh -c '
		cat /rw/from-host /a/b/ro/f /etc/single
		echo guest >/rw/from-guest; mkdir /rw/d; ln -s x /rw/l
		echo x 2>/dev/null >/a/b/ro/f || echo refused
		echo x 2>/dev/null >/etc/single || echo refused'
	status 0
	stdout $'host\nfixed\none\nrefused\nrefused'
	is "$(cat "$T/rw/from-guest")" guest
	ok test -d "$T/rw/d"
	is "$(cat "$T/ro/f")" fixed
}

read_only_and_tmpfs_hold() {
	bb --read-only --tmpfs /scratch:size=1m busybox sh -c '
		touch /x 2>/dev/null || echo refused
		echo y >/scratch/y && cat /scratch/y
		head -c 3000000 /dev/zero >/scratch/big 2>/dev/null || echo full'
	status 0
	stdout $'refused\ny\nfull'
}

memory_and_cpus_are_as_asked() {
	bb -m 192m --cpus 2 busybox sh -c 'nproc; grep MemTotal /proc/meminfo | tr -dc 0-9'
	status 0
	is "$(sed -n 1p "$T/out")" 2
	like "$(sed -n 2p "$T/out")" '^1[3-9][0-9]{4}$' 'kilobytes of memory'
}

without_network_there_is_only_loopback() {
	bb --network none busybox ls /sys/class/net
	status 0
	stdout lo
}

a26_the_root_is_writable_and_devices_are_there() {
	bb busybox sh -c 'echo x >/usr/new && cat /usr/new; rm /etc/os-release; ls /etc/os-release 2>&1
		echo gone >/dev/null; head -c 4 /dev/urandom | wc -c; test -d /dev/pts && test -d /dev/shm && echo devices
		stat -c %a /tmp; grep " / " /proc/mounts | tail -n 1 | cut -d " " -f 3'
	is "$(sed -n 1p "$T/out")" x
	like "$(sed -n 2p "$T/out")" 'No such file'
	is "$(sed -n '3,6p' "$T/out" | tr '\n' ' ')" '4 devices 1777 overlay '
}

timing_shows_every_phase() {
	bb --timing static
	status 0
	for phase in resolve rootfs network qemu kernel init workload; do
		stderr_like "$phase"
	done
}

an_oom_kill_is_told() {
	run volt run --name oom -m 128m busybox sh -c 'tail /dev/zero'
	status 137
	is "$(inspect oom .state.oom)" true
	volt rm -f oom >/dev/null
}

tap_run stdout_and_stderr_stay_apart exit_code_3_comes_back \
	a_command_that_is_not_there_is_127 a_command_that_cannot_be_run_is_126 \
	a_workload_killed_by_sigkill_is_137 \
	a_static_program_runs_with_nothing_else_in_its_image \
	env_workdir_user_hostname_and_root_are_as_asked \
	entrypoint_replaces_the_image_s_and_drops_its_command \
	stdin_reaches_the_workload_byte_for_byte much_output_arrives_whole \
	a_terminal_has_its_size_and_is_told_of_changes ctrl_c_on_a_terminal_reaches_the_workload \
	volumes_are_read_write_read_only_or_single_files read_only_and_tmpfs_hold \
	memory_and_cpus_are_as_asked without_network_there_is_only_loopback \
	a26_the_root_is_writable_and_devices_are_there timing_shows_every_phase an_oom_kill_is_told \
	nothing_is_left
