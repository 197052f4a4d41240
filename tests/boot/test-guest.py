#!/usr/bin/env python3
"""The bare-metal guests of tests/guest: each assertion that fails inside is printed; every guest runs with
whole translation blocks and with one instruction per block."""
import os
from guest import BUILD, Fail, Vireo, need, run

GUESTS = ('smc-32', 'fault-32', 'sys-32', 'fault-64', 'debug-64', 'apic-64', 'paging-64', 'task-32', 'seg-32', 'sys-64', 'model-64', 'paging-32', 'sleep-64')
MODELS = {'paging-32': (('-cpu', 'max'), ('-cpu', 'pentium3')), 'model-64': (('-cpu', 'max'), ('-cpu', 'EPYC,+clzero'), ('-cpu', 'Haswell')), 'apic-64': (('-cpu', 'max'),), 'debug-64': (('-cpu', 'max'), ('-cpu', 'max,vendor=GenuineIntel')), 'paging-64': (('-cpu', 'max'), ('-cpu', 'Nehalem'), ('-cpu', 'Haswell'))}  # features that are absent must fault
PASSED = 3  # isa-debug-exit: 2 * 1 + 1


def start(tmp, name, *args):
    disk = tmp + '/disk.img'
    with open(disk, 'wb') as f:  # sector 0: mov eax, 12345678h; ret
        f.write(bytes.fromhex('b878563412c3').ljust(1 << 20, b'\0'))
    image = os.path.join(BUILD, 'tests/guest', name)
    need(os.path.exists(image), 'no %s: make guests' % image)
    return Vireo('-m', '64', '-display', 'none', '-nic', 'none', '-monitor', 'none', '-serial', 'stdio', '-no-reboot',
                 '-device', 'isa-debug-exit,iobase=0xf4,iosize=4', '-device', 'pc-testdev', '-drive', 'file=%s,format=raw,if=ide' % disk,
                 '-kernel', image, '-cpu', 'max', *args, limit=60)


def guest(name, *args):
    def fn(tmp):
        with start(tmp, name, *args) as vm:
            try:
                vm.wait(PASSED)
            except Fail as e:
                bad = [l for l in vm.buf.decode('latin1').splitlines() if l.startswith(('#', 'not ok', 'Bail'))]
                raise Fail('\n'.join(bad + [str(e)]))
            need(b'\nok ' in vm.buf and b'not ok' not in vm.buf, 'no results: %r' % vm.buf)
    fn.__name__ = ' '.join((name,) + args)
    return fn


def triple_fault_resets(tmp):
    with start(tmp, 'sys-32', '-append', 'triple') as vm:
        vm.expect('# triple fault')
        vm.wait(0)


run([guest(g, *c, *a) for g in GUESTS for c in MODELS.get(g, ((),)) for a in ((), ('-one-insn-per-tb',))] + [triple_fault_resets])
