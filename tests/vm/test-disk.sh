#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Machines that boot a disk by UEFI. Real machines, emulated where there is no KVM; the guest
# is tests/lib/uefi-guest.c.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
[ -z "${VOLT_TEST_PROFILES-}" ] || profiles

# disk NAME MODE
disk() {
	"$here/make-uefi-disk" "$T/$1" "$2" || bad "make-uefi-disk $1"
}

# mode NAME MODE: of a disk that no machine uses.
mode() {
	printf '%s\n' "$2" | mcopy -o -i "$T/$1" - ::/MODE.TXT
}

says() {
	volt logs "$1" | grep -q "$2"
}

it_boots_and_its_serial_port_is_the_terminal() {
	disk a.raw echo
	run "$here/with-pty" 30x100 'wait:waits for a key' 'type:x' -- \
		"$VOLT" run -it --name a --guest disk "$T/a.raw"
	status 0
	stdout_like 'hello from UEFI'
	stdout_like 'tpm: 2.0 works'
	stdout_like 'nvram: boot 1'
	stdout_like 'disk: boot 1'
	stdout_like 'key: x'
	is "$(inspect a '.state | [.status, .exit_code, .stopped_by] | join(" ")')" 'exited 0 none'
	is "$(inspect a .spec.disk.format)" raw
}

what_it_wrote_and_its_variables_last() {
	mode a.raw off
	run volt start a
	status 0
	run volt wait a
	stdout 0
	ok says a 'nvram: boot 2'
	ok says a 'disk: boot 2'
	run volt rm a
	status 0
	ok test -f "$T/a.raw"
}

a_reset_is_not_the_end_and_qcow2_works() {
	disk r.raw reset
	qemu-img convert -O qcow2 "$T/r.raw" "$T/r.qcow2"
	run volt run --name r --guest disk "$T/r.qcow2"
	status 0
	stdout_like 'nvram: boot 1'
	stdout_like 'nvram: boot 2'
	is "$(inspect r '[.state.restarts // 0, .spec.disk.format] | join(" ")')" '0 qcow2'
	ok qemu-img check -q "$T/r.qcow2"
	qemu-img convert -O raw "$T/r.qcow2" "$T/r.raw"
	is "$(mtype -i "$T/r.raw" ::/COUNT.TXT)" 2
}

# As when the machine was first run by another id, or before helpers had users of their own.
the_tpm_s_state_is_given_to_the_user_it_runs_as() {
	local state uid
	[ "$(id -u)" = 0 ] || return 0
	disk t.raw button
	run volt create --name t --guest disk "$T/t.raw"
	status 0
	state=$VOLT_ROOT/machines/$(inspect t .spec.id)/tpm
	run volt start t
	status 0
	volt kill t >/dev/null
	volt wait t >/dev/null
	uid=$(stat -c %u "$state")
	is "$(stat -c '%u %F' "$state"/tpm2-00.permall)" "$uid regular file"
	chown 12345:12345 "$state" "$state"/*
	run volt start t
	status 0
	is "$(stat -c %u "$state" "$state"/* | sort -u)" "$uid" 'owners'
	volt rm -f t >/dev/null
}

swtpm_uid() {
	local p
	for p in $(family "$(inspect "$1" .state.supervisor)"); do
		if [ "$(cat "/proc/$p/comm")" = swtpm ]; then
			stat -c %u "/proc/$p"
		fi
	done
}

with_the_power_button_it_ends_and_vnc_shows_it() {
	local vnc uid
	disk b.raw button
	run volt run -d --name b --guest disk "$T/b.raw"
	status 0
	vnc=$(inspect b .vnc)
	is "$(stat -c '%a %F' "$vnc")" '600 socket'
	is "$(vnc_greeting "${vnc%/vnc}")" 'RFB 003.008'
	is "$(vnc_greeting "${vnc%/vnc}")" 'RFB 003.008' 'the second client'
	# Not QEMU's, who could take it over and has a jail that swtpm has not.
	uid=$(inspect b '.state.qemu_uid // 0')
	is "$(swtpm_uid b)" "$((uid ? uid + 0x10000000 : $(id -u)))" 'user of swtpm'
	wait_for 120 says b 'waits for the button' || return
	run volt kill -s HUP b
	status 125
	one_line_error 'power button only'
	run volt stop b
	status 0
	is "$(inspect b '.state | [.status, .exit_code, .stopped_by] | join(" ")')" 'exited 0 button'
	ok says b 'the button was pressed'
	is "$(inspect b .vnc)" null
	not_ok test -e "$vnc"
}

# The firmware does not look at the button.
one_that_does_not_listen_is_ended_all_the_same() {
	run volt start b
	status 0
	run volt stop -t 1 b
	status 0
	is "$(inspect b '.state | [.status, .exit_code, .stopped_by] | join(" ")')" 'exited 137 quit'
}

# B37: two machines never write to one disk.
# The second has no name that an id could begin with, as "c" could.
b37_a_disk_is_written_by_one_machine() {
	run volt start b
	status 0
	run volt run -d --name other --guest disk "$T/b.raw"
	status 125
	one_line_error "disk '$T/b.raw' is in use"
	run volt run -d --name other --guest disk --read-only "$T/b.raw"
	status 125
	one_line_error 'which writes to it'
	run volt inspect other
	status 125
	run qemu-img convert -O raw "$T/b.raw" "$T/copy"
	status 1
	like "$(cat "$T/err")" 'lock'
	is "$(state_of b)" running
}

runs_again() {
	[ "$(inspect "$1" '.state | [.status, .restarts] | join(" ")')" = 'running 1' ]
}

a_restart_takes_the_disk_again() {
	run volt run -d --name d --restart on-failure:3 --guest disk "$T/r.qcow2"
	status 0
	kill -9 "$(inspect d .state.qemu)"
	wait_for 60 runs_again d || return
	run volt run -d --name other --guest disk "$T/r.qcow2"
	status 125
	one_line_error 'is in use'
	run volt pause d
	is "$(state_of d)" paused
	run volt unpause d
	is "$(state_of d)" running
	run volt rm -f d
	status 0
}

no_process_outlives_its_supervisor() {
	local pids
	pids=$(family "$(inspect b .state.supervisor)")
	like "$(for p in $pids; do cat "/proc/$p/comm"; done)" swtpm 'processes'
	kill -9 "$(inspect b .state.supervisor)"
	for p in $pids; do
		wait_for 20 dead "$p"
	done
	is "$(inspect b .state.status)" failed
	run volt run -d --rm --name other --guest disk "$T/b.raw"
	status 0
	run volt kill other
	status 0
}

generic_hardware_and_a_disk_that_is_not_written() {
	local before
	disk g.raw off
	before=$(sha256sum <"$T/g.raw")
	run volt run --rm --guest disk --hardware generic --read-only --no-tpm -m 256m --cpus 2 "$T/g.raw"
	status 0
	stdout_like 'tpm: none'
	stdout_like 'nvram: boot 1'
	stdout_like 'disk: cannot be written'
	is "$(sha256sum <"$T/g.raw")" "$before" 'the disk'
}

tap_run it_boots_and_its_serial_port_is_the_terminal what_it_wrote_and_its_variables_last \
	a_reset_is_not_the_end_and_qcow2_works the_tpm_s_state_is_given_to_the_user_it_runs_as with_the_power_button_it_ends_and_vnc_shows_it \
	one_that_does_not_listen_is_ended_all_the_same b37_a_disk_is_written_by_one_machine \
	a_restart_takes_the_disk_again no_process_outlives_its_supervisor \
	generic_hardware_and_a_disk_that_is_not_written \
	nothing_is_left
