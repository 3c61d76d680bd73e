#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Machines of other architectures, emulated: the same commands, the same answers.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
[ -z "${VOLT_TEST_PROFILES-}" ] || profiles

# Architectures by volt's, OCI's and QEMU's words.
declare -A oci=([arm64]=arm64 [riscv64]=riscv64 [ppc64le]=ppc64le [s390x]=s390x [mips64el]=mips64le)
declare -A qemu=([arm64]=aarch64 [riscv64]=riscv64 [ppc64le]=ppc64 [s390x]=s390x [mips64el]=mips64el)
declare -A uname=([arm64]=aarch64 [riscv64]=riscv64 [ppc64le]=ppc64le [s390x]=s390x [mips64el]=mips64)

# ready ARCH: its kernel and busybox are here, or the rule is skipped.
ready() {
	if ! command -v "qemu-system-${qemu[$1]}" >/dev/null; then
		skip "no qemu-system-${qemu[$1]}"
		return 1
	elif ! [ -x "${VOLT%/*}/guest-init/volt-init-$1" ]; then
		skip "no compiler for $1"
		return 1
	fi
	[ -e "$T/ready-$1" ] && return
	kernel_of "$1"
	load "busybox@${oci[$1]}"
	volt qemu resolve emulate-foreign >"$T/resolve.out" 2>&1 || bad 'no profile' "$(cat "$T/resolve.out")"
	touch "$T/ready-$1"
}

# answers ARCH: what goes in and what comes out, the two streams apart, the exit code.
answers() {
	ready "$1" || return
	head -c 300000 /dev/urandom >"$T/in"
	run_in volt run --rm -i -e 'A=two  words' -w /opaque -u app --arch "$1" "busybox-${oci[$1]}" \
		sh -c 'uname -m; id -un; pwd; echo "$A"; echo to err >&2; sha256sum; exit 7' <"$T/in"
	status 7
	stdout "${uname[$1]}"$'\napp\n/opaque\ntwo  words\n'"$(sha256sum <"$T/in")"
	stderr 'to err'
}

# stops ARCH: by SIGTERM, with time to clean up; everything it said is in its log.
stops() {
	ready "$1" || return
	run volt run -d --name "stop-$1" --arch "$1" "busybox-${oci[$1]}" trap-term
	status 0 || return
	wait_for 60 is_ready "stop-$1" || return
	run volt stop -t 60 "stop-$1"
	status 0
	is "$(volt logs "stop-$1")" $'ready\ncleaned up'
	is "$(inspect "stop-$1" '"\(.state.status) \(.state.exit_code) \(.spec.arch) \(.state.accel)"')" "exited 0 $1 tcg"
	ok volt rm "stop-$1" >"$T/rm"
}
is_ready() {
	volt logs "$1" | grep -q ready
}

# Once, also where two miss it at a time.
the_profile_is_made_by_itself_and_a_line_says_so() {
	local i pids=()
	ready arm64 || return
	volt qemu rm --force emulate-foreign >"$T/rm"
	for i in 1 2; do
		volt run --rm --arch arm64 busybox-arm64 true 2>"$T/err.$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || bad 'one of them failed' "$(cat "$T"/err.[12])"
	done
	is "$(cat "$T"/err.[12] | grep -c "^volt: profile 'emulate-foreign' is not in the store: building it")" 1 'lines'
	is "$(volt qemu ls -q | grep -c '^emulate-foreign-')" 1 'versions'
}

arm64_answers() {
	answers arm64
}
arm64_stops_by_sigterm() {
	stops arm64
}
riscv64_answers() {
	answers riscv64
}
riscv64_stops_by_sigterm() {
	stops riscv64
}
# The big end first: the agent's protocol, modules, netlink.
s390x_answers() {
	answers s390x
}
ppc64le_answers() {
	answers ppc64le
}

a_web_server_on_arm64_is_published() {
	ready arm64 || return
	load nginx@arm64
	free_port
	run volt run -d --name web --hostname web.test --arch aarch64 -p "$port:80" nginx-arm64
	status 0 || return
	wait_for 60 curl -sf -o "$T/page" "http://127.0.0.1:$port/"
	like "$(cat "$T/page")" 'Hello from inside a virtual machine'
	is "$(curl -s "http://127.0.0.1:$port/who")" web.test
	run volt stop web
	status 0
	is "$(inspect web .state.exit_code)" 0
	like "$(volt logs web 2>&1)" 'GET /who'
	volt rm web >"$T/rm"
}

mips64el_answers() {
	answers mips64el
	run volt run --rm --arch mips64el --cpus 2 busybox-mips64le true
	status 125
	one_line_error 'a machine for mips64el has 1 CPU at most, not 2'
}

# The image decides where nobody does; a kept machine keeps what it writes.
a_kept_arm64_machine_starts_again() {
	ready arm64 || return
	run volt run --name kept busybox-arm64 sh -c 'cat /kept 2>/dev/null; echo was here >>/kept'
	status 0
	stdout ''
	stderr_like "is for arm64: emulating that"
	run volt start -a kept
	status 0
	stdout 'was here'
	volt rm kept >"$T/rm"
}

an_image_of_another_architecture_is_one_clear_line() {
	ready arm64 || return
	run volt create --pull never --arch s390x busybox-arm64 true
	status 125
	one_line_error "'busybox-arm64'.* is for arm64"
	is "$(volt ps -a -q)" '' 'machines'
}

an_architecture_without_a_kernel_names_the_command_that_gets_one() {
	ready arm64 || return
	run env VOLT_ROOT="$T/empty" "$VOLT" run --rm --arch arm64 nothing true
	status 125
	one_line_error "no kernel for arm64 yet; 'volt kernel import --arch arm64' gets one"
}

an_architecture_without_a_qemu_names_the_package() {
	ready arm64 || return
	mkdir -p "$T/none"
	run volt --qemu "$T/none" run --rm --arch arm64 busybox-arm64 true
	status 125
	one_line_error "no 'qemu-system-aarch64' in .*: install package 'qemu-system-arm'"
}

architectures_that_cannot_be_are_refused_by_name() {
	run volt create --arch vax busybox true
	status 125
	one_line_error "architecture 'vax' is not known"
	run volt create --arch armv7 busybox true
	status 125
	one_line_error "Linux guests of architecture 'arm' are not supported"
	run volt kernel import --arch arm
	status 125
	one_line_error "arm"
}

makes=(the_profile_is_made_by_itself_and_a_line_says_so)
[ -z "${VOLT_TEST_PROFILES-}" ] || makes=()
tap_run "${makes[@]}" arm64_answers arm64_stops_by_sigterm \
	a_web_server_on_arm64_is_published \
	a_kept_arm64_machine_starts_again riscv64_answers riscv64_stops_by_sigterm s390x_answers \
	ppc64le_answers mips64el_answers an_image_of_another_architecture_is_one_clear_line \
	an_architecture_without_a_kernel_names_the_command_that_gets_one \
	an_architecture_without_a_qemu_names_the_package \
	architectures_that_cannot_be_are_refused_by_name nothing_is_left
