#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Profiles in registries: what was pushed is what is pulled, and what is not as it says it is
# leaves nothing behind.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"

# A small profile: files that occur twice, an empty one, one in a directory.
mkdir -p "$T/dir/bin" "$T/dir/lib" "$T/dir/firmware/keymaps"
cp "${VOLT%/*}/tests/lib/fake-qemu" "$T/dir/bin/qemu-system-x86_64"
echo one >"$T/dir/firmware/a.bin"
echo one >"$T/dir/firmware/b.bin"
: >"$T/dir/firmware/empty"
head -c 300000 /dev/zero >"$T/dir/firmware/keymaps/de"
echo lib >"$T/dir/lib/libx.so.1"
volt cas build "$T/dir" --name small >"$T/version" || echo 'Bail out! no profile'
version=$(cat "$T/version")

registry
place=127.0.0.1:$port/qemu/small

# A second root, empty.
elsewhere() {
	VOLT_ROOT=$T/second run volt "$@"
}
content() {
	(cd "$1" && find . -type f -printf '%P %m\n' -exec sha256sum {} ';' | sed 's| .*/|&|' | LC_ALL=C sort)
}

what_is_pushed_is_what_is_pulled() {
	local here there
	run volt qemu push -q --tls-verify=false small "$place:v1"
	status 0
	digest=$(cat "$T/out")
	like "$digest" '^sha256:[0-9a-f]{64}$'
	is "$(skopeo inspect --raw --tls-verify=false "docker://$place:v1" | sha256sum | cut -c -64)" "${digest#*:}"
	run hashed "$T/hashed" env VOLT_ROOT="$T/second" "$VOLT" qemu pull -q --tls-verify=false "$place:v1"
	status 0
	stdout "$digest"
	is "$(cat "$T/hashed")" '' 'hashed after it was stored'
	ok test -f "$T/second/qemu/small/firmware/a.bin"
	elsewhere qemu verify small
	status 0
	elsewhere qemu resolve "$version"
	status 0
	there=$(cat "$T/out")
	here=$(volt qemu resolve "$version")
	is "$(content "$there")" "$(content "$here")"
	is "$(stat -c %a "$there/bin/qemu-system-x86_64")" 555
	rm -rf "$T/second"
}

by_its_digest_and_under_another_name() {
	elsewhere qemu pull -q --tls-verify=false --name mine "$place@$digest"
	status 0
	stdout "$digest"
	elsewhere qemu ls
	stdout_like mine
	unlike "$(cat "$T/out")" small
	elsewhere qemu verify mine
	status 0
	elsewhere qemu pull -q --tls-verify=false "$place@sha256:$(printf '0%.0s' {1..64})"
	status 125
	one_line_error "$place@sha256:000"
	elsewhere qemu pull --tls-verify=false --name ../up "$place:v1"
	status 125
	one_line_error "'../up' is not a valid name"
	rm -rf "$T/second"
}

paths_and_the_name_of_this_host_stay_here() {
	local config
	config=$(skopeo inspect --raw --config --tls-verify=false "docker://$place:v1")
	like "$config" '"objects"'
	unlike "$config" "$T"
	like "$(cat "$VOLT_ROOT/cas/refs/$version.json")" '"build_host"'
	unlike "$config" '"build_host"'
}

files_that_are_held_are_not_fetched() {
	local blob
	elsewhere qemu pull -q --tls-verify=false "$place:v1"
	volt qemu push -q --tls-verify=false small "$place:again" >/dev/null
	cp -a "$T/dir" "$T/dir2"
	echo two >"$T/dir2/firmware/a.bin"
	volt cas build "$T/dir2" --name next >/dev/null
	volt qemu push -q --tls-verify=false next "$place:next" >/dev/null
	# Without this blob the registry could not serve it.
	blob=$(sha256sum "$T/dir/firmware/keymaps/de" | cut -c -64)
	mv "$T/registry/docker/registry/v2/blobs/sha256/${blob:0:2}/$blob/data" "$T/data"
	elsewhere qemu pull -q --tls-verify=false --name other "$place:again"
	status 0
	elsewhere qemu pull -q --tls-verify=false --name next "$place:next"
	status 0
	elsewhere qemu verify next
	status 0
	mv "$T/data" "$T/registry/docker/registry/v2/blobs/sha256/${blob:0:2}/$blob/data"
	rm -rf "$T/second"
}

