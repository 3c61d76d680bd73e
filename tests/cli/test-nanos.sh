#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Nanos guests as far as that goes without a kernel of Nanos: what is refused, the command line,
# disks, and how what QEMU says becomes a status. The guest is tests/lib/fake-nanos.c.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
fake_qemu
"$here/make-nanos-release" "$T/release"
export HOME=$T/home # no releases of ops

# nanos WORDS…: of a machine that is removed when it ends.
nanos() {
	run volt run --rm --guest nanos "$@"
}

# refused MESSAGE WORDS…: `volt create` fails with one line and makes no machine.
refused() {
	local message=$1
	shift
	run volt create --guest nanos "$@"
	status 125
	stdout ''
	one_line_error "$message"
	is "$(volt ps -aq)" '' machines
}

machine_dir() {
	echo "$VOLT_ROOT/machines/$(inspect "$1" .spec.id)"
}
bases() {
	find "$VOLT_ROOT/rootfs" -name '*.nanos' | sort
}
base_of() {
	echo "$VOLT_ROOT/rootfs/$(jq -r .base "$(machine_dir "$1")/disk.json")"
}
# console NAME: the fake writes its arguments there.
console() {
	volt logs --console "$1"
}
# following OPTION: the argument after each of them, of the command line on stdin.
following() {
	sed -n 's/^.*fake: argv //p' | grep -A 1 -xF -e "$1" | grep -vxF -e "$1" -e --
}

without_a_kernel_it_says_how_to_get_one() {
	refused 'kernel import --guest nanos' static
	run volt kernel import --guest nanos --name fake "$T/release"
	status 0
}

what_one_program_cannot_have_is_refused_with_the_reason() {
	refused 'no terminal' -t static
	refused 'no standard input' -i static
	refused "user '1000': a Nanos guest has one user, root" -u 1000 static
	refused "tmpfs '/run': Nanos mounts none" --tmpfs /run static
	refused 'stop signal SIGQUIT: .*power button' --stop-signal QUIT static
	refused "x86_64 only, not 'arm64'" --arch arm64 static
	refused "'debug_exit' is volt's: volt always sets it" --nanos debug_exit static
	refused "'idle_on_exit' is volt's: the machine would never end" --nanos idle_on_exit static
	refused "'environment' is volt's: use 'env'" --nanos environment.A=b static
	refused "'x' is no object" --nanos x=1 --nanos x.y=2 static
	refused "klib '../x' is not a valid name" --klib ../x static
	refused "value 'pxe'" --boot pxe static
	refused "klib 'none'" --klib none static
}

what_is_of_nanos_only_is_refused_without_it() {
	local words
	for words in '--boot bios' --full '--klib tls' '--nanos trace'; do
		# shellcheck disable=SC2086 # an option and its value
		run volt create $words static
		status 125
		one_line_error "cannot be used without '--guest nanos'"
	done
}

what_cannot_run_is_refused_before_there_is_a_machine() {
	refused "'/nothing'" --entrypoint /nothing static
	refused 'not' --entrypoint /etc/passwd static
}

the_status_is_the_program_s() {
	nanos --name code-0 static
	status 0
	stdout 'hello from nanos'
	stderr ''
	nanos --name code-7 static
	status 7
	stdout 'hello from nanos'
	nanos --name code-127 static
	status 127
}

an_end_without_a_status_is_a_failure_that_shows_the_console() {
	nanos --name off static
	status 125
	stderr_like 'powered off without a status.*hello from nanos'
	nanos --name reset static
	status 125
	stderr_like 'reset the machine without a status.*hello from nanos'
	nanos --name reset --nanos reboot_on_exit static
	status 0
	nanos --name fault-exit-early static
	status 125
	stderr_like 'QEMU ended with status 1.*Cannot allocate memory'
}

a_kernel_that_cannot_open_its_disk_is_ended_and_told() {
	nanos --name no-disk static
	status 125
	stderr_like 'could not open its disk: its memory is too little'
}

# What it writes is on the same console as what its kernel says.
what_a_program_says_does_not_change_its_status() {
	local says code
	for says in app-disk disk-more disk app-startup startup-more startup terminate core \
		stop segv once firmware; do
		for code in 3 0; do
			nanos --name "says-$says-code-$code" static
			status $code
		done
	done
	nanos --name says-terminate-code-2 static
	status 2
	nanos --name says-app-disk-reset --nanos reboot_on_exit static
	status 0
}

