#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `volt qemu build --from source` with sources whose program is a few lines, and volt's own
# recipes: what must be installed to compile QEMU must be here too.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"

fake=$T/source

start_anew() {
	rm -rf "$VOLT_ROOT" "$fake"
	cp -R "$top/tests/lib/fake-qemu-source" "$fake"
	mkdir -p "$fake/python/wheels"
	touch "$fake/python/wheels/meson-1.5.0-py3-none-any.whl"
	for target in riscv64 ppc64 mips64el s390x; do
		cp -R "$fake/configs/devices/aarch64-softmmu" "$fake/configs/devices/$target-softmmu"
	done
}

nothing_is_left() {
	is "$(find "$VOLT_ROOT/qemu" -maxdepth 1 -name '.work-*' ! -name .work-lock)" '' 'work directories'
}

each_profile_is_made_as_its_recipe_says() {
	local name
	start_anew
	for name in kvm-linux kvm-uefi emulate-x86 emulate-foreign; do
		[ "$(uname -m)" = x86_64 ] || [[ $name != kvm-* ]] || continue
		run volt qemu build "$name" --from source --source "$fake" -j 1
		status 0
		stdout_like "^$name-[0-9a-f]{8}\$"
		ok test -x "$VOLT_ROOT/qemu/$name/bin"
		nothing_is_left
	done
	run volt qemu show emulate-foreign --format json
	is "$(jq -c '.[0].guests // .guests' "$T/out")" \
		'["aarch64","riscv64","ppc64","mips64el","s390x"]' guests
	is "$(jq -r '.[0].qemu_version // .qemu_version' "$T/out")" 10.0.7 version
	tree=$(volt qemu resolve emulate-x86)
	like "$("$tree/bin/qemu-system-x86_64")" '--enable-tcg .*--enable-vnc .*CONFIG_MICROVM=y' \
		'what configure was told'
	is "$([ -e "$tree/firmware/bios-256k.bin" ] && echo there)" there firmware
}

the_steps_are_told() {
	start_anew
	run volt --log-level info qemu build emulate-x86 --from source --source "$fake"
	status 0
	stderr_like 'copying the sources'
	stderr_like 'compiling QEMU; this takes minutes'
	stderr_like 'storing QEMU 10\.0\.7'
}

options_of_another_source_are_refused() {
	start_anew
	run volt qemu build emulate-x86 --source "$fake"
	status 125
	one_line_error "'source' is for profiles that are built from 'source'"
	run volt qemu build emulate-x86 --from host --jobs 2
	status 125
	one_line_error "'jobs' is for profiles that are built from 'source'"
	run volt qemu build emulate-x86 --from source --jobs 5000
	status 125
	one_line_error "option '--jobs': 5000 is not from 1 to 1024"
	run volt qemu build emulate-x86 --from thin-air
	status 125
	one_line_error "a profile is not built from 'thin-air': use 'host' or 'source'"
}

a_failure_is_one_line_and_leaves_nothing() {
	start_anew
	echo '#error no such thing' >"$fake/qemu.c"
	run volt qemu build emulate-x86 --from source --source "$fake"
	status 125
	stdout ''
	one_line_error "build 'emulate-x86' from source: compile QEMU: ../source/qemu.c:1:2: error: #error no such thing"
	nothing_is_left
	run volt qemu build emulate-x86 --from source --source "$T/none"
	status 125
	one_line_error "open the sources '$T/none': No such file"
}

a_signal_ends_it_and_leaves_nothing() {
	local signal pid
	for signal in INT TERM; do
		start_anew
		echo "touch '$T/begun'; sleep 600" >"$fake/happens"
		rm -f "$T/begun"
		# A job of a shell's ignores SIGINT, unless it is told not to.
		setsid env --default-signal=INT "$VOLT" qemu build emulate-x86 --from source \
			--source "$fake" >"$T/out" 2>"$T/err" &
		pid=$!
		wait_for 60 test -e "$T/begun"
		kill -"$signal" "$pid"
		wait "$pid"
		is $? $((128 + $(kill -l "$signal"))) 'status'
		nothing_is_left
	done
}

tap_run each_profile_is_made_as_its_recipe_says the_steps_are_told \
	options_of_another_source_are_refused a_failure_is_one_line_and_leaves_nothing \
	a_signal_ends_it_and_leaves_nothing
