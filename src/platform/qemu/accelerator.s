# A guest of one sector that says whether an accelerator really runs 64-bit code.
#
# The firmware loads it at 0x7c00 in real mode. It goes to protected mode, builds page tables that map the first GiB,
# enters long mode, runs 64-bit code with SSE and a page fault's worth of memory, takes an interrupt of its own local
# APIC timer, and ends QEMU through the isa-debug-exit device at port 0xf4: value 0x10 makes exit status 33.
        .code16
        .globl _start
_start: cli
        xor %ax, %ax
        mov %ax, %ds
        mov %ax, %ss
        mov $0x7c00, %sp
        lgdtl gdtr
        mov %cr0, %eax
        or $1, %al
        mov %eax, %cr0
        ljmp $0x08, $protected

        .code32
protected:
        mov $0x10, %ax
        mov %ax, %ds
        mov %ax, %es
        mov %ax, %ss
        # Page tables at 0x10000 (level 4), 0x11000 (level 3), 0x12000..0x15fff (four of level 2): 4 GiB, 2 MiB pages.
        cld
        mov $0x10000, %edi
        mov %edi, %cr3
        xor %eax, %eax
        mov $0x6000/4, %ecx
        rep stosl
        movl $0x11003, 0x10000
        movl $0x12003, 0x11000
        movl $0x13003, 0x11008
        movl $0x14003, 0x11010
        movl $0x15003, 0x11018
        mov $0x12000, %edi
        mov $0x83, %eax
        mov $2048, %ecx
1:      mov %eax, (%edi)
        add $8, %edi
        add $0x200000, %eax
        loop 1b
        # PAE and SSE, then EFER.LME, then paging.
        mov %cr4, %eax
        or $0x620, %eax
        mov %eax, %cr4
        mov $0xc0000080, %ecx
        rdmsr
        or $0x100, %eax
        wrmsr
        mov %cr0, %eax
        and $~4, %eax
        or $0x80000002, %eax
        mov %eax, %cr0
        ljmp $0x18, $long

        .code64
long:   # The interrupt table at 0x16000: vector 0x40 only.
        mov $0x16400, %edi
        mov $tick, %eax
        mov %ax, (%rdi)
        movl $0x8e000018, 2(%rdi)
        shr $16, %eax
        mov %ax, 6(%rdi)
        lidt idtr
        # SSE arithmetic that must come out right.
        mov $0x0123456789abcdef, %rax
        movq %rax, %xmm0
        paddq %xmm0, %xmm0
        movq %xmm0, %rbx
        add %rax, %rax
        cmp %rax, %rbx
        jne .
        # The two old interrupt controllers are silenced: only the APIC's own vector has an entry.
        mov $0xff, %al
        out %al, $0x21
        out %al, $0xa1
        # The local APIC's timer, once, after some thousand bus cycles.
        mov $0xfee00000, %esi
        movl $0x1ff, 0xf0(%rsi)
        movl $0x40, 0x320(%rsi)
        movl $0xb, 0x3e0(%rsi)
        movl $0x10000, 0x380(%rsi)
        sti
2:      hlt
        jmp 2b
tick:   mov $0x10, %al
        out %al, $0xf4
        jmp .

        .balign 8
gdt:    .quad 0
        .quad 0x00cf9a000000ffff
        .quad 0x00cf92000000ffff
        .quad 0x00af9a000000ffff
gdtr:   .word . - gdt - 1
        .long gdt
idtr:   .word 0x40 * 16 + 15
        .quad 0x16000
        .org 510
        .word 0xaa55
