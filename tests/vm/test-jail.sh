#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Where a machine's QEMU runs, as the host's /proc tells it: nothing but its profile around
# it, nobody's rights, and a profile that stays what it was. Real machines.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
kernel
load busybox

mkdir "$T/volume"
echo host >"$T/volume/f"
free_port
volt run -d --name jailed -p "$port:80" -v "$T/volume:/v" busybox sleep 1000 >/dev/null ||
	echo '# the machine does not start'
qemu=$(inspect jailed .state.qemu)

# What there is in a directory, on one line.
entries() {
	find "$1/" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | tr '\n' ' '
}

field() {
	awk -v key="$2:" '$1 == key { $1 = ""; print substr($0, 2) }' "/proc/$1/status"
}

a27_qemu_sees_its_profile_and_nothing_else_of_the_host() {
	local where
	is "$(inspect jailed .state.jail)" empty-root
	like "$(entries "/proc/$qemu/root")" '^bin (dev )?firmware initramfs kernel lib (v0 )?$'
	where=$(realpath "$VOLT_ROOT/qemu/$(inspect jailed .state.profile.name)")
	is "$(entries "/proc/$qemu/root/lib")" "$(entries "$where/lib")" 'its libraries'
	# Mount points, but for those of the volume: all read-only.
	is "$(awk '$5 !~ "^/v0" && $6 !~ "^ro[,]" && $5 != "/dev/kvm"' "/proc/$qemu/mountinfo")" '' 'writable'
	is "$(awk '$6 !~ "nosuid"' "/proc/$qemu/mountinfo")" '' 'with set-id programs'
	is "$(awk '$5 ~ "^/(bin|lib|firmware|kernel|initramfs)$"' "/proc/$qemu/mountinfo" | grep -vc nodev)" 0
}

