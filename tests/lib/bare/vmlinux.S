/* SPDX-License-Identifier: Apache-2.0 */
/* A PC that is started like an uncompressed Linux: by PVH, in 32 bits. */
	.globl	_start
_start:
	mov	$text, %esi
	mov	$0x3f8, %edx
1:	lodsb
	test	%al, %al
	jz	2f
	outb	%al, %dx
	jmp	1b
2:	hlt
	jmp	2b
text:	.asciz	"bare vmlinux guest\n"

	.section .note.Xen, "a", @note
	.balign	4
	.long	4, 4, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	_start
