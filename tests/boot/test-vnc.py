#!/usr/bin/env python3
"""The VNC server in the whole program: pictures, keys as keysyms and scan codes, the mouse, several clients, mode
changes, the monitor's commands. The guest is a boot sector that tells on COM1 what comes from the keyboard
controller."""
import os
import re
import socket
import subprocess
import time

from guest import Fail, Monitor, Vireo, need, run
from rfb import DESKTOP_SIZE, EXT_KEY, RAW, Rfb, RfbError

# The BIOS makes the screen blue; then interrupts off and everything by polling. K xx / M xx on the serial line; a
# space on the keyboard (39) changes to mode 13h and paints one pixel row red.
SECTOR = r'''
.code16
.globl _start
_start:
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %ss
    movw $0x7c00, %sp
    movw $3, %ax
    int $0x10
    movw $0x0600, %ax
    movb $0x17, %bh
    xorw %cx, %cx
    movw $0x184f, %dx
    int $0x10
    cli
    movb $0xa8, %al
    call command
    movb $0x60, %al
    call command
    movb $0x40, %al
    call data
    movb $0xd4, %al
    call command
    movb $0xf4, %al
    call data
    movb $'!', %al
    call putc
loop:
    inb $0x64, %al
    testb $1, %al
    jz loop
    movb $'K', %bl
    testb $0x20, %al
    jz 1f
    movb $'M', %bl
1:  inb $0x60, %al
    movb %al, %bh
    movb %bl, %al
    call putc
    movb %bh, %al
    shrb $4, %al
    call hex
    movb %bh, %al
    andb $15, %al
    call hex
    cmpw $0x394b, %bx
    jne loop
    movw $0x13, %ax
    int $0x10
    cli
    movw $0xa000, %ax
    movw %ax, %es
    xorw %di, %di
    movb $4, %al
    movw $320, %cx
    rep stosb
    jmp loop
hex:
    addb $'0', %al
    cmpb $'9', %al
    jbe putc
    addb $39, %al
putc:
    movb %al, %ah
    movw $0x3fd, %dx
2:  inb %dx, %al
    testb $0x20, %al
    jz 2b
    movb %ah, %al
    movw $0x3f8, %dx
    outb %al, %dx
    ret
command:
    call ready
    outb %al, $0x64
    ret
data:
    call ready
    outb %al, $0x60
    ret
ready:
    pushw %ax
3:  inb $0x64, %al
    testb $2, %al
    jnz 3b
    popw %ax
    ret
.org 510
.word 0xaa55
'''


def guest(tmp):
    src, obj, img = tmp + '/s.s', tmp + '/s.o', tmp + '/s.img'
    open(src, 'w').write(SECTOR)
    subprocess.run(['as', '--32', src, '-o', obj], check=True)
    subprocess.run(['ld', '-m', 'elf_i386', '-Ttext', '0x7c00', '--oformat', 'binary', '-o', img, obj], check=True)
    return img


def free_display():
    for d in range(40, 90):
        s = socket.socket()
        try:
            s.bind(('127.0.0.1', 5900 + d))
            return d
        except OSError:
            pass
        finally:
            s.close()
    raise Fail('no free VNC port')


def start(tmp, *args):
    vm = Vireo('-drive', 'format=raw,file=' + guest(tmp), '-display', 'none', '-serial', 'stdio', '-nic', 'none',
               '-monitor', 'unix:%s/m,server=on,wait=off' % tmp, '-vnc', 'unix:%s/v,password=off' % tmp, *args)
    vm.expect('!')
    return vm


