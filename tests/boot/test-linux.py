#!/usr/bin/env python3
"""Debian's kernel with -kernel and -initrd to a busybox shell on the serial port, both word sizes of user
space, and power-off by ACPI."""
from guest import Vireo, initrd, kernel, run

SCRIPT = '''#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox stty -echo
echo up $(/bin/busybox uname -m)
echo sum $(/bin/busybox md5sum < /bin/busybox)
exec /bin/busybox sh
'''


def linux_amd64_boots_to_a_shell(tmp):
    rd = initrd(tmp + '/rd', SCRIPT)
    with Vireo('-m', '256', '-display', 'none', '-nic', 'none', '-monitor', 'none', '-serial', 'stdio', '-no-reboot',
               '-kernel', kernel('cloud-amd64'), '-initrd', rd, '-append', 'console=ttyS0 panic=-1') as vm:
        vm.expect('up x86_64')
        import hashlib
        from guest import package
        vm.expect('sum ' + hashlib.md5(open(package('busybox-static') + '/bin/busybox', 'rb').read()).hexdigest())
        vm.send('echo $((6*7))\n')
        vm.expect('42')
        vm.send('/bin/busybox poweroff -f\n')
        vm.wait(0)


def linux_walks_five_levels(tmp):
    rd = initrd(tmp + '/rd', '''#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
echo five: $(/bin/busybox grep -o -m1 -w la57 /proc/cpuinfo) $(/bin/busybox grep -o -m1 '.. bits virtual' /proc/cpuinfo)
/bin/busybox poweroff -f
''')
    with Vireo('-m', '256', '-display', 'none', '-nic', 'none', '-monitor', 'none', '-serial', 'stdio', '-cpu', 'max,+la57',
               '-kernel', kernel('cloud-amd64'), '-initrd', rd, '-append', 'console=ttyS0 panic=-1') as vm:
        vm.expect('five: la57 57 bits virtual')
        vm.wait(0)


run([linux_walks_five_levels, linux_amd64_boots_to_a_shell])
