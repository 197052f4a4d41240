#!/usr/bin/env -S python3 -B
"""What vireo-img says of images of every format, of backing chains and of damaged images, beside qemu-img: the same status and the
same standard output of info, check, map, measure and compare, as text and as JSON. TAP."""
import os, re, shutil, struct, subprocess
from imgtest import IMG, begin, end, result, run

begin('formats', 'qemu-img', 'qemu-io')


def q(*a):
    run('qemu-img', *a)


def io(f, *cmds):
    run('qemu-io', *[x for c in cmds for x in ('-c', c)], '-f', 'raw' if f == 'raw' else 'qcow2', f)


q('create', '-q', '-f', 'raw', 'raw', '10M')
io('raw', 'write -P 3 1M 300k', 'write -P 4 5M 64k')
open('short', 'wb').write(b'x' * 700)
for f, o in (('vmdk', ''), ('vmdk', 'subformat=streamOptimized'), ('vmdk', 'subformat=twoGbMaxExtentSparse'), ('vpc', ''), ('vpc', 'subformat=fixed'), ('vhdx', ''),
             ('vdi', ''), ('qcow2', ''), ('qcow2', 'compat=0.10'), ('qcow2', 'compression_type=zstd'), ('qcow2', 'lazy_refcounts=on'),
             ('qcow2', 'refcount_bits=1'), ('qcow2', 'cluster_size=512')):
    q('convert', '-f', 'raw', '-O', f, *(['-o', o] if o else []), 'raw', f + '-' + re.sub(r'\W+', '-', o))
q('convert', '-c', '-f', 'raw', '-O', 'qcow2', 'raw', 'packed')
for name, back, fmt, size in (('ov1', 'qcow2-', 'qcow2', ''), ('ov2', 'ov1', 'qcow2', '20M'), ('ovr', 'raw', 'raw', ''), ('ovv', 'vmdk-', 'vmdk', ''),
                              ('ovj', 'json:{"driver":"qcow2","file":{"driver":"file","filename":"qcow2-"}}', 'qcow2', '')):
    q('create', '-q', '-f', 'qcow2', '-b', back, '-F', fmt, name, *size.split())
io('ov1', 'write -P 9 2M 100k', 'write -zu 3M 64k')
io('ov2', 'write -z 1M 64k', 'write -P 1 15M 1M')
q('snapshot', '-c', 'one', 'ov2')
os.mkdir('sub')
q('create', '-q', '-f', 'qcow2', '-b', '../raw', '-F', 'raw', 'sub/rel')
head = open('qcow2-', 'rb').read(1 << 20)
l1 = struct.unpack('>Q', head[40:48])[0]
l2 = struct.unpack('>Q', head[l1:l1 + 8])[0] & (1 << 56) - 512
data = struct.unpack('>Q', head[l2 + 128:l2 + 136])[0] & (1 << 56) - 512
counts = 131072


def damage(name, at, b, size=None):
    shutil.copy('qcow2-', name)
    with open(name, 'r+b') as f:
        f.seek(at)
        f.write(b)
        if size:
            f.truncate(size)


damage('d-leak', counts + 60, b'\0\1', 65536 * 40)
damage('d-count-0', counts + 2 * (data >> 16), b'\0\0')
damage('d-count-5', counts + 2 * (data >> 16), b'\0\5')
damage('d-corrupt', 72, struct.pack('>Q', 2))
damage('d-dirty', 72, struct.pack('>Q', 1))
damage('d-feature', 72, struct.pack('>Q', 256))
damage('d-cut', 0, b'Q', 65536 * 6)
damage('d-version', 4, b'\0\0\0\7')
damage('d-magic', 0, b'XXXX')
damage('d-outside', l2 + 128, struct.pack('>Q', 1 << 40 | 1 << 63))
damage('d-unaligned', l2 + 128, struct.pack('>Q', data + 512 | 1 << 63))
damage('d-not-copied', l2 + 128, struct.pack('>Q', data))
damage('d-twice', l2 + 136, struct.pack('>Q', data | 1 << 63))
# qemu has no status of VHDX, and ends a list that an error cuts off without a bracket
UNLIKE = ('map vhdx-', 'map --output=json vhdx-', 'measure -O qcow2 vhdx-', 'map --output=json d-unaligned', 'measure -O raw --output=json d-unaligned')


def said(prog, args):
    p = subprocess.run([prog, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    return p.returncode, re.sub(r'disk size: .*|"actual-size": \d+', 'size', p.stdout), p.stderr


for image in sorted(x for x in os.listdir('.') if os.path.isfile(x) and '-s001' not in x) + ['sub/rel']:
    why = ''
    for c in ('info', 'info --output=json', 'info --backing-chain', 'info --backing-chain --output=json', 'check', 'check --output=json', 'map',
              'map --output=json', 'measure -O qcow2', 'measure -O raw --output=json', 'compare raw', 'compare -s qcow2-'):
        if '%s %s' % (c, image) in UNLIKE:
            continue
        a, b = (said(t, [*c.split(), image]) for t in ('qemu-img', IMG))
        if a[:2] != b[:2] or (b[0] and not b[2] and not b[1]):
            why += '%s:\n qemu-img: %s\n vireo-img: %s\n' % (c, a, b)
    result(not why, 'what is said of ' + image, why)
end()
