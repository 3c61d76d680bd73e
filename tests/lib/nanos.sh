# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Releases of Nanos made up by tests: volt takes them, no machine boots from them.

# le SIZE NUMBER: little-endian bytes.
le() {
	local k n=$2
	for ((k = 0; k < $1; k++)); do
		# shellcheck disable=SC2059
		printf "\\$(printf %03o $((n & 255)))"
		n=$((n >> 8))
	done
}

# elf TYPE TEXT: an ELF file for x86-64 with one empty segment, and TEXT behind it.
elf() {
	printf '\177ELF\2\1\1'
	le 9 0
	le 2 "$1"   # 2: a kernel, 3: a klib
	le 2 62     # x86-64
	le 4 1
	le 8 0
	le 8 64     # program headers
	le 12 0
	le 2 64
	le 2 56     # their size
	le 2 1      # and number
	le 6 0
	le 4 1
	le 52 0
	printf '%s' "$2"
}

# boot_loader SECTORS: a boot sector and so many more of what it loads.
boot_loader() {
	le 434 0
	le 8 $(($1 * 512))
	le 68 0
	printf '\125\252'
	head -c $(($1 * 512)) /dev/zero
}

# uefi_program: the headers of one.
uefi_program() {
	printf MZ
	le 58 0
	le 4 64
	printf 'PE\0\0'
	le 2 34404
}

# release DIR [TEXT]: all that a release has; TEXT in the kernel tells one from another.
release() {
	mkdir -p "$1/klibs"
	elf 2 "${2:-}" >"$1/kernel.img"
	boot_loader 2 >"$1/boot.img"
	uefi_program >"$1/bootx64.efi"
	elf 3 one >"$1/klibs/tls"
	elf 3 two >"$1/klibs/ntp"
}
