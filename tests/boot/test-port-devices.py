#!/usr/bin/env python3
"""The VMware back door by IN's registers, and the PC speaker into a WAV file, from a boot sector."""
import struct
import subprocess

from guest import VIREO, Vireo, need, run

SECTOR = r'''
.code16
.globl _start
_start:
    movl $0x564d5868, %eax
    movl $0x11223344, %ebx
    movl $10, %ecx
    movl $0x5658, %edx
    inl %dx, %eax
    pushl %eax
    movl %ebx, %eax
    call hex32
    popl %eax
    call hex32
    movl $0x564d5868, %eax
    movl $20, %ecx
    movw $0x5658, %dx
    inl %dx, %eax
    call hex32
    movl $0x12345678, %eax       /* the wrong number */
    movl $10, %ecx
    movw $0x5658, %dx
    inl %dx, %eax
    call hex32
    movb $0xb6, %al              /* 1000 Hz for a quarter of a second */
    outb %al, $0x43
    movb $0xa9, %al
    outb %al, $0x42
    movb $0x04, %al
    outb %al, $0x42
    inb $0x61, %al
    orb $3, %al
    outb %al, $0x61
    sti
    movl $6, %ecx
1:  movl 0x46c, %eax
2:  hlt
    cmpl 0x46c, %eax
    je 2b
    loop 1b
    inb $0x61, %al
    andb $0xfc, %al
    outb %al, $0x61
    movw $0x501, %dx
    xorw %ax, %ax
    outb %al, %dx
    hlt
hex32:
    movw $8, %cx
    movl %eax, %esi
3:  roll $4, %esi
    movl %esi, %eax
    andb $15, %al
    addb $'0', %al
    cmpb $'9', %al
    jbe 4f
    addb $39, %al
4:  movw $0x3f8, %dx
    outb %al, %dx
    loop 3b
    movb $' ', %al
    outb %al, %dx
    ret
.org 510
.word 0xaa55
'''


def start(tmp, *args):
    src, obj, img = tmp + '/s.s', tmp + '/s.o', tmp + '/s.img'
    open(src, 'w').write(SECTOR)
    subprocess.run(['as', '--32', src, '-o', obj], check=True)
    subprocess.run(['ld', '-m', 'elf_i386', '-Ttext', '0x7c00', '--oformat', 'binary', '-o', img, obj], check=True)
    return Vireo('-drive', 'format=raw,file=' + img, '-display', 'none', '-serial', 'stdio', '-monitor', 'none', '-nic', 'none',
                 '-device', 'isa-debug-exit,iobase=0x501', '-m', '64', *args)


def back_door_and_speaker(tmp):
    with start(tmp, '-audiodev', 'wav,id=w,path=%s/s.wav' % tmp, '-machine', 'pcspk-audiodev=w') as vm:
        vm.expect('564d5868 00000006 04000000 ffffffff ')
        vm.wait(1)
    d = open(tmp + '/s.wav', 'rb').read()
    need(d[:4] == b'RIFF' and struct.unpack('<I', d[40:44])[0] == len(d) - 44, 'the header: %r' % d[:44])
    left = struct.unpack('<%dh' % ((len(d) - 44) // 2), d[44:])[::2]
    need(len(left) > 44100 // 5, '%d frames' % len(left))
    part = left[2000:2000 + 4410]
    n = sum(a < 0 <= b for a, b in zip(part, part[1:]))
    need(abs(n - 100) <= 2, 'not 1000 Hz: %d' % (10 * n))


def off(tmp):
    with start(tmp, '-machine', 'vmport=off') as vm:
        vm.expect('11223344 ffffffff ffffffff ffffffff ')


run([back_door_and_speaker, off])
