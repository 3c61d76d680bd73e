#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Layers that come from a registry, and registries that are not as they should be.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"


free_port
"$here/odd-registry" "$port" >/dev/null 2>"$T/asked" &
at_exit "kill $!"
wait_for 20 curl -fsS "http://127.0.0.1:$port/v2/" || exit 1

# pull FAULT [ROOT]: into a root of its own.
pull() {
	VOLT_ROOT=$T/${2:-$1} run volt pull --tls-verify=false "127.0.0.1:$port/$1:v1"
}

# left ROOT: what is in the store and in staging.
left() {
	find "$T/$1"/{cas/objects,cas/staging,cas/refs,images/staging,images/names,rootfs} \
		-mindepth 1 ! -name lock ! -type d 2>/dev/null
}

# refused FAULT ERROR…: a pull fails with one line that has each of the words.
refused() {
	local fault=$1
	pull "$fault"
	status 125
	stdout ''
	for text in "${@:2}"; do
		one_line_error "$text"
	done
	is "$(left "$fault")" '' 'what is left'
}

# Eighteen are more than come at once.
every_layer_arrives_and_is_kept_as_it_was_sent() {
	pull none
	status 0
	is "$(sort "$T/asked" | uniq -d)" '' 'what was asked for twice'
	is "$(wc -l <"$T/asked")" 19 'blobs that were asked for'
	is "$(find "$T/none/cas/refs/layers" -type f | wc -l)" 18
	is "$(find "$T/none/rootfs" -name '*.erofs' | wc -l)" 1
	VOLT_ROOT=$T/none run volt cas verify
	status 0
	VOLT_ROOT=$T/none run volt save -o "$T/saved" --format oci-dir "127.0.0.1:$port/none:v1"
	status 0
	for blob in "$T/saved/blobs/sha256/"*; do
		is "$(sha256sum "$blob" | cut -d' ' -f1)" "${blob##*/}"
	done
}

what_is_held_is_not_asked_for() {
	pull none held
	: >"$T/asked"
	pull long held
	status 0
	is "$(cat "$T/asked")" '' 'blobs that were asked for'
}

a_connection_that_ends_in_the_middle_is_said() {
	refused cut 'the registry ended the connection too early'
}

a_layer_of_another_size_or_digest_is_refused() {
	local fault
	for fault in short long flipped; do
		refused "$fault" 'Digest did not match, expected sha256:[0-9a-f]{64}'
	done
	refused config 'config blob sha256:[0-9a-f]{64}' 'does not match expected'
}

a_layer_without_end_is_refused() {
	refused endless 'the registry sends more than the manifest says'
}

# A hostile layer's own fault is told, not that skopeo could not go on.
of_two_reasons_the_layer_s_is_told() {
	refused hostile "layer 'sha256:[0-9a-f]{64}'" "'../../out' leads out of the image"
}

a_skopeo_that_is_killed_is_said() {
	local pid skopeo
	VOLT_ROOT=$T/stalled "$VOLT" pull --tls-verify=false "127.0.0.1:$port/stalled:v1" >"$T/out" 2>"$T/err" &
	pid=$!
	wait_for 30 sh -c "[ \"\$(grep -c ^stalled '$T/asked')\" -ge 17 ]"
	skopeo=$(pgrep -P $pid skopeo)
	kill -9 "$skopeo"
	wait $pid
	is $? 125
	like "$(cat "$T/err")" "'skopeo' was killed by signal 9"
	is "$(left stalled)" '' 'what is left'
}

# Its skopeo goes with it, and what it leaves goes with the next.
a_pull_that_is_killed_leaves_nothing_for_long() {
	local pid skopeo
	: >"$T/asked"
	VOLT_ROOT=$T/killed "$VOLT" pull --tls-verify=false "127.0.0.1:$port/stalled:v1" >"$T/out" 2>"$T/err" &
	pid=$!
	wait_for 30 sh -c "[ \"\$(grep -c ^stalled '$T/asked')\" -ge 17 ]"
	skopeo=$(pgrep -P $pid skopeo)
	kill -9 $pid
	wait $pid
	wait_for 20 sh -c "! kill -0 $skopeo"
	pull none killed
	status 0
	is "$(left killed | grep staging)" '' 'what is left'
}

tap_run every_layer_arrives_and_is_kept_as_it_was_sent what_is_held_is_not_asked_for \
	a_connection_that_ends_in_the_middle_is_said a_layer_of_another_size_or_digest_is_refused \
	a_layer_without_end_is_refused of_two_reasons_the_layer_s_is_told \
	a_skopeo_that_is_killed_is_said a_pull_that_is_killed_leaves_nothing_for_long
