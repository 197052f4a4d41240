#!/usr/bin/env python3
"""The command line of the whole program: what is wrong ends with one line that names option, value and choices,
status 1 and nothing started; QEMU's old and new spellings start. Terminals are left as they were found, an idle
guest sleeps. TAP; the program is $VIREO."""
import ctypes
import os
import pty
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time

VIREO = os.environ.get('VIREO', os.path.join(os.environ.get('BUILD', 'build'), 'vireo'))
QUIET = ['-display', 'none', '-serial', 'null', '-monitor', 'none', '-nic', 'none']
GUARD = 60      # seconds; against hangs, not a measure
count = bad = 0


def ok(good, name, why=''):
    global count, bad
    count += 1
    bad += not good
    print('%sok %d - %s' % ('' if good else 'not ', count, name.replace('#', '\\#')))
    if not good:
        print('\n'.join('# ' + l for l in str(why).splitlines()))
    sys.stdout.flush()


# ---- what is wrong ----

def drop_override():
    """Root reads everything by two capabilities; the child loses them."""
    libc = ctypes.CDLL(None)
    for cap in (1, 2):          # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        libc.prctl(24, cap, 0, 0, 0)


def refused(args, *names, **kw):
    """Ends with status 1, nothing on stdout and one line on stderr that has all the names."""
    text = ' '.join(args)
    try:
        r = subprocess.run([VIREO, *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=GUARD, **kw)
    except subprocess.TimeoutExpired:
        ok(False, text, 'it runs')
        return
    err = r.stderr.decode()
    why = [] if r.returncode == 1 else ['status %d' % r.returncode]
    if r.stdout:
        why.append('stdout: %r' % r.stdout)
    if len(err.splitlines()) != 1 or not err.endswith('\n'):
        why.append('not one line')
    why += ['does not name %s' % n for n in names if n not in err]
    ok(not why, 'refused: ' + re.sub(r'/tmp/vireo-cli-\w+/', '', text), '; '.join(why) + '\n' + err)


def images(d):
    def img(args, name, *more, **kw):
        refused(QUIET + args, args[0] if len(args) > 1 else name, name, *more, **kw)
    for opt in ('-hda', '-hdb', '-hdc', '-hdd', '-cdrom', '-fda', '-fdb'):
        img([opt, d + '/none'], d + '/none', 'No such file')
    img([d + '/none'], d + '/none', 'No such file')
    img(['-hda', d], d, 'directory')
    img(['-cdrom', d], d, 'directory')
    img(['-drive', 'format=raw,file=' + d], d, 'directory')
    img(['-hda', d + '/empty'], d + '/empty', 'empty')
    img(['-hda', d + '/short'], d + '/short', '512')
    img(['-cdrom', d + '/empty'], d + '/empty', 'empty')
    img(['-fda', d + '/short'], d + '/short', '512')
    img(['-hda', d + '/secret'], d + '/secret', 'Permission denied', preexec_fn=drop_override)
    img(['-hda', '/dev/tty'], '/dev/tty')
    img(['-hda', d + '/cut.qcow2'], 'qcow2')
    img(['-drive', 'file=%s/a.img,format=qcow2' % d], 'qcow2')
    img(['-drive', 'file=%s/a.img,format=nosuch' % d], 'nosuch', 'raw')
    img(['-drive', 'file=%s/a.img,if=nosuch' % d], 'nosuch', 'ide')
    img(['-drive', 'file=%s/a.img,media=nosuch' % d], 'nosuch', 'cdrom')
    img(['-drive', 'file=%s/a.img,cache=nosuch' % d], 'nosuch', 'writeback')
    img(['-drive', 'file=%s/a.img,index=nosuch' % d], 'nosuch')
    img(['-drive', 'file=%s/a.img,index=77' % d], '77')
    img(['-drive', 'file=%s/a.img,index=-1' % d], '-1')
    img(['-drive', 'file=%s/a.img,nosuch=1' % d], 'nosuch')
    img(['-drive', 'file=%s/a.img,readonly=maybe' % d], 'maybe', 'on', 'off')
    img(['-drive', 'if=ide,index=0'], 'file')
    refused(QUIET + ['-hda', d + '/a.img', '-drive', 'file=%s/b.img,if=ide,index=0' % d], '-drive', 'b.img')
    refused(QUIET + ['-drive', 'file=%s/a.img,if=none,id=x' % d, '-drive', 'file=%s/b.img,if=none,id=x' % d], "'x'")
    refused(QUIET + ['-hda', d + '/a.img', '-hdb', d + '/a.img'], '-hdb', 'a.img', 'lock')


def firmware_and_kernel(d):
    refused(QUIET + ['-kernel', d + '/none'], '-kernel', d + '/none', 'No such file')
    refused(QUIET + ['-kernel', d], '-kernel', d)
    refused(QUIET + ['-kernel', d + '/empty'], '-kernel', d + '/empty', 'bzImage')
    refused(QUIET + ['-kernel', d + '/a.img'], '-kernel', d + '/a.img', 'bzImage')
    refused(QUIET + ['-kernel', d + '/text'], '-kernel', d + '/text', 'bzImage')
    refused(QUIET + ['-kernel', d + '/secret'], '-kernel', 'Permission denied', preexec_fn=drop_override)
    refused(QUIET + ['-initrd', d + '/a.img'], '-initrd', '-kernel')
    refused(QUIET + ['-append', 'x'], '-append', '-kernel')
    refused(QUIET + ['-bios', d + '/none'], '-bios', d + '/none')
    refused(QUIET + ['-bios', 'nosuch.bin'], '-bios', 'nosuch.bin', 'seabios')
    refused(QUIET + ['-bios', d + '/empty'], '-bios', d + '/empty', '64 KiB')
    refused(QUIET + ['-bios', d], '-bios', d)
    refused(QUIET + ['-kernel', '/dev/zero'], '-kernel', '/dev/zero')
    refused(QUIET + ['-demo', '-hda', d + '/a.img'], '-demo')


VALUES = r'''
-audiodev {"driver":"wav","id":"a","out":{"frequenc":1}} | -audiodev | out.frequenc
-audiodev {"driver":"none" | -audiodev | JSON
-nosuch             | -nosuch | invalid option
--nosuch            | --nosuch | invalid option
-hda                | -hda | argument
-m                  | -m | argument
-m bogus            | -m | bogus
-m -5               | -m | -5
-m 12x              | -m | 12x
-m 1.5.2G           | -m | 1.5.2G
-m 512,nosuch=1     | -m | nosuch | size
-m 4K               | -m | 4K | 1M
-m 99999999G        | -m | 99999999G | host
-m 1025G            | -m | 1025G | host
-m 99999999999999999999999 | -m | 99999999999999999999999
-m 18446744073709551615B   | -m | 18446744073709551615B
-smp 0              | -smp | 0
-smp 2              | -smp | 2 | choices: 1
-smp -1             | -smp | -1
-smp x              | -smp | x
-smp 1,nosuch=2     | -smp | nosuch | cores
-cpu nosuch         | -cpu | nosuch | -cpu help
-cpu qemu64,+nosuch | -cpu | nosuch | -cpu help
-cpu qemu64,nosuch=on | -cpu | nosuch | -cpu help
-cpu qemu64,sse2=maybe | -cpu | maybe
-cpu qemu64,level=x | -cpu | level | x
-M nosuch           | -M | nosuch | choices: pc
-machine nosuch     | -machine | nosuch | choices: pc
-M pc-i440fx-nosuch | -M | pc-i440fx-nosuch | choices: pc
-M pc,nosuch=1      | -M | nosuch | -machine pc,help
-M pc,accel=nosuch  | -M | nosuch | choices: tcg
-M pc,acpi=maybe    | -M | maybe | on
-M pc,usb=on        | -M | usb=on | off
-accel nosuch       | -accel | nosuch | choices: tcg
-accel tcg,nosuch=1 | -accel | nosuch | tb-size
-accel tcg,tb-size=x | -accel | tb-size | x
-device nosuch      | -device | nosuch | -device help
-device isa-debug-exit,nosuch=1 | -device | nosuch
-device isa-debug-exit,iobase=zz | -device | iobase | zz
-device isa-debug-exit,iobase=0x10000 | -device | iobase
-device ide-hd      | -device | ide-hd | drive
-device ide-hd,drive=nosuch | -device | nosuch
-device isa-serial,chardev=nosuch | -device | nosuch
-d nosuch           | -d | nosuch | -d help
-d int,nosuch       | -d | nosuch | -d help
-dfilter nosuch     | -dfilter | nosuch
-dfilter 0x10..     | -dfilter | 0x10..
-D %/none/log       | -D | none/log | No such file
-serial nosuch      | -serial | nosuch | stdio
-monitor nosuch     | -monitor | nosuch | stdio
-parallel nosuch    | -parallel | nosuch | stdio
-debugcon nosuch    | -debugcon | nosuch | stdio
-serial tcp:x       | -serial | tcp:x
-serial tcp:127.0.0.1:99999 | -serial | 99999
-serial file:%/none/f | -serial | none/f | No such file
-serial unix:%/none/s,server=on,wait=off | -serial | none/s | No such file
-serial unix:%/none/s | -serial | none/s
-serial unix:%/s,nosuch=1 | -serial | nosuch
-serial chardev:nosuch | -serial | nosuch
-chardev nosuch,id=a | -chardev | nosuch | stdio
-chardev null       | -chardev | id
-chardev socket,id=a | -chardev | path
-chardev null,id=a,nosuch=1 | -chardev | nosuch
-chardev null,id=a -chardev null,id=a | -chardev | 'a'
-chardev null,id=a -serial chardev:a -serial chardev:a | 'a' is in use
-mon chardev=nosuch | -mon | nosuch
-mon nosuch=1       | -mon | nosuch
-boot z             | -boot | z | c disk
-boot cc            | -boot | c
-boot order=c,nosuch=1 | -boot | nosuch | once
-boot menu=maybe    | -boot | maybe | on
-boot splash-time=x | -boot | x
-vga nosuch         | -vga | nosuch | std none
-display nosuch     | -display | nosuch | none
-nic nosuch         | -nic | nosuch | none
-net nosuch         | -net | nosuch | none
-netdev nosuch,id=a | -netdev | nosuch | user
-netdev user        | -netdev | id
-netdev user,id=a,nosuch=1 | -netdev | nosuch | hostfwd
-netdev user,id=a,net=nosuch | -netdev | nosuch
-netdev user,id=a,hostfwd=tcp:127.0.0.1:x-:22 | -netdev | 127.0.0.1:x | port
-netdev user,id=a,hostfwd=tcp:192.0.2.1:2222-:22 | -netdev | 192.0.2.1 | 2222 | Cannot assign
-netdev user,id=a -netdev user,id=a | -netdev | a
-netdev user,id=a -device e1000,netdev=b | -device | b
-netdev user,id=a -device e1000,netdev=a,mac=nosuch | -device | nosuch
-device e1000,romfile=%/none | -device | none
-device e1000,addr=99 | -device | 99
-nic user,model=nosuch | -nic | nosuch | e1000
-netdev socket,id=a | -netdev | listen
-rtc base=nosuch    | -rtc | nosuch | utc
-rtc clock=nosuch   | -rtc | nosuch | host
-rtc nosuch=1       | -rtc | nosuch | base
-action nosuch=x    | -action | nosuch
-action reboot=nosuch | -action | nosuch | shutdown
-uuid nosuch        | -uuid | nosuch
-name a,nosuch=1    | -name | nosuch
-echr nosuch        | -echr | nosuch
-echr 256           | -echr | 256
-pidfile %/none/p   | -pidfile | none/p | No such file
-daemonize -serial stdio | -daemonize | stdio
-usb                | -usb | not supported
-portrait           | -portrait | not supported
-m 64,slots=0       | -m | slots=0 | maxmem
-msg nosuch=on      | -msg | nosuch | timestamp
-overcommit mem-lock=maybe | -overcommit | maybe | on
-compat deprecated-input=hide | -compat | hide | accept reject crash
-sandbox on         | -sandbox | off
-runas nosuch       | -runas | nosuch | UID:GID
-runas 1:x          | -runas | 1:x | UID:GID
-chroot %/none      | -chroot | none | No such file
-global VGA.nosuch=1 | -global | VGA.nosuch
-global VGA.vgamem_mb=x | -global | vgamem_mb | x
-machine max-ram-below-4g=4G | -machine | max-ram-below-4g=4G
-display none,gl=on | -display | gl=on | off
-acpitable nosuch=1 | -acpitable | nosuch | file
-acpitable sig=ABCD | -acpitable | data=
-acpitable sig=AB,data=%/text | -acpitable | sig=AB | 4
-acpitable file=%/none | -acpitable | none
-global nosuch      | -global | nosuch | DRIVER.PROPERTY
-global PIIX4_PM.nosuch=1 | -global | nosuch | disable_s3
-machine memory-backend=m | -machine | memory-backend=m
-m 32 -machine memory-backend=m -object memory-backend-ram,id=m,size=16M | -machine | 16 | 32
-object memory-backend-ram,id=m | -object | size
-object throttle-group,id=g,x-iops-total-max=5 | -object | require corresponding
-object throttle-group,id=g,limits.foo=5 | -object | limits.foo
-blockdev driver=throttle,node-name=t,throttle-group=g,file.driver=null-co | -blockdev | does not exist
-blockdev driver=null-co,node-name=n,detect-zeroes=unmap | -blockdev | without setting discard
-object memory-backend-file,id=m,size=1M | -object | mem-path
-object {"qom-type":"rng-random" | -object | JSON
-mem-path %/none/x  | -m | none/x | No such file
-device virtio-rng-pci,packed=on | -device | packed=on | off
-device e1000,addr=0x5.0x8 | -device | 0x5.0x8
-device VGA,addr=zz -vga none | -device | zz
-gdb tcp::1234      | -gdb | tcp::1234 | not supported
'''


def values(d):
    for row in VALUES.strip().splitlines():
        args, *names = (x.strip() for x in row.split('|'))
        refused(['-display', 'none', '-nic', 'none', '-S'] + args.replace('%', d).split(), *names)


def taken(d):
    """Ports and images that another program has."""
    s = socket.socket()
    s.bind(('127.0.0.1', 0))
    s.listen(1)
    port = str(s.getsockname()[1])
    for opt in ('-serial', '-monitor'):
        refused(QUIET[:2] + [opt, 'tcp:127.0.0.1:%s,server=on,wait=off' % port], opt, port, 'in use')
    s.close()
    mon = d + '/m'
    with Run('-S', '-hda', d + '/a.img', '-monitor', 'unix:%s,server=on,wait=off' % mon, '-pidfile', d + '/pid') as vm:
        vm.until(lambda: os.path.exists(d + '/pid') and os.path.getsize(d + '/pid'))
        ok(open(d + '/pid').read() == '%d\n' % vm.p.pid, 'the pid file has the process id')
        refused(QUIET + ['-hda', d + '/a.img'], '-hda', 'a.img', 'lock')
        refused(QUIET + ['-drive', 'format=raw,readonly=on,if=none,id=x,file=%s/a.img' % d], '-drive', 'lock')
        refused(QUIET + ['-pidfile', d + '/pid'], '-pidfile', d + '/pid')
        ok(starts('-drive', 'format=raw,file.locking=off,file=%s/a.img' % d), 'file.locking=off starts beside a writer')
        ok(os.path.exists(d + '/pid'), 'the pid file stays with its owner')
        vm.p.terminate()
        ok(vm.p.wait(GUARD) == 0, 'SIGTERM ends with status 0')
    ok(not os.path.exists(mon) and not os.path.exists(d + '/pid'), 'socket and pid file are removed')
    with Run('-S', '-drive', 'file=%s/a.img,format=raw,readonly=on,if=none,id=x' % d, '-pidfile', d + '/pid') as vm:
        vm.until(lambda: os.path.exists(d + '/pid'))
        ok(starts('-drive', 'file=%s/a.img,format=raw,readonly=on,if=none,id=x' % d), 'two readers of one image')


# ---- what starts ----

class Run:
    def __init__(self, *args):
        quiet = QUIET[:4] if '-monitor' in args else QUIET[:6]
        self.p = subprocess.Popen([VIREO, *quiet, *args], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.p.poll() is None:
            self.p.kill()
        self.p.communicate()

    def until(self, cond):
        end = time.time() + GUARD
        while not cond() and time.time() < end and self.p.poll() is None:
            time.sleep(0.01)


def text_of(*args):
    """What a run leaves on stderr: it is set up, writes its pid file and is asked to end."""
    with tempfile.TemporaryDirectory(prefix='vireo-cli-') as t:
        pid = t + '/pid'
        p = subprocess.Popen([VIREO, '-S', *QUIET, *args, '-pidfile', pid], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        end = time.time() + GUARD
        while p.poll() is None and time.time() < end and not (os.path.exists(pid) and os.path.getsize(pid)):
            time.sleep(0.01)
        p.send_signal(signal.SIGINT)    # SIGTERM reports itself on stderr
        try:
            out, err = p.communicate(timeout=GUARD)
        except subprocess.TimeoutExpired:
            p.kill()
            return 'does not end on SIGINT'
        return (err if p.returncode == 0 else b'status %d: ' % p.returncode + err).decode()


def starts(*args):
    return text_of(*args) == ''


GOOD = r'''
-audiodev {"driver":"none","id":"a","out":{"frequency":22050}} -machine pc,pcspk-audiodev=a
-m 64
-m 512M
-m 1G
-m size=128M,slots=2,maxmem=1G
-smp 1
-smp cpus=1,sockets=1,cores=1,threads=1
-M pc
-machine pc-i440fx-7.2
-machine type=pc,accel=tcg
--machine pc,accel=kvm:tcg,usb=off,vmport=off,kernel_irqchip=off
-accel tcg,thread=multi,tb-size=64
-accel kvm -accel tcg
-cpu qemu64,+sse4.1,-sse3
-cpu max
-cpu Nehalem,sse4_2=off
-hda %/a.img -snapshot
%/a.img
-drive file=%/a.img,format=raw,if=ide,index=1,media=disk,cache=none,aio=threads,discard=unmap
-drive if=none,id=d0,file=%/a.img,format=raw -device ide-hd,drive=d0,bus=ide.1
-cdrom %/b.img
-fda %/b.img
-serial tcp:127.0.0.1:0,server,nowait
-serial tcp:127.0.0.1:0,server=on,wait=off
-serial unix:%/u,server,nowait
-serial telnet:127.0.0.1:0,server=on,wait=off
-serial none -parallel none
-serial file:%/out -serial null -serial null
-chardev socket,id=c,path=%/c,server=on,wait=off,mux=on -serial chardev:c -mon chardev=c
-chardev null,id=n -mon chardev=n,mode=readline
-device isa-debug-exit,iobase=0xf4,iosize=4 -debugcon file:%/dbg
-device isa-debugcon,iobase=0x402,chardev=n -chardev null,id=n
-boot order=cd,once=d,menu=on,strict=off
-boot c
-no-fd-bootchk -only-migratable -async-teardown -sandbox off -compat deprecated-input=reject,unstable-output=hide
-overcommit mem-lock=off,cpu-pm=on -msg timestamp=on,guest-name=off
-nodefaults -device VGA
-device ide-cd -device floppy -device isa-serial
-nodefaults -device VGA,id=v,vgamem_mb=16,bus=pci.0,addr=0x5
-device e1000,addr=0x6.0x0,multifunction=on,rombar=1,netdev=a -netdev user,id=a -device pci-testdev,addr=6.0x7
-m 16 -machine pc,memory-backend=m -object memory-backend-ram,id=m,size=16M,prealloc=on,share=on
-machine memory-backend=m -object {"qom-type":"memory-backend-memfd","id":"m","size":16777216}
-machine memory-backend=m -object memory-backend-file,id=m,size=16M,mem-path=%/ram,share=on
-object {"qom-type":"throttle-group","id":"g","limits":{"iops-total":500}} -blockdev throttle,node-name=t,throttle-group=g,file.driver=null-co -device virtio-blk-pci,drive=t
-blockdev null-co,node-name=n,detect-zeroes=unmap,discard=unmap -blockdev copy-on-read,node-name=c,file=n -device virtio-blk-pci,drive=c
-m 16 -mem-path % -mem-prealloc
-object iothread,id=io -drive if=none,id=v,file=%/a.img,format=raw -device virtio-blk-pci,drive=v,iothread=io,scsi=off,werror=stop
-netdev {"type":"user","id":"n0","hostfwd":[{"str":"tcp:127.0.0.1:0-:22"}]} -device {"driver":"e1000","netdev":"n0","bus":"pci.0","addr":"0x7"}
-drive if=none,id=d1,file=%/a.img,format=raw -device ide-hd,drive=d1,rotation_rate=1,wwn=0x5000c500a0000001,ver=9.9,physical_block_size=4096
-display none,gl=off -machine max-ram-below-4g=64M -m 256
-drive file=%/a.img,format=raw,stats-account-invalid=off
-acpitable sig=MSDM,data=%/text,oem_id=x
-global VGA.vgamem_mb=32 -global kvm-pit.lost_tick_policy=discard -global driver=PIIX4_PM,property=disable_s3,value=1
-rtc base=utc,clock=host,driftfix=slew
-rtc base=2026-01-31T12:30:00
-action reboot=shutdown,shutdown=pause
-nodefaults -no-user-config -vga none
-name guest=x,process=y,debug-threads=on -uuid 00112233-4455-6677-8899-aabbccddeeff
-no-reboot -no-shutdown -echr 2 -no-acpi -no-hpet
-d guest_errors,unimp -D %/log -dfilter 0x1000..0x1fff,0x2000+0x10
-net none
'''


def spellings(d):
    for line in GOOD.strip().splitlines():
        err = text_of(*line.replace('%', d).split())
        ok(err == '', 'starts: ' + line.replace('%/', ''), err)
    ok(os.path.getsize(d + '/ram') == 16 << 20, 'the file of a memory-backend-file is as long as the memory')
    err = text_of('-global', 'nosuch.x=1')
    ok(re.fullmatch(r'[^\n]*warning: [^\n]*nosuch.x=1[^\n]*\n', err), 'a property that no device took is named', err)
    for line in ('-enable-kvm', '--enable-kvm -machine accel=kvm -accel kvm', '-M pc,accel=kvm', '-accel kvm',
                 '-cpu host', '-cpu host,migratable=off'):
        err = text_of(*line.split())
        ok(re.fullmatch(r'[^\n]*warning: [^\n]*(TCG|max)[^\n]*\n', err), 'warns once and starts: ' + line, err)


def help_texts(d):
    for line in ('-help', '--help', '-h', '-version', '-M help', '-machine pc,help', '-cpu help', '-accel help',
                 '-device help', '-device isa-debug-exit,help', '-chardev help', '-display help', '-vga help',
                 '-d help', '-smp help', '-drive format=help', '-man-page'):
        r = subprocess.run([VIREO, *line.split()], stdin=subprocess.DEVNULL, capture_output=True, timeout=GUARD)
        ok(r.returncode == 0 and r.stdout and not r.stderr, 'prints and ends: ' + line, r)
    helped = set(re.findall(r'^-([\w-]+)', subprocess.run([VIREO, '-help'], capture_output=True, text=True).stdout, re.M))
    man = subprocess.run([VIREO, '-man-page'], capture_output=True, text=True).stdout
    manned = {m.replace('\\', '') for m in re.findall(r'^\.TP\n\\fB\\-([\w\\-]+?)\\fR', man, re.M)}
    ok(len(helped) > 50 and helped == manned, 'help and manual page name the same options', helped ^ manned)
    if shutil.which('man'):
        with open(d + '/v.1', 'w') as f:
            f.write(man)
        r = subprocess.run(['man', '--warnings', '-E', 'UTF-8', '-l', d + '/v.1'], capture_output=True, text=True,
                           env=dict(os.environ, MANWIDTH='100', LC_ALL='C.UTF-8'))
        ok(r.returncode == 0 and not r.stderr and '-one-insn-per-tb' in r.stdout, 'man formats the page', r.stderr)


# ---- the process on its host ----

def process(d):
    r = subprocess.run([VIREO, '-msg', 'timestamp=on,guest-name=on', '-name', 'abc', '-S', *QUIET, '-device', 'nosuch'],
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=GUARD)
    ok(re.match(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z abc \S+vireo: -device nosuch: ', r.stderr), '-msg', r.stderr)
    root = os.path.realpath(d) + '/jail'
    os.mkdir(root)
    args = ['-S', '-name', 'guest=a,process=short-name', '-overcommit', 'mem-lock=on', '-m', '16']
    if os.geteuid() == 0:
        args += ['-runas', '65533:65532', '-chroot', root]
    else:
        args[3:5] = []      # the limit of locked memory may be small
    with Run(*args) as vm:
        def info(name):
            return open('/proc/%d/%s' % (vm.p.pid, name)).read()
        vm.until(lambda: info('comm') == 'short-name\n')
        ok(info('comm') == 'short-name\n', '-name process=', info('comm'))
        if os.geteuid():
            return
        vm.until(lambda: 'Uid:\t65533\t65533\t65533\t65533\n' in info('status'))
        text = info('status')
        ok('Uid:\t65533\t65533\t65533\t65533\nGid:\t65532\t65532\t65532\t65532\n' in text and
           re.search(r'^Groups:\s*$', text, re.M), '-runas', text)
        ok(os.readlink('/proc/%d/root' % vm.p.pid) == root, '-chroot')
        locked = int(re.search(r'VmLck:\s*(\d+)', text)[1])
        sanitized = b'__asan_init' in open(VIREO, 'rb').read()  # there mlockall() does nothing
        ok((locked > 0) != sanitized, '-overcommit mem-lock=on', text)


# ---- terminals, idleness ----

def on_terminal(end, status, name):
    """The terminal's settings before and after a run that ends by end(process)."""
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    p = subprocess.Popen([VIREO, '-S', '-nographic', '-nic', 'none'], stdin=slave, stdout=slave, stderr=slave,
                         preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
    limit = time.time() + GUARD
    while termios.tcgetattr(slave) == before and p.poll() is None and time.time() < limit:
        time.sleep(0.01)
    raw = termios.tcgetattr(slave)
    end(p, master)
    while p.poll() is None and time.time() < limit:     # what it prints has to go somewhere
        if select.select([master], [], [], 0.01)[0]:
            os.read(master, 4096)
    if p.poll() is None:
        p.kill()
    why = []
    if raw == before:
        why.append('it never was raw')
    if termios.tcgetattr(slave) != before:
        why.append('left raw')
    if p.wait() not in status:
        why.append('status %d' % p.returncode)
    ok(not why, name, '; '.join(why))
    os.close(master)
    os.close(slave)


def terminals(d):
    on_terminal(lambda p, m: os.write(m, b'\x01x'), (0,), 'terminal is left as found: Ctrl-A X')
    for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        on_terminal(lambda p, m: p.send_signal(sig), (0,), 'terminal is left as found: ' + sig.name)
    for sig in (signal.SIGSEGV, signal.SIGABRT, signal.SIGQUIT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE):
        # a sanitizer ends with its own status
        on_terminal(lambda p, m: p.send_signal(sig), (-sig, 1), 'terminal is left as found: ' + sig.name)


def idle(d):
    """The demo guest waits for a key with HLT: in a second of the wall clock it uses a small part of one."""
    p = subprocess.Popen([VIREO, '-demo', '-display', 'none', '-monitor', 'none', '-nic', 'none', '-serial', 'stdio'],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    seen, end = b'', time.time() + GUARD
    while b'demo> ' not in seen and time.time() < end and p.poll() is None:
        seen += os.read(p.stdout.fileno(), 4096)

    def ticks():
        f = open('/proc/%d/stat' % p.pid).read().rsplit(')', 1)[1].split()
        return int(f[11]) + int(f[12])
    least = 1.0
    for _ in range(3):          # the least of three: others may use the machine
        before = ticks()
        time.sleep(1)
        least = min(least, (ticks() - before) / os.sysconf('SC_CLK_TCK'))
    ok(least < 0.2, 'an idle guest sleeps', '%.2f s of CPU in a second' % least)
    p.kill()
    p.communicate()


def main():
    d = tempfile.mkdtemp(prefix='vireo-cli-')
    try:
        for name, size in (('a.img', 1 << 20), ('b.img', 1 << 20), ('empty', 0), ('short', 511), ('secret', 1 << 20)):
            with open('%s/%s' % (d, name), 'wb') as f:
                f.truncate(size)
        os.chmod(d + '/secret', 0)
        with open(d + '/text', 'w') as f:
            f.write('no kernel\n' * 1000)
        with open(d + '/cut.qcow2', 'wb') as f:
            f.write(b'QFI\xfb\0\0\0\3'.ljust(60, b'\0'))
        for part in (images, firmware_and_kernel, values, taken, spellings, help_texts, process, terminals, idle):
            part(d)
    finally:
        shutil.rmtree(d, ignore_errors=True)
    print('1..%d' % count)
    sys.exit(bad != 0)


main()
