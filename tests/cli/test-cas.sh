#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `volt cas`: what a user asks the content store.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"

objects=$VOLT_ROOT/cas/objects
refs=$VOLT_ROOT/cas/refs

# add TEXT: an object as another writer would make it; prints its digest.
add() {
	local hash
	mkdir -p "$objects" "$refs"
	hash=$(printf '%s' "$1" | sha256sum | cut -d ' ' -f 1)
	printf '%s' "$1" >"$objects/$hash"
	chmod 444 "$objects/$hash"
	echo "$hash"
}

# ref NAME HASH: a profile's manifest in its shortest form.
ref() {
	printf '{"name":"%s","created_at":"2026-01-01T00:00:00Z","objects":{"bin/it":"%s"}}\n' \
		"$1" "$2" >"$refs/$1.json"
}

start_anew() {
	rm -rf "$VOLT_ROOT"
	one=$(add 1)       # 6b86…
	ten=$(add 10)      # 4a44…
	eleven=$(add 11)   # 4fc8…
	ref profile-00000000 "$ten"
}

an_empty_store_is_nothing_special() {
	local c
	for c in ls usage verify gc; do
		run volt cas $c
		status 0 || echo "#   $c"
		stderr ''
	done
	run volt cas ls --format json
	stdout '[]'
}

ls_shows_each_object_and_whether_it_is_kept() {
	start_anew
	cp -a "$objects/$ten" "$objects/$ten.x"
	chmod 555 "$objects/$ten.x"
	run volt cas ls
	status 0
	stderr ''
	stdout_like '^OBJECT +SIZE +KIND +LINKS +KEPT$'
	stdout_like "^$one +1 B +file +0 +no$"
	stdout_like "^$ten +2 B +both +0 +yes$"
	run volt cas ls -q
	stdout "$(printf '%s\n' "$ten" "$eleven" "$one")"
	run volt cas ls -q --unused
	stdout "$(printf '%s\n' "$eleven" "$one")"
	run volt cas ls --noheading --unused
	is "$(wc -l <"$T/out")" 2 lines
	volt cas ls --format json >"$T/json"
	is "$(jq -r '.[] | select(.kept) | .hash' "$T/json")" "$ten" 'what is kept'
	is "$(jq -c '.[0] | [.size, .plain, .executable, .links]' "$T/json")" \
		'[2,true,true,0]' 'the first object'
}

usage_says_what_each_kind_of_ref_needs() {
	start_anew
	run volt cas usage
	status 0
	stdout_like '^NEEDED BY +REFS +OBJECTS +ON DISK$'
	stdout_like '^profiles +1 +1 +[0-9.]+ k?B$'
	stdout_like '^\(unused\) +2 +[0-9.]+ k?B$'
	stdout_like '^\(all\) +3 +[0-9.]+ k?B$'
	is "$(volt cas usage --format json | jq -c '[.objects, .bytes, .unreferenced, .kinds[0].kind, .kinds[0].bytes]')" \
		'[3,5,2,"profiles",2]' 'usage as JSON'
}

why_names_the_refs_of_an_object() {
	start_anew
	ref other "$ten"
	run volt cas why 4a
	status 0
	stderr ''
	stdout "$(printf 'REF               AS\nother             bin/it\nprofile-00000000  bin/it')"
	run volt cas why "sha256:$ten" --format json
	status 0
	is "$(jq -r '.hash' "$T/out")" "$ten" hash
	is "$(jq -r '.refs | map(.ref + " " + .path) | sort | join(";")' "$T/out")" \
		'other bin/it;profile-00000000 bin/it' refs
}

why_names_the_list_through_which_an_image_keeps_it() {
	local object
	start_anew
	load static
	object=$(find "$objects" -type f -size +0 -printf '%s %f\n' | sort -n | tail -n 1 |
		cut -d ' ' -f 2)
	run volt cas why "${object%.x}"
	status 0
	stdout_like '^layers/[0-9a-f]{64} +list [0-9a-f]{12}$'
	run volt cas why "${object%.x}" --format json
	is "$(jq -r '.refs[0].list | length' "$T/out")" 64 'digits of the list'
}

why_exits_with_1_where_nothing_needs_it() {
	start_anew
	run volt cas why "$one"
	status 1
	stdout ''
	one_line_error "nothing needs object '$one'"
	run volt cas why "$one" --format json
	status 1
	is "$(jq -c .refs "$T/out")" '[]' refs
}

