#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `volt nanos ls|cat|dump`: what is on a disk of Nanos that others have made.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"

for kind in disk volume old broken; do
	"$here/make-nanos-disk" "$kind" "$T/$kind" || exit 1
done

ls_lists_a_directory_sorted_by_bytes() {
	run volt nanos ls "$T/disk"
	status 0
	stderr ''
	stdout "$(printf '%s\n' bin dir empty größe l 'red?[31m??')"
	run volt nanos list "$T/volume" bin/
	stdout prog
	run volt nanos ls "$T/volume" /dir
	status 0
	stdout ''
	run volt nanos ls "$T/volume" /l
	stdout prog
}

ls_long_says_type_names_bytes_time_and_target() {
	run volt nanos ls -l "$T/disk"
	status 0
	stdout_like '^d  1  1 +- +bin$'
	stdout_like '^-  1  0  2004-01-10T13:37:04Z  empty$'
	stdout_like '^l  1  8 +- +l -> bin/prog$'
}

ls_recursive_gives_whole_paths() {
	run volt nanos ls -R "$T/volume"
	status 0
	stdout "$(printf '%s\n' /bin /bin/prog /dir /empty /größe /l '/red?[31m??')"
	run volt nanos ls --bootfs -R "$T/disk"
	stdout /kernel
	run volt nanos ls --bootfs "$T/volume"
	status 125
	stderr "volt nanos ls: disk '$T/volume' has no file system to boot from"
}

json_has_every_byte_of_a_name() {
	run volt nanos ls --format json "$T/disk"
	status 0
	is "$(jq -r '.[5].path' "$T/out")" "$(printf '/red\033[31m\\xff\n')" path
	is "$(jq -c '.[4]' "$T/out")" \
		'{"path":"/l","type":"link","size":8,"allocated":0,"links":1,"target":"bin/prog"}' link
	is "$(jq -r '.[2].modified_at' "$T/out")" 2004-01-10T13:37:04.000000000Z time
}

cat_is_byte_for_byte() {
	python3 -c 'import sys; sys.stdout.buffer.write(b"\x7fELF" + bytes(range(256)) * 20)' >"$T/want"
	run volt nanos cat "$T/disk" /l
	status 0
	ok cmp "$T/out" "$T/want"
	run volt nanos cat "$T/disk" größe ./bin/../größe $'red\e[31m\xff\n'
	stdout xxy
	run volt nanos cat --bootfs "$T/disk" kernel
	stdout 'the kernel'
}

cat_says_what_it_cannot_read() {
	run volt nanos cat "$T/disk" /bin
	status 125
	stderr "volt nanos cat: '/bin' on the disk is a directory"
	run volt nanos cat "$T/disk" größe /gone
	status 125
	stdout x
	stderr "volt nanos cat: '/gone' on the disk: No such file or directory"
}

dump_shows_layout_crash_log_and_attributes() {
	run volt nanos dump --tree "$T/disk"
	status 0
	stderr ''
	stdout_like '^disk +1.08 MB, with partitions$'
	stdout_like '^crash log +at 4096, exit code 3, of boot 000000000000abcd$'
	stdout_like '^bootfs +at 8192, 9.22 kB$'
	stdout_like '^  holds +files 4, directories 3, links 1, special 0$'
	stdout_like '^  panic:\?\[1m here$'
	stdout_like '^    "program": "/bin/prog"$'
	stdout_like '^  /l -> bin/prog$'
	unlike "$(cat "$T/out")" $'\e'
	run volt nanos dump "$T/volume"
	stdout_like '^disk +15.4 kB, a volume$'
	stdout_like '^crash log +none$'
	stdout_like '^  label +data$'
}

dump_as_json_has_all_of_it() {
	run volt nanos dump --format json "$T/disk"
	status 0
	is "$(jq -c '[.crash_log.exit_code, .root.at, .root.free, .esp, .bootfs.label]' "$T/out")" \
		'[3,17408,1048576,null,""]' layout
	is "$(jq -c '.root.attributes.arguments' "$T/out")" '["prog","a b"]' arguments
	is "$(jq -r '.root.attributes.environment.ODD' "$T/out")" "$(printf '\033[2J\\xff')" bytes
	is "$(jq -r '.root.uuid' "$T/out")" 00010203-0405-0607-0809-0a0b0c0d0e0f uuid
	run volt nanos dump --format json --tree "$T/volume"
	is "$(jq '.paths | length' "$T/out")" 7 paths
}

