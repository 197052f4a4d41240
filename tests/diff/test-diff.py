#!/usr/bin/env python3
"""A fixed set of differential cases (tests/diff/main.c): every family and mode of code, then the other ways to translate. TAP."""
import os
import subprocess
import sys

DIFF = os.path.join(os.environ.get('BUILD', 'build'), 'tests', 'diff')
RUNS = [['--family', f, '--count', '30000', '--seed', '77'] for f in 'int string flow sys sse fp mmx x87 vex seg'.split()]
RUNS += [['--bits', b, '--count', '80000', '--seed', '80'] for b in ('64', '32', '16')]
with open('/proc/cpuinfo') as f:
    if 'AuthenticAMD' in f.read():  # the order of faults is AMD's
        RUNS += [['--fixed'], ['--edges', '--count', '150000', '--seed', '81']]
RUNS += [['--mode', m, '--count', '40000', '--seed', '78'] for m in 'one-insn no-opt random-regs interp floating'.split()]
RUNS += [['--float', '--bits', '64', '--mode', m, '--count', '30000', '--seed', '83'] for m in 'one-insn no-opt random-regs interp'.split()]
RUNS += [['--mode', 'all', '--count', '40000', '--seed', '79']]


def main():
    if not os.path.exists(DIFF):
        print('1..0 # SKIP no %s' % DIFF)
        return 0
    bad = 0
    print('1..%d' % len(RUNS))
    for n, args in enumerate(RUNS, 1):
        r = subprocess.run([DIFF, *args], capture_output=True, text=True, timeout=600)
        lines = (r.stdout + r.stderr).splitlines()
        good = r.returncode == 0 and bool(lines) and ' 0 differences' in lines[-1]
        bad += not good
        print('%sok %d - %s' % ('' if good else 'not ', n, ' '.join(args)))
        for line in lines if not good else lines[-1:]:
            print('# ' + line)
        sys.stdout.flush()
    return 1 if bad else 0


sys.exit(main())