why_refuses_what_names_none_or_several() {
	start_anew
	run volt cas why 4
	status 125
	stdout ''
	one_line_error "2 objects have digests that begin with '4'"
	run volt cas why 77
	status 125
	one_line_error "no object '77'"
	local bad
	for bad in '' xyz ../../etc/passwd 4A "${one}0" 'sha512:4a'; do
		run volt cas why "$bad"
		status 125
		one_line_error "'$bad' is not a digest"
	done
	run volt cas why
	status 125
	one_line_error 'something is missing'
	run volt cas why 4a 4f
	status 125
	one_line_error 'too many arguments'
}

a_ref_that_is_broken_is_named_and_stops_what_needs_it() {
	start_anew
	echo '{"objects":' >"$refs/broken.json"
	run volt cas gc
	status 125
	stdout ''
	one_line_error "ref 'broken.json' cannot be read"
	[ -e "$objects/$one" ] || bad 'gc removed something all the same'
	run volt cas why 4a
	status 0
	stdout_like '^profile-00000000 +bin/it$'
	stderr_like "^volt: ref 'broken.json' is left out: "
	run volt cas verify
	status 1
	stdout_like 'broken\.json'
	is "$(wc -l <"$T/out")" 1 findings
}

verify_prints_each_finding_and_exits_with_1() {
	start_anew
	run volt cas verify
	status 0
	stdout ''
	stderr ''
	chmod 644 "$objects/$one"
	echo x >>"$objects/$one"
	chmod 444 "$objects/$one"
	rm -f "$objects/$ten"
	touch "$objects/not-an-object"
	chmod 600 "$objects/$eleven"
	run volt cas verify
	status 1
	stderr ''
	is "$(wc -l <"$T/out")" 4 findings
	stdout_like "^object '$one' is damaged: its 3 bytes have another digest$"
	stdout_like "^$ten: missing, though ref 'profile-00000000.json' needs it$"
	stdout_like '^not-an-object: not the name of an object$'
	stdout_like "^object '$eleven' has mode 0600, not 0444$"
	run volt cas verify --format json
	status 1
	is "$(jq 'length' "$T/out")" 4 'findings as JSON'
	is "$(jq -r '.[] | select(.why | startswith("missing")) | .what' "$T/out")" "$ten" missing
}

gc_removes_what_nothing_needs_and_says_how_much() {
	start_anew
	run volt cas gc --dry-run
	status 0
	stdout_like '^would remove 2 objects, free [0-9.]+ k?B; 1 are needed, [0-9.]+ k?B$'
	[ -e "$objects/$one" ] || bad 'a dry run removed something'
	run volt cas gc
	status 0
	stderr ''
	stdout_like '^removed 2 objects, freed [0-9.]+ k?B; 1 are needed, [0-9.]+ k?B$'
	is "$(ls "$objects")" "$ten" 'what is left'
	run volt cas gc --format json
	is "$(jq -c '[.removed, .removed_bytes, .kept]' "$T/out")" '[0,0,1]' 'a second time'
}

formats_other_than_table_and_json_are_refused() {
	local c
	for c in ls usage verify gc 'why 4a'; do
		# shellcheck disable=SC2086 # a command and its argument
		run volt cas $c --format yaml
		status 125
		stdout ''
		one_line_error "'yaml' is neither 'table' nor 'json'"
	done
}

completion_offers_objects() {
	start_anew
	run volt complete cas why ''
	stdout "$(printf '%s\n' "$ten" "$eleven" "$one")"
}

# Root, too, is refused, once it has given up what lets it read everything.
a_store_that_cannot_be_read_is_one_clear_line() {
	local as=()
	[ "$(id -u)" != 0 ] || as=(setpriv '--bounding-set=-dac_override,-dac_read_search')
	start_anew
	chmod 000 "$refs"
	run "${as[@]}" "$VOLT" cas ls
	chmod 700 "$refs"
	status 125
	one_line_error 'ermission denied'
}

tap_run an_empty_store_is_nothing_special ls_shows_each_object_and_whether_it_is_kept \
	usage_says_what_each_kind_of_ref_needs why_names_the_refs_of_an_object \
	why_names_the_list_through_which_an_image_keeps_it why_exits_with_1_where_nothing_needs_it \
	why_refuses_what_names_none_or_several a_ref_that_is_broken_is_named_and_stops_what_needs_it \
	verify_prints_each_finding_and_exits_with_1 gc_removes_what_nothing_needs_and_says_how_much \
	formats_other_than_table_and_json_are_refused completion_offers_objects \
	a_store_that_cannot_be_read_is_one_clear_line
