#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `volt kernel` and releases of Nanos.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
# shellcheck source=tests/lib/nanos.sh
. "$(dirname "$0")/../lib/nanos.sh"

umask 022
export HOME=$T/home
unset OPS_HOME
commit=0123456789abcdef0123456789abcdef01234567

start_anew() {
	rm -rf "$VOLT_ROOT" "$HOME"
	mkdir "$HOME"
}

import() {
	run volt kernel import --guest nanos "$@"
}

# imported NAME ARGUMENT…: is taken, as NAME.
imported() {
	local name=$1
	shift
	import "$@"
	status 0
	stdout "$name"
}

refused() {
	local why=$1
	shift
	import "$@"
	status 125
	stdout ''
	one_line_error "$why"
}

# member NAME KEY: what `kernel ls` says of it.
member() {
	volt kernel ls --format json | jq -r ".[] | select(.name == \"$1\") | .$2"
}

a_directory_becomes_a_kernel_with_its_loaders_and_klibs() {
	start_anew
	release "$T/0.1.55"
	imported nanos-0.1.55 "$T/0.1.55"
	stderr ''
	for f in kernel.img boot.img bootx64.efi klibs/tls klibs/ntp; do
		ok cmp "$T/0.1.55/$f" "$VOLT_ROOT/kernels/nanos-0.1.55/$f"
	done
	is "$(member nanos-0.1.55 guest)" nanos
	is "$(member nanos-0.1.55 version)" 0.1.55
	is "$(member nanos-0.1.55 arch)" x86_64
	is "$(member nanos-0.1.55 default)" true
	is "$(member nanos-0.1.55 digest)" "$(cd "$T/0.1.55" &&
		find . -type f -printf '%P\n' | sort | xargs sha256sum | sha256sum | cut -c1-64)"
	run volt kernel ls
	stdout_like '^NAME +GUEST +ARCH +VERSION'
	stdout_like '^nanos-0.1.55 +nanos +x86_64 +0.1.55 .* yes$'
	run volt cas gc
	run volt cas verify
	status 0
}

an_archive_is_the_same_release() {
	start_anew
	release "$T/0.1.55"
	imported nanos-0.1.55 "$T/0.1.55"
	for end in .tar.gz .tar .tar.xz; do
		tar -caf "$T/nanos-release-linux-0.1.55$end" -C "$T/0.1.55" .
		imported nanos-0.1.55 "$T/nanos-release-linux-0.1.55$end"
	done
	is "$(volt kernel ls -q | wc -l)" 1
	start_anew
	imported nanos-0.1.55 "$T/nanos-release-linux-0.1.55.tar.gz"
	is "$(member nanos-0.1.55 source)" archive
}

a_release_without_loaders_or_klibs_is_taken() {
	start_anew
	mkdir "$T/0.1.30"
	elf 2 '' >"$T/0.1.30/kernel.img"
	imported nanos-0.1.30 "$T/0.1.30"
}

a_version_that_no_name_tells_is_the_commit() {
	start_anew
	release "$T/mine" "<$commit>"
	release "$HOME/.ops/nightly" "<$commit>"
	imported nanos-git-0123456789ab "$T/mine"
	is "$(member nanos-git-0123456789ab version)" git-0123456789ab
	start_anew
	release "$HOME/.ops/nightly" "<$commit>"
	imported nanos-nightly-0123456789ab "$HOME/.ops/nightly"
	release "$T/unknown"
	refused 'does not tell its version: give it a --name' "$T/unknown"
	imported some --name some "$T/unknown"
	is "$(member some version)" some
}

other_contents_of_a_version_are_refused_until_they_have_a_name() {
	start_anew
	release "$T/0.1.55"
	release "$T/other/0.1.55" other
	imported nanos-0.1.55 "$T/0.1.55"
	refused "'nanos-0.1.55' is Nanos 0.1.55 with other contents \(sha256 [0-9a-f]{12}, not [0-9a-f]{12}\); give this one another --name, or remove that with 'volt kernel rm'" \
		"$T/other/0.1.55"
	imported mine --name mine "$T/other/0.1.55"
	refused "kernel 'mine' is Nanos 0.1.55 with other contents" --name mine "$T/0.1.55"
	imported nanos-0.1.55 "$T/0.1.55"
	imported mine "$T/other/0.1.55"
	run volt kernel default mine
	status 0
	run volt kernel rm nanos-0.1.55
	status 0
	refused "'mine' is Nanos 0.1.55 with other contents" "$T/0.1.55"
	run volt kernel rm mine
	status 0
	imported nanos-0.1.55 "$T/other/0.1.55"
}

