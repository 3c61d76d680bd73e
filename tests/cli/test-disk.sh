#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is said about disks to be booted before anything boots.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
truncate -s 4M "$T/raw"

# refused WORDS… -- MESSAGE: `volt create` fails with one line and makes no machine.
refused() {
	local words=()
	while [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	run volt create --guest disk "${words[@]}"
	status 125
	stdout ''
	one_line_error "$2"
	is "$(volt ps -aq)" '' machines
}

what_is_no_disk_is_one_clear_line() {
	mkdir "$T/dir"
	: >"$T/empty"
	printf tiny >"$T/tiny"
	mkfifo "$T/fifo"
	refused "$T/missing" -- "disk '.*/missing': No such file"
	refused "$T/dir" -- 'is a directory'
	refused "$T/empty" -- 'is empty'
	refused "$T/tiny" -- 'only 4 bytes'
	refused "$T/fifo" -- 'not a regular file'
}

# A file system that is mounted read-only: also root may not write there.
a_disk_that_may_not_be_written_says_so() {
	mkdir "$T/ro"
	cp "$T/raw" "$T/ro/disk"
	run unshare --map-root-user --mount sh -c 'mount --bind "$1" "$1" &&
		mount -o remount,bind,ro "$1" && exec "$2" create --guest disk "$1/disk"' - "$T/ro" "$VOLT"
	status 125
	one_line_error "'$T/ro/disk' may not be written: boot it with --read-only"
	run unshare --map-root-user --mount sh -c 'mount --bind "$1" "$1" &&
		mount -o remount,bind,ro "$1" && exec "$2" create --name ro --read-only --guest disk "$1/disk"' - "$T/ro" "$VOLT"
	status 0
	run volt rm ro
	status 0
}

images_that_name_other_files_are_refused() {
	printf 'secret\n' >"$T/secret"
	qemu-img create -q -f qcow2 -b "$T/secret" -F raw -u "$T/backing" 20M
	refused "$T/backing" -- 'rests on another file'
	refused --disk-format qcow2 "$T/backing" -- 'rests on another file'
	qemu-img create -q -f qcow2 -o "data_file=$T/data" "$T/outside" 20M
	refused "$T/outside" -- 'keeps its data in another file'
}

other_formats_are_refused_by_name() {
	qemu-img create -q -f vmdk "$T/vmdk" 20M
	refused "$T/vmdk" -- 'is a VMDK image.*qemu-img convert'
	qemu-img create -q -f qcow2 "$T/luks" 20M
	# crypt_method 2; qemu-img itself gives up on LUKS where the CPU's time is uncertain
	printf '\0\0\0\2' | dd of="$T/luks" bs=1 seek=32 conv=notrunc status=none
	refused "$T/luks" -- 'is encrypted'
	refused --disk-format vmdk "$T/raw" -- "disk format 'vmdk'"
	refused --disk-format qcow2 "$T/raw" -- 'is not a qcow2 image'
}

what_would_have_to_be_done_inside_is_refused_by_name() {
	local words
	for words in '-e A=b' '--env-file /dev/null' '-v /:/x' '--tmpfs /x' '-u 1' '-w /x' \
		'--entrypoint x' '-h x' '--kernel x' '--stop-signal TERM' '--pull never' \
		'--lock x' '--locked x' '--creds a:b' '--authfile x' '--tls-verify' '--platform linux/amd64'; do
		# shellcheck disable=SC2086 # an option and its value
		refused $words "$T/raw" -- "'--[a-z-]*' cannot be used with '--guest disk'"
	done
	refused "$T/raw" ls -- 'a command cannot be used'
}

what_is_of_disks_only_is_refused_without_one() {
	local words
	for words in --no-tpm '--hardware generic' '--disk-format raw'; do
		# shellcheck disable=SC2086
		run volt create $words image
		status 125
		one_line_error "cannot be used without '--guest disk'"
	done
	run volt create --guest windows image
	status 125
	one_line_error "guest 'windows' is not one of: linux, disk, nanos"
}

other_machines_than_the_firmware_s_are_refused() {
	refused --arch riscv64 "$T/raw" -- "'riscv64'"
	refused -m 100m "$T/raw" -- 'at least 128 MiB'
}

# Of a path relative to the caller, with whatever in its name; the format is seen once.
a_disk_is_kept_by_its_full_path_and_format() {
	local odd='a,b=c:"d e'
	cp "$T/raw" "$T/$odd"
	run sh -c 'cd "$1" && "$2" create --name odd --guest disk "./$3"' - "$T" "$VOLT" "$odd"
	status 0
	is "$(inspect odd .spec.disk.path)" "$T/$odd"
	is "$(inspect odd .spec.disk.format)" raw
	is "$(inspect odd '[.spec.memory, .spec.stop_timeout] | join(" ")')" '1073741824 60'
	run volt ps -a --format json
	is "$(jq -r '.[0].image' "$T/out")" "$T/$odd"
	# What its guest may have written is not believed.
	qemu-img create -q -f qcow2 -b "$T/secret" -F raw -u "$T/header" 20M
	dd if="$T/header" of="$T/$odd" conv=notrunc status=none
	is "$(inspect odd .spec.disk.format)" raw
	run volt rm odd
	status 0
	ok test -f "$T/$odd"
}

completion_offers_words_and_files() {
	run volt complete -- run --guest ''
	stdout $'linux\ndisk\nnanos'
	run volt complete -- create --hardware ''
	stdout $'virtio\ngeneric'
	run volt complete -- run --guest disk ''
	stdout ':file'
	run volt complete -- run --guest=disk --disk-format raw ''
	stdout ':file'
}

tap_run what_is_no_disk_is_one_clear_line a_disk_that_may_not_be_written_says_so \
	images_that_name_other_files_are_refused other_formats_are_refused_by_name \
	what_would_have_to_be_done_inside_is_refused_by_name \
	what_is_of_disks_only_is_refused_without_one \
	other_machines_than_the_firmware_s_are_refused \
	a_disk_is_kept_by_its_full_path_and_format completion_offers_words_and_files nothing_is_left