what_the_kernel_says_counts_with_its_status() {
	nanos --name says-segv-code-11 static
	status 139
	nanos --name says-once-code-11 static
	status 139
	nanos --name says-terminate-code-15 static
	status 143
	run volt run -d --name says-startup-code-127 --guest nanos static
	run volt wait says-startup-code-127
	stdout 126
	run volt rm says-startup-code-127
	nanos --name says-startup-code-127 static
	stderr_like 'Nanos could not start it: program startup failed before exec: .result:no such'
	nanos --name says-disk-off static
	status 125
	stderr_like 'could not open its disk'
}

a_reset_that_was_not_asked_for_is_a_failure() {
	echo '{"ManifestPassthrough": {"reboot_on_exit": false}}' >"$T/ops.json"
	nanos --name reset -c "$T/ops.json" static
	status 125
	stderr_like 'reset the machine without a status'
	echo '{"ManifestPassthrough": {"reboot_on_exit": true}}' >"$T/ops.json"
	nanos --name reset -c "$T/ops.json" static
	status 0
}

what_qemu_always_says_is_not_the_console_s_last() {
	nanos --name probing-off static
	status 125
	stderr_like 'powered off without a status.*hello from nanos'
	unlike "$(cat "$T/err")" 'OFD lock'
}

one_in_the_foreground_that_does_not_obey_is_ended() {
	local pid
	"$VOLT" run --rm --name hung --stop-timeout 1 --guest nanos static >"$T/hung.out" 2>&1 &
	pid=$!
	wait_for 20 grep -q hello "$T/hung.out"
	kill -TERM $pid
	wait $pid
	is $? 137
}

the_last_of_the_console_is_kept_where_it_failed() {
	run volt run -d --name code-9 --guest nanos static
	run volt wait code-9
	stdout 9
	like "$(inspect code-9 .state.last_console)" 'hello from nanos$'
	run volt rm code-9
	run volt run -d --name code-0 --guest nanos static
	run volt wait code-0
	stdout 0
	is "$(inspect code-0 .state.last_console)" null
	run volt logs code-0
	stdout_like '^hello from nanos$'
	run volt rm code-0
}

the_machine_is_a_microvm_that_is_told_everything() {
	run volt run -d --name m --guest nanos -p 127.0.0.1::80 -m 64m --cpus 2 static
	status 0
	console m >"$T/argv"
	like "$(following -machine <"$T/argv")" '^microvm,ioapic2=off,'
	unlike "$(following -machine <"$T/argv")" 'acpi=off'
	is "$(following -bios <"$T/argv")" qboot.rom
	like "$(following -kernel <"$T/argv")" '^/proc/self/fd/'
	is "$(following -global <"$T/argv")" virtio-mmio.force-legacy=false
	is "$(following -m <"$T/argv") $(following -smp <"$T/argv")" '64M 2'
	like "$(following -device <"$T/argv")" '"isa-debug-exit","iobase":1281'
	like "$(following -device <"$T/argv")" 'virtio-rng-device'
	like "$(following -blockdev <"$T/argv")" '"node-name":"base","read-only":true'
	like "$(following -blockdev <"$T/argv")" '"backing":"base",.*"driver":"qcow2",.*"node-name":"root"'
	unlike "$(cat "$T/argv")" 'virtio-serial|-append|VGA|-vnc'
	like "$(cat "$T/argv")" 'argv -no-reboot'
	is "$(inspect m '[.spec.guest, .spec.memory, .spec.stop_timeout] | join(" ")')" \
		'nanos 67108864 35'
	like "$(inspect m .state.kernel.digest)" '^sha256:'
	run volt rm -f m
}

a_boot_sector_needs_a_pc_and_no_kernel() {
	run volt run -d --name b --guest nanos --boot bios static
	status 0
	console b >"$T/argv"
	like "$(following -machine <"$T/argv")" '^q35,'
	unlike "$(cat "$T/argv")" 'argv -(kernel|bios)'
	like "$(following -device <"$T/argv")" '"bootindex":0,"disable-legacy":"on","drive":"root","driver":"virtio-blk-pci"'
	like "$(following -device <"$T/argv")" '"disable-legacy":"on","driver":"virtio-net-pci"'
	run volt rm -f b
}

stop_and_kill_press_the_button() {
	run volt run -d --name s --guest nanos static
	run volt stop s
	status 0
	is "$(inspect s '[.state.exit_code, .state.stopped_by] | join(" ")')" '3 button'
	run volt start s
	run volt kill -s QUIT s
	status 125
	one_line_error 'power button only: INT, PWR and TERM press it, KILL ends it'
	run volt kill -s TERM s
	status 0
	run volt wait s
	stdout 3
	run volt start s
	run volt kill s
	run volt wait s
	stdout 137
	run volt rm s
}

