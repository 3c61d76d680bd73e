#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `volt qemu`: profiles, made of files that are no QEMU at all.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"

# selects WANT OPTION…
selects() {
	local want=$1
	shift
	run volt qemu select -q "$@"
	status 0 || echo "#   $*"
	stdout "$want" || echo "#   $*"
}

select_follows_mode_architecture_and_system() {
	selects emulate-x86 --mode hybrid-emulated --arch x86_64
	selects emulate-x86 --mode hybrid-emulated --arch i386 --os uefi
	selects emulate-foreign --mode hybrid-emulated --arch arm64
	selects emulate-foreign --arch s390x --mode auto
	case $(uname -m) in
	x86_64)
		selects kvm-linux --mode hybrid-kvm
		selects kvm-linux --mode hybrid-kvm --os nanos --arch amd64
		selects kvm-uefi --mode hybrid-kvm --os windows
		selects kvm-uefi --mode hybrid-kvm --os uefi --arch i386
		;;
	esac
}

select_says_why() {
	run volt qemu select --mode hybrid-emulated --arch amd64
	status 0
	stderr ''
	stdout_like '^PROFILE +ARCH +ACCEL +WHY$'
	stdout_like "^emulate-x86 +x86_64 +tcg +mode 'hybrid-emulated' emulates always$"
	run volt qemu select --arch s390x --os windows --format json
	is "$(jq -c '[.profile, .accel, .mode, .arch, .os, .needs, .kvm_usable]' "$T/out")" \
		'["emulate-foreign","tcg","auto","s390x","windows",["tcg","uefi"],false]' 'the choice'
	like "$(jq -r .why "$T/out")" "^KVM cannot be used: .*s390x" why
}

select_refuses_words_that_it_does_not_know() {
	run volt qemu select --mode fast
	status 125
	stdout ''
	one_line_error "'fast' is not a profile mode: use one of auto, hybrid-kvm, hybrid-emulated"
	run volt qemu select --os dos
	status 125
	one_line_error "'dos' is not a guest system: use one of linux, nanos, windows, uefi"
	run volt qemu select --arch ../etc
	status 125
	one_line_error "architecture '../etc' is not known"
	run volt qemu select --mode hybrid-kvm --arch mips
	status 125
	one_line_error "KVM of a host of architecture '.*' does not run 'mips'"
	run volt qemu select kvm-linux
	status 125
	one_line_error 'too many arguments'
	run volt qemu select --format '{{.Name}}'
	status 125
	one_line_error "neither 'table' nor 'json'"
}


# -- profiles in the store ----------------------------------------------------------------

