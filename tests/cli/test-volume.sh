#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Volumes by name: status, stdout and message of each command, podman's; and what is left when
# one of them is killed.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"

preload=${CRASH_PRELOAD:-${VOLT%/*}/tests/lib/libcrash-preload.so}

# What there is below volumes/, but for its lock.
volume_files() {
	find "$VOLT_ROOT/volumes" -mindepth 1 ! -name .lock -printf '%P\n' | sort
}

create_says_the_name_and_ls_shows_it() {
	run volt volume create data
	status 0
	stdout data
	run volt volume ls
	status 0
	is "$(head -n 1 "$T/out" | tr -s ' ')" 'DRIVER VOLUME NAME'
	is "$(tail -n 1 "$T/out" | tr -s ' ')" 'local data'
	run volt volume ls -q
	stdout data
	run volt volume ls -n
	is "$(tr -s ' ' <"$T/out")" 'local data'
	run volt volume ls --format json
	is "$(jq -r '.[0].name' "$T/out")" data
	is "$(stat -c %s "$VOLT_ROOT/volumes/data/disk.img")" 1073741824
	run volt volume rm data
	status 0
	stdout data
	is "$(volume_files)" ''
}

a_name_is_made_up_where_there_is_none() {
	run volt volume create
	status 0
	stdout_like '^[0-9a-f]{30}$'
	is "$(volt volume ls -q)" "$(cat "$T/out")"
	run volt volume rm -a
	status 0
}

inspect_shows_what_was_asked_for() {
	volt volume create --size 64m --label a=b -l c data >"$T/name"
	run volt volume inspect data
	status 0
	is "$(jq -c '.[0] | [.Name, .Size, .Labels, .Driver, .Scope]' "$T/out")" '["data",67108864,{"a":"b","c":""},"local","local"]'
	is "$(jq -r '.[0].Disk' "$T/out")" "$VOLT_ROOT/volumes/data/disk.img"
	like "$(jq -r '.[0].UUID' "$T/out")" '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'
	run volt volume inspect data nothing
	status 125
	one_line_error "no volume 'nothing'\$"
	is "$(jq length "$T/out")" 1
	run volt volume rm data
}

a_name_that_is_taken_is_refused_unless_ignored() {
	volt volume create --size 8m data >"$T/name"
	run volt volume create data
	status 125
	stdout ''
	one_line_error "volume 'data' exists already\$"
	run volt volume create --ignore data
	status 0
	stdout data
	is "$(volt volume inspect data | jq '.[0].Size')" 8388608
	run volt volume rm data
}

bad_names_and_sizes_are_refused() {
	local name
	for name in '' . .. a/b ../x -- 'a b' .tmp-x; do
		run volt volume create -- "$name"
		status 125
		one_line_error "volume name '"
	done
	run volt volume create "$(printf 'a%.0s' {1..32})"
	status 125
	one_line_error 'has 32 bytes: it is the label of the volume.s file system, which holds 31$'
	for name in 0 -1 x 1x 3m 4097k 9000g 8388609m 1e99; do
		run volt volume create --size "$name" data
		status 125
		one_line_error "(size '$name' is not one such as 512m or 2g|between 4 MiB and 8 TiB, in whole MiB, are possible)\$"
	done
	run volt volume create --label =x data
	status 125
	one_line_error "label '=x' has no name\$"
	is "$(volume_files)" ''
}

rm_has_podman_s_statuses() {
	volt volume create a >"$T/name"
	run volt volume rm a b
	status 1
	stdout a
	one_line_error "no volume 'b'\$"
	run volt volume rm -f b
	status 0
	stdout ''
	run volt volume rm ../machines
	status 1
	one_line_error "no volume '../machines'\$"
	run volt volume rm
	status 125
	one_line_error "name volumes, or '--all'\$"
}

what_is_no_volume_is_left_out_with_a_word_and_can_be_removed() {
	volt volume create a >"$T/name"
	volt volume create b >"$T/name"
	echo '{"version":1,"name":"../../b"}' >"$VOLT_ROOT/volumes/b/volume.json"
	run volt volume ls -q
	status 0
	stdout a
	stderr_like "volume 'b': "
	run volt volume inspect b
	status 125
	one_line_error "volume 'b': "
	run volt volume rm a b
	status 0
	is "$(volume_files)" ''
}

prune_removes_all_that_nobody_uses() {
	volt volume create a >"$T/name"
	volt volume create b >"$T/name"
	run volt volume prune </dev/null
	status 125
	is "$(volt volume ls -q)" $'a\nb'
	run volt volume prune -f
	status 0
	stdout $'a\nb'
	is "$(volume_files)" ''
}

completion_knows_volumes() {
	volt volume create data >"$T/name"
	run volt complete volume rm ''
	stdout_like '^data$'
	run volt volume rm data
}

while_a_machine_cannot_be_read_nothing_is_removed() {
	local id damage verb
	id=$(printf 'ab%.0s' {1..32})
	volt volume create data >"$T/name"
	mkdir -p "$VOLT_ROOT/machines/$id"
	for damage in '' '{' '{"version":1}'; do
		[ -z "$damage" ] || echo "$damage" >"$VOLT_ROOT/machines/$id/machine.json"
		for verb in 'rm data' 'rm -f data' 'prune -f'; do
			# shellcheck disable=SC2086
			run volt volume $verb
			one_line_error "no volume is removed while machine '${id:0:12}', which may use it, cannot be read: "
			stdout ''
			is "$(volt volume ls -q)" data "after $verb"
		done
	done
	rm -r "$VOLT_ROOT/machines/$id"
	run volt volume rm data
	status 0
}

# crash N HOW COMMAND…: at its call N it is killed (or fails). False: it has no such call.
crash() {
	local n=$1 how=$2
	shift 2
	rm -f "$T/call"
	status=0
	(
		ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0 \
			LD_PRELOAD=$preload VOLT_CRASH_AT=$n VOLT_CRASH_HOW=$how \
			VOLT_CRASH_LOG=$T/call "$@" >"$T/out" 2>"$T/err" </dev/null
		exit $?
	) 2>/dev/null || status=$?
	[ -e "$T/call" ]
}

# A volume is there whole or not at all, and nothing of one that is not is in the way.
whole_or_absent() {
	local name
	for name in $(volt volume ls -q 2>"$T/ls"); do
		is "$name" data
		is "$(stat -c %s "$VOLT_ROOT/volumes/data/disk.img")" 8388608 'size'
		is "$(head -c 6 "$VOLT_ROOT/volumes/data/disk.img")" NVMTFS
	done
	is "$(cat "$T/ls")" '' 'what ls says'
}

making_a_volume_survives_being_killed_at_any_call() {
	local n how
	for ((n = 1; ; n++)); do
		for how in kill torn; do
			crash "$n" "$how" "$VOLT" volume create --size 8m data || break 2
			is "$status" 137
			whole_or_absent
			run volt volume create --ignore --size 8m data
			status 0
			is "$(volume_files)" $'data\ndata/disk.img\ndata/volume.json'
			run volt volume rm data
			status 0
			[ "$tap_bad" = 0 ] || { echo "# at call $(cat "$T/call")"; return; }
		done
	done
	is "$status" 0
	[ "$n" -gt 8 ] || bad 'calls' "$n"
	run volt volume rm data
}

removing_a_volume_survives_being_killed_at_any_call() {
	local n how
	for ((n = 1; ; n++)); do
		for how in kill torn; do
			volt volume create --ignore --size 8m data >"$T/name"
			crash "$n" "$how" "$VOLT" volume rm data || break 2
			is "$status" 137
			whole_or_absent
			run volt volume rm -f data
			status 0
			run volt volume create --size 8m data
			status 0
			is "$(volume_files)" $'data\ndata/disk.img\ndata/volume.json'
			[ "$tap_bad" = 0 ] || { echo "# at call $(cat "$T/call")"; return; }
		done
	done
	is "$status" 0
	[ "$n" -gt 4 ] || bad 'calls' "$n"
	is "$(volume_files)" ''
}

# 28 is ENOSPC.
a_full_disk_is_one_clear_line_and_leaves_nothing() {
	local n failed=0
	for ((n = 1; ; n++)); do
		crash "$n" 28 "$VOLT" volume create --size 8m data || break
		if [ "$status" = 0 ]; then # what it could do without
			run volt volume rm data
			continue
		fi
		is "$status" 125
		one_line_error 'No space left on device$'
		[ "$tap_bad" = 0 ] || { echo "# at call $(cat "$T/call")"; return; }
		failed=$((failed + 1))
		whole_or_absent
		run volt volume rm -f data
		is "$(volume_files | grep -v '^\.tmp-')" ''
	done
	[ "$failed" -gt 4 ] || bad 'failures' "$failed"
	run volt volume rm data
	is "$(volume_files)" ''
}

a_volume_is_synced_before_it_has_its_name() {
	VOLT_CRASH_PUBLISHED=volumes crash 0 kill "$VOLT" volume create --size 8m data
	is "$status" 0
	not_ok grep crash-preload "$T/err"
	VOLT_CRASH_PUBLISHED=volumes crash 0 kill "$VOLT" volume rm data
	is "$status" 0
	not_ok grep crash-preload "$T/err"
}

tap_run create_says_the_name_and_ls_shows_it \
	a_name_is_made_up_where_there_is_none \
	inspect_shows_what_was_asked_for \
	a_name_that_is_taken_is_refused_unless_ignored \
	bad_names_and_sizes_are_refused \
	rm_has_podman_s_statuses \
	what_is_no_volume_is_left_out_with_a_word_and_can_be_removed \
	prune_removes_all_that_nobody_uses \
	while_a_machine_cannot_be_read_nothing_is_removed \
	completion_knows_volumes \
	making_a_volume_survives_being_killed_at_any_call \
	removing_a_volume_survives_being_killed_at_any_call \
	a_full_disk_is_one_clear_line_and_leaves_nothing \
	a_volume_is_synced_before_it_has_its_name \
	nothing_is_left