# Its kernel was not there yet; nothing was written by then.
a_button_that_nobody_heard_is_pressed_again() {
	run volt run -d --name silent-deaf --guest nanos static
	run volt stop silent-deaf
	status 0
	is "$(inspect silent-deaf '[.state.exit_code, .state.stopped_by] | join(" ")')" '3 button'
	run volt rm silent-deaf
}

pause_restart_and_policies_are_as_for_others() {
	run volt run -d --name p --guest nanos static
	run volt pause p
	is "$(state_of p)" paused
	run volt unpause p
	run volt restart p
	status 0
	is "$(state_of p)" running
	run volt rm -f p
	run volt run -d --name code-5 --restart on-failure:2 --guest nanos static
	run volt wait code-5
	stdout 5
	is "$(inspect code-5 .state.restarts)" 2
	run volt rm code-5
}

machines_of_one_image_share_a_base() {
	local base before
	run volt create --name one --guest nanos static
	status 0
	base=$(base_of one)
	run volt create --name two --guest nanos -e A=b static some words
	status 0
	is "$(base_of two)" "$base"
	is "$(stat -c %a "$base")" 444
	before=$(stat -c '%i %Y' "$base")
	run volt start one two
	status 0
	is "$(stat -c '%i %Y' "$base")" "$before"
	for name in one two; do
		ok [ "$(du -k "$(machine_dir $name)/disk.qcow2" | cut -f 1)" -lt 1000 ]
	done
	run volt rm -f one two
}

a_second_start_writes_nothing_but_state() {
	local dir before
	run volt create --name again --guest nanos static
	run volt start again
	run volt stop again
	dir=$(machine_dir again)
	before=$(stat -c '%i %Y %s' "$dir/disk.qcow2" "$dir/disk.json")
	run volt start again
	status 0
	is "$(stat -c '%i %Y %s' "$dir/disk.qcow2" "$dir/disk.json")" "$before"
	run volt rm -f again
}

# What it writes there belongs to that base, byte for byte.
a_base_that_is_gone_is_made_again_the_same() {
	local base sum
	run volt create --name kept --guest nanos static
	base=$(base_of kept)
	sum=$(sha256sum <"$base")
	rm -f "$base" "$(machine_dir kept)/base.nanos"
	run volt start kept
	status 0
	is "$(sha256sum <"$base")" "$sum"
	is "$(stat -c %i "$(machine_dir kept)/base.nanos")" "$(stat -c %i "$base")"
	run volt rm -f kept
}

a_base_stays_with_its_machine_whatever_becomes_of_the_cache() {
	local base kept
	run volt create --name stays --guest nanos static
	base=$(base_of stays)
	kept=$(machine_dir stays)/base.nanos
	is "$(stat -c %i "$kept")" "$(stat -c %i "$base")"
	rm -f "$base"
	run volt nanos ls stays
	status 0
	ok [ -s "$T/out" ]
	run volt start stays
	status 0
	ok [ ! -e "$base" ]
	run volt nanos ls stays
	status 125
	one_line_error "machine 'stays' is running and writes to its disk: stop it first"
	run volt rm -f stays
}

# As a later volt would make it, had it another layout under the same name.
a_base_of_other_contents_is_refused() {
	local dir
	run volt create --name shifted --guest nanos static
	dir=$(machine_dir shifted)
	jq '.layout |= sub(":....";":0000")' "$dir/disk.json" >"$T/disk.json"
	cp "$T/disk.json" "$dir/disk.json"
	run volt start shifted
	status 125
	one_line_error "lies over other contents"
	rm -f "$(base_of shifted)" "$dir/base.nanos"
	run volt start shifted
	status 125
	one_line_error "lies over other contents"
	jq '.version=1' "$T/disk.json" >"$dir/disk.json"
	run volt start shifted
	status 125
	one_line_error "was made by another version of volt"
	run volt rm shifted
}

# As after a kill between the machine and its disk.
a_disk_that_was_never_made_is_made_at_the_start() {
	run volt create --name half --guest nanos static
	rm "$(machine_dir half)"/disk.*
	run volt start half
	status 0
	ok [ -f "$(machine_dir half)/disk.qcow2" ]
	run volt rm -f half
}

a_base_that_would_be_another_is_refused() {
	run volt create --name other --guest nanos --klib tls static
	"$here/make-nanos-release" "$T/newer" newer
	run volt kernel import --guest nanos --name newer "$T/newer"
	status 0
	run volt kernel default newer
	run volt start other
	status 125
	one_line_error "has another kernel on its disk than 'newer'"
	run volt rm other
	run volt create --name plain --guest nanos static
	jq '.base |= sub("-.*"; "-0123456789abcdef01234567.nanos")' \
		"$(machine_dir plain)/disk.json" >"$T/disk.json"
	cp "$T/disk.json" "$(machine_dir plain)/disk.json"
	rm "$(machine_dir plain)/base.nanos"
	run volt start plain
	status 125
	one_line_error "wrote to a disk that is gone"
	run volt rm plain
}