view=${VOLT%/*}/tests/lib/jail-view

# directory NAME [TEXT]: one with bin/, lib/ and firmware/; prints it. Its QEMU tells what
# it sees.
directory() {
	local d=$T/$1
	rm -rf "$d"
	mkdir -p "$d/bin" "$d/lib" "$d/firmware/keymaps"
	cp "$view" "$d/bin/qemu-system-x86_64"
	echo "a library ${2:-}" >"$d/lib/libone.so.1"
	ln -s libone.so.1 "$d/lib/libone.so"
	echo 'a bios' >"$d/firmware/bios.bin"
	echo 'a keymap' >"$d/firmware/keymaps/de"
	echo "$d"
}

# build NAME [TEXT]: the profile NAME of such a directory; its version is in $version.
build() {
	run volt cas build "$(directory "$1" "${2:-}")" --name "$1"
	status 0
	version=$(cat "$T/out")
}

start_anew() {
	chmod -R u+w "$VOLT_ROOT" 2>/dev/null
	rm -rf "$VOLT_ROOT"
}

# As if nobody had ever assembled a profile.
remove_trees() {
	rm -rf "$VOLT_ROOT/qemu"
}

cas_build_makes_a_profile_of_a_directory() {
	start_anew
	build mine
	stderr ''
	like "$version" '^mine-[0-9a-f]{8}$' version
	run volt qemu ls
	status 0
	stdout_like '^PROFILE +VERSION +CURRENT +QEMU +CREATED +SIZE$'
	stdout_like "^mine +$version +yes +.* ago +[0-9.]+ [kM]B$"
	is "$(jq -r '.objects | keys | join(" ")' "$VOLT_ROOT/cas/refs/$version.json")" \
		'bin/qemu-system-x86_64 firmware/bios.bin firmware/keymaps/de lib/libone.so lib/libone.so.1' \
		'files in the manifest'
	is "$(cat "$VOLT_ROOT/cas/refs/tags/mine")" "$version" tag
}

the_same_files_are_the_same_version() {
	local first=$version
	build mine
	is "$version" "$first" version
	is "$(volt qemu ls -q)" "$first" versions
	build mine other
	[ "$version" != "$first" ] || bad 'other files, the same version'
	is "$(volt qemu ls --format json | jq -r '.[] | select(.current) | .ref')" "$version" current
	is "$(volt qemu ls -qn | wc -l)" 2 versions
}

cas_build_refuses_what_is_no_profile() {
	local d
	start_anew
	d=$(directory odd)
	run volt cas build "$d"
	status 125
	one_line_error 'needs a name: --name NAME'
	run volt cas build "$T/nothing" --name x
	status 125
	one_line_error "'$T/nothing'"
	run volt cas build "$d/lib/libone.so.1" --name x
	status 125
	one_line_error "libone.so.1'.*Not a directory"
	local name
	for name in '' a/b ../x .hidden 'a b' mine-0a1b2c3d; do
		run volt cas build "$d" --name "$name"
		status 125
		stdout ''
		one_line_error "'$name'" || echo "#   $name"
	done
	ln -s /etc/passwd "$d/lib/passwd"
	run volt cas build "$d" --name x
	status 125
	one_line_error "lib/passwd'"
	rm "$d/lib/passwd"
	mkfifo "$d/lib/pipe"
	run volt cas build "$d" --name x
	status 125
	one_line_error "lib/pipe'"
	is "$(volt qemu ls -q)" '' 'what was made all the same'
}

show_counts_files_bytes_and_what_is_shared() {
	start_anew
	build one
	build two other
	run volt qemu show two
	status 0
	stderr ''
	stdout_like '^profile +two$'
	stdout_like "^version +$version \(current\)$"
	stdout_like '^digest +sha256:[0-9a-f]{64}$'
	stdout_like '^guests +x86_64$'
	stdout_like '^binaries +1 file, '
	stdout_like '^libraries +2 files, 32 B$'
	stdout_like '^firmware +2 files, 16 B$'
	stdout_like '^size +[0-9.]+ kB, of which other profiles have [0-9.]+ kB$'
	stdout_like "^assembled +$VOLT_ROOT/qemu/two-[0-9a-f]{12}$"
	remove_trees
	run volt qemu show two
	stdout_like '^assembled +not yet$'
	volt qemu show one two --format json >"$T/json"
	is "$(jq -c 'map(.name)' "$T/json")" '["one","two"]' names
	# the library differs, everything else is the same
	is "$(jq -c '.[1] | [.own, .size - .shared, .libraries.files, .firmware.bytes, .assembled]' "$T/json")" \
		'[16,16,2,16,false]' 'own and shared bytes'
}

show_says_what_is_not_there_and_shows_the_rest() {
	start_anew
	build one
	run volt qemu show one none
	status 125
	stdout_like '^profile +one$'
	one_line_error "'none'"
	run volt qemu show one-00000000
	status 125
	one_line_error "'one-00000000'"
	run volt qemu show ../one
	status 125
	one_line_error "'../one'"
	run volt qemu show
	status 125
	stderr_like '^volt qemu show: something is missing; usage: '
}

# So nobody waits for it later, and only what was in the store before is hashed again.
what_is_stored_is_assembled_at_once_and_hashed_once() {
	local all='bin/qemu-system-x86_64 firmware/bios.bin firmware/keymaps/de lib/libone.so lib/libone.so.1'
	start_anew
	ok hashed "$T/hashed" "$VOLT" cas build "$(directory one)" --name one >/dev/null
	is "$(cat "$T/hashed")" '' 'hashed again of what is new'
	ok test -f "$VOLT_ROOT/qemu/one/firmware/bios.bin"
	ok hashed "$T/hashed" "$VOLT" qemu resolve one >"$T/out"
	is "$(cat "$T/hashed")" '' 'hashed of what is assembled'
	is "$(cat "$T/out")" "$(realpath "$VOLT_ROOT/qemu/one")" tree
	ok hashed "$T/hashed" "$VOLT" cas build "$(directory two other)" --name two >/dev/null
	is "$(xargs <"$T/hashed")" 'bin/qemu-system-x86_64 firmware/bios.bin firmware/keymaps/de' \
		'hashed of what another has'
	remove_trees
	ok hashed "$T/hashed" "$VOLT" qemu resolve one >"$T/out"
	is "$(xargs <"$T/hashed")" "$all" 'hashed where the tree was removed'
}

# Whatever happened to what it shares with others: the new one is whole.
a_damaged_object_is_mended_when_another_profile_has_it_too() {
	local object
	start_anew
	build one
	object=$VOLT_ROOT/cas/objects/$(sha256sum <"$T/one/firmware/bios.bin" | cut -d ' ' -f 1)
	chmod u+w "$object"
	echo damage >"$object"
	chmod u-w "$object"
	run volt cas build "$(directory two other)" --name two
	status 0
	stderr_like "object '${object##*/}' \('firmware/bios.bin'\) is repaired from '$T/(one|two)/firmware/bios.bin'"
	is "$(cat "$VOLT_ROOT/qemu/two/firmware/bios.bin" "$VOLT_ROOT/qemu/one/firmware/bios.bin")" \
		$'a bios\na bios' 'content of the trees'
}