the_newest_that_ops_has_is_found() {
	start_anew
	refused "no Nanos kernel yet, nor one that ops has below '$HOME/.ops'"
	release "$HOME/.ops/0.1.9" 9
	release "$HOME/.ops/0.1.10" 10
	release "$HOME/.ops/0.1.11-arm" 11
	release "$HOME/.ops/nightly" "$commit"
	mkdir "$HOME/.ops/0.1.12" "$HOME/.ops/common"
	echo '../../escaped' >"$HOME/.ops/latest.txt"
	imported nanos-0.1.10
	stderr_like "^volt: imported Nanos 0.1.10 from '$HOME/.ops/0.1.10' as kernel 'nanos-0.1.10'"
	echo 0.1.9 >"$HOME/.ops/latest.txt"
	imported nanos-0.1.9
	mv "$HOME/.ops" "$T/ops"
	mkdir -p "$T/elsewhere"
	mv "$T/ops" "$T/elsewhere/.ops"
	OPS_HOME=$T/elsewhere imported nanos-0.1.9
	if [ "$(id -u)" = 0 ]; then
		chown 4321 "$T/elsewhere/.ops"
		OPS_HOME=$T/elsewhere refused "'$T/elsewhere/.ops' belongs to somebody else"
	fi
}

# The newer of two releases has something that others could choose.
what_others_could_choose_is_not_imported_unasked() {
	local ops=$HOME/.ops new=$HOME/.ops/0.1.10 file
	start_anew
	release "$ops/0.1.9" 9
	for file in . kernel.img boot.img klibs klibs/tls; do
		rm -rf "$new"
		release "$new" 10
		chmod g+w "$new/$file"
		imported nanos-0.1.9
		stderr_like "the release in '$new' is not imported unasked: '$new(/$file)?' can be written by others\$"
		chmod g-w,o+w "$new/$file"
		imported nanos-0.1.9
	done
	rm -rf "$new"
	release "$T/linked" 10
	mkdir "$new"
	ln -s "$T/linked/kernel.img" "$new/kernel.img"
	imported nanos-0.1.9
	stderr_like "'$new/kernel.img' is a link\$"
	rm -rf "$new"
	release "$new" 10
	echo 0.1.9 >"$ops/latest.txt"
	chmod o+w "$ops/latest.txt"
	imported nanos-0.1.10
	chmod g+w "$ops"
	refused "'$ops' can be written by others: what is below it is not imported unasked\$"
	chmod g-w "$ops"
	if [ "$(id -u)" = 0 ]; then
		chown 4321 "$new/klibs/tls"
		rm "$ops/latest.txt"
		imported nanos-0.1.9
		stderr_like "'$new/klibs/tls' belongs to somebody else\$"
	fi
	# Whoever names it has chosen.
	imported nanos-0.1.10 "$new"
}

# broken FILE COMMAND…: that output of COMMAND in place of FILE is refused, with $why.
broken() {
	rm -rf "$T/broken"
	release "$T/broken/0.1.55"
	"${@:2}" >"$T/broken/0.1.55/$1"
	refused "$why" "$T/broken/0.1.55"
}

what_is_no_part_of_a_release_is_refused_by_name() {
	start_anew
	why="'kernel.img' is not a whole ELF file for x86_64" broken kernel.img echo kernel
	why="'kernel.img' is a Linux kernel, not one of Nanos" \
		broken kernel.img elf 2 'Linux version 6.1.0'
	why="'boot.img' is not a whole boot loader of Nanos" broken boot.img head -c 1024 /dev/zero
	why="'bootx64.efi' is not a UEFI program for x86_64" broken bootx64.efi echo MZ
	why="'klibs/ntp' is not a klib for x86_64" broken klibs/ntp elf 2 ''
	why="'boot.img' is too large for a release" broken boot.img truncate -s 2M /dev/stdout
	why="'kernel.img' is too large for a release" broken kernel.img truncate -s 100G /dev/stdout
	mkdir "$T/broken/empty"
	refused "it has no 'kernel.img'" "$T/broken/empty"
	refused 'No such file' "$T/broken/nothing"
	mkfifo "$T/broken/pipe"
	refused 'neither a directory nor an archive' "$T/broken/pipe"
	is "$(volt kernel ls -q)" ''
}

