#!/usr/bin/env python3
"""-d, -D and -dfilter: every item logs what its name says, in the form that readers know. The guest is tour.S."""
import os
import re
import subprocess
import time

from guest import Monitor, Vireo, need, run

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def image(tmp):
    if not os.path.exists(tmp + '/tour.img'):
        subprocess.run([os.environ.get('CC', 'cc'), '-m64', '-c', '-o', tmp + '/tour.o', TOP + '/tests/docs/tour.S'], check=True)
        subprocess.run(['ld', '-m', 'elf_x86_64', '-Ttext', '0x7c00', '--oformat', 'binary', '-o', tmp + '/tour.img',
                        tmp + '/tour.o'], check=True)
    return tmp + '/tour.img'


def log_of(tmp, *args, status=11, name='log'):
    """The log of one run with -d etc.; the guest ends with status 11."""
    with Vireo('-nodefaults', '-display', 'none', '-drive', 'file=%s,format=raw' % image(tmp),
               '-device', 'isa-debug-exit,iobase=0x501', *args, '-D', '%s/%s' % (tmp, name), limit=120) as vm:
        vm.wait(status)
    with open('%s/%s' % (tmp, name)) as f:
        return f.read()


def must(text, pattern, times=None):
    n = len(re.findall(pattern, text, re.M))
    need(n and (times is None or n == times), '%r is there %d times, not %s' % (pattern, n, times or 'at least once'))


FILTER = ('-dfilter', '0x7d00+0x100')


def blocks_of_a_tb(tmp):
    log = log_of(tmp, '-d', 'in_asm,op,op_opt,out_asm', *FILTER)
    must(log, r'^PROLOGUE: \[size=\d+\]\n0x[0-9a-f]{12}:  53 +pushq +%rbx$', 1)
    must(log, r'^  -- epilogue$', 1)
    need(log.index('PROLOGUE:') < log.index('IN:'), 'the prologue comes first')
    must(log, r'^-{16}\nIN: \n0x00007d00:  48 b8 ef cd ab 90 78 56  movabsq  \$0x1234567890abcdef, %rax\n0x00007d08:  34 12$', 1)
    must(log, r'^OP:\n\n ---- 00007d00 00000000\n mov_i64 rax,\$0x1234567890abcdef$', 1)
    must(log, r'^OP after optimization and liveness analysis:$')
    must(log, r'^OUT: \[size=\d+\]\n  -- guest addr 0x0000000000007d00\n0x[0-9a-f]{12}:  48 b8 ef cd ab 90 78 56  movabsq')
    must(log, r'^  -- tb slow paths \+ alignment$')
    must(log, r'movabsq +\$0x[0-9a-f]+, %rax  # helper_[a-z_]+$')
    need(not re.search(r'^ nop$', log, re.M), 'removed ops are printed')
    for m in re.finditer(r'OUT: \[size=(\d+)\]\n((?:.+\n)+)', log):  # a TB is in two places: the code, and its cold part
        listed = sum(len(l.split()) for l in re.findall(r'^0x[0-9a-f]+:  ((?:[0-9a-f]{2} )*[0-9a-f]{2})(?:  .*)?$', m[2], re.M))
        need(listed == int(m[1]), 'OUT lists %d bytes, its head says %s' % (listed, m[1]))


def filter_leaves_the_rest_out(tmp):
    log = log_of(tmp, '-d', 'in_asm,exec', '-dfilter', '0x7d1f..0x7d20')
    for at in re.findall(r'IN: \n0x([0-9a-f]+):', log) + re.findall(r'^Trace 0: 0x\w+ \[\w+/(\w+)/', log, re.M):
        need(int(at, 16) in (0x7d1f, 0x7d20), 'a TB at %s' % at)
    must(log, r'^IN: \n0x00007d1f:  01 03 +addl +%eax, \(%rbx\)$', 1)
    two = log_of(tmp, '-d', 'in_asm', '-dfilter', '0x7d00..0x7d00,0x7d26-2')
    need(re.findall(r'IN: \n0x([0-9a-f]+):', two) == ['00007d00', '00007d25'], 'two ranges: %r' % two)


def no_range_no_start(tmp):
    for bad in ('0x7d00', '7d00..', '0x7d00..0x6000', 'x', '0x7d00+0x100,', '0x10%5'):
        with Vireo('-nodefaults', '-display', 'none', '-d', 'in_asm', '-D', tmp + '/l', '-dfilter', bad, '-S', limit=30) as vm:
            if bad == '0x7d00':  # one address is a range
                continue
            vm.wait(1)
            need(len(vm.stderr().splitlines()) == 1 and '-dfilter' in vm.stderr(), vm.stderr())


def exec_and_cpu(tmp):
    log = log_of(tmp, '-d', 'exec', *FILTER)
    need(0 < log.count('/0000000000007d23/') < 2, 'chained TBs are not entered again:\n' + log)
    log = log_of(tmp, '-d', 'exec,cpu,nochain', *FILTER)
    must(log, r'^Trace 0: 0x[0-9a-f]+ \[00000000/0000000000007d1f/[0-9a-f]{8}/00000800\] \nRAX=1234567890abcdef RBX=0000000000020000', 3)
    need('FCW' not in log, 'x87 registers without fpu')
    must(log_of(tmp, '-d', 'cpu,fpu,nochain', '-dfilter', '0x7d1f'), r'^FCW=')


def nochain_translates_once(tmp):
    # Where the timer interrupts decides which TBs there are; how often the loop at 7d1f is translated is fixed.
    for items in ('in_asm', 'in_asm,nochain'):
        must(log_of(tmp, '-d', items, *FILTER), r'^IN: \n0x00007d1f:', 1)