resolve_prints_a_tree_of_links_into_the_store() {
	local path object
	start_anew
	build mine
	remove_trees
	run volt qemu resolve mine
	status 0
	stderr ''
	path=$(cat "$T/out")
	like "$path" "^$VOLT_ROOT/qemu/mine-[0-9a-f]{12}$" path
	is "$(find "$path" -type f -printf '%P\n' | sort | tr '\n' ' ')" \
		'bin/qemu-system-x86_64 firmware/bios.bin firmware/keymaps/de lib/libone.so lib/libone.so.1 ' files
	object=$(sha256sum <"$T/mine/lib/libone.so.1" | cut -d ' ' -f 1)
	is "$(stat -c %i "$path/lib/libone.so.1")" "$(stat -c %i "$VOLT_ROOT/cas/objects/$object")" inode
	is "$(stat -c %a "$path/bin/qemu-system-x86_64")" 555 'mode of the program'
	run volt qemu resolve mine
	stdout "$path"
	run volt qemu resolve "$version"
	stdout "$path"
	run volt qemu show mine
	stdout_like "^assembled +$path$"
}

two_may_resolve_at_once() {
	local pids=() i
	start_anew
	build mine
	remove_trees
	for i in 1 2 3 4; do
		volt qemu resolve mine >"$T/out.$i" 2>&1 &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || bad 'one of them failed' "$(cat "$T"/out.[1-4])"
	done
	is "$(sort -u "$T"/out.[1-4] | wc -l)" 1 'different answers'
	is "$(find "$VOLT_ROOT/qemu" -maxdepth 1 -name '.tmp*')" '' 'temporary trees'
}

what_is_not_there_is_one_clear_line() {
	local c
	start_anew
	for c in resolve run verify show; do
		run volt qemu $c nothing
		status 125
		stdout ''
		one_line_error "'nothing'"
		run volt qemu $c a/b
		status 125
		one_line_error "'a/b'"
	done
	run volt qemu build nothing
	status 125
	one_line_error "'nothing' is not a profile: use one of kvm-linux, kvm-uefi, emulate-x86, emulate-foreign"
	run volt qemu build kvm-linux --from thin-air
	status 125
	one_line_error "'thin-air'"
}