no_directory_is_open_through_which_it_could_leave() {
	local fd
	for fd in "/proc/$qemu"/fd/*; do
		[ ! -d "$fd" ] || bad 'a directory is open' "$fd: $(readlink "$fd")"
	done
	is "$(readlink "/proc/$qemu/cwd")" /
}

qemu_has_no_rights_at_all() {
	local cap
	is "$(field "$qemu" NoNewPrivs)" 1
	is "$(field "$qemu" Seccomp)" 2
	for cap in CapInh CapPrm CapEff CapBnd CapAmb; do
		is "$(field "$qemu" $cap)" 0000000000000000 $cap
	done
	if [ "$(id -u)" = 0 ]; then
		like "$(field "$qemu" Uid | cut -d ' ' -f 1)" '^13[4-9][0-9]{7}$|^1[4-6][0-9]{8}$'
		is "$(stat -c %u "/proc/$qemu")" "$(inspect jailed .state.qemu_uid)"
		is "$(field "$qemu" Groups | tr -d ' ')" ''
	fi
}

qemu_is_in_namespaces_of_its_own() {
	local ns
	for ns in mnt ipc uts $([ "$(inspect jailed .state.network)" = slirp ] || echo net); do
		[ "$(readlink "/proc/$qemu/ns/$ns")" != "$(readlink "/proc/self/ns/$ns")" ] ||
			bad "the host's $ns"
	done
}

a28_only_the_profile_s_loader_knows_its_libraries() {
	is "$(tr '\0' '\n' <"/proc/$qemu/environ")" QEMU_MODULE_DIR=/lib/qemu
	like "$(tr '\0' ' ' <"/proc/$qemu/cmdline")" '^/lib/ld[^ ]* --library-path /lib --argv0 '
	like "$(cat "/proc/$qemu/comm")" '^qemu-system-'
	# Of every file that is mapped from a file system.
	is "$(awk '$6 ~ "^/" && $6 !~ "^/(lib|bin)/|^/(kernel|initramfs)$|^/memfd|^/dev/zero"' "/proc/$qemu/maps" |
		grep -v "$VOLT_ROOT/qemu/")" '' 'mapped from elsewhere'
}

a29_emulation_is_not_called_a_boundary() {
	if [ "$(inspect jailed .state.accel)" = kvm ]; then
		is "$(inspect jailed .isolation)" hardware
	else
		is "$(inspect jailed .isolation)" emulated
	fi
}

a30_memory_and_processors_are_bounded() {
	run volt run --rm -m 0 busybox true
	status 125
	one_line_error memory
	run volt run --rm --cpus 100000 busybox true
	status 125
	one_line_error 'cpu|processor'
}

inspect_shows_every_digest() {
	local key
	for key in image rootfs kernel initramfs profile; do
		like "$(inspect jailed ".digests.$key")" '^sha256:[0-9a-f]{64}$' $key
	done
	is "$(inspect jailed .digests.kernel)" \
		"sha256:$(sha256sum "/proc/$qemu/root/kernel" | cut -d ' ' -f 1)"
	is "$(inspect jailed .digests.profile | cut -c 8-19)" \
		"$(readlink "$VOLT_ROOT/qemu/$(inspect jailed .state.profile.name)" | grep -o '.\{12\}$')"
}

volumes_work_from_the_jail() {
	run volt run --rm -v "$T/volume:/v" -v "$T/volume/f:/f:ro" busybox \
		sh -c 'cat /v/f /f; echo guest >/v/g; echo no >/f'
	is "$(head -n 2 "$T/out")" $'host\nhost'
	is "$(cat "$T/volume/g")" guest
	is "$(cat "$T/volume/f")" host
}

# another NAME: a second version of profile NAME, with one file more, is made the current one.
another() {
	local ref new
	ref=$(cat "$VOLT_ROOT/cas/refs/tags/$1")
	mkdir -p "$T/tree"
	cp -a "$VOLT_ROOT/qemu/$1/." "$T/tree"
	rm -f "$T/tree/firmware/extra" # a user cannot write to a copy of it
	date +%N >"$T/tree/firmware/extra"
	new=$(sha256sum "$T/tree/firmware/extra" | cut -d ' ' -f 1)
	install -m 444 "$T/tree/firmware/extra" "$VOLT_ROOT/cas/objects/$new"
	jq --arg h "$new" '.objects["firmware/extra"] = $h' "$VOLT_ROOT/cas/refs/$ref.json" \
		>"$VOLT_ROOT/cas/refs/$1-${new:0:8}.json"
	echo "$1-${new:0:8}" >"$VOLT_ROOT/cas/refs/tags/$1"
}

a4_another_version_of_the_profile_disturbs_no_running_machine() {
	local name old
	name=$(inspect jailed .state.profile.name)
	old=$(inspect jailed .digests.profile)
	volt run -d --name again --restart on-failure busybox sleep 1000 >/dev/null
	another "$name"
	run volt run --name newer busybox true
	status 0
	[ "$(inspect newer .digests.profile)" != "$old" ] || bad 'the new version is not used'
	is "$(inspect jailed .digests.profile)" "$old"
	is "$(state_of jailed)" running
	# Its supervisor goes on with what it was given, also when it starts QEMU anew.
	kill -9 "$(inspect again .state.qemu)"
	wait_for 60 eval '[ "$(inspect again .state.restarts)" = 1 ] && [ "$(state_of again)" = running ]' ||
		bad 'not started again'
	is "$(inspect again .digests.profile)" "$old"
	volt rm -f again newer >/dev/null
}

a_lock_finds_its_version_of_the_profile_or_says_what_differs() {
	local name old
	name=$(inspect jailed .state.profile.name)
	old=$(cat "$VOLT_ROOT/cas/refs/tags/$name")
	run volt run --rm --lock "$T/lock" busybox echo locked
	status 0
	stdout locked
	another "$name"
	run volt run --name same --locked "$T/lock" busybox echo same
	status 0
	stdout same
	is "$(inspect same .digests.profile)" "$(jq -r .profile.digest "$T/lock")"
	rm "$VOLT_ROOT/cas/refs/$old.json"
	run volt start -a same
	[ "$status" != 0 ] || bad 'started with another profile'
	stderr_like "not what is locked: profile: have $name [0-9a-f]{12}, want $name "
	run volt run --rm --locked "$T/lock" busybox echo same
	status 125
	one_line_error "'$T/lock': not what is locked: profile: have"
	volt rm same >/dev/null
}

# As in containers that forbid it.
where_there_are_no_user_namespaces_that_is_said() {
	local uid=54321
	[ "$(id -u)" = 0 ] || return 0
	mkdir -p "$T/home"
	chmod 755 "$T"
	VOLT_ROOT=$T/home/volt own_files=yes kernel
	chown -R $uid:$uid "$T/home"
	cp -r "$(image busybox)" "$T/layout"
	cat >"$T/user.sh" <<-'END'
		set -e
		"$1" load -q -i "$2" >/dev/null
		"$1" run -d --name w busybox sleep 100 >/dev/null
		"$1" inspect --format json w | jq -r '.[0].state | .jail, .jail_note'
		"$1" rm -f w >/dev/null
	END
	chmod 644 "$T/user.sh"
	run setpriv --reuid=$uid --regid=$uid --clear-groups \
		env -i PATH="$PATH" HOME="$T/home" VOLT_ROOT="$T/home/volt" \
		unshare --user --map-user=$uid --map-group=$uid --keep-caps \
		sh -c 'echo 0 >/proc/sys/user/max_user_namespaces
			exec setpriv --ambient-caps=-all --inh-caps=-all --bounding-set=-all "$@"' - \
		sh "$T/user.sh" "$VOLT" "$T/layout"
	status 0
	is "$(sed -n 1p "$T/out")" none
	like "$(sed -n 2p "$T/out")" 'make namespaces for an empty root: No space left on device'
}

tap_run a27_qemu_sees_its_profile_and_nothing_else_of_the_host \
	no_directory_is_open_through_which_it_could_leave qemu_has_no_rights_at_all \
	qemu_is_in_namespaces_of_its_own a28_only_the_profile_s_loader_knows_its_libraries \
	a29_emulation_is_not_called_a_boundary a30_memory_and_processors_are_bounded \
	inspect_shows_every_digest volumes_work_from_the_jail \
	a4_another_version_of_the_profile_disturbs_no_running_machine \
	a_lock_finds_its_version_of_the_profile_or_says_what_differs \
	where_there_are_no_user_namespaces_that_is_said nothing_is_left
