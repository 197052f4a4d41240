#!/usr/bin/env python3
"""-kernel with an ELF multiboot image: machine state, command line, modules, memory map."""
import os
import subprocess
from guest import Fail, Vireo, need, run


def boot(tmp, base):
    elf, mod = tmp + '/kernel.elf', tmp + '/module'
    src = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'multiboot-kernel.c')
    r = subprocess.run(['gcc', '-m32', '-O1', '-ffreestanding', '-fno-pic', '-no-pie', '-static', '-nostdlib',
                        '-fno-stack-protector', '-fno-asynchronous-unwind-tables', '-Wl,-N,-Ttext=%#x,--no-warn-rwx-segments' % base,
                        '-Wl,--build-id=none', '-Wl,-z,noexecstack', '-o', elf, src], capture_output=True, text=True)
    if r.returncode:
        raise Fail(r.stderr)
    with open(mod, 'w') as f:
        f.write('one module ')
    with Vireo('-kernel', elf, '-append', 'hello args', '-initrd', mod + ' first', '-m', '64', '-display', 'none',
               '-nic', 'none', '-serial', 'stdio', '-monitor', 'none', '-device', 'isa-debug-exit') as vm:
        m = vm.expect(r'magic=2badb002 flags=([0-9a-f]+) lower=0000027f upper=([0-9a-f]+) '
                      r'cmdline=\S*kernel\.elf hello args mods=00000001 mod=\S+ first text=one module '
                      r'usable=([0-9a-f]+) changed=00000000 \n')
        vm.wait(33)
    flags, upper, usable = (int(g, 16) for g in m.groups())
    need(flags & 0x4d == 0x4d, 'flags %x' % flags)
    need(60 * 1024 < upper < 63 * 1024 and usable > upper, 'upper %d KiB, usable %d KiB' % (upper, usable))


def multiboot_image_is_entered(tmp):
    boot(tmp, 0x100000)


def image_in_conventional_memory(tmp):
    boot(tmp, 0x8000)


run([multiboot_image_is_entered, image_in_conventional_memory])
