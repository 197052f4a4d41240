#!/usr/bin/env -S python3 -B
"""vireo-img and qemu-img on each other's images: random operations, each result read and checked by both. TAP."""
import json, os, random, shutil, subprocess, time
from imgtest import IMG, begin, case as any_case, end, run

tmp = begin('qcow2', 'qemu-img', 'qemu-io')
QIMG, QIO = shutil.which('qemu-img'), shutil.which('qemu-io')


def case(name):
    return any_case(name, empty=True)


def both_clean(f):
    for t in (IMG, QIMG):
        run(t, 'check', f)


def same_bytes():
    run(IMG, 'convert', '-O', 'raw', 'a.qcow2', 'v.raw')
    run(QIMG, 'convert', '-O', 'raw', 'a.qcow2', 'q.raw')
    run('cmp', 'v.raw', 'q.raw')


OPTS = ['', 'compat=0.10', 'cluster_size=4096', 'cluster_size=512', 'refcount_bits=64', 'refcount_bits=8,cluster_size=2048',
        'extended_l2=on', 'compression_type=zstd', 'lazy_refcounts=on', 'preallocation=metadata', 'cluster_size=2M']
# CROSS_OPS=N: operations for each variant; CROSS_SEED=S: others; CROSS_ONLY=OPTS: one variant
ONLY = os.environ.get('CROSS_ONLY')
for opts in [o for o in OPTS if ONLY is None or o == ONLY]:
    @case('random operations: %s' % (opts or 'defaults'))
    def _():
        r = random.Random(opts + os.environ.get('CROSS_SEED', ''))
        o = ['-o', opts] if opts else []
        run(r.choice((IMG, QIMG)), 'create', '-q', '-f', 'qcow2', *o, 'a.qcow2', '4M')
        size, snaps = 4 << 20, []
        for i in range(int(os.environ.get('CROSS_OPS', '25'))): # thousands for a thorough run
            kind = r.choice(('write', 'write', 'write', 'zero', 'discard', 'snap', 'convert', 'resize', 'overlay'))
            at, n = r.randrange(0, size // 512 - 1) * 512, r.randrange(1, 600) * 512
            n = min(n, size - at)
            if kind == 'write':
                run(QIO, '-c', 'write -P %d %d %d' % (i % 255 + 1, at, n), 'a.qcow2')
            elif kind == 'zero':
                run(QIO, '-c', 'write -z %d %d' % (at, n), 'a.qcow2')
            elif kind == 'discard':
                run(QIO, '-d', 'unmap', '-c', 'discard %d %d' % (at, n), 'a.qcow2')
            elif kind == 'snap':
                t = r.choice((IMG, QIMG))
                if snaps and (len(snaps) > 5 or r.random() < 0.6):
                    s = r.choice(snaps)
                    if r.random() < 0.5:
                        run(t, 'snapshot', '-a', s, 'a.qcow2')
                        size = json.loads(run(QIMG, 'info', '--output=json', 'a.qcow2'))['virtual-size']
                    else:
                        run(t, 'snapshot', '-d', s, 'a.qcow2')
                        snaps.remove(s)
                else:
                    snaps.append('s%d' % i)
                    run(t, 'snapshot', '-c', snaps[-1], 'a.qcow2')
            elif kind == 'convert':
                run(r.choice((IMG, QIMG)), 'convert', *r.choice(((), ('-c',))), '-O', 'qcow2', 'a.qcow2', 'b.qcow2')
                run(QIMG, 'compare', 'a.qcow2', 'b.qcow2')
                run(IMG, 'compare', 'a.qcow2', 'b.qcow2')
                both_clean('b.qcow2')
            elif kind == 'resize' and 'compat' not in opts:
                d = 1 if size < 12 << 20 else r.choice((-8, -3, -1))
                size += d << 20
                run(r.choice((IMG, QIMG)), 'resize', '-q', *(('--shrink',) if d < 0 else ()), 'a.qcow2', '%+dM' % d)
            elif kind == 'overlay':
                run(r.choice((IMG, QIMG)), 'create', '-q', '-f', 'qcow2', '-b', 'a.qcow2', '-F', 'qcow2', 'o.qcow2')
                run(QIO, '-c', 'write -P 99 %d %d' % (at, n), 'o.qcow2')
                run(QIMG, 'convert', '-O', 'raw', 'o.qcow2', 'o.raw')
                run(IMG, 'compare', '-F', 'raw', 'o.qcow2', 'o.raw')
                run(r.choice((IMG, QIMG)), 'commit', '-q', 'o.qcow2')
                run(QIMG, 'compare', '-F', 'raw', 'a.qcow2', 'o.raw')
                both_clean('o.qcow2')
            both_clean('a.qcow2')
            if i % 10 == 9:
                same_bytes()
        same_bytes()


@case('info, map, check, measure: the same JSON')
def _():
    run(QIMG, 'create', '-q', '-f', 'qcow2', 'base.qcow2', '8M')
    run(QIO, '-c', 'write -P 1 1M 1M', '-c', 'write -z 3M 1M', 'base.qcow2')
    run(IMG, 'create', '-q', '-f', 'qcow2', '-b', 'base.qcow2', '-F', 'qcow2', 'top.qcow2')
    run(QIO, '-c', 'write -P 2 5M 100k', 'top.qcow2')
    run(QIMG, 'snapshot', '-c', 's', 'base.qcow2')
    for f in ('base.qcow2', 'top.qcow2'):
        for cmd in (('info',), ('map',), ('check',), ('info', '--backing-chain'), ('measure', '-O', 'qcow2')):
            a, b = (json.loads(run(t, *cmd, '--output=json', f)) for t in (IMG, QIMG))
            assert a == b, '%s %s: %s\n%s' % (cmd, f, a, b)
        for cmd in ('info', 'map', 'check'):
            a, b = run(IMG, cmd, f), run(QIMG, cmd, f)
            assert a == b, '%s %s:\n%s\n%s' % (cmd, f, a, b)


@case("bitmaps of qemu: shown, kept by a check and by a writer")
def _():
    def same():
        for cmd in (('info',), ('check',)):
            a, b = (run(t, *cmd, 'a.qcow2') for t in (IMG, QIMG))
            assert a == b, '%s:\n%s\n%s' % (cmd, a, b)
            a, b = (json.loads(run(t, *cmd, '--output=json', 'a.qcow2')) for t in (IMG, QIMG))
            assert a == b, '%s: %s\n%s' % (cmd, a, b)
    for opts in ('cluster_size=64k', 'cluster_size=512'):
        run(QIMG, 'create', '-q', '-f', 'qcow2', '-o', opts, 'a.qcow2', '64M')
        run(QIMG, 'bitmap', '--add', '-g', '4k', 'a.qcow2', 'one')
        run(QIMG, 'bitmap', '--add', 'a.qcow2', 'the other "one"')
        run(QIMG, 'bitmap', '--disable', 'a.qcow2', 'one')
        run(QIO, '-c', 'write -P 1 1M 1M', '-c', 'write -P 2 60M 64k', 'a.qcow2')
        same()
        assert len(json.loads(run(IMG, 'info', '--output=json', 'a.qcow2'))['format-specific']['data']['bitmaps']) == 2
        run(IMG, 'check', '-r', 'all', 'a.qcow2')
        same()
        shutil.copy('a.qcow2', 'b.qcow2')
        run(IMG, 'resize', '-q', 'b.qcow2', '65M')
        assert len(json.loads(run(QIMG, 'info', '--output=json', 'b.qcow2'))['format-specific']['data']['bitmaps']) == 2
        both_clean('b.qcow2')
        run(QIO, '-c', 'write 0 64k', '-c', 'abort', 'b.qcow2', ok=(-6, 134))  # dies: the marks stay
        a, b = (run(t, 'info', 'b.qcow2') for t in (IMG, QIMG))
        assert a == b and 'in-use' in a
        for t in (IMG, QIMG):
            assert 'is inconsistent and cannot be used' in run(t, 'resize', '-q', 'b.qcow2', '66M', ok=(1,))
            run(t, 'bench', '-w', '-c', '1', 'b.qcow2')
            assert run(t, 'info', 'b.qcow2') == a
        with open('a.qcow2', 'r+b') as f: # a directory entry that says it is longer than the directory
            head = f.read(65536 if opts.endswith('64k') else 512)
            at = head.index(b'\x23\x85\x28\x75') + 8
            where = int.from_bytes(head[at + 16:at + 24], 'big')
            f.seek(where + 20)
            f.write(b'\xff\xff\xff\xff')
        assert 'bitmaps' in run(IMG, 'check', 'a.qcow2', ok=(2,))
        run(IMG, 'info', 'a.qcow2')


def bits(image, bitmap):
    """The bits as qemu-nbd gives them out."""
    p = subprocess.Popen(['qemu-nbd', '-r', '-f', 'qcow2', '-B', bitmap, '-k', tmp + '/s', image], stderr=subprocess.PIPE, text=True)
    for _ in range(500):
        if os.path.exists(tmp + '/s') or p.poll() is not None:
            break
        time.sleep(0.01)
    x = run(QIMG, 'map', '--output=json', '--image-opts', 'driver=nbd,server.type=unix,server.path=%s/s,x-dirty-bitmap=qemu:dirty-bitmap:%s' % (tmp, bitmap))
    assert p.wait(20) == 0, p.stderr.read()
    if os.path.exists('s'):
        os.unlink('s')
    return x


if shutil.which('qemu-nbd'):
    for opts in ('cluster_size=64k', 'cluster_size=4k,lazy_refcounts=on', 'extended_l2=on'):
        @case('bitmaps: each writer notes the same bits: ' + opts)
        def _():
            r = random.Random(opts)
            run(QIMG, 'create', '-q', '-f', 'qcow2', '-o', opts, 'a.qcow2', '16M')
            run(QIMG, 'bitmap', '--add', '-g', '4k', 'a.qcow2', 'fine')
            run(IMG, 'bitmap', '--add', '-g', '1M', 'a.qcow2', 'rough')
            run(QIMG, 'bitmap', '--add', '--disable', 'a.qcow2', 'off')
            shutil.copy('a.qcow2', 'b.qcow2')
            open('src', 'wb').write(r.randbytes(1 << 20) + bytes(3 << 20) + r.randbytes(1 << 20))
            size = 16 << 20
            for i in range(12):
                kind = r.choice(('write', 'write', 'write', 'copy', 'packed', 'resize', 'snap'))
                n = r.randrange(1, 300) * 512
                at = r.randrange(0, (size - n) // 512) * 512
                if kind == 'write':
                    op = ['bench', '-w', '-c', str(r.randrange(1, 5)), '-d', '1', '-s', str(n), '-S', str(n), '-o', str(at // 2), '-f', 'qcow2', 'IMAGE']
                elif kind in ('copy', 'packed'):
                    size = 5 << 20
                    for t, f in ((IMG, 'a.qcow2'), (QIMG, 'b.qcow2')):
                        run(t, 'resize', '-q', '--shrink', f, str(size))
                    op = ['convert', '-n', '-f', 'raw', '-O', 'qcow2', *(['-c'] if kind == 'packed' else []), 'src', 'IMAGE']
                elif kind == 'resize':
                    size = r.randrange(5 << 20, 16 << 20) & ~511
                    op = ['resize', '-q', '--shrink', 'IMAGE', str(size)]
                else:
                    op = ['snapshot', '-c', 's%d' % i, 'IMAGE']
                for t, f in ((IMG, 'a.qcow2'), (QIMG, 'b.qcow2')):
                    run(t, *[f if x == 'IMAGE' else x for x in op])
                if i % 4 != 3:
                    continue
                for f in ('a.qcow2', 'b.qcow2'):
                    both_clean(f)
                for name in ('fine', 'rough', 'off'):
                    x, y = bits('a.qcow2', name), bits('b.qcow2', name)
                    assert x == y, '%s after %s:\n%s%s' % (name, op, x, y)


@case('exit codes')
def _():
    run(IMG, 'create', '-q', '-f', 'qcow2', 'x.qcow2', '1M')
    run(QIO, '-c', 'write -P 1 0 256k', 'x.qcow2')
    run(IMG, 'create', '-q', '-f', 'qcow2', 'y.qcow2', '1M')
    for t in (IMG, QIMG):
        run(t, 'compare', 'x.qcow2', 'y.qcow2', ok=(1,))
        run(t, 'info', 'none.qcow2', ok=(1,))
        run(t, 'compare', 'none.qcow2', 'y.qcow2', ok=(2,))
        run(t, 'create', '-f', 'qcow2', 'z.qcow2', ok=(1,))
    reft = 65536
    with open('x.qcow2', 'r+b') as f:
        f.seek(131072 + 2 * 30)       # a count of a cluster that nobody uses
        f.write(b'\0\1')
        f.truncate(65536 * 40)
    for t in (IMG, QIMG):
        run(t, 'check', 'x.qcow2', ok=(3,))
    run(IMG, 'check', '-r', 'leaks', 'x.qcow2')
    both_clean('x.qcow2')
    with open('x.qcow2', 'r+b') as f:
        f.seek(131072 + 2 * 5)        # a cluster in use, counted as free
        f.write(b'\0\0')
    for t in (IMG, QIMG):
        run(t, 'check', 'x.qcow2', ok=(2,))
    run(IMG, 'check', '-r', 'all', 'x.qcow2')
    both_clean('x.qcow2')


@case('rebase')
def _():
    run(IMG, 'create', '-q', '-f', 'qcow2', 'a.qcow2', '2M')
    run(QIO, '-c', 'write -P 1 0 1M', 'a.qcow2')
    run(IMG, 'create', '-q', '-f', 'qcow2', 'b.qcow2', '2M')
    run(QIO, '-c', 'write -P 2 512k 1M', 'b.qcow2')
    run(IMG, 'create', '-q', '-f', 'qcow2', '-b', 'a.qcow2', '-F', 'qcow2', 'o.qcow2')
    run(QIO, '-c', 'write -P 3 100k 100k', 'o.qcow2')
    run(QIMG, 'convert', '-O', 'raw', 'o.qcow2', 'want.raw')
    run(IMG, 'rebase', '-b', 'b.qcow2', '-F', 'qcow2', 'o.qcow2')
    run(QIMG, 'compare', '-F', 'raw', 'o.qcow2', 'want.raw')
    both_clean('o.qcow2')
    run(IMG, 'rebase', '-b', '', 'o.qcow2')
    assert 'backing file' not in run(QIMG, 'info', 'o.qcow2')
    run(QIMG, 'compare', '-F', 'raw', 'o.qcow2', 'want.raw')
    both_clean('o.qcow2')


@case('resize with preallocation')
def _():
    for opts in ('cluster_size=64k', 'extended_l2=on', 'cluster_size=512', 'compat=0.10'):
        run(IMG, 'create', '-q', '-f', 'qcow2', '-o', opts, 'a.qcow2', '1M')
        run(QIO, '-c', 'write -P 1 0 1M', 'a.qcow2')
        run(QIO, '-d', 'unmap', '-c', 'discard 256k 512k', 'a.qcow2') # freed clusters keep old bytes
        for mode in ('metadata', 'falloc', 'full'):
            run(IMG, 'resize', '-q', '--preallocation=' + mode, 'a.qcow2', '+1M')
            both_clean('a.qcow2')
        run(QIO, '-r', '-c', 'read -P 0 1M 3M', 'a.qcow2')
        for t in (IMG, QIMG):
            m = json.loads(run(t, 'map', '--output=json', 'a.qcow2'))
            assert sum(e['length'] for e in m if e['present'] and e['start'] >= 1 << 20) == 3 << 20, m
    for mode, full in (('falloc', True), ('full', True), ('off', False)):
        with open('r.raw', 'wb') as f:
            f.write(b'x' * 4096)
        run(IMG, 'resize', '-q', '-f', 'raw', '--preallocation=' + mode, 'r.raw', '1M')
        st = os.stat('r.raw')
        assert st.st_size == 1 << 20 and (st.st_blocks * 512 >= 1 << 20) == full, (mode, st)
        assert open('r.raw', 'rb').read() == b'x' * 4096 + bytes((1 << 20) - 4096), mode
    for args in (('--preallocation=metadata', 'r.raw', '2M'), ('--preallocation=no', 'r.raw', '2M'),
                 ('--shrink', '--preallocation=full', 'r.raw', '64k')):
        assert 'reallocation' in run(IMG, 'resize', '-f', 'raw', *args, ok=(1,))
    assert os.stat('r.raw').st_size == 1 << 20


@case('amend')
def _():
    run(QIMG, 'create', '-q', '-f', 'qcow2', '-o', 'compat=1.1', 'base.qcow2', '4M')
    run(IMG, 'create', '-q', '-f', 'qcow2', '-o', 'compat=0.10', 'a.qcow2', '4M')
    run(QIO, '-c', 'write -P 5 1M 1M', 'a.qcow2')
    run(QIMG, 'convert', '-O', 'raw', 'a.qcow2', 'want.raw')

    def data():
        return json.loads(run(QIMG, 'info', '--output=json', 'a.qcow2'))['format-specific']['data']
    run(IMG, 'amend', '-o', 'compat=1.1,lazy_refcounts=on', 'a.qcow2')
    assert data()['compat'] == '1.1' and data()['lazy-refcounts'], data()
    run(QIO, '-c', 'write -z 1M 64k', '-c', 'write -P 6 3M 64k', 'a.qcow2')
    run(QIO, '-c', 'write -z 1M 64k', '-c', 'write -P 6 3M 64k', '-f', 'raw', 'want.raw')
    both_clean('a.qcow2')
    run(IMG, 'amend', '-o', 'compat=0.10', 'a.qcow2') # zero clusters become clusters of zeros, or none
    assert data()['compat'] == '0.10', data()
    both_clean('a.qcow2')
    run(QIMG, 'compare', '-F', 'raw', 'a.qcow2', 'want.raw')
    assert 'only supported for image creation' in run(IMG, 'amend', '-o', 'cluster_size=4096', 'a.qcow2', ok=(1,))
    assert 'compat=1.1' in run(IMG, 'amend', '-o', 'refcount_bits=64', 'a.qcow2', ok=(1,))
    assert 'nosuch' in run(IMG, 'amend', '-o', 'nosuch=1', 'a.qcow2', ok=(1,))


@case('amend: refcount_bits')
def _():
    for opts in ('cluster_size=64k', 'cluster_size=512', 'cluster_size=4k,refcount_bits=1'):
        run(QIMG, 'create', '-q', '-f', 'qcow2', '-o', opts, 'a.qcow2', '64M')
        run(QIO, '-c', 'write -P 5 1M 3M', '-c', 'write %s -P 6 60M 64k' % ('-c' if '64k' in opts else ''), 'a.qcow2')
        for bits in (64, 1, 16, 8, 2, 32, 4, 64, 16):
            run(IMG, 'amend', '-o', 'refcount_bits=%d' % bits, 'a.qcow2')
            assert json.loads(run(QIMG, 'info', '--output=json', 'a.qcow2'))['format-specific']['data']['refcount-bits'] == bits
            both_clean('a.qcow2')
            run(QIO, '-c', 'write -P %d 20M 1M' % bits, '-c', 'read -P 5 1M 3M', '-c', 'read -P 6 60M 64k', '-c', 'read -P %d 20M 1M' % bits, 'a.qcow2')
            run(IMG, 'resize', '-q', 'a.qcow2', '+1M')
            both_clean('a.qcow2')
        assert os.path.getsize('a.qcow2') < 16 << 20 # the places of the old counts are used again
        for s in 'abc':
            run(IMG, 'snapshot', '-c', s, 'a.qcow2')
        assert 'has a refcount of 4' in run(IMG, 'amend', '-o', 'refcount_bits=2', 'a.qcow2', ok=(1,))
        both_clean('a.qcow2')
        run(IMG, 'amend', '-o', 'refcount_bits=4', 'a.qcow2')
        both_clean('a.qcow2')
    for t in (IMG, QIMG):
        assert 'power of two' in run(t, 'amend', '-o', 'refcount_bits=3', 'a.qcow2', ok=(1,))
    run(IMG, 'create', '-q', '-f', 'qcow2', '-o', 'refcount_bits=64', 'b.qcow2', '1M')
    run(IMG, 'amend', '-o', 'refcount_bits=16,compat=0.10', 'b.qcow2')
    both_clean('b.qcow2')
    run(IMG, 'amend', '-o', 'refcount_bits=1,compat=1.1', 'b.qcow2')
    both_clean('b.qcow2')


@case('convert: several threads, out of order, of a snapshot')
def _():
    r = random.Random(3)
    run(QIMG, 'create', '-q', '-f', 'qcow2', 'a.qcow2', '64M')
    for i in range(40):
        run(QIO, '-c', 'write -P %d %dk %dk' % (i + 1, r.randrange(0, 65000), r.randrange(1, 500)), 'a.qcow2')
    run(QIMG, 'snapshot', '-c', 'one', 'a.qcow2')
    run(QIMG, 'convert', '-O', 'raw', 'a.qcow2', 'one.raw')
    run(QIO, '-c', 'write -P 200 0 8M', 'a.qcow2')
    for args in (('-m', '1'), ('-m', '8'), ('-m', '16', '-W'), ('-c', '-m', '4')):
        run(IMG, 'convert', *args, '-O', 'qcow2', 'a.qcow2', 'b.qcow2')
        run(QIMG, 'compare', 'a.qcow2', 'b.qcow2')
        both_clean('b.qcow2')
        run(IMG, 'convert', *args, '-l', 'one', '-O', 'qcow2', 'a.qcow2', 'c.qcow2')
        run(QIMG, 'compare', '-F', 'raw', 'c.qcow2', 'one.raw')
        both_clean('c.qcow2')
    run(IMG, 'convert', '-l', 'snapshot.name=one', '-O', 'raw', 'a.qcow2', 'c.raw')
    run('cmp', 'c.raw', 'one.raw')
    for bad in (('-m', '0'), ('-m', '17'), ('-l', 'none')):
        run(IMG, 'convert', *bad, '-O', 'raw', 'a.qcow2', 'd.raw', ok=(1,))


end()