def pictures_and_keys(tmp):
    with start(tmp) as vm:
        c = Rfb(tmp + '/v')
        need(c.name == 'Vireo', c.name)
        c.wait('the blue screen', lambda c: (c.width, c.height, c.pixel(700, 390)) == (720, 400, 0x0000aa))
        c.press(ord('a'))
        vm.expect('K1eK9e')
        c.key(0xffe1, 1)                # Shift, then a sign that Shift makes
        c.press(ord('!'))
        c.key(0xffe1, 0)
        vm.expect('K2aK02K82Kaa')
        c.press(ord('B'))               # the sign alone: Shift comes from the server
        vm.expect('K2aK30KaaKb0')
        c.press(0xff52)                 # Up: with its prefix
        vm.expect('Ke0K48Ke0Kc8')
        c.key(ord('('), 1)              # Shift was let go before the key
        c.key(ord('9'), 0)
        vm.expect('K2aK0aKaaK8a')
        c.key(ord('q'), 1)              # who leaves, lets go
        vm.expect('K10')
        c.close()
        vm.expect('K90')


def scan_codes(tmp):
    with start(tmp) as vm:
        c = Rfb(tmp + '/v', (RAW, DESKTOP_SIZE, EXT_KEY))
        c.update(0)
        need(any(p[0] == EXT_KEY for p in c.pseudo), 'the extension was not confirmed: %r' % c.pseudo)
        c.ext_key(0x41, 0x1e, 1)        # the scan code counts, not the sign
        c.ext_key(0x61, 0x1e, 0)
        vm.expect('K1eK9e')
        c.ext_key(0, 0x9d, 1)           # right Ctrl
        c.ext_key(0, 0x9d, 0)
        vm.expect('Ke0K1dKe0K9d')
        c.ext_key(ord('a'), 0, 1)       # no scan code: the sign
        c.ext_key(ord('a'), 0, 0)
        vm.expect('K1eK9e')


def mouse(tmp):
    with start(tmp) as vm:
        c = Rfb(tmp + '/v')
        c.update(0)
        c.pointer(100, 100)
        c.pointer(105, 97)              # PS/2: 5 to the right, 3 up
        vm.expect('M08M05M03')
        c.pointer(105, 97, 1)
        vm.expect('M09M00M00')
        c.pointer(105, 97, 4)
        vm.expect('M0aM00M00')
        c.pointer(95, 97, 0)
        vm.expect('M18Mf6M00')


def mode_change(tmp):
    with start(tmp) as vm:
        old, c = Rfb(tmp + '/v', (RAW,)), Rfb(tmp + '/v')
        old.update(0)
        c.wait('text', lambda c: c.height == 400)
        c.press(ord(' '))
        vm.expect('K39')
        c.wait('mode 13h', lambda c: (c.width, c.height) == (640, 400) and c.pixel(600, 1) == 0xaa0000 and not c.pixel(0, 2))
        need(any(p[0] == DESKTOP_SIZE for p in c.pseudo), 'no new desktop size')
        # one that cannot change its size goes on with the old one
        old.wait('mode 13h in the old size', lambda c: c.pixel(600, 1) == 0xaa0000)
        need(old.width == 720, 'the size changed')
        # and the picture is what screendump shows
        Monitor(tmp + '/m').cmd('screendump %s/s.ppm' % tmp)
        need(open(tmp + '/s.ppm', 'rb').read() == c.ppm(), 'screendump differs')


def clients_and_monitor(tmp):
    with start(tmp) as vm:
        m = Monitor(tmp + '/m')
        t = m.cmd('info vnc')
        need(re.fullmatch(r'default:\n  Server: \S+/v: \(unix\)\n    Auth: none \(Sub: none\)\n', t), t)
        cs = [Rfb(tmp + '/v') for _ in range(5)]
        for c in cs:
            c.update(0)
        need(m.cmd('info vnc').count('  Client: ') == 5, 'not five clients')
        need('PS/2 Mouse' in m.cmd('info mice'), 'info mice')
        for c in cs[:4]:
            c.close()
        cs[4].press(ord('x'))
        vm.expect('K2dKad')
        alone = Rfb(tmp + '/v', shared=0)   # exclusive: the other one has to go
        alone.update(0)
        try:
            while True:
                cs[4].update(0)
        except (RfbError, OSError):
            pass
        t = m.cmd('set_password vnc x')
        need('Error' in t and 'password=on' in t, t)
        m.cmd('quit')
        vm.wait(0)
        need(not os.path.exists(tmp + '/v'), 'the socket stays behind')