what_is_broken_is_said_and_the_rest_is_shown() {
	local why="broken file system: '/empty' has an extent outside of the file system"
	run volt nanos dump "$T/broken"
	status 125
	stderr "volt nanos dump: disk '$T/broken', root: $why"
	stdout_like '^crash log +at 4096, exit code 3'
	stdout_like "^  error +$why$"
	run volt nanos ls "$T/broken"
	status 125
	stderr "volt nanos ls: disk '$T/broken': $why"
	run volt nanos ls --bootfs "$T/broken"
	stdout kernel
}

other_versions_and_other_files_are_refused_by_name() {
	run volt nanos ls "$T/old"
	status 125
	stderr_like "^volt nanos ls: disk '.*/old': .* TFS version 4, of Nanos before 0.1.47, which is too old"
	run volt nanos ls "$VOLT"
	status 125
	stderr "volt nanos ls: disk '$VOLT': it is neither a disk of Nanos nor a volume"
	mkfifo "$T/fifo"
	run volt nanos ls "$T/fifo"
	status 125
	stderr "volt nanos ls: disk '$T/fifo' is neither a file nor a block device"
	run volt nanos ls "$T/gone"
	status 125
	stderr "volt nanos ls: open disk '$T/gone': No such file or directory"
}

# The header of the overlay names a file that must not be opened.
an_overlay_needs_its_base_named() {
	qemu-img create -q -f qcow2 -b "$T/gone" -F raw -u "$T/overlay" 1081344
	run volt nanos ls "$T/overlay"
	status 125
	stderr "volt nanos ls: disk '$T/overlay' is an overlay: its base must be named, too"
	run volt nanos ls --base "$T/disk" "$T/disk"
	status 125
	stderr "volt nanos ls: disk '$T/disk' is no overlay: it lies over nothing"
	ok qemu-io -c 'write -s '"$T/marker"' 4096 512' --image-opts \
		"driver=qcow2,file.filename=$T/overlay,backing.driver=raw,backing.file.filename=$T/disk" >/dev/null
	run volt nanos dump --base "$T/disk" "$T/overlay"
	status 0
	stdout_like '^disk +1.08 MB, with partitions, an overlay$'
	stdout_like '^crash log +at 4096, exit code 7'
	run volt nanos cat --base "$T/disk" "$T/overlay" größe
	stdout x
}
# record BASE: of the machine in $dir.
record() {
	jq -n --arg base "$1" --arg zeros "sha256:$zeros" '{version: 2, base: $base, size: 1081344,
		layout: $zeros, kernel: $zeros, kernel_matters: false}' >"$dir/disk.json"
}
# What a start of a Nanos machine leaves in its directory and beside.
a_machine_is_its_disk() {
	local id dir zeros
	printf -v zeros %064d 0
	load static
	run volt create --name web static
	id=$(cat "$T/out")
	dir=$VOLT_ROOT/machines/$id
	run volt nanos ls web
	status 125
	stderr "volt nanos ls: machine 'web' has no disk of Nanos, or was never started"
	qemu-img create -q -f qcow2 -b "$T/gone" -F raw -u "$dir/disk.qcow2" 1081344
	record ../secret
	run volt nanos ls web
	status 125
	stderr_like "machine 'web': '../secret' is no name of a Nanos disk$"
	record "$zeros-${zeros:0:24}.nanos"
	run volt nanos ls web
	status 125
	stderr_like "what the disk of machine 'web' lies over is gone; starting it makes it again$"
	cp "$T/disk" "$dir/base.nanos"
	run volt nanos cat "${id:0:12}" größe
	status 125
	stderr_like 'lies over other contents'
	run volt nanos ls nobody
	status 125
	stderr "volt nanos ls: there is neither a file nor a machine 'nobody'"
	volt rm web >/dev/null
}

printf 'KLOG\0\0\0\0\0\0\0\0\007\0\0\0seven\n' >"$T/marker"

tap_run ls_lists_a_directory_sorted_by_bytes ls_long_says_type_names_bytes_time_and_target \
	ls_recursive_gives_whole_paths json_has_every_byte_of_a_name cat_is_byte_for_byte \
	cat_says_what_it_cannot_read dump_shows_layout_crash_log_and_attributes \
	dump_as_json_has_all_of_it what_is_broken_is_said_and_the_rest_is_shown \
	other_versions_and_other_files_are_refused_by_name an_overlay_needs_its_base_named \
	a_machine_is_its_disk
