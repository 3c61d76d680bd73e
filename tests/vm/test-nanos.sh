#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Nanos guests on a real kernel. None comes from any package, so VOLT_TEST_NANOS names a
# directory with a release: kernel.img, boot.img, bootx64.efi, klibs/. Without it nothing of
# this runs.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
if [ -z "${VOLT_TEST_NANOS-}" ]; then
	echo '1..0 # SKIP no release of Nanos: VOLT_TEST_NANOS names a directory with one'
	exit 0
fi
export HOME=$T/home # no releases of ops

# nanos WORDS…: of a machine that is removed when it ends.
nanos() {
	run volt run --rm --guest nanos "$@"
}
# lines: what the program wrote; the kernel says of its addresses, whenever it likes.
lines() {
	grep -vE '^(\[[0-9.]+\] )?(en[0-9]+: assigned |NET: no network)' "$T/out"
}
says() {
	volt logs "$1" | grep -q -- "$2"
}
machine_dir() {
	echo "$VOLT_ROOT/machines/$(inspect "$1" .spec.id)"
}
end_of() {
	inspect "$1" '.state | [.status, .exit_code, .stopped_by] | join(" ")'
}
fetches() {
	[ "$(curl -s -m 5 "http://127.0.0.1:$1/")" = "$2" ]
}
# pongs PORT: a redis server answers there.
pongs() {
	local line=
	exec 3<>"/dev/tcp/127.0.0.1/$1" || return
	printf 'PING\r\n' >&3
	read -r -t 5 line <&3
	exec 3>&-
	[ "${line%$'\r'}" = +PONG ]
}
set_up() {
	run volt kernel import --guest nanos --name nanos "$VOLT_TEST_NANOS"
	status 0
}

words_environment_and_directory_are_as_asked() {
	nanos -e 'A=b c "ü" $x' -e GREETING=other -w /usr -h web.example nanos show 'a b' 'ö{"' '*'
	status 0
	is "$(lines | grep '^arg' | tail -n +2)" $'arg <a b>\narg <ö{">\narg <*>'
	is "$(lines | grep -E '^env <(A|GREETING)=' | sort)" $'env <A=b c "ü" $x>\nenv <GREETING=other>'
	stdout_like '^cwd </usr>$'
	stdout_like '^host <web.example>$'
}

statuses_are_the_program_s() {
	nanos nanos exit 0
	status 0
	is "$(lines)" ''
	nanos nanos exit 7
	status 7
	# The port has seven bits, the disk all of it.
	nanos nanos exit 200
	status 200
	nanos nanos exit 128
	status 128
	nanos nanos crash
	status 139
}

a_status_of_an_earlier_run_is_not_this_one_s() {
	run volt run -d --name s --guest nanos nanos turn 128
	run volt wait s
	stdout 128
	like "$(inspect s .state.last_console)" 'the first time$'
	run volt start s
	run volt wait s
	stdout 0
	is "$(inspect s .state.last_console)" null
	run volt rm s
}

all_that_it_writes_arrives() {
	nanos --network none nanos flood 20000
	status 0
	is "$(lines | wc -l)" 20000
	is "$(lines | md5sum)" "$(for ((i = 0; i < 20000; i++)); do
		printf '%06d 0123456789012345678901234567890123456789012345678901234\n' "$i"
	done | md5sum)"
}

a_server_answers_through_a_published_port() {
	free_port
	run volt run -d --name web -p "$port:8080" --guest nanos nanos http 8080 'hello web'
	status 0
	wait_for 60 fetches "$port" 'hello web'
	run volt stop web
	status 0
	is "$(end_of web)" 'exited 0 button'
	run volt rm web
}

stop_leaves_time_to_clean_up_and_writes_last() {
	run volt run -d --name w --guest nanos nanos wait 5
	wait_for 60 says w 'state none'
	run volt stop w
	status 0
	is "$(end_of w)" 'exited 5 button'
	ok says w 'asked by 15'
	run volt start w
	wait_for 60 says w 'state clean'
	run volt kill -s TERM w
	status 0
	run volt wait w
	stdout 5
	run volt rm w
}

# Its kernel may not be there yet; who writes nothing cannot be seen to be there.
a_stop_right_after_the_start_is_heard() {
	run volt run -d --name early --guest nanos nanos wait 5
	run volt stop early
	status 0
	is "$(inspect early .state.stopped_by)" button
	run volt rm early
}