links_out_of_a_directory_are_refused_and_others_followed() {
	start_anew
	release "$T/links/0.1.55"
	mv "$T/links/0.1.55/kernel.img" "$T/links/0.1.55/x"
	ln -s x "$T/links/0.1.55/kernel.img"
	ln -s ../../outside "$T/links/0.1.55/klibs/radar"
	elf 3 '' >"$T/links/outside"
	refused "'klibs/radar' is a link out of the directory" "$T/links/0.1.55"
	rm "$T/links/0.1.55/klibs/radar"
	imported nanos-0.1.55 "$T/links/0.1.55"
}

kernels_of_other_guests_are_refused_by_name() {
	start_anew
	release "$T/0.1.55"
	imported nanos-0.1.55 "$T/0.1.55"
	load static
	run volt run --rm --kernel nanos-0.1.55 static
	status 125
	one_line_error "kernel 'nanos-0.1.55' is for Nanos guests and cannot run this one"
	run volt run --rm static
	status 125
	one_line_error "no kernel for [a-z0-9_]+ yet; 'volt kernel import' gets one"
}

each_kind_of_guest_has_a_default() {
	start_anew
	mkdir -p "$VOLT_ROOT/kernels"
	echo other >"$VOLT_ROOT/kernels/.default-x86_64"
	release "$T/0.1.55"
	release "$T/0.1.54" 54
	imported nanos-0.1.55 "$T/0.1.55"
	imported nanos-0.1.54 "$T/0.1.54"
	is "$(cat "$VOLT_ROOT/kernels/.default-x86_64")" other
	run volt kernel rm nanos-0.1.55
	status 125
	one_line_error "'nanos-0.1.55' is the default for x86_64; choose another"
	run volt kernel default nanos-0.1.54
	status 0
	is "$(cat "$VOLT_ROOT/kernels/.default-x86_64")" other
	run volt kernel rm nanos-0.1.55 nanos-0.1.54
	status 0
	run volt cas gc
	is "$(find "$VOLT_ROOT/kernels" "$VOLT_ROOT/cas/objects" -type f ! -name '.lock')" \
		"$VOLT_ROOT/kernels/.default-x86_64" 'what is left'
}

# doctor STATUS FOUND: what it says of Nanos kernels.
doctor() {
	run volt doctor --format json
	like "$(jq -r '.[] | select(.check == "Nanos kernel") | .status + " " + .found' "$T/out")" \
		"^$1 $2"
}

doctor_says_which_kernel_a_guest_would_get() {
	start_anew
	release "$T/0.1.55"
	doctor warning 'no Nanos kernel yet, nor one that ops has'
	release "$HOME/.ops/0.1.54" 54
	doctor ok "'$HOME/.ops/0.1.54', imported when it is first needed"
	is "$(volt kernel ls -q)" ''
	imported nanos-0.1.55 "$T/0.1.55"
	doctor ok 'there is a default one, Nanos 0.1.55$'
}

options_that_mean_nothing_here_are_refused() {
	release "$T/0.1.55"
	refused 'a Nanos kernel has no modules' --modules /lib "$T/0.1.55"
	refused 'the kernel is for x86_64, not arm64' --arch arm64 "$T/0.1.55"
	refused "'../x' is not a name for a kernel" --name ../x "$T/0.1.55"
	run volt kernel import "$T/0.1.55"
	status 125
	one_line_error "'$T/0.1.55' is a directory, .* imported with --guest nanos"
	run volt kernel import --guest vax
	status 125
	one_line_error "no kernels for 'vax' guests, only for linux and nanos"
}

tap_run a_directory_becomes_a_kernel_with_its_loaders_and_klibs an_archive_is_the_same_release \
	a_release_without_loaders_or_klibs_is_taken a_version_that_no_name_tells_is_the_commit \
	other_contents_of_a_version_are_refused_until_they_have_a_name \
	the_newest_that_ops_has_is_found what_others_could_choose_is_not_imported_unasked \
	what_is_no_part_of_a_release_is_refused_by_name \
	links_out_of_a_directory_are_refused_and_others_followed \
	kernels_of_other_guests_are_refused_by_name each_kind_of_guest_has_a_default \
	doctor_says_which_kernel_a_guest_would_get options_that_mean_nothing_here_are_refused