bases_go_with_their_image() {
	run volt create --name x --guest nanos static
	not_ok [ -z "$(bases)" ]
	run volt rm x
	run volt rmi static
	status 0
	is "$(bases)" ''
	load static
}

locks_pin_the_kernel() {
	run volt create --name l --guest nanos --lock "$T/lock" static
	status 0
	is "$(jq -r .kernel.name "$T/lock")" newer
	run volt rm l
	run volt create --name l --guest nanos --locked "$T/lock" static
	status 0
	jq '.kernel.digest |= sub("..$"; "00")' "$T/lock" >"$T/lock.other"
	run volt rm l
	run volt create --name l --guest nanos --locked "$T/lock.other" static
	status 125
	one_line_error 'kernel: have'
}

a_unit_says_the_same_machine() {
	run volt create --name u --guest nanos --boot bios --full --klib tls --nanos trace static
	run volt generate systemd --new u
	status 0
	stdout_like 'guest.*nanos.*boot.*bios.*full.*klib.*tls.*nanos.*trace'
	run volt rm u
}

# Does process $1 wait for the lock of machines/, or has it ended?
waits_or_ended() {
	grep -q -- "-> .*:$(stat -c %i "$VOLT_ROOT/machines/lock") " /proc/locks || ! alive "$1"
}
# Holds that lock, as who makes a machine does, until there is a file go.
hold_machines() {
	rm -f "$T/held" "$T/go"
	python3 - "$VOLT_ROOT/machines/lock" "$T/held" "$T/go" <<'EOF' &
import fcntl, os, struct, sys, time
lock = open(sys.argv[1], 'r+')
fcntl.fcntl(lock, fcntl.F_OFD_SETLKW, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 0, 0, 0))
open(sys.argv[2], 'w').close()
while not os.path.exists(sys.argv[3]):
    time.sleep(0.05)
EOF
	wait_for 60 [ -e "$T/held" ]
}

a_machine_that_is_made_meanwhile_keeps_its_volume() {
	local dir verb pid
	for verb in 'prune -f' 'rm data'; do
		run volt create --name keeper --guest nanos -v data:/data static
		status 0
		dir=$(machine_dir keeper)
		mv "$dir" "$T/unmade"
		hold_machines
		# shellcheck disable=SC2086
		"$VOLT" volume $verb >"$T/out" 2>"$T/err" &
		pid=$!
		wait_for 60 waits_or_ended "$pid"
		mv "$T/unmade" "$dir"
		touch "$T/go"
		wait
		is "$(volt volume ls -q)" data "after $verb"
		run volt rm keeper
		run volt volume rm data
		status 0
	done
}

load static
tap_run without_a_kernel_it_says_how_to_get_one \
	what_one_program_cannot_have_is_refused_with_the_reason \
	what_is_of_nanos_only_is_refused_without_it \
	what_cannot_run_is_refused_before_there_is_a_machine the_status_is_the_program_s \
	an_end_without_a_status_is_a_failure_that_shows_the_console \
	a_kernel_that_cannot_open_its_disk_is_ended_and_told \
	what_a_program_says_does_not_change_its_status \
	what_the_kernel_says_counts_with_its_status a_reset_that_was_not_asked_for_is_a_failure \
	what_qemu_always_says_is_not_the_console_s_last \
	one_in_the_foreground_that_does_not_obey_is_ended \
	the_last_of_the_console_is_kept_where_it_failed \
	the_machine_is_a_microvm_that_is_told_everything a_boot_sector_needs_a_pc_and_no_kernel \
	stop_and_kill_press_the_button a_button_that_nobody_heard_is_pressed_again \
	pause_restart_and_policies_are_as_for_others machines_of_one_image_share_a_base \
	a_second_start_writes_nothing_but_state a_base_that_is_gone_is_made_again_the_same \
	a_base_stays_with_its_machine_whatever_becomes_of_the_cache \
	a_base_of_other_contents_is_refused \
	a_disk_that_was_never_made_is_made_at_the_start \
	a_base_that_would_be_another_is_refused bases_go_with_their_image locks_pin_the_kernel \
	a_unit_says_the_same_machine a_machine_that_is_made_meanwhile_keeps_its_volume \
	nothing_is_left
