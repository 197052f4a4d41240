#!/usr/bin/env -S python3 -B
"""A folder as a FAT disk (fat:DIR): every name and byte is found by a FAT reader of this test, by mtools and fsck.fat where
they are installed; what cannot be is refused in one line. TAP."""
import os, random, shutil, struct, subprocess
from imgtest import IMG, begin, case, end

begin('vvfat')


class Fat:
    """Reads a FAT volume by the specification."""
    def __init__(self, d):
        self.d = d
        (bps, self.spc, res, nfat, roots, t16, media, f16) = struct.unpack('<HBHBHHBH', d[11:24])
        t32, f32 = struct.unpack('<I', d[32:36])[0], struct.unpack('<I', d[36:40])[0]
        assert bps == 512 and nfat == 2 and d[510:512] == b'\x55\xaa'
        fs, total = f16 or f32, t16 or t32
        assert total * 512 == len(d), 'size of the volume'
        self.root_at, self.roots = (res + 2 * fs) * 512, roots
        self.data = self.root_at + roots * 32
        clusters = (len(d) - self.data) // (self.spc * 512)
        self.bits = 12 if clusters < 4085 else 16 if clusters < 65525 else 32
        self.fat = d[res * 512:(res + fs) * 512]
        assert self.fat == d[(res + fs) * 512:(res + 2 * fs) * 512], 'both FATs are the same'
        assert self.fat[0] == media
        self.root_cluster = struct.unpack('<I', d[44:48])[0]
        self.seen = set()
        label = d[71:82] if self.bits == 32 else d[43:54]
        self.label = label.decode('ascii').rstrip()

    def next(self, c):
        if self.bits == 12:
            v = struct.unpack('<H', self.fat[c * 3 // 2:c * 3 // 2 + 2])[0]
            v = v >> 4 if c & 1 else v & 0xfff
            return None if v >= 0xff8 else v
        if self.bits == 16:
            v = struct.unpack('<H', self.fat[c * 2:c * 2 + 2])[0]
            return None if v >= 0xfff8 else v
        v = struct.unpack('<I', self.fat[c * 4:c * 4 + 4])[0]
        return None if v >= 0x0ffffff8 else v

    def chain(self, c):
        out = []
        while c is not None:
            assert c >= 2 and c not in self.seen, 'cluster %d' % c
            self.seen.add(c)
            at = self.data + (c - 2) * self.spc * 512
            out.append(self.d[at:at + self.spc * 512])
            c = self.next(c)
        return b''.join(out)

    def tree(self, raw=None, path='', me=0, up=0):
        top = raw is None
        if top:
            raw = self.chain(self.root_cluster) if self.bits == 32 else self.d[self.root_at:self.root_at + self.roots * 32]
        out, long, shorts = {}, [], set()
        for i in range(0, len(raw), 32):
            e = raw[i:i + 32]
            if e[0] == 0:
                break
            if e[11] == 0x0f:
                long.insert(0, (e[13], e[1:11] + e[14:26] + e[28:32]))
                continue
            if e[11] & 8:
                assert top and e[:11].decode().rstrip() == self.label
                continue
            c, size = struct.unpack('<H', e[26:28])[0] | struct.unpack('<H', e[20:22])[0] << 16, struct.unpack('<I', e[28:32])[0]
            name = e[:8].decode().rstrip() + ('.' + e[8:11].decode().rstrip() if e[8:11] != b'   ' else '')
            if name in ('.', '..'):
                assert c == (me if name == '.' else up), 'dot entries of %s' % path
                continue
            assert e[:11] not in shorts, 'short name twice'
            shorts.add(e[:11])
            if long:
                s = 0
                for b in e[:11]:
                    s = ((s >> 1) + ((s & 1) << 7) + b) & 255
                assert all(x[0] == s for x in long), 'checksum of a long name'
                name = b''.join(x[1] for x in long).decode('utf-16-le').split('\0')[0]
                long = []
            full = path + name
            if e[11] & 0x10:
                out[full] = None
                out.update(self.tree(self.chain(c), full + '/', c, me))
            else:
                data = self.chain(c) if size else b''
                assert size <= len(data) < size + self.spc * 512 and (size or c == 0)
                out[full] = data[:size]
        return out


def host_tree(top):
    out = {}
    for d, dirs, files in os.walk(top):
        rel = os.path.relpath(d, top)
        pre = '' if rel == '.' else rel + '/'
        out.update({pre + x: None for x in dirs if not os.path.islink(os.path.join(d, x))})
        out.update({pre + x: open(os.path.join(d, x), 'rb').read() for x in files if os.path.isfile(os.path.join(d, x))})
    return out


def make(top, big):
    r = random.Random(5)
    os.makedirs(top + '/sub/deep')
    os.makedirs(top + '/none')
    os.makedirs(top + '/many')
    for name in ('A.TXT', 'a.bak', 'Readme', 'a name with blanks.html', 'a name with blanks too.html', '.hidden', 'x.tar.gz', 'UPPER.lower', 'd.',
                 'thirteen-char', 'zw\u00f6lf \u20ac', 'same', 'SAME', 'n' * 200):
        open(os.path.join(top, name), 'wb').write(r.randbytes(r.choice((0, 1, 511, 512, 5000))))
    for i in range(150):
        open('%s/many/number %d' % (top, i), 'w').write(str(i))
    open(top + '/sub/deep/data', 'wb').write(r.randbytes(big))
    os.symlink('../A.TXT', top + '/sub/link')
    os.symlink('..', top + '/sub/loop')
    os.mkfifo(top + '/pipe')


make('hd', 700000)
make('fd', 30000)
fsck, mcopy = shutil.which('fsck.fat', path=os.environ['PATH'] + ':/sbin:/usr/sbin'), shutil.which('mcopy')
for spec, bits, size in (('fat:', 16, 1032192), ('fat:12:', 12, 64512), ('fat:32:', 32, 16514064), ('fat:floppy:', 12, 5760), ('fat:floppy:12:', 12, 2880),
                         ('fat:16:floppy:', 16, 5760)):
    @case('%s every name and byte' % spec)
    def _():
        top = 'fd' if 'floppy' in spec else 'hd'
        subprocess.run([IMG, 'convert', '-O', 'raw', spec + top, 'o.raw'], check=True)
        d = open('o.raw', 'rb')
        assert os.path.getsize('o.raw') == size * 512
        if top == 'hd':
            mbr = d.read(512)
            kind, start, n = mbr[446 + 4], *struct.unpack('<II', mbr[454:462])
            assert (mbr[510:], mbr[446], kind) == (b'\x55\xaa', 0x80, {12: 1, 16: 6, 32: 12}[bits]) and start == 63 and start + n == size
            d.seek(start * 512)
        if bits == 32:  # 8 GB: only the front has anything
            vol = d.read(64 << 20) + b''
            class Sparse(bytes):
                def __len__(self):
                    return (size - 63) * 512
            vol = Sparse(vol)
        else:
            vol = d.read()
        f = Fat(vol)
        assert f.bits == bits and f.label == 'QEMU VVFAT', (f.bits, f.label)
        got, want = f.tree(), host_tree(top)
        assert sorted(got) == sorted(want), set(got) ^ set(want)
        for k in want:
            assert got[k] == want[k], k
        if fsck or mcopy:
            off = 63 if top == 'hd' else 0
            if fsck:
                subprocess.run(['dd', 'if=o.raw', 'of=p.raw', 'bs=512', 'skip=%d' % off, 'conv=sparse', 'status=none'], check=True)
                subprocess.run([fsck, '-n', 'p.raw'], check=True, stdout=subprocess.DEVNULL)
            if mcopy:
                os.mkdir('m')
                env = dict(os.environ, LC_ALL='C.UTF-8', MTOOLSRC='/dev/null')
                subprocess.run([mcopy, '-s', '-i', 'o.raw@@%d' % (off * 512), '::/sub', 'm/'], check=True, env=env)
                assert open('m/sub/deep/data', 'rb').read() == want['sub/deep/data']
                shutil.rmtree('m')


@case('read again and again at random places')
def _():
    subprocess.run([IMG, 'convert', '-O', 'qcow2', 'fat:hd', 'o.qcow2'], check=True)
    subprocess.run([IMG, 'compare', 'fat:hd', 'o.qcow2'], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([IMG, 'bench', '-c', '300', '-s', '3000', '-S', '70001', '-f', 'raw', 'fat:hd'], check=True, stdout=subprocess.DEVNULL)


def refused(text, *args, env=None):
    p = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)
    assert p.returncode == 1 and text in p.stdout and p.stdout.count('\n') == 1, (p.returncode, p.stdout)


@case('what cannot be is refused in one line')
def _():
    refused('No such file', IMG, 'info', 'fat:nowhere')
    refused('Not a directory', IMG, 'info', 'fat:hd/A.TXT')
    refused('FAT12 or FAT16', IMG, 'info', 'fat:floppy:32:hd')
    refused('only 12, 16 and 32', IMG, 'info', '--image-opts', 'driver=vvfat,dir=hd,fat-type=8')
    refused('longer than 11', IMG, 'info', '--image-opts', 'driver=vvfat,dir=hd,label=longer than it')
    refused("requires a 'dir'", IMG, 'info', '--image-opts', 'driver=vvfat')
    os.mkdir('over')
    with open('over/big', 'wb') as f:
        f.truncate(3 << 20)
    refused('does not fit in FAT12', IMG, 'info', 'fat:floppy:over')
    with open('over/big', 'wb') as f:
        f.truncate(5 << 30)
    refused('limit of FAT', IMG, 'info', 'fat:32:over')
    os.mkdir('root')
    for i in range(300):
        open('root/some long name %d' % i, 'w').close()
    refused('too many entries for the root directory', IMG, 'info', 'fat:root')
    for name in ('ssh://u@h/x', 'http://h/x', 'https://h/x', 'iscsi://h/x', 'rbd:a/b', 'foo:bar'):
        refused("Unknown protocol '%s' (supported: file " % name.split(':')[0], IMG, 'info', name)
    refused("Protocol driver 'nbd' does not support image creation", IMG, 'create', '-q', 'nbd:h:1', '1M')
    refused("Protocol driver 'a' does not support image creation", IMG, 'convert', 'hd/A.TXT', 'a:c')
    assert not os.path.exists('a:c')
    subprocess.run([IMG, 'create', '-q', 'file:made', '1M'], check=True)
    assert os.path.getsize('made') == 1 << 20
    open('a:b', 'wb').write(bytes(512))
    subprocess.run([IMG, 'info', './a:b'], check=True, stdout=subprocess.DEVNULL)


end()
