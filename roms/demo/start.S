/* start.S - the demo guest's boot sector: reads the rest of itself with INT 13h, asks the BIOS for the
 * memory map, turns A20 on and enters 32-bit protected mode with flat segments at demo_main().
 * Spec: the PC BIOS boot contract (sector at 7C00h, drive in DL); ACPI 6.0 section 15 (INT 15h E820h). */
    .code16
    .section .boot, "ax"
    .globl _start
_start:
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $0x7c00, %sp
    ljmp $0, $1f
1:  sti
    movb %dl, boot_drive

    /* All sectors behind this one, one by one by LBA packets: any size, any geometry. */
    movw $image_sectors, %cx         /* behind the boot sector: demo.ld */
2:  movw $packet, %si
    movb boot_drive, %dl
    movb $0x42, %ah
    pushw %cx
    int $0x13
    popw %cx
    jc disk_error
    addw $32, packet_segment
    incl packet_lba
    loop 2b

    /* E820 entries of 24 bytes each (20 used) */
    movw $e820_map, %di
    xorl %ebx, %ebx
    xorw %bp, %bp
3:  movl $0xe820, %eax
    movl $20, %ecx
    movl $0x534d4150, %edx
    int $0x15
    jc 4f
    addw $24, %di
    incw %bp
    cmpw $32, %bp
    jae 4f
    testl %ebx, %ebx
    jnz 3b
4:  movw %bp, e820_count

    movw $0x2401, %ax               /* A20 by the BIOS, else by port 92h */
    int $0x15
    jnc 5f
    inb $0x92, %al
    orb $2, %al
    andb $0xfe, %al
    outb %al, $0x92
5:  cli
    lgdt gdt_pointer
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmp $8, $start32

disk_error:
    movw $disk_message, %si
6:  lodsb
    testb %al, %al
    jz 7f
    movb $0x0e, %ah
    movw $7, %bx
    int $0x10
    jmp 6b
7:  hlt
    jmp 7b

disk_message:
    .asciz "demo: cannot read the boot disk\r\n"
    .globl boot_drive
boot_drive:
    .byte 0
    .balign 4
packet:
    .byte 16, 0
    .word 1
    .word 0
packet_segment:
    .word 0x7e0                     /* 7E00h: right behind the sector */
packet_lba:
    .long 1, 0
    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9a000000ffff
    .quad 0x00cf92000000ffff
gdt_pointer:
    .word gdt_pointer - gdt - 1
    .long gdt
    .org 510
    .word 0xaa55

    .text
    .code32
start32:
    movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %fs
    movw %ax, %gs
    movw %ax, %ss
    movl $0x7c00, %esp
    movl $image_end, %edi
    movl $bss_end, %ecx
    subl %edi, %ecx
    xorl %eax, %eax
    rep stosb
    call demo_main
8:  hlt
    jmp 8b

/* IRQ 0: one timer tick */
    .globl timer_entry
timer_entry:
    pushl %eax
    incl timer_ticks
    movb $0x20, %al
    outb %al, $0x20
    popl %eax
    iret

    .data
    .globl e820_map, e820_count
e820_count:
    .long 0
e820_map:
    .fill 32 * 24, 1, 0
