/* tour.S - the guest of docs/tour.md: a boot sector that enters 64-bit mode and runs the few instructions
 * that the tour follows, each piece in TBs of its own. tests/docs/test-docs.py assembles and runs it.
 * Spec: PC BIOS boot contract (sector at 7C00h); Intel SDM vol. 3, 9.8.5 (entering IA-32e mode).
 * Ends through isa-debug-exit (port 501h) with the number of passes of the loop.
 * The 64-bit code begins at 7D00h, so that -dfilter 0x7d00+0x100 shows it alone. */
#define PML4 0x10000
#define PDPT 0x11000
#define PD0  0x12000
#define PT0  0x13000 /* first 2 MiB, 4 KiB pages */
#define PD3  0x14000 /* the last GiB below 4 GiB: one 2 MiB page with the HPET */
#define IDT  0x15000
#define COUNTER 0x20000 /* far from code */
#define HPET 0xfed00000
    .code16
    .globl _start
_start:
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %ss
    movw $0x7c00, %sp
    movw $PML4 >> 4, %ax
    movw %ax, %es
    xorw %di, %di
    xorw %ax, %ax
    movw $0x3000, %cx
    rep stosw                       /* 10000h-15fffh */
    movw $PDPT + 3 - PML4, %es:PML4 - PML4
    movw $1, %es:2
    movw $PD0 - PML4 + 3, %es:PDPT - PML4
    movw $1, %es:PDPT - PML4 + 2
    movw $PD3 - PML4 + 3, %es:PDPT - PML4 + 24
    movw $1, %es:PDPT - PML4 + 26
    movw $PT0 - PML4 + 3, %es:PD0 - PML4
    movw $1, %es:PD0 - PML4 + 2
    movl $0xfec00000 | 0x93, %es:PD3 - PML4 + 0x1f6 * 8 /* present, writable, PCD, 2 MiB */
    movw $PT0 - PML4, %di
    movl $3, %eax
1:  movl %eax, %es:(%di)
    addw $8, %di
    addl $0x1000, %eax
    cmpl $0x200003, %eax
    jne 1b
    /* one gate: vector 20h */
    movw $irq0, %es:IDT - PML4 + 0x200
    movw $8, %es:IDT - PML4 + 0x202
    movw $0x8e00, %es:IDT - PML4 + 0x204
    /* interrupt controller: vectors from 20h, only the timer */
    movb $0x11, %al
    outb %al, $0x20
    movb $0x20, %al
    outb %al, $0x21
    movb $4, %al
    outb %al, $0x21
    movb $1, %al
    outb %al, $0x21
    movb $0xfe, %al
    outb %al, $0x21

    movl $0x20, %eax                /* PAE */
    movl %eax, %cr4
    movl $PML4, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx          /* EFER.LME */
    rdmsr
    orb $1, %ah
    wrmsr
    lgdtl gdtr
    lidtl idtr
    movl %cr0, %eax
    orl $0x80000001, %eax
    movl %eax, %cr0
    ljmp $8, $tour

gdtr: .word 15
    .long gdt
idtr: .word 0x20f
    .long IDT
    .balign 8
gdt: .quad 0, 0x00209a0000000000

    .org 0x100
    .code64
    .globl tour
tour:
    movabsq $0x1234567890abcdef, %rax       /* station: one instruction all the way */
    jmp 1f
1:  movl $COUNTER, %ebx
    movl $0x4dfc9633, (%rbx)                /* -3 * 90abcdefh */
    xorl %ecx, %ecx
    jmp pass

pass:                                       /* station: memory, flags, a branch */
    incl %ecx
    jmp 1f
1:  addl %eax, (%rbx)
    jz zero
    jmp pass

zero:
    incl near_code(%rip)                    /* station: data beside code is NOTDIRTY */
    jmp 1f
1:  movb $2, patch + 1(%rip)                /* station: code that is changed: 1 becomes 2 */
patch:
    movb $1, %dl
    jmp 1f
1:  movl $HPET, %edi
    movl (%rdi), %esi                       /* station: a device */
    sti
    hlt                                     /* station: interrupt */
    addb %dl, %cl
    movl %ecx, %eax
    movw $0x501, %dx
    outb %al, %dx                           /* station: exit, status (3 + 2) * 2 + 1 */
1:  hlt
    jmp 1b

irq0:
    pushq %rax
    movb $0x20, %al
    outb %al, $0x20
    popq %rax
    iretq

near_code: .long 0
    .org 510
    .word 0xaa55
