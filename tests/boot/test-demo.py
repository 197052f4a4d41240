#!/usr/bin/env python3
"""The built-in guest: what it says about its machine, its commands, reset and power-off."""
from guest import Monitor, Vireo, need, run

QUIET = ('-demo', '-display', 'none', '-nic', 'none')


def demo_shows_its_machine(tmp):
    with Vireo(*QUIET, '-m', '64', '-serial', 'stdio', '-monitor', 'none') as vm:
        vm.expect(r'Vireo demo guest.*CPU:.*Memory: 63 MiB usable.*8086:1237 host bridge.*8086:7010 IDE controller'
                  r'.*ide0\.0 .*KiB.*timer running.*demo> ')


def demo_commands_answer(tmp):
    with Vireo(*QUIET, '-serial', 'stdio', '-monitor', 'none') as vm:
        vm.expect('demo> ')
        for line, want in (('help', 'poweroff'), ('cpuid', 'fpu'), ('mem', 'usable'), ('pci', 'VGA controller'),
                           ('disk', 'KiB'), ('time', 'timer running'), ('nonsense', "unknown command 'nonsense'")):
            vm.send(line + '\n')
            vm.expect(want)
            vm.expect('demo> ')
        vm.send('reboot\n')
        vm.expect('Vireo demo guest')
        vm.expect('demo> ')
        vm.send('poweroff\n')
        vm.wait(0)


def no_reboot_ends_at_reset(tmp):
    with Vireo(*QUIET, '-serial', 'stdio', '-monitor', 'none', '-no-reboot') as vm:
        vm.expect('demo> ')
        vm.send('reboot\n')
        vm.wait(0)


def keyboard_and_screen(tmp):
    with Vireo(*QUIET, '-serial', 'null', '-monitor', 'unix:%s/m,server=on,wait=off' % tmp) as vm:
        mon = Monitor(tmp + '/m')

        def text():
            out = mon.cmd('xp /2000xh 0xb8000')
            words = [int(w, 16) for l in out.splitlines() for w in l.split(': ', 1)[1].split()]
            return ''.join(chr(w & 0xff) for w in words)

        for _ in range(600):
            if 'demo> ' in text():
                break
            __import__('time').sleep(0.1)
        for key in ('h', 'e', 'l', 'p', 'ret'):
            mon.cmd('sendkey %s 30' % key)
        for _ in range(600):
            if 'switch the machine off' in text():
                break
            __import__('time').sleep(0.1)
        need('switch the machine off' in text(), 'help did not reach the screen: %r' % text())
        mon.cmd('screendump %s/s.ppm' % tmp)
        head = open(tmp + '/s.ppm', 'rb').read(15)
        need(head.startswith(b'P6\n720 400\n255\n'), 'screendump head %r' % head)


run([demo_shows_its_machine, demo_commands_answer, no_reboot_ends_at_reset, keyboard_and_screen])
