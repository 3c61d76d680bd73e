#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run --replace: whoever made a slip still has the machine there was.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
fake_qemu
kernel
load static

old=$(volt run -d --name web static hang)

# refused ERROR WORD…: so the new one is, and the old one goes on.
refused() {
	local error=$1
	shift
	run volt run -d --replace --name web "$@"
	status 125
	stdout ''
	one_line_error "$error"
	is "$(inspect web '"\(.spec.id) \(.state.status)"')" "$old running" 'the old machine'
}

a_lock_that_cannot_be_written_removes_nothing() {
	refused "write lock '$T/nowhere/lock': No such file or directory" --lock "$T/nowhere/lock" static hang
	refused "write lock '$T': Is a directory" --lock "$T" static hang
	refused "write lock '$T/'" --lock "$T/" static hang
	refused "write lock '/proc/lock'" --lock /proc/lock static hang
	run volt create --replace --name web --lock "$T/nowhere/lock" static
	status 125
	is "$(state_of web)" running
}

a_file_that_cannot_be_read_removes_nothing() {
	refused "read lock '$T/none': No such file or directory" --locked "$T/none" static hang
	echo '{' >"$T/broken"
	refused "lock '$T/broken'" --locked "$T/broken" static hang
	refused "'$T/none'" --env-file "$T/none" static hang
	refused "'$T/none'" --label-file "$T/none" static hang
	: >"$T/id"
	refused "'$T/id': File exists" --cidfile "$T/id" static hang
}

what_is_not_there_removes_nothing() {
	refused "'nothing'" --pull never nothing hang
	refused "kernel 'nothing'" --kernel nothing static hang
	refused "volume '$T/none:/x'.*No such file or directory" -v "$T/none:/x" static hang
	refused "neither a directory nor a regular file" -v /dev/null:/x static hang
}

# What start needs is asked of create where it is to be written down.
a_lock_of_what_is_not_there_removes_nothing() {
	run volt create --replace --name web --kernel nothing --lock "$T/lock" static
	status 125
	one_line_error "kernel 'nothing'"
	is "$(inspect web '"\(.spec.id) \(.state.status)"')" "$old running"
	not_ok test -e "$T/lock"
}

a_port_of_somebody_else_removes_nothing() {
	free_port
	volt run -d --name other -p "$port:80" static hang >/dev/null
	refused "publish port $port/tcp on 127.0.0.1: it is in use" -p "$port:80" static hang
	volt rm -f other >/dev/null
}

its_own_ports_are_no_obstacle() {
	free_port
	run volt run -d --replace --name web -p "$port:80" static hang
	status 0
	old=$(cat "$T/out")
	run volt run -d --replace --name web -p "$port:80" static hang
	status 0
	[ "$(cat "$T/out")" != "$old" ] || bad 'it is still the old one'
	is "$(inspect web '"\(.spec.id) \(.state.status)"')" "$(cat "$T/out") running"
	run volt ps -a -q
	is "$(wc -l <"$T/out")" 1 machines
}

# Nobody was left to remove it. To look at it is to do that, and there is nothing to replace.
one_that_should_have_removed_itself_is_no_obstacle() {
	local supervisor
	free_port
	volt run -d --rm --name dead -p "$port:80" static hang >/dev/null
	supervisor=$(inspect dead .state.supervisor)
	kill -9 "$supervisor"
	wait_for 20 dead "$supervisor"
	run volt run -d --rm --replace --name dead -p "$port:80" static hang
	status 0
	is "$(inspect dead '"\(.spec.id) \(.state.status)"')" "$(cat "$T/out") running"
	volt rm -f dead >/dev/null
}

tap_run a_lock_that_cannot_be_written_removes_nothing \
	a_file_that_cannot_be_read_removes_nothing what_is_not_there_removes_nothing \
	a_lock_of_what_is_not_there_removes_nothing a_port_of_somebody_else_removes_nothing \
	its_own_ports_are_no_obstacle one_that_should_have_removed_itself_is_no_obstacle \
	nothing_is_left
