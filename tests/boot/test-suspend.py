#!/usr/bin/env python3
"""Suspend to RAM: Linux goes to sleep until the clock's alarm, until `system_wakeup`, and finds its memory as it was."""
import os

from guest import Monitor, Vireo, initrd, kernel, need, run

SCRIPT = '''#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t tmpfs tmp /tmp
/bin/busybox stty -echo
echo states $(/bin/busybox cat /sys/power/state /sys/power/mem_sleep)
/bin/busybox head -c 3000000 /dev/urandom > /tmp/random
before=$(/bin/busybox md5sum < /tmp/random)
check() { [ "$before" = "$(/bin/busybox md5sum < /tmp/random)" ] && echo "memory same: $1" || echo "memory differs"; }
echo +2 > /sys/class/rtc/rtc0/wakealarm
echo mem > /sys/power/state
check alarm
echo going to sleep again
echo mem > /sys/power/state
check monitor
/bin/busybox poweroff -f
'''


def linux_sleeps_and_wakes(tmp):
    rd = initrd(tmp + '/rd', SCRIPT)
    sock = os.path.join(tmp, 'mon')
    with Vireo('-m', '256', '-display', 'none', '-nic', 'none', '-monitor', 'unix:%s,server=on,wait=off' % sock,
               '-serial', 'stdio', '-kernel', kernel('cloud-amd64'), '-initrd', rd,
               '-append', 'console=ttyS0 panic=-1 no_console_suspend') as vm:
        vm.expect('states.*mem.*deep')
        vm.expect('memory same: alarm')
        vm.expect('going to sleep again')
        mon = Monitor(sock)
        import time
        for _ in range(600):
            if 'suspended' in mon.cmd('info status'):
                break
            time.sleep(0.1)
        else:
            need(False, 'the machine is never suspended')
        mon.cmd('cont')
        need('suspended' in mon.cmd('info status'), 'cont woke the machine')
        mon.cmd('system_wakeup')
        vm.expect('memory same: monitor')
        vm.wait(0)


run([linux_sleeps_and_wakes])