a_manifest_that_is_broken_is_named() {
	start_anew
	build mine
	build other x
	echo '{"name":' >"$VOLT_ROOT/cas/refs/$version.json"
	run volt qemu ls
	status 0
	stdout_like '^mine '
	unlike "$(cat "$T/out")" '^other ' 'the list'
	stderr_like "^volt: .*'$version'"
	for c in show resolve run; do
		run volt qemu $c other
		status 125
		stdout ''
		stderr_like "^volt qemu $c: .*other-"
	done
	echo '{"name":"other","created_at":"2026-01-01T00:00:00Z","objects":{"lib/../../x":"00"}}' \
		>"$VOLT_ROOT/cas/refs/$version.json"
	run volt qemu resolve other
	status 125
	one_line_error "profile '$version' is broken: .*lib/\.\./\.\./x"
	run volt qemu verify
	status 1
	stdout_like "^profile '$version' is broken: "
	is "$(wc -l <"$T/out")" 1 findings
	run volt qemu rm other
	status 125
	run volt qemu rm --force other
	status 0
	stdout "$version"
	run volt qemu verify
	status 0
	stderr ''
}

verify_mends_from_the_source_and_says_so() {
	local object path
	start_anew
	build mine
	path=$(volt qemu resolve mine)
	run volt qemu verify
	status 0
	stdout ''
	stderr ''
	object=$VOLT_ROOT/cas/objects/$(sha256sum <"$T/mine/lib/libone.so.1" | cut -d ' ' -f 1)
	chmod u+w "$object"
	echo damage >"$object"
	chmod u-w "$object"
	run volt qemu verify --no-repair
	status 1
	stderr ''
	stdout_like "^$version: lib/libone\.so(\.1)?: .*"
	is "$(cat "$object")" damage 'content after --no-repair'
	run volt qemu verify mine
	status 0
	stdout_like "^$version: lib/libone\.so(\.1)?: .*; repaired from .*/mine/lib/libone.so"
	is "$(cat "$object")" 'a library ' 'content of the object'
	is "$(cat "$path/lib/libone.so.1")" 'a library ' 'content of the tree'
	run volt qemu verify mine
	status 0
	stdout ''
	is "$(volt cas verify)" '' 'what cas verify finds'
}

verify_exits_with_1_where_the_source_is_gone() {
	local object=$VOLT_ROOT/cas/objects
	object=$object/$(sha256sum <"$T/mine/firmware/bios.bin" | cut -d ' ' -f 1)
	echo 'another bios' >"$T/mine/firmware/bios.bin"
	chmod u+w "$object"
	echo damage >"$object"
	chmod u-w "$object"
	run volt qemu verify mine
	status 1
	stderr ''
	stdout_like "^$version: firmware/bios.bin: "
	unlike "$(cat "$T/out")" 'repaired from' 'what it says'
	run volt qemu verify mine --format json
	status 1
	is "$(jq -c '.[0] | [.path, .repaired]' "$T/out")" '["firmware/bios.bin",false]' finding
}

rm_removes_versions() {
	local old
	start_anew
	build mine
	old=$version
	volt qemu resolve mine >/dev/null
	build mine other
	run volt qemu rm mine
	status 0
	stderr ''
	stdout "$version"
	is "$(volt qemu ls -q)" "$old" 'what is left'
	run volt qemu show mine
	stdout_like "^version +$old \(current\)$"
	run volt qemu rm "$old"
	status 0
	is "$(find "$VOLT_ROOT/qemu" -mindepth 1 -not -name '.lock*')" '' 'trees'
	run volt cas gc
	is "$(find "$VOLT_ROOT/cas/objects" -type f)" '' objects
	run volt qemu rm mine
	status 1
	stdout ''
	one_line_error "'mine'"
	run volt qemu rm --force mine
	status 0
	stderr ''
	run volt qemu rm
	status 125
	one_line_error 'which profile'
	build mine
	build more x
	run volt qemu rm --all mine
	status 125
	one_line_error "'--all' and 'mine'"
	run volt qemu rm ../mine
	status 125
	one_line_error "'../mine'"
	run volt qemu rm -a
	status 0
	is "$(wc -l <"$T/out")" 2 'versions removed'
	is "$(volt qemu ls -q)" '' 'what is left'
}

