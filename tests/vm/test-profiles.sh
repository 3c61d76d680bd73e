#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Profiles made of this host's packages: they hold what QEMU opens and nothing else, and run
# where there is nothing else. The guests are kernels of a few instructions (tests/lib/bare)
# on volt's own machines; the QEMUs are real.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
machine=${VOLT%/*}/tests/lib/start-machine
firmware=/usr/share/qemu

for name in kvm-linux kvm-uefi emulate-x86 emulate-foreign; do
	volt qemu build "$name" --from host >"$T/build-$name.out" 2>"$T/build-$name.err" || {
		sed 's/^/# /' "$T/build-$name.err"
		echo "Bail out! profile $name cannot be built"
		exit 1
	}
done
for name in aarch64 riscv64 ppc64 mips64el s390x vmlinux bzimage; do
	"$here/make-bare-guest" "$name" "$T/$name" || {
		echo "Bail out! guest $name cannot be made"
		exit 1
	}
done

manifest() {
	echo "$VOLT_ROOT/cas/refs/$(tr -d '\n' <"$VOLT_ROOT/cas/refs/tags/$1").json"
}
objects() {
	jq -r '.objects | to_entries[] | .key + " " + .value' "$(manifest "$1")"
}
sources() {
	jq -r '.sources | to_entries[] | .key + " " + .value' "$(manifest "$1")"
}

# rows PROFILE: "ARCH KIND ACCEL QEMU" of each machine that runs from it.
rows() {
	local arch kind qemu
	"$machine" rows | while read -r arch kind qemu; do
		objects "$1" | grep -q "^bin/qemu-system-$qemu " || continue
		case $1 in
			kvm-linux) echo "$arch $kind kvm $qemu" ;;
			emulate-*) echo "$arch $kind tcg $qemu" ;;
		esac
	done
}
# kernels QEMU: what can be given to it.
kernels() {
	if [ "$1" = x86_64 ]; then
		echo vmlinux bzimage
	else
		echo "$1"
	fi
}
# has ACCEL: can it be had here? A KVM that is slow will do.
has() {
	[ "$1" = tcg ] || { : <>/dev/kvm; } 2>/dev/null
}

# --- what it is made of ---

a8_every_object_is_the_file_that_it_was_made_of() {
	local name path digest source
	for name in kvm-linux kvm-uefi emulate-x86 emulate-foreign; do
		is "$(objects "$name" | cut -d ' ' -f 1)" "$(sources "$name" | cut -d ' ' -f 1)" "$name"
		while read -r path digest && read -r path source <&3; do
			is "$(sha256sum <"$source" | cut -d ' ' -f 1)" "$digest" "$name: $path"
		done < <(objects "$name") 3< <(sources "$name")
	done
}

a_second_build_of_the_same_files_changes_nothing() {
	local name
	files() {
		(cd "$VOLT_ROOT/cas" && find objects refs -type f -printf '%p %s\n' | sort)
	}
	files >"$T/before"
	for name in kvm-linux emulate-foreign; do
		run volt --log-level info qemu build "$name" --from host
		status 0
		like "$(cat "$T/out" "$T/err")" "$name.*has not changed"
		is "$(files | diff "$T/before" -)" '' "$name"
	done
}

# --- what QEMU opens ---

# opened FILE: the host's files that a trace has opened, as they are without links.
opened() {
	sed -nE 's/^[0-9]+ +open(at)?\((AT_FDCWD, )?"([^"]+)".* = [0-9]+$/\3/p' "$1" |
		grep -E '^/(usr|lib)' | xargs -r realpath -q | sort -u
}
# sought FILE: firmware that it has looked for and found nowhere.
sought() {
	sed -nE 's,^[0-9]+ +[a-z]+\((AT_FDCWD\, )?"[^"]*/(share/qemu|share/seabios|ipxe/qemu)/([^"]+)".*,\3,p' \
		"$1" | sort -u | while read -r name; do
		grep -qE "/${name//./\\.}\".* = [0-9]+$" "$1" || echo "$name"
	done
}

# trace OUT ARCH KIND ACCEL QEMU KERNEL
trace() {
	"$machine" init "$2" "$3" "$4" "$T/$6" "$firmware" strace -D -f -qq -e trace=%file \
		-o "$1" "qemu-system-$5" >"$T/trace.out" 2>&1 || bad "$*" "$(cat "$T/trace.out")"
}

# A file that is missing may be noticed by nobody: without linuxboot_dma.bin a machine starts
# and does nothing. So every row of the machine table is traced, with each kind of kernel.
what_qemu_opens_is_what_its_profile_holds() {
	local name arch kind accel qemu kernel extra
	for name in kvm-linux emulate-x86 emulate-foreign; do
		sources "$name" | cut -d ' ' -f 2 | sort -u >"$T/held"
		: >"$T/all-opened"
		while read -r arch kind accel qemu; do
			has "$accel" || continue 2
			for kernel in $(kernels "$qemu"); do
				trace "$T/trace" "$arch" "$kind" "$accel" "$qemu" "$kernel"
				opened "$T/trace" >"$T/opened"
				is "$(comm -23 "$T/opened" "$T/held")" '' "$name $arch $kind $kernel opens, and lacks"
				is "$(sought "$T/trace")" '' "$name $arch $kind $kernel does not find"
				cat "$T/opened" >>"$T/all-opened"
			done
		done < <(rows "$name")
		extra='^(lib/[^/]*|bin/.*|firmware/(OVMF.*|AAVMF.*|vgabios.*|keymaps/.*)) '
		sources "$name" | grep -Ev "$extra" | cut -d ' ' -f 2 | sort -u >"$T/wanted"
		is "$(comm -13 <(sort -u "$T/all-opened") "$T/wanted")" '' "$name holds, and never opens"
	done
}

# --- where there is nothing else ---

# empty_root PROFILE: a root with the assembled profile, hard-linked, and the kernels.
empty_root() {
	[ -e "$T/root-$1" ] || cp -al "$(volt qemu resolve "$1")" "$T/root-$1" || return
	mkdir -p "$T/root-$1/guest" "$T/root-$1/dev"
	: >"$T/root-$1/dev/kvm"
	cp "$T"/{aarch64,riscv64,ppc64,mips64el,s390x,vmlinux,bzimage} "$T/root-$1/guest"
}

# boot PROFILE ARCH KIND ACCEL QEMU KERNEL: prints what the guest says. No /proc, no /dev
# but KVM's, no library but the profile's.
boot() {
	local root=$T/root-$1 loader enter
	loader=$(jq -r .loader "$(manifest "$1")")
	enter="exec chroot '$root' \"\$@\""
	[ "$4" = tcg ] || enter="mount --bind /dev/kvm '$root/dev/kvm' && $enter"
	QEMU_MODULE_DIR=/lib/qemu "$machine" start "$2" "$3" "$4" "/guest/$6" /firmware unshare -Urm sh -c "$enter" boot \
		"/$loader" --library-path /lib --argv0 qemu "/bin/qemu-system-$5" 2>"$T/boot.err"
}

a28_every_guest_boots_where_there_is_nothing_but_its_profile() {
	local name arch kind accel qemu kernel n=0
	for name in kvm-linux emulate-x86 emulate-foreign; do
		empty_root "$name" || return
		while read -r arch kind accel qemu; do
			has "$accel" || continue
			# SeaBIOS takes a minute where KVM is only nominal.
			[ "$accel $kind" != 'kvm q35' ] || continue
			for kernel in $(kernels "$qemu"); do
				like "$(boot "$name" "$arch" "$kind" "$accel" "$qemu" "$kernel")" \
					"^bare $kernel guest" "$name: $arch $kind: $(cat "$T/boot.err")"
				n=$((n + 1))
			done
		done < <(rows "$name")
	done
	[ "$n" -ge 9 ] || bad "only $n guests were tried"
}

# volt's own kernel, too.
a28_linux_says_its_first_line_where_there_is_nothing_but_its_profile() {
	local name kind
	kernel
	for name in emulate-x86 kvm-linux; do
		[ "$name" = emulate-x86 ] ||
			volt qemu select --mode auto --format json | jq -e .kvm_usable >/dev/null || continue
		empty_root "$name" || return
		cp "$VOLT_ROOT"/kernels/*/kernel "$T/root-$name/guest/linux"
		for kind in microvm q35; do
			like "$(boot "$name" x86_64 "$kind" "$([ "$name" = kvm-linux ] && echo kvm || echo tcg)" \
				x86_64 linux | tr -d '\r')" 'Linux version [0-9]' "$name: $kind: $(cat "$T/boot.err")"
		done
	done
}

tap_run a8_every_object_is_the_file_that_it_was_made_of \
	a_second_build_of_the_same_files_changes_nothing \
	what_qemu_opens_is_what_its_profile_holds \
	a28_every_guest_boots_where_there_is_nothing_but_its_profile \
	a28_linux_says_its_first_line_where_there_is_nothing_but_its_profile
