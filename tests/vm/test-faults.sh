#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What goes wrong on real hosts: each is one clear line, and nothing is left behind.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
kernel
load busybox

# After the failure there is no machine and no process.
nothing_new() {
	is "$(volt ps -a -q)" '' 'machines'
	wait_for 20 no_processes || bad 'processes' "$(show_processes "$(processes)")"
	is "$(machine_files)" '' 'directories'
}

too_little_memory_is_said() {
	run volt run --rm -m 8m busybox true
	status 125
	stderr_like '^volt[a-z ]*: .*memory'
	nothing_new
}

more_memory_than_the_host_has_is_said() {
	run volt run --rm -m 100000g busybox true
	status 125
	stderr_like '^volt[a-z ]*: .*memory'
	nothing_new
}

a_port_of_another_program_is_said() {
	free_port
	python3 -c "import socket,time; s=socket.socket(); s.bind(('127.0.0.1',$port)); s.listen(); time.sleep(100)" &
	local holder=$!
	wait_for 20 bash -c ": </dev/tcp/127.0.0.1/$port"
	run volt run --rm -p "$port:80" busybox true
	status 125
	one_line_error "$port.*in use"
	kill $holder
	nothing_new
}

a_kernel_that_does_not_boot_shows_its_console() {
	head -c 100000 /dev/urandom >"$T/nonsense"
	run volt kernel import --name nonsense "$T/nonsense"
	if [ "$status" = 0 ]; then
		run volt run --rm --kernel nonsense busybox true
		status 125
		stderr_like 'nonsense|kernel|boot'
		volt kernel rm nonsense >/dev/null
	else
		one_line_error 'nonsense'
	fi
	nothing_new
}

a_package_without_a_kernel_is_said_by_its_name() {
	run volt kernel import -q debian:busybox-static
	status 125
	one_line_error "package 'busybox-static' has no kernel"
	is "$(find "$VOLT_ROOT/kernels" -name '.work-*')" '' 'what it was unpacked in'
}

a_root_without_init_can_be_wrong_only_in_the_command() {
	run volt run --rm --entrypoint /opaque busybox
	status 126
	one_line_error 'opaque'
	run volt run --rm -w /nowhere/at/all busybox pwd
	[ "$status" = 0 ] || one_line_error 'nowhere'
	run volt run --rm -u nosuchuser busybox id
	status 125
	one_line_error 'nosuchuser'
	nothing_new
}

# in_small_space MB COMMAND…: with $T/small on a file system of its own.
in_small_space() {
	local size=$1
	shift
	mkdir -p "$T/small"
	# A mount namespace of its own: nothing to unmount, whatever happens.
	local root=()
	[ "$(id -u)" = 0 ] || root=(--map-root-user)
	unshare --mount "${root[@]}" --propagation private \
		sh -c 'mount -t tmpfs -o "size=$0m" tmpfs "$1" && shift && "$@"' "$size" "$T/small" "$@"
}

a_full_disk_while_loading_is_said() {
	run in_small_space 1 env VOLT_ROOT="$T/small/root" "$VOLT" load -q -i "$(image busybox)"
	status 125
	one_line_error 'No space left|disk is full'
}

a_full_disk_while_starting_is_said_and_nothing_hangs() {
	cat >"$T/full.sh" <<-'END'
		cp -a "$1/." "$2" || exit 9
		head -c 100000000 /dev/zero >"$2/filler" 2>/dev/null
		VOLT_ROOT=$2 timeout 60 "$3" run --rm busybox true
		status=$?
		rm -f "$2/filler"
		VOLT_ROOT=$2 "$3" ps -a -q
		exit $status
	END
	run in_small_space $(($(du -sm "$VOLT_ROOT" | cut -f1) + 8)) \
		sh "$T/full.sh" "$VOLT_ROOT" "$T/small/root" "$VOLT"
	status 125
	stdout ''
	stderr_like '^volt[a-z ]*: .*(No space left|disk is full)'
}

a_full_disk_under_a_running_machine_does_not_end_it() {
	cat >"$T/full.sh" <<-'END'
		cp -a "$1/." "$2" || exit 9
		export VOLT_ROOT=$2
		"$3" run -d --name w busybox sh -c 'while :; do head -c 1000 /dev/urandom | base64; sleep 0.05; done' >/dev/null || exit 8
		head -c 100000000 /dev/zero >"$2/filler" 2>/dev/null
		sleep 2
		"$3" ps --format json | jq -r '.[0].status // .[0].state'
		rm -f "$2/filler"
		"$3" stop -t 1 w
		"$3" rm w
	END
	run in_small_space $(($(du -sm "$VOLT_ROOT" | cut -f1) + 16)) \
		sh "$T/full.sh" "$VOLT_ROOT" "$T/small/root" "$VOLT"
	status 0
	stdout_like '^running$'
}

a_normal_user_runs_machines() {
	local uid=54321
	if [ "$(id -u)" != 0 ]; then
		volt run --rm busybox true || bad 'as this user'
		return
	fi
	mkdir -p "$T/home"
	chmod 755 "$T"
	VOLT_ROOT=$T/home/volt own_files=yes kernel
	chown -R $uid:$uid "$T/home"
	cp -r "$(image busybox)" "$T/layout"
	free_port
	cat >"$T/user.sh" <<-'END'
		set -e
		"$1" load -q -i "$2" >/dev/null
		"$1" run --rm busybox sh -c 'id -u; stat -c %u /home/app/mine'
		"$1" run -d --name w -p "$3:80" busybox httpd -f -p 80 -h /opaque >/dev/null
		for i in $(seq 50); do curl -fsS "http://127.0.0.1:$3/new" 2>/dev/null && break; sleep 0.2; done
		"$1" rm -f w
		mkdir "$HOME/volume" && echo host >"$HOME/volume/f"
		"$1" run --rm -v "$HOME/volume:/v" -v "$HOME/volume/f:/f:ro" busybox \
			sh -c 'cat /v/f /f; echo guest >/v/g'
		cat "$HOME/volume/g"
	END
	chmod 644 "$T/user.sh"
	run setpriv --reuid=$uid --regid=$uid --groups=27,100 --no-new-privs \
		env -i PATH="$PATH" HOME="$T/home" VOLT_ROOT="$T/home/volt" \
		sh "$T/user.sh" "$VOLT" "$T/layout" "$port"
	status 0
	stdout $'0\n1000\nseen\nw\nhost\nhost\nguest'
}

# With the host's own KVM, whatever that is worth: the workload runs.
a_kvm_that_is_believed_in_is_tried_and_given_up_if_it_fails() {
	believe_in_kvm
	run volt run --name tried busybox echo ran
	status 0
	stdout ran
	like "$(inspect tried '.state.accel + " " + .state.accel_note')" \
		'^kvm $|^tcg .*(did not boot under it: emulating|/dev/kvm)'
	volt rm tried >/dev/null
	rm "$VOLT_ROOT/run/kvm.json"
}

tap_run too_little_memory_is_said more_memory_than_the_host_has_is_said \
	a_port_of_another_program_is_said a_kernel_that_does_not_boot_shows_its_console \
	a_package_without_a_kernel_is_said_by_its_name \
	a_root_without_init_can_be_wrong_only_in_the_command a_full_disk_while_loading_is_said \
	a_full_disk_while_starting_is_said_and_nothing_hangs \
	a_full_disk_under_a_running_machine_does_not_end_it a_normal_user_runs_machines \
	a_kvm_that_is_believed_in_is_tried_and_given_up_if_it_fails \
	nothing_is_left