# -- running ------------------------------------------------------------------------------

run_passes_arguments_and_the_status() {
	start_anew
	build mine
	run volt qemu run mine -- next 'two words' exit:7
	status 7
	stderr ''
	stdout "$(printf -- '-L /qemu/firmware\ntwo words')"
	run volt qemu run mine -- signal:9
	status 137
	run volt qemu run mine
	status 0
}

run_shows_nothing_but_the_profile() {
	build mine
	run volt qemu run mine -- ls:/ ls:/qemu write:/x write:/qemu/bin/x env:QEMU_MODULE_DIR rights
	status 0
	stderr ''
	is "$(sed -n 's/^ls//p' "$T/out" | head -n 1 | sed 's/ dev//')" ' qemu' 'the root'
	stdout_like '^ls bin firmware lib$'
	is "$(grep -c '^EROFS$' "$T/out")" 2 'refused writes'
	stdout_like '^/qemu/lib/qemu$'
	stdout_like '^caps 0+ .*no_new_privs 1$'
}

# With root's rights, and nothing around it, it would have the host.
run_starts_none_for_root_without_a_jail() {
	build mine
	# shellcheck disable=SC2016 # for the inner shell
	run unshare --map-root-user sh -c 'echo 0 >/proc/sys/user/max_mnt_namespaces && exec "$@"' sh \
		"$VOLT" qemu run mine -- exit:3
	status 125
	one_line_error 'namespaces for an empty root'
}

run_shows_volumes_by_the_name_they_are_given() {
	build mine
	echo hello >"$T/file"
	run volt qemu run --volume "$T/file:/disk" mine --volume "$T:/some/dir:ro" -- text:/disk write:/disk \
		text:/some/dir/file write:/some/dir/file
	status 0
	is "$(grep -v '^-L' "$T/out" | tr '\n' ' ')" 'hello ok hello EROFS ' 'what it could do'
	local v
	for v in "$T/file" "$T/file:disk" ":/disk" "$T/file:/disk:rx" "$T/file:/"; do
		run volt qemu run --volume "$v" mine
		status 125
		one_line_error "'$v'"
	done
	run volt qemu run --volume "$T/nothing:/disk" mine
	status 125
	one_line_error "'$T/nothing'"
	run volt qemu run --volume "$T:/qemu" mine
	status 125
	one_line_error "'/qemu' is where QEMU itself is"
}

run_wants_a_guest_that_the_profile_has() {
	build mine
	run volt qemu run --arch amd64 mine -- exit:3
	status 3
	run volt qemu run --arch arm64 mine
	status 125
	stdout ''
	one_line_error "qemu-system-aarch64"
	run volt qemu run --arch vax mine
	status 125
	one_line_error "architecture 'vax' is not known"
	run volt qemu run mine --frobnicate
	status 125
	one_line_error "'--frobnicate'"
	run volt qemu run mine -version # which QEMU takes behind -- only
	status 125
	one_line_error "unknown option '-version'"
}

run_hands_signals_on_and_ends_with_its_caller() {
	build mine
	local pid child
	"$VOLT" qemu run mine -- wait: >"$T/out" &
	pid=$!
	wait_for 30 grep -q . "/proc/$pid/task/$pid/children"
	child=$(cat "/proc/$pid/task/$pid/children")
	wait_for 30 grep -q qemu-system "/proc/${child% }/cmdline"
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	is "$status" 143 'status after SIGTERM'
	"$VOLT" qemu run mine -- wait: >"$T/out" &
	pid=$!
	wait_for 30 grep -q . "/proc/$pid/task/$pid/children"
	child=$(cat "/proc/$pid/task/$pid/children")
	kill -KILL $pid
	wait $pid 2>/dev/null
	wait_for 30 test ! -e "/proc/${child% }"
}

