/* SPDX-License-Identifier: Apache-2.0 */
/* A PC that is started like a compressed Linux: its setup code runs in real mode, which is
 * all there is of it. */
	.code16
	.globl	_start
_start:
	.org	0x1f1
	.byte	1    /* sectors of setup code */
	.short	0
	.long	1    /* of protected mode code: 16 bytes */
	.org	0x1fe
	.short	0xaa55
	jmp	setup
	.ascii	"HdrS"
	.short	0x20c /* the protocol */
	.long	0
	.short	0, 0
	.byte	0, 1  /* loaded high */
	.short	0
	.long	0x100000, 0, 0, 0
	.short	0xfe00, 0
	.long	0, 0x7fffffff
	.org	0x280
setup:	mov	%cs, %ax
	mov	%ax, %ds
	mov	$(text - 0x200), %si
	mov	$0x3f8, %dx
1:	lodsb
	test	%al, %al
	jz	2f
	outb	%al, %dx
	jmp	1b
2:	hlt
	jmp	2b
text:	.asciz	"bare bzimage guest\n"
	.org	0x410
