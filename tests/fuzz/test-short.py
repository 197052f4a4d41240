#!/usr/bin/env python3
"""A fixed, short run of the fuzzers that are quick; long ones are run by hand (docs/testing.md). TAP."""
import os
import subprocess

BUILD = os.environ.get('BUILD', 'build')
RUNS = [('fuzz-vga', '40'), ('fuzz-vnc', '40'), ('fuzz-ide', '30'), ('fuzz-fdc', '30'), ('fuzz-nbd', '150'),
        ('fuzz-vvfat', '60'), ('fuzz-throttle', '2000'), ('fuzz-nodes', '60')]

print('1..%d' % len(RUNS))
bad = 0
for n, (name, count) in enumerate(RUNS, 1):
    r = subprocess.run([os.path.join(BUILD, 'tests/fuzz', name), '--count', count], capture_output=True, text=True, timeout=300)
    good = r.returncode == 0
    bad += not good
    print('%sok %d - %s' % ('' if good else 'not ', n, name))
    if not good:
        print('\n'.join('# ' + l for l in (r.stdout + r.stderr).splitlines()[-30:]))
raise SystemExit(bad != 0)