doctor_and_info_tell_about_profiles() {
	local name
	name=$(volt qemu select -q)
	start_anew
	run volt doctor --format json
	like "$(jq -r '.[] | select(.check == "profile") | .status + " " + .found' "$T/out")" \
		"^ok '$name' is not here yet: " 'doctor without a profile'
	build "$name"
	run volt doctor --format json
	is "$(jq -r '.[] | select(.check == "profile") | .status + " " + .found' "$T/out")" \
		"ok $version" 'doctor with a profile'
	is "$(volt info | jq -c '.profiles | map([.name, .ref])')" "[[\"$name\",\"$version\"]]" info
	echo '{' >"$VOLT_ROOT/cas/refs/$version.json"
	run volt doctor --format json
	status 1
	like "$(jq -r '.[] | select(.check == "profile") | .status + " " + .found' "$T/out")" \
		"^error .*$version" 'doctor with a broken one'
}

completion_offers_profiles() {
	build mine
	run volt complete qemu show ''
	stdout_like '^kvm-linux$'
	stdout_like '^mine$'
	stdout_like "^$version$"
	run volt complete qemu build ''
	is "$(wc -l <"$T/out")" 4 'profiles to build'
	run volt complete -- qemu build --from ''
	stdout $'host\nsource'
	run volt complete -- qemu select --mode ''
	stdout $'auto\nhybrid-kvm\nhybrid-emulated'
	run volt complete -- qemu select --os ''
	stdout $'linux\nnanos\nwindows\nuefi'
}

# At each call of who makes it, from the first on that opens something of its name. It may be
# refused, for it is in use.
removed_while_it_is_made_it_leaves_no_link_to_nowhere() {
	local preload=${MEDDLE_PRELOAD:-${VOLT%/*}/tests/lib/libmeddle-preload.so} n root=$T/elsewhere
	local asan=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0 d
	d=$(directory fleeting)
	for ((n = 1; ; n++)); do
		rm -rf "$root" "$T/call"
		VOLT_ROOT=$root ASAN_OPTIONS=$asan LD_PRELOAD=$preload VOLT_MEDDLE_FROM=fleeting \
			VOLT_MEDDLE_AT=$n VOLT_MEDDLE_LOG=$T/call \
			VOLT_MEDDLE_DO="timeout 2 '$VOLT' qemu rm fleeting >'$T/meddled' 2>&1" \
			run "$VOLT" cas build "$d" --name fleeting
		[ -e "$T/call" ] || break
		is "$(find "$root/qemu" -maxdepth 1 -xtype l)" '' "links to nowhere, call $(cat "$T/call")"
		[ "$tap_bad" = 0 ] || return
	done
	[ "$n" -gt 8 ] || bad 'calls' "$n"
	rm -rf "$root"
}

tap_run select_follows_mode_architecture_and_system select_says_why \
	select_refuses_words_that_it_does_not_know \
	cas_build_makes_a_profile_of_a_directory the_same_files_are_the_same_version \
	cas_build_refuses_what_is_no_profile show_counts_files_bytes_and_what_is_shared \
	show_says_what_is_not_there_and_shows_the_rest \
	what_is_stored_is_assembled_at_once_and_hashed_once \
	a_damaged_object_is_mended_when_another_profile_has_it_too \
	resolve_prints_a_tree_of_links_into_the_store \
	two_may_resolve_at_once what_is_not_there_is_one_clear_line a_manifest_that_is_broken_is_named \
	verify_mends_from_the_source_and_says_so verify_exits_with_1_where_the_source_is_gone \
	rm_removes_versions removed_while_it_is_made_it_leaves_no_link_to_nowhere \
	run_passes_arguments_and_the_status run_shows_nothing_but_the_profile \
	run_starts_none_for_root_without_a_jail \
	run_shows_volumes_by_the_name_they_are_given run_wants_a_guest_that_the_profile_has \
	run_hands_signals_on_and_ends_with_its_caller doctor_and_info_tell_about_profiles \
	completion_offers_profiles
