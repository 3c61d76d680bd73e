#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# volt is killed while it changes what it keeps, at one call after the other
# (tests/lib/crash-preload.c): what it kept before is whole, doing it again succeeds, and
# removing everything leaves nothing.
#
# Every third call; with VOLT_TEST_EVERY=1 every one.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
# shellcheck source=tests/lib/nanos.sh
. "$(dirname "$0")/../lib/nanos.sh"

preload=${CRASH_PRELOAD:-${VOLT%/*}/tests/lib/libcrash-preload.so}
every=${VOLT_TEST_EVERY:-3}
layout=$(image static)
if [ -w /dev/shm ]; then # hundreds of syncs
	memory=$(mktemp -d /dev/shm/volt-test.XXXXXX)
	tap_hooks+=("rm -rf '$memory'") # the last: others still look into it
	VOLT_ROOT=$memory/root
fi

# crash N HOW COMMAND…: runs it; at its call N it is killed. False: it has no such call.
crash() {
	local n=$1 how=$2
	shift 2
	rm -f "$T/call"
	status=0
	(
		# The shell would report the kill.
		ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0 \
			LD_PRELOAD=$preload VOLT_CRASH_AT=$n VOLT_CRASH_HOW=$how \
			VOLT_CRASH_LOG=$T/call "$@" >"$T/out" 2>"$T/err" </dev/null
		exit $?
	) 2>/dev/null || status=$?
	[ -e "$T/call" ]
}

# What must hold after any crash: what has a name is whole.
whole() {
	run volt cas verify
	status 0
	run volt qemu verify
	status 0
}

# What must hold after any crash and the same command again.
sound() {
	is "$(cd "$VOLT_ROOT/cas/objects" && sha256sum -- * | sed 's/\.x$//' | awk '$1 != $2')" '' \
		'damaged objects'
	run volt images -q
	status 0
	is "$(wc -l <"$T/out")" 1 'images'
	run volt rm --all --force
	status 0
	run volt rmi --all --force
	status 0
	is "$(find "$VOLT_ROOT" -path "$VOLT_ROOT/run" -prune -o -type f ! -name '*lock' -print)" '' \
		'files that are left'
}

# each_call SOUND COMMAND…: kills it at its calls, alternately before them and half-way through.
each_call() {
	local sound=$1 n how=kill calls=0
	shift
	for ((n = 1; ; n += every)); do
		rm -rf "$VOLT_ROOT"
		cp -a "$before" "$VOLT_ROOT"
		crash "$n" "$how" "$@" || break
		calls=$((calls + 1))
		[ "$how" = kill ] && how='torn' || how='kill'
		[ "$status" = 137 ] || bad "status at call $(cat "$T/call")" "$status"
		whole
		run "$@"
		status 0
		"$sound"
		[ "$tap_bad" = 0 ] || {
			echo "#   after being killed at call $(cat "$T/call")"
			return
		}
	done
	is "$status" 0 'status when it was not killed'
	[ "$calls" -gt 4 ] || bad 'calls' "$calls"
	echo "# $calls calls"
}

# ordered NAMES COMMAND…: that it would survive a loss of power, in the directories NAMES.
ordered() {
	VOLT_CRASH_PUBLISHED=$1 crash 0 kill "${@:2}"
	is "$status" 0 "status of ${*:3}"
	not_ok grep crash-preload "$T/err"
}

what_is_written_is_synced_in_order() {
	rm -rf "$VOLT_ROOT"
	ordered objects:refs:names:rootfs "$VOLT" load -q -i "$layout"
	ordered machines:refs "$VOLT" create --name web localhost/static:latest
	ordered machines:refs "$VOLT" rm web
	ordered names:refs:objects "$VOLT" tag localhost/static:latest other
}

before=$T/empty
mkdir "$before"

loading_survives_being_killed_at_any_call() {
	each_call sound "$VOLT" load -q -i "$layout"
}

creating_a_machine_survives_being_killed_at_any_call() {
	before=$T/loaded
	VOLT_ROOT=$before ok "$VOLT" load -q -i "$layout" >/dev/null
	each_call sound "$VOLT" create --replace --name web localhost/static:latest
}

removing_a_machine_survives_being_killed_at_any_call() {
	before=$T/created
	cp -a "$T/loaded" "$before"
	VOLT_ROOT=$before ok "$VOLT" create --name web localhost/static:latest >/dev/null
	each_call sound "$VOLT" rm --force --ignore web
}

# small_profile: in a registry, as $place; its digest is $digest.
small_profile() {
	registry '' || return
	place=127.0.0.1:$port/qemu/small:v1
	mkdir -p "$T/dir/bin" "$T/dir/lib" "$T/dir/firmware"
	echo emulator >"$T/dir/bin/qemu-system-x86_64"
	echo one >"$T/dir/firmware/a.bin"
	echo one >"$T/dir/firmware/b.bin"
	head -c 300000 /dev/zero >"$T/dir/lib/libx.so.1"
	VOLT_ROOT=$T/pushed ok "$VOLT" cas build "$T/dir" --name small >"$T/version" || return
	digest=$(VOLT_ROOT=$T/pushed "$VOLT" qemu push -q --tls-verify=false small "$place")
	like "$digest" '^sha256:'
}

# The profile is there, nothing of what was fetched is left, and nothing but the profile.
pulled() {
	stdout "$digest"
	whole
	is "$(volt qemu ls -q)" "$(cat "$T/version")"
	is "$(find "$VOLT_ROOT/images/staging" "$VOLT_ROOT/cas/staging" -mindepth 1)" '' 'staging'
	run volt qemu rm small
	status 0
	run volt cas gc
	status 0
	is "$(find "$VOLT_ROOT" -path "$VOLT_ROOT/run" -prune -o -type f ! -name '*lock' -print)" '' \
		'files that are left'
}

pulling_a_profile_survives_being_killed_at_any_call() {
	small_profile || return
	before=$T/empty
	each_call pulled "$VOLT" qemu pull -q --tls-verify=false "$place"
	rm -rf "$VOLT_ROOT"
	ordered objects:refs "$VOLT" qemu pull -q --tls-verify=false "$place"
}

# The kernel is there, is the default, and nothing is left when it goes.
imported() {
	stdout nanos-0.1.55
	whole
	is "$(volt kernel ls --format json | jq -c '.[] | [.name, .default]')" '["nanos-0.1.55",true]'
	run volt kernel rm nanos-0.1.55
	status 0
	run volt cas gc
	status 0
	is "$(find "$VOLT_ROOT" -path "$VOLT_ROOT/run" -prune -o -type f ! -name '*lock' -print)" '' \
		'files that are left'
}

importing_a_nanos_kernel_survives_being_killed_at_any_call() {
	release "$T/0.1.55"
	before=$T/empty
	each_call imported "$VOLT" kernel import -q --guest nanos "$T/0.1.55"
	rm -rf "$VOLT_ROOT"
	ordered refs:objects "$VOLT" kernel import -q --guest nanos "$T/0.1.55"
}

a_full_disk_while_a_nanos_kernel_is_imported_is_one_clear_error() {
	local n calls=0
	for ((n = 1; ; n += every)); do
		rm -rf "$VOLT_ROOT"
		crash "$n" 28 "$VOLT" kernel import -q --guest nanos "$T/0.1.55" || break
		calls=$((calls + 1))
		[ "$status" = 0 ] || one_line_error 'No space left'
		run volt kernel import -q --guest nanos "$T/0.1.55"
		status 0
		imported
		[ "$tap_bad" = 0 ] || {
			echo "#   after the disk was full at call $(cat "$T/call")"
			return
		}
	done
	[ "$calls" -gt 4 ] || bad 'calls' "$calls"
}

tap_run what_is_written_is_synced_in_order loading_survives_being_killed_at_any_call \
	creating_a_machine_survives_being_killed_at_any_call \
	removing_a_machine_survives_being_killed_at_any_call \
	pulling_a_profile_survives_being_killed_at_any_call \
	importing_a_nanos_kernel_survives_being_killed_at_any_call \
	a_full_disk_while_a_nanos_kernel_is_imported_is_one_clear_error
