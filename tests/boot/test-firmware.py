#!/usr/bin/env python3
"""UEFI firmware from flash, with variables that outlive the machine, and from -bios; what -smbios says as Linux
shows it; a panic told by pvpanic."""
import os
import shutil
from guest import Vireo, initrd, kernel, need, package, run

QUIET = ('-display', 'none', '-nic', 'none', '-monitor', 'none', '-serial', 'stdio', '-no-reboot')
GUID = '11111111-2222-3333-4444-555555555555'


def ovmf(name):
    return os.path.join(package('ovmf'), 'usr/share', name)


def flash(tmp):
    return ('-drive', 'if=pflash,format=raw,readonly=on,file=' + ovmf('OVMF/OVMF_CODE_4M.fd'),
            '-drive', 'if=pflash,format=raw,file=%s/vars.fd' % tmp)


def shell(vm):
    vm.expect(r'Shell> ')


def type_line(vm, line):
    for c in line + '\r':                   # the firmware polls: a whole line would overrun its buffer
        vm.send(c)
        if c != '\r':
            vm.expect(r'%s' % ('.' if c in '.+*?()[]' else c))


def ovmf_keeps_variables(tmp):
    shutil.copy(ovmf('OVMF/OVMF_VARS_4M.fd'), tmp + '/vars.fd')
    with Vireo('-m', '128', *QUIET, *flash(tmp)) as vm:
        shell(vm)
        type_line(vm, 'setvar vireo -guid %s -bs -rt -nv =0x1234' % GUID)
        shell(vm)
        type_line(vm, 'reset -s')
        vm.wait(0)
    need('vireo'.encode('utf-16le') in open(tmp + '/vars.fd', 'rb').read(), 'the variable is not in the file')
    with Vireo('-m', '128', *QUIET, *flash(tmp)) as vm:
        shell(vm)
        type_line(vm, 'setvar vireo -guid %s' % GUID)
        vm.expect(r'0002 Bytes.*34 12')
        shell(vm)
        type_line(vm, 'reset -s')
        vm.wait(0)


def ovmf_as_bios(tmp):
    with Vireo('-m', '128', *QUIET, '-bios', ovmf('ovmf/OVMF.fd')) as vm:
        shell(vm)
        type_line(vm, 'reset -s')
        vm.wait(0)


def linux_sees_smbios_and_panics(tmp):
    image = kernel('cloud-amd64')
    release = image.split('vmlinuz-')[1]
    modules = os.path.join(os.path.dirname(image), '../lib/modules', release, 'kernel/drivers/misc/pvpanic')
    names = ('pvpanic.ko', 'pvpanic-mmio.ko')
    files = [(m, 0o100644, open(os.path.join(modules, m), 'rb').read()) for m in names]
    script = '#!/bin/busybox sh\n/bin/busybox mount -t sysfs sys /sys\n/bin/busybox mount -t proc proc /proc\n' \
             'cd /sys/class/dmi/id\n' \
             'for f in sys_vendor product_serial bios_version chassis_asset_tag; do echo $f=$(/bin/busybox cat $f); done\n' \
             'for m in %s; do /bin/busybox insmod /$m; done\necho c > /proc/sysrq-trigger\n' % ' '.join(names)
    with Vireo('-m', '256', *QUIET, '-device', 'pvpanic', '-action', 'panic=exit-failure', '-smbios',
               'type=1,manufacturer=Ann,,Bob,serial=S-1', '-smbios', 'type=0,version=7.8', '-smbios', 'type=3,asset=tag9',
               '-kernel', image, '-initrd', initrd(tmp + '/rd', script, files),
               '-append', 'console=ttyS0 quiet') as vm:
        vm.expect('sys_vendor=Ann,Bob\r?\nproduct_serial=S-1\r?\nbios_version=7.8\r?\nchassis_asset_tag=tag9')
        vm.wait(1)
        need("the guest's kernel has panicked" in vm.stderr(), 'no word of the panic: ' + vm.stderr())


run([ovmf_keeps_variables, ovmf_as_bios, linux_sees_smbios_and_panics])