def interrupts(tmp):
    log = log_of(tmp, '-d', 'int')
    must(log, r'^Servicing hardware INT=0x20$')
    must(log, r'^ *\d+: v=20 e=0000 i=0 cpl=0 IP=0008:0000000000007d4[0-9a-f] pc=0000000000007d4')


def mmu_page_pcall(tmp):
    log = log_of(tmp, '-d', 'mmu')
    must(log, r'^mmu: TLB flushed$')
    must(log, r'^mmu: fill code [0-9a-f]{16} mmu_idx=0 -> [0-9a-f]{16} rwx size=1000 \(no paging\)$')
    must(log, r'^mmu: fill store 0000000000020000 mmu_idx=0 -> 0000000000020000 rwx size=1000$', 1)
    must(log, r'^mmu: fill load 00000000fed00000 mmu_idx=0 -> 00000000fed00000 r-x size=200000$', 1)
    log = log_of(tmp, '-d', 'page')
    must(log, r'^page: RAM page 00007000 holds code: protected$')
    must(log, r'^page: store to code page 00007000, bytes d55 to d58$', 1)
    must(log, r'^page: TB 0000000000007d2d at RAM 00007d2d invalidated$', 1)
    must(log, r'^page: the memory map changed$')
    log = log_of(tmp, '-d', 'pcall')
    must(log, r'^pcall: ljmp 0008:0000000000007d00 from 0000, next [0-9a-f]{16}, cpl 0$', 1)
    must(log, r'^pcall: vector 20 to 0008:0000000000007d4d', 1)
    must(log, r'^pcall: iret 0008:0000000000007d4[0-9a-f] eflags=[0-9a-f]{8} s=3 from 0008, cpl 0$', 1)


def unimp_alone(tmp):
    """The firmware looks for chips that are not there; nothing else is logged."""
    log = log_of(tmp, '-d', 'unimp')
    must(log, r'unassigned')
    need(not re.search(r'^(IN:|OP:|Trace|mmu:|page:|pcall:)', log, re.M), log[:300])
    need(log_of(tmp, '-d', 'none') == '', 'something is logged with -d none')


def guest_errors_of_a_device(tmp):
    with Vireo('-nodefaults', '-display', 'none', '-D', tmp + '/log', '-d', 'guest_errors',
               '-monitor', 'unix:%s/m,server=on,wait=off' % tmp, '-S', limit=60) as vm:
        mon = Monitor(tmp + '/m')
        mon.cmd('o /b 0x64 0x01')
        mon.cmd('quit')
        vm.wait(0)
    must(open(tmp + '/log').read(), r'^i8042: unknown command 01$', 1)


def percent_d_is_the_process(tmp):
    with Vireo('-nodefaults', '-display', 'none', '-drive', 'file=%s,format=raw' % image(tmp),
               '-device', 'isa-debug-exit,iobase=0x501', '-d', 'pcall', '-D', tmp + '/a-%d.log', limit=120) as vm:
        pid = vm.p.pid
        vm.wait(11)
    must(open('%s/a-%d.log' % (tmp, pid)).read(), '^pcall: ljmp')
    for bad in ('%s', '%d%d', '%'):
        with Vireo('-nodefaults', '-display', 'none', '-d', 'int', '-D', tmp + '/' + bad, '-S', limit=30) as vm:
            vm.wait(1)
            need(len(vm.stderr().splitlines()) == 1 and '-D' in vm.stderr(), vm.stderr())


def log_without_a_file_is_on_stderr(tmp):
    with Vireo('-nodefaults', '-display', 'none', '-drive', 'file=%s,format=raw' % image(tmp),
               '-device', 'isa-debug-exit,iobase=0x501', '-d', 'guest_errors,unimp,pcall', limit=120) as vm:
        vm.wait(11)
        must(vm.stderr(), '^pcall: ljmp 0008:0000000000007d00')


def unknown_item(tmp):
    with Vireo('-nodefaults', '-d', 'in_asm,nonsense', limit=30) as vm:
        vm.wait(1)
        need(len(vm.stderr().splitlines()) == 1 and "'nonsense'" in vm.stderr(), vm.stderr())
    with Vireo('-d', 'help', limit=30) as vm:
        vm.wait(0)
        for item in 'in_asm op op_opt out_asm int exec cpu mmu page nochain pcall guest_errors unimp'.split():
            must(vm.buf.decode() + vm.stderr(), r'^ *%s ' % item)


def monitor_switches_items(tmp):
    with Vireo('-demo', '-display', 'none', '-nic', 'none', '-serial', 'null', '-D', tmp + '/log',
               '-monitor', 'unix:%s/m,server=on,wait=off' % tmp, '-S', limit=120) as vm:
        mon = Monitor(tmp + '/m')
        mon.cmd('log in_asm,out_asm')
        mon.cmd('cont')
        while 'OUT:' not in open(tmp + '/log').read() and time.time() < vm.deadline:
            time.sleep(0.05)
        mon.cmd('stop')
        mon.cmd('log none')
        mon.cmd('quit')
        vm.wait(0)
    text = open(tmp + '/log').read()
    must(text, r'^PROLOGUE: ', 1)
    must(text, r'^OUT: \[size=')


run([blocks_of_a_tb, filter_leaves_the_rest_out, no_range_no_start, exec_and_cpu, nochain_translates_once, interrupts,
     mmu_page_pcall, unimp_alone, guest_errors_of_a_device, percent_d_is_the_process,
     log_without_a_file_is_on_stderr, unknown_item, monitor_switches_items])