what_it_writes_lasts_as_long_as_the_machine() {
	local before
	run volt create --name c --guest nanos nanos count
	for n in 1 2 3; do
		run volt start c
		run volt wait c
		stdout 0
		ok says c "run $n"
		[ $n != 1 ] || before=$(du -k "$(machine_dir c)" | tail -n 1 | cut -f 1)
	done
	ok [ "$(du -k "$(machine_dir c)" | tail -n 1 | cut -f 1)" -lt $((before + 1000)) ]
	run volt rm c
	nanos --read-only nanos count
	status 2
	stdout_like 'Read-only'
}

two_of_one_image_are_apart() {
	local i
	for i in 1 2; do
		free_port
		eval "port$i=$port"
		run volt run -d --name "t$i" -p "$port:80" --guest nanos nanos http 80 "machine $i"
		status 0
	done
	# shellcheck disable=SC2154 # set by eval
	wait_for 60 fetches "$port1" 'machine 1'
	# shellcheck disable=SC2154
	wait_for 60 fetches "$port2" 'machine 2'
	is "$(find "$VOLT_ROOT/rootfs" -name '*.nanos' -newer "$T/load.out" | wc -l)" \
		"$(find "$VOLT_ROOT/rootfs" -name '*.nanos' -newer "$T/load.out" | sort -u | wc -l)"
	is "$(jq -r .base "$(machine_dir t1)/disk.json")" "$(jq -r .base "$(machine_dir t2)/disk.json")"
	run volt rm -f t1 t2
}

policies_start_it_again() {
	run volt run -d --name r --restart on-failure:2 --guest nanos nanos exit 3
	run volt wait r
	stdout 3
	is "$(inspect r .state.restarts)" 2
	run volt rm r
}

# The disk is in order afterwards: it starts again.
nothing_that_is_killed_harms_it() {
	local pid
	run volt run -d --name k --guest nanos nanos wait 0
	wait_for 60 says k 'state none'
	pid=$(inspect k .state.qemu)
	kill -9 "$pid"
	run volt wait k
	stdout 125
	like "$(inspect k .state.reason)" 'killed by SIGKILL'
	run volt start k
	wait_for 60 says k 'state none'
	pid=$(inspect k .state.qemu)
	kill -9 "$(inspect k .state.supervisor)"
	wait_for 20 dead "$pid"
	is "$(state_of k)" failed
	run volt start k
	status 0
	run volt stop k
	status 0
	run volt rm k
}

a_paused_one_goes_on_later() {
	free_port
	run volt run -d --name p -p "$port:80" --guest nanos nanos http 80 paused
	wait_for 60 fetches "$port" paused
	run volt pause p
	status 0
	sleep 12
	is "$(state_of p)" paused
	run volt unpause p
	wait_for 60 fetches "$port" paused
	run volt rm -f p
}

little_memory_is_enough() {
	nanos -m 32m nanos exit 4
	status 4
}

a_boot_sector_boots_too() {
	nanos --boot bios nanos exit 7
	status 7
}

uefi_boots_too() {
	if [ "${VOLT_TEST_NANOS##*/}" = 0.1.47 ]; then
		skip 'the loader of 0.1.47 faults under OVMF'
		return
	fi
	nanos --boot uefi nanos exit 6
	status 6
}

klibs_are_loaded() {
	nanos --klib ntp nanos exit 4
	status 4
	nanos --boot bios --klib ntp nanos exit 4
	status 4
	run volt create --guest nanos --klib none nanos
	status 125
	one_line_error "klib 'none'"
}

dynamic_programs_serve() {
	load redis python nginx
	free_port
	run volt run -d --name redis -m 512m -p "$port:6379" --guest nanos redis
	status 0
	wait_for 90 pongs "$port"
	run volt rm -f redis
	free_port
	run volt run -d --name python -m 512m -p "$port:8000" --guest nanos python
	status 0
	wait_for 120 fetches "$port" 'served by python in a machine'
	run volt rm -f python
	free_port
	run volt run -d --name nginx -m 512m -p "$port:80" --guest nanos nginx \
		/usr/sbin/nginx -g 'master_process off;'
	status 0
	wait_for 90 eval "curl -s -m 5 http://127.0.0.1:$port/ | grep -q 'Hello from inside'"
	run volt rm -f nginx
}

profiles
load nanos
tap_run set_up words_environment_and_directory_are_as_asked statuses_are_the_program_s \
	a_status_of_an_earlier_run_is_not_this_one_s all_that_it_writes_arrives \
	a_server_answers_through_a_published_port stop_leaves_time_to_clean_up_and_writes_last \
	a_stop_right_after_the_start_is_heard what_it_writes_lasts_as_long_as_the_machine \
	two_of_one_image_are_apart policies_start_it_again nothing_that_is_killed_harms_it \
	a_paused_one_goes_on_later little_memory_is_enough a_boot_sector_boots_too uefi_boots_too \
	klibs_are_loaded dynamic_programs_serve nothing_is_left