a_profile_is_no_image_nor_an_image_a_profile() {
	run volt pull -q --tls-verify=false "$place:v1"
	status 125
	one_line_error "$place"
	skopeo copy -q --dest-tls-verify=false "oci:$(image static)" "docker://127.0.0.1:$port/an/image:v1"
	elsewhere qemu pull -q --tls-verify=false "127.0.0.1:$port/an/image:v1"
	status 125
	one_line_error "it is an image, not a profile: 'volt pull' takes those"
	is "$(nothing_kept)" ''
	elsewhere qemu pull "oci:$T/dir"
	status 125
	one_line_error "profiles are kept in registries, not in 'oci:'"
}

nothing_kept() {
	find "$T/second/cas" "$T/second/qemu" "$T/second/images/staging" -mindepth 1 -type f 2>/dev/null |
		grep -v '/cas/lock$'
	VOLT_ROOT=$T/second volt qemu ls -q 2>/dev/null
}

# hostile JQ [JQ-OF-CONFIG]: what was pushed, with its documents changed, as $place:bad.
hostile() {
	local dir=$T/hostile config size
	rm -rf "$dir"
	skopeo copy -q --src-tls-verify=false "docker://$place:v1" "dir:$dir" || return
	config=$(jq -r .config.digest "$dir/manifest.json")
	if [ -n "${2:-}" ]; then
		jq -c "$2" "$dir/${config#*:}" >"$dir/config"
		config=sha256:$(sha256sum "$dir/config" | cut -c -64)
		size=$(stat -c %s "$dir/config")
		mv "$dir/config" "$dir/${config#*:}"
		upload "$dir/${config#*:}" "$config"
	fi
	jq -c --arg c "$config" --argjson s "${size:-null}" \
		".config.digest = \$c | (if \$s then .config.size = \$s else . end) | $1" \
		"$dir/manifest.json" >"$dir/changed"
	curl -sS -o "$T/put" -w '%{http_code}' -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' \
		--data-binary "@$dir/changed" "http://${place%%/*}/v2/${place#*/}/manifests/bad" | grep -q 201 ||
		bad 'the registry does not take it' "$(cat "$T/put")"
}
upload() {
	local at
	at=$(curl -sS -i -X POST "http://${place%%/*}/v2/${place#*/}/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
	curl -sS -o "$T/put" -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$1" "$at&digest=$2"
}

# refused MESSAGE: and nothing is kept.
refused() {
	elsewhere qemu pull -q --tls-verify=false "$place:bad"
	status 125
	stdout ''
	one_line_error "$1"
	is "$(nothing_kept)" '' 'what is left'
}

hostile_documents_are_refused() {
	hostile '.layers[0].annotations["org.opencontainers.image.title"] = "lib/../../../etc/ld.so.preload"'
	refused "'lib/../../../etc/ld.so.preload' is not a path below bin/, lib/ or firmware/"
	hostile '.layers[0].annotations["org.opencontainers.image.title"] = "/etc/passwd"'
	refused "'/etc/passwd' is not a path"
	hostile 'del(.layers[0].annotations)'
	refused "'' is not a path"
	hostile '.layers += [.layers[0]]'
	refused "' comes twice"
	hostile '.layers[0].mediaType = "application/vnd.oci.image.layer.v1.tar"'
	refused "blob of type 'application/vnd.oci.image.layer.v1.tar'"
	hostile '.artifactType = "application/vnd.other"'
	refused "it is no profile, but of type 'application/vnd.other'"
	hostile '.annotations["vnd.volt.profile.digest"] = "sha256:" + ("0" * 64)'
	refused 'its files are not the profile that its manifest says'
	hostile 'del(.layers[0])'
	refused "only its config says anything of '"
	hostile '.layers[0].digest = .layers[-1].digest'
	refused 'has one digest in its manifest and another in its config'
	hostile . '.objects["lib/../x"] = .objects["lib/libx.so.1"]'
	refused "'lib/../x' is not a path"
	hostile . '.objects["lib/libx.so.1"] = "../../../../etc/shadow"'
	refused 'config'
	hostile . 'del(.objects)'
	refused 'has 0 objects'
}

# A registry's document does not choose which of the user's profiles is replaced.
its_name_is_what_was_asked_for() {
	hostile . '.profile = "kvm-linux"'
	elsewhere qemu pull -q --tls-verify=false "$place:bad"
	status 0
	elsewhere qemu ls -q
	stdout_like '^small'
	unlike "$(cat "$T/out")" 'kvm-linux'
	hostile . '.profile = "../up"'
	elsewhere qemu pull -q --tls-verify=false "$place:bad"
	status 0
	elsewhere qemu ls -q
	unlike "$(cat "$T/out")" 'up'
	volt qemu push -q --tls-verify=false small "${place%/*}/a_b.c:v1" >/dev/null
	elsewhere qemu pull -q --tls-verify=false --name named "${place%/*}/a_b.c:v1"
	status 0
	elsewhere qemu pull -q --tls-verify=false "${place%/*}/a-0123456789ab:v1"
	status 125
	one_line_error "'a-0123456789ab' is not a valid name for a profile: give it one with --name"
	rm -rf "$T/second"
}

sizes_are_believed_of_nobody() {
	hostile '.layers[0].size = 4611686018427387904'
	refused 'a blob of 46116860184[0-9]* bytes is more than a profile has'
	hostile '.layers[0].size = -1'
	refused 'a blob without a size'
	hostile '(.layers[] | select(.annotations[] == "lib/libx.so.1")).size = 68719476736'
	refused 'more than a profile has|larger than what is free'
	hostile '(.layers[] | select(.annotations[] == "lib/libx.so.1")).size = 5'
	refused "'lib/libx.so.1' has 4 bytes, not 5|size|blob"
}

# damage PATH COMMAND: of the blob of that file, as the registry keeps it.
damage() {
	local blob
	blob=$(sha256sum "$T/dir/$1" | cut -c -64)
	blob=$T/registry/docker/registry/v2/blobs/sha256/${blob:0:2}/$blob/data
	cp "$blob" "$T/data"
	shift
	"$@" "$blob"
	elsewhere qemu pull -q --tls-verify=false "$place:v1"
	status 125
	one_line_error "$place:v1"
	is "$(nothing_kept)" '' 'what is left'
	cp "$T/data" "$blob"
}
overwrite() {
	printf X | dd of="$1" conv=notrunc status=none
}

blobs_that_are_missing_or_changed_are_refused() {
	damage lib/libx.so.1 rm
	damage lib/libx.so.1 overwrite
	damage firmware/keymaps/de truncate -s 1000
	damage firmware/keymaps/de truncate -s 400000
	elsewhere qemu pull -q --tls-verify=false "$place:v1"
	status 0
	rm -rf "$T/second"
}

# A blob of 800 MB where its manifest says 4 bytes: it is not waited for until its digest is
# known, or a limit on one file is reached.
what_was_not_announced_is_not_taken() {
	damage lib/libx.so.1 truncate -s 800M
	stderr_like "the registry sends more than the [0-9]+ bytes that its manifest announces$"
	rm -rf "$T/second"
}

accounts_are_asked_for() {
	local locked
	# "secret", by bcrypt
	echo 'me:$2b$04$8R4BtD2FpRg2d5V2x7s/0eITMfDqoh20oEZuKM8amE54GqaKGx4kG' >"$T/htpasswd"
	registry "$T/htpasswd" || return
	locked=127.0.0.1:$port/mine/qemu:v1
	run volt qemu push -q --tls-verify=false small "$locked"
	status 125
	one_line_error 'wants a login'
	run volt qemu push -q --tls-verify=false --creds me:secret small "$locked"
	status 0
	elsewhere qemu pull -q --tls-verify=false "$locked"
	status 125
	one_line_error 'wants a login'
	elsewhere qemu pull -q --tls-verify=false --creds me:wrong "$locked"
	status 125
	one_line_error 'wants a login|refuses'
	elsewhere qemu pull -q --tls-verify=false --creds me:secret "$locked"
	status 0
	run volt qemu push nothing "$locked"
	status 125
	one_line_error "'nothing'"
	rm -rf "$T/second"
}

nothing_is_left_in_staging() {
	is "$(find "$VOLT_ROOT/images/staging" "$VOLT_ROOT/cas/staging" -mindepth 1 2>/dev/null)" ''
}

tap_run \
	what_is_pushed_is_what_is_pulled \
	by_its_digest_and_under_another_name \
	paths_and_the_name_of_this_host_stay_here \
	files_that_are_held_are_not_fetched \
	a_profile_is_no_image_nor_an_image_a_profile \
	hostile_documents_are_refused \
	its_name_is_what_was_asked_for \
	sizes_are_believed_of_nobody \
	blobs_that_are_missing_or_changed_are_refused \
	what_was_not_announced_is_not_taken \
	accounts_are_asked_for \
	nothing_is_left_in_staging