def tcp_and_passwords(tmp):
    d = free_display()
    img = guest(tmp)
    args = ['-drive', 'format=raw,file=' + img, '-display', 'none', '-serial', 'stdio', '-nic', 'none', '-monitor',
            'unix:%s/m,server=on,wait=off' % tmp]
    with Vireo(*args, '-vnc', '127.0.0.1:%d,password=on' % d) as vm:
        vm.expect('!')
        m = Monitor(tmp + '/m')
        need('Server: 127.0.0.1:%d (ipv4)\n    Auth: vnc' % (5900 + d) in m.cmd('info vnc'), 'info vnc')
        s = socket.create_connection(('127.0.0.1', 5900 + d))
        s.settimeout(30)
        s.recv(12)
        s.sendall(b'RFB 003.008\n')
        need(s.recv(16) == b'\1\2', 'not the VNC authentication')
        s.sendall(b'\2')
        while len(s.recv(16)) < 16:
            pass
        s.sendall(b'\0' * 16)
        need(s.recv(4) == b'\0\0\0\1', 'a wrong password is taken')
        need(m.cmd('change vnc password secret') == '', 'change')
        need(m.cmd('expire_password vnc +60') == '', 'expire')
        need('Error' in m.cmd('expire_password vnc soon'), 'expire soon')
        # the port is taken: refused with its name, or the next one with to=
        r = subprocess.run([vm.cmd[0], *args[2:4], '-serial', 'null', '-nic', 'none', '-monitor', 'none', '-vnc', '127.0.0.1:%d' % d], capture_output=True, text=True,
                           timeout=30, stdin=subprocess.DEVNULL)
        need(r.returncode == 1 and '127.0.0.1:%d' % (5900 + d) in r.stderr, r.stderr)
        with Vireo(*args[2:4], '-serial', 'null', '-nic', 'none', '-monitor', 'none', '-vnc', '127.0.0.1:%d,to=%d' % (d, d + 8)):
            end = time.time() + 30
            while time.time() < end:
                try:
                    Rfb(5901 + d).update(0)
                    break
                except OSError:
                    time.sleep(0.1)
            else:
                raise Fail('to= did not take the next port')


def nonsense_is_survived(tmp):
    """Clients that break the protocol lose their connection; the others go on."""
    with start(tmp) as vm:
        good = Rfb(tmp + '/v')
        good.update(0)
        for junk in (b'', b'GET / HTTP/1.1\r\n\r\n', b'RFB 999.999\n', b'\xff' * 300, b'RFB 003.008\n\x01\x01' + b'\xff' * 500,
                     b'RFB 003.008\n\x01\x01' + b'\x02\0\xff\xff' + b'\xff' * 100,
                     b'RFB 003.008\n\x01\x01' + b'\x06\0\0\0\xff\xff\xff\xff' + b'x' * 1000,
                     b'RFB 003.008\n\x01\x01' + b'\x03\0\xff\xff\xff\xff\xff\xff\xff\xff' * 50,
                     b'RFB 003.008\n\x01\x01' + b'\x00' * 20 + b'\x03\0\0\0\0\0\0\x10\0\x10',
                     b'RFB 003.008\n\x01\x01' + b'\xff\x01\0\0\0\0'):
            s = socket.socket(socket.AF_UNIX)
            s.connect(tmp + '/v')
            s.sendall(junk)
            s.shutdown(socket.SHUT_WR)
            s.settimeout(30)
            try:
                while s.recv(65536):
                    pass
            except OSError:
                pass
            s.close()
        # less than a version, and the connection kept: libvncserver 0.9.14 alone would wait for ever
        slow = [socket.socket(socket.AF_UNIX) for _ in range(4)]
        for n, s in enumerate(slow):
            s.connect(tmp + '/v')
            s.sendall(b'\x16GE'[:n])
        Rfb(tmp + '/v').update(0)
        good.update(0)
        good.press(ord('z'))
        vm.expect('K2cKac')


run([pictures_and_keys, scan_codes, mouse, mode_change, clients_and_monitor, tcp_and_passwords, nonsense_is_survived])
