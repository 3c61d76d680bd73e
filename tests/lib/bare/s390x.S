/* SPDX-License-Identifier: Apache-2.0 */
/* s390-ccw-virtio: SCLP, first which events we send, then one for its ASCII console. */
	.globl	_start
_start:
	larl	%r3, mask
	lhi	%r2, 0x78
	sll	%r2, 16
	ahi	%r2, 5
	.insn	rre, 0xb2200000, %r2, %r3 /* servc */
	larl	%r3, write
	lhi	%r2, 0x76
	sll	%r2, 16
	ahi	%r2, 5
	.insn	rre, 0xb2200000, %r2, %r3
1:	j	1b
	.balign	4096
mask:	.short	mask_end - mask
	.byte	0, 0, 0, 0
	.short	0
	.short	0, 4
	.long	0, 0x40, 0x40, 0
mask_end:
	.balign	4096
write:	.short	write_end - write
	.byte	0, 0, 0, 0
	.short	0
event:	.short	write_end - event
	.byte	0x1a, 0
	.short	0
	.ascii	"bare s390x guest\n"
write_end:
