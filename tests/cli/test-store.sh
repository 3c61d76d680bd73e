#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a user sees of the store.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"

# The largest object: an image's own content, not a manifest.
largest_object() {
	find "$VOLT_ROOT/cas/objects" -type f -size +0 -printf '%s %f\n' | sort -n | tail -n 1 |
		cut -d ' ' -f 2
}

# flip_bit FILE: the lowest bit of its first byte.
flip_bit() {
	local byte
	byte=$(od -An -tu1 -N1 "$1")
	chmod u+w "$1"
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\x$(printf %02x $((byte ^ 1)))" | dd of="$1" conv=notrunc status=none
	chmod u-w "$1"
}

doctor_says_that_the_store_is_undamaged() {
	load static
	run volt doctor
	stdout_like ' ok   store +[0-9]+ objects, .* all undamaged'
}

doctor_finds_a_flipped_bit_and_names_the_object() {
	local object
	object=$(largest_object)
	flip_bit "$VOLT_ROOT/cas/objects/$object"
	run volt doctor
	status 1
	stdout_like "^FAIL  store +1 damaged, the first: $object: object '$object' is damaged"
	stdout_like 'volt rmi'
}

removing_and_loading_again_mends_it() {
	run volt rmi --all --force
	status 0
	load static
	run volt doctor
	stdout_like ' ok   store '
}

nothing_is_left_when_all_images_are_removed() {
	run volt rmi --all --force
	status 0
	is "$(find "$VOLT_ROOT/cas/objects" "$VOLT_ROOT/cas/staging" -mindepth 1 | wc -l)" 0 \
		'files in the store'
}

tap_run doctor_says_that_the_store_is_undamaged doctor_finds_a_flipped_bit_and_names_the_object \
	removing_and_loading_again_mends_it nothing_is_left_when_all_images_are_removed
