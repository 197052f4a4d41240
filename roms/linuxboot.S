/* linuxboot.S - option ROM behind -kernel for Linux images: fetches the real-mode setup part, the kernel,
 * the initrd and the command line from fw_cfg to where the board decided (hw/pc/boot.c has filled in the
 * setup header), and enters the kernel's 16-bit entry point.
 * Spec: Linux Documentation/arch/x86/boot.rst, "Running the kernel". */
.include "roms/optrom.inc"

ROM_HEADER "Linux loader"

boot_entry:
    cli
    cld
    /* A stack of our own below the setup part: segment 0x8000, which nobody uses at boot. */
    movw $0x8000, %ax
    movw %ax, %ss
    movl $0xf000, %esp
    LOAD_ITEM KEY_SETUP_ADDR, KEY_SETUP_SIZE, KEY_SETUP_DATA
    LOAD_ITEM KEY_CMDLINE_ADDR, KEY_CMDLINE_SIZE, KEY_CMDLINE_DATA
    LOAD_ITEM KEY_KERNEL_ADDR, KEY_KERNEL_SIZE, KEY_KERNEL_DATA
    LOAD_ITEM KEY_INITRD_ADDR, KEY_INITRD_SIZE, KEY_INITRD_DATA

    /* All segments at the setup part, the stack at the top of its heap's 64 KiB (heap_end_ptr and
     * the command line lie below); entry is 0x20 paragraphs in: cs = setup + 0x20, ip = 0. */
    movw $KEY_SETUP_ADDR, %cx
    call fw_cfg_word
    shrl $4, %eax
    movw $KEY_CMDLINE_ADDR, %cx
    pushl %eax
    call fw_cfg_word                /* the command line sits right above the stack */
    popl %ebx
    movl %ebx, %ecx
    shll $4, %ecx
    subl %ecx, %eax
    subl $16, %eax
    cmpl $0xfff0, %eax              /* a line elsewhere: the whole segment is ours */
    jbe 3f
    movl $0xfff0, %eax
3:  movw %bx, %ds
    movw %bx, %es
    movw %bx, %fs
    movw %bx, %gs
    movw %bx, %ss
    movl %eax, %esp
    addw $0x20, %bx
    pushw %bx
    pushw $0
    xorl %eax, %eax
    xorl %ebx, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %edi, %edi
    xorl %ebp, %ebp
    lret

FW_CFG_ROUTINES
    .byte 0                         /* sign-rom: checksum */
    .balign 512, 0
_end:
