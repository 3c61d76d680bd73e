#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A machine that boots a disk with a whole system: firmware, boot loader's stub, Debian's kernel,
# user space (tests/lib/make-linux-disk). Real machines.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
profiles
"$here/make-linux-disk" "$T/system.raw" >"$T/make.log" 2>&1 || {
	sed 's/^/# /' "$T/make.log"
	echo 'Bail out! no disk'
	exit 1
}
qemu-img convert -O qcow2 "$T/system.raw" "$T/system.qcow2"

says() {
	volt logs "$1" 2>&1 | grep -q "$2"
}

a_system_boots_from_its_disk_and_is_served() {
	local vnc
	free_port
	run volt run -d --name system -p "$port:80" --guest disk "$T/system.qcow2"
	status 0 || return
	vnc=$(inspect system .vnc)
	is "$(vnc_greeting "${vnc%/vnc}")" 'RFB 003.008'
	wait_for 180 says system 'system: up' || {
		volt logs --tail 20 system 2>&1 | sed 's/^/# /'
		return
	}
	run volt logs system
	stdout_like 'system: boot 1'
	stdout_like 'system: booted by UEFI'
	stdout_like 'system: disk vda'
	stdout_like 'system: address 10.0.2.15'
	is "$(curl -fsS --max-time 60 "http://127.0.0.1:$port/")" 'a page of the system'
}

# The firmware has measured what it started into register 4.
it_has_a_tpm_into_which_its_boot_was_measured() {
	run volt logs system
	stdout_like 'system: TPM 2 measured [0-9A-F]{64}'
	unlike "$(cat "$T/out")" 'measured (0{64}|F{64})'
}

stop_presses_its_power_button_and_it_shuts_down() {
	run volt stop -t 120 system
	status 0
	is "$(inspect system '.state | [.status, .exit_code, .stopped_by] | join(" ")')" 'exited 0 button'
	run volt logs system
	stdout_like 'system: the power button'
	stdout_like 'system: down'
	stdout_like 'reboot: Power down'
	ok qemu-img check -q "$T/system.qcow2"
	volt rm system >"$T/rm.out"
}

# What it wrote is on the disk, whatever the disk's format and hardware.
on_generic_hardware_its_terminal_is_its_shell() {
	qemu-img convert -O raw "$T/system.qcow2" "$T/system.raw"
	run "$here/with-pty" 30x100 'wait:press Enter' 'type:\n' 'wait:/ #' \
		'type:echo $((6 * 7))-answers\n' 'wait:42-answers' 'type:poweroff\n' -- \
		"$VOLT" run -it --rm --guest disk --hardware generic "$T/system.raw"
	status 0
	stdout_like 'system: boot 2'
	stdout_like 'system: disk nvme'
	stdout_like 'reboot: Power down'
}

tap_run a_system_boots_from_its_disk_and_is_served \
	it_has_a_tpm_into_which_its_boot_was_measured \
	stop_presses_its_power_button_and_it_shuts_down \
	on_generic_hardware_its_terminal_is_its_shell nothing_is_left
