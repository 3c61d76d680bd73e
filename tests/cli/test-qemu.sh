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
	run volt qemu select --arch mips64le --os windows --format json
	is "$(jq -c '[.profile, .accel, .mode, .arch, .os, .needs, .kvm_usable]' "$T/out")" \
		'["emulate-foreign","tcg","auto","mips64le","windows",["tcg","uefi"],false]' 'the choice'
	like "$(jq -r .why "$T/out")" "^KVM cannot be used: .*mips64le" why
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

tap_run select_follows_mode_architecture_and_system select_says_why \
	select_refuses_words_that_it_does_not_know
