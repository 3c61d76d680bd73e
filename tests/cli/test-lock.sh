#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Locks: what a machine is made of, in a file, and machines that are made of nothing else.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
fake_qemu
kernel
load static busybox

a_lock_names_each_part_by_its_digest() {
	run volt run --name one --lock "$T/lock" static out:ran
	status 0
	stdout ran
	is "$(jq -r '.version, .arch, .image.name' "$T/lock" | tr '\n' ' ')" \
		"1 $(uname -m) localhost/static:latest "
	is "$(jq -r .image.digest "$T/lock")" "$(inspect one .spec.image.digest)"
	is "$(jq -r .image.tree "$T/lock")" "$(inspect one .digests.rootfs)"
	is "$(jq -r .kernel.digest "$T/lock")" "$(inspect one .digests.kernel)"
	is "$(jq -r .kernel.initramfs "$T/lock")" "$(inspect one .digests.initramfs)"
	# A QEMU of --qemu DIR is no profile.
	is "$(jq -r .profile "$T/lock")" null
	is "$(inspect one .state.jail)" none
	volt rm one >/dev/null
}

what_is_locked_runs_as_often_as_wanted() {
	run volt run --rm --locked "$T/lock" static out:again
	status 0
	stdout again
	run volt create --name kept --locked "$T/lock" static out:later
	status 0
	run volt start -a kept
	status 0
	stdout later
	volt rm kept >/dev/null
}

another_image_is_refused_and_each_difference_named() {
	run volt run --rm --locked "$T/lock" busybox true
	status 125
	stdout ''
	one_line_error "'$T/lock': not what is locked: image: have [0-9a-f]{12}, want [0-9a-f]{12}; rootfs: have [0-9a-f]{12}, want [0-9a-f]{12}\$"
	is "$(volt ps -a -q)" '' 'no machine is left'
}

another_kernel_is_refused_at_every_start() {
	local machine
	jq '.kernel.digest = "sha256:" + ("1" * 64)' "$T/lock" >"$T/other"
	run volt run --rm --locked "$T/other" static
	status 125
	one_line_error 'not what is locked: kernel: have [0-9a-f]{12}, want 111111111111$'
	run volt create --name kept --locked "$T/lock" static
	status 0
	machine=$VOLT_ROOT/machines/$(inspect kept .spec.id)/machine.json
	jq '.lock.kernel.digest = "sha256:" + ("1" * 64)' "$machine" >"$T/machine"
	cat "$T/machine" >"$machine"
	run volt start kept
	status 125
	one_line_error 'not what is locked: kernel: have [0-9a-f]{12}, want 111111111111$'
	volt rm kept >/dev/null
}

a_lock_is_replaced_whole_or_not_at_all() {
	local before
	before=$(stat -c %i "$T/lock")
	run volt create --name new --lock "$T/lock" static
	status 0
	[ "$(stat -c %i "$T/lock")" != "$before" ] || bad 'written in place'
	volt rm new >/dev/null
	run volt create --name none --lock "$T/nowhere/lock" static
	status 125
	one_line_error "write lock '$T/nowhere/lock': No such file or directory"
	is "$(volt ps -a -q)" '' 'a machine without its lock is none'
	run volt create --lock "$T/" static
	status 125
	one_line_error "write lock '$T/'"
}

what_is_no_lock_is_refused() {
	echo '{"version":1}' >"$T/bad"
	run volt run --rm --locked "$T/bad" static
	status 125
	one_line_error 'the lock: it does not name an image'
	echo '{' >"$T/bad"
	run volt run --rm --locked "$T/bad" static
	status 125
	one_line_error "lock '$T/bad'"
	run volt run --rm --locked "$T/missing" static
	status 125
	one_line_error "read lock '$T/missing': No such file or directory"
}

tap_run a_lock_names_each_part_by_its_digest what_is_locked_runs_as_often_as_wanted \
	another_image_is_refused_and_each_difference_named \
	another_kernel_is_refused_at_every_start a_lock_is_replaced_whole_or_not_at_all \
	what_is_no_lock_is_refused nothing_is_left
