#!/usr/bin/env -S python3 -B
"""The NBD client: against a server of this test (both styles of negotiation, errors, a server that lies or goes away), and
against qemu-nbd where it is installed. TAP."""
import os, random, shutil, socket, struct, subprocess, threading, time
from imgtest import IMG, begin, case, end, run

tmp = begin('nbd')
SIZE = 3 << 20
DATA = random.Random(4).randbytes(SIZE)
open('disk', 'wb').write(DATA)


def img(*a, ok=0):
    return run(IMG, *a, ok=ok)


class Gone(Exception):
    pass


class Server(threading.Thread):
    """One export in memory. `how` says what is unusual."""
    def __init__(self, how='', export='disk', flags=1 | 4 | 0x20 | 0x40):
        super().__init__(daemon=True)
        self.how, self.export, self.flags, self.data, self.log = how, export, flags, bytearray(DATA), []
        self.s = socket.socket()
        self.s.bind(('127.0.0.1', 0))
        self.s.listen(5)
        self.port = self.s.getsockname()[1]
        self.start()

    def url(self, export=None):
        return 'nbd://127.0.0.1:%d/%s' % (self.port, self.export if export is None else export)

    def run(self):
        while True:
            self.c, _ = self.s.accept()
            try:
                self.talk()
            except (Gone, OSError):
                pass
            self.c.close()

    def get(self, n):
        b = b''
        while len(b) < n:
            x = self.c.recv(n - len(b))
            if not x:
                raise Gone
            b += x
        return b

    def put(self, fmt, *a):
        self.c.sendall(struct.pack(fmt, *a))

    def talk(self):
        how = self.how
        if how == 'silent':
            return
        if how == 'http':
            self.c.sendall(b'HTTP/1.1 400 Bad Request\r\n\r\n')
            return
        if how == 'old':
            self.put('>8sQQI124x', b'NBDMAGIC', 0x420281861253, SIZE, self.flags)
            return self.serve()
        self.put('>8s8sH', b'NBDMAGIC', b'IHAVEOPT', 0 if how == 'newstyle' else 3)
        mine = struct.unpack('>I', self.get(4))[0]
        while True:
            magic, opt, n = struct.unpack('>8sII', self.get(16))
            assert magic == b'IHAVEOPT'
            data = self.get(n)
            self.log.append(opt)
            if opt == 1:
                if data.decode() != self.export:
                    return
                self.put('>QH', SIZE, self.flags)
                if not mine & 2:
                    self.c.sendall(bytes(124))
                return self.serve()
            def reply(t, body=b''):
                self.put('>QIII', 0x3e889045565a9, opt, t, len(body))
                self.c.sendall(body)
            if how == 'no-go' or opt != 7:
                reply(0x80000001)
                continue
            if how == 'tls':
                reply(0x80000005)
                continue
            if how == 'huge':
                self.put('>QIII', 0x3e889045565a9, opt, 3, 0x7fffffff)
                return
            if how == 'chatty':
                while True:
                    reply(3, struct.pack('>HI', 3, 1))
            name = data[4:4 + struct.unpack('>I', data[:4])[0]].decode()
            if name != self.export:
                reply(0x80000006, b'no')
                continue
            reply(3, struct.pack('>HIII', 3, 1, 4096, 1 << 25))
            reply(3, struct.pack('>HQH', 0, (1 << 63) + 5 if how == 'too-large' else SIZE, self.flags))
            reply(1)
            return self.serve()

    def serve(self):
        while True:
            magic, flags, cmd, handle, off, n = struct.unpack('>IHH8sQI', self.get(28))
            assert magic == 0x25609513
            self.log.append(('r', 'w', 'bye', 'f', 't', '?', 'z')[cmd])
            if cmd == 2:
                return
            data = self.get(n) if cmd == 1 else b''
            err = 0
            if self.how == 'cut' and self.log.count('r') > 1:
                return
            if self.how == 'liar':
                handle = b'\xff' * 8
            if self.how == 'eio' and off >= 1 << 20:
                err = 5
            if self.how == 'nospc' and cmd in (1, 6):
                err = 28
            if off + n > SIZE and cmd != 3:
                err = 22
            if not err and cmd == 1:
                self.data[off:off + n] = data
            if not err and cmd == 6:
                self.data[off:off + n] = bytes(n)
            self.put('>II8s', 0x67446698, err, handle)
            if cmd == 0 and not err:
                self.c.sendall(self.data[off:off + n])


def same(f, data=DATA):
    assert open(f, 'rb').read() == data


for how in ('', 'no-go', 'newstyle', 'old'):
    @case('read from a server%s' % (' (%s)' % how if how else ''))
    def _():
        s = Server(how, export='' if how == 'old' else 'disk')
        img('convert', '-f', 'raw', '-O', 'raw', s.url(), 'o')
        same('o')
        assert '"virtual-size": %d' % SIZE in img('info', '--output=json', s.url())
        img('convert', '-O', 'raw', 'nbd:127.0.0.1:%d%s' % (s.port, ':exportname=disk' if s.export else ''), 'o')
        same('o')
        opts = 'driver=raw,file.driver=nbd,file.host=127.0.0.1,file.port=%d%s' % (s.port, ',file.export=disk' if s.export else '')
        img('compare', '--image-opts', opts, 'driver=raw,file.filename=disk')


@case('write, zeros, flush; the end is told')
def _():
    s = Server()
    src = bytearray(random.Random(5).randbytes(SIZE))
    src[1 << 20:(1 << 20) + 300000] = bytes(300000)
    open('new', 'wb').write(src)
    img('convert', '-n', '-f', 'raw', '-O', 'raw', 'new', s.url())
    for _ in range(200):
        if 'bye' in s.log:
            break
        time.sleep(0.02)
    assert bytes(s.data) == bytes(src) and 'f' in s.log and 'z' in s.log and s.log[-1] == 'bye', s.log[-5:]
    img('resize', '-f', 'raw', s.url(), '8M', ok=1)


@case('a server that does not have everything')
def _():
    s = Server(flags=1)
    src = bytearray(DATA)
    src[0:1 << 20] = bytes(1 << 20)
    open('new', 'wb').write(src)
    img('convert', '-n', '-f', 'raw', '-O', 'raw', 'new', s.url())
    assert bytes(s.data) == bytes(src) and 'z' not in s.log and 'f' not in s.log
    s = Server(flags=1 | 2)
    assert 'read-only' in img('bench', '-w', '-c', '1', '-f', 'raw', s.url(), ok=1)
    img('convert', '-f', 'raw', '-O', 'raw', s.url(), 'o')
    same('o')


@case('an image with tables on a server, with its backing file on another')
def _():
    img('create', '-q', '-f', 'qcow2', 'top', '%d' % SIZE)
    back, top = Server(), Server()
    img('create', '-q', '-f', 'qcow2', '-b', back.url(), '-F', 'raw', 'top')
    image = open('top', 'rb').read()
    top.data[:] = image + bytes(SIZE - len(image))
    img('convert', '-f', 'qcow2', '-O', 'raw', top.url(), 'o')
    same('o')
    img('check', '-f', 'qcow2', top.url())


ERRORS = (('silent', 'ended the connection'), ('http', 'is no NBD server'), ('tls', 'wants TLS'), ('huge', 'answers what is no NBD'),
          ('chatty', 'does not come to an end'), ('too-large', 'too large'))
for how, text in ERRORS:
    @case('refused: %s' % how)
    def _():
        out = img('info', '-f', 'raw', Server(how).url(), ok=1)
        assert text in out and out.count('\n') == 1, out


@case('refused: names')
def _():
    s = Server()
    for name, text in ((s.url('nothing'), "has no export 'nothing'"), ('nbd://127.0.0.1:1/x', 'Connection refused'), ('nbd:unix:%s/no' % tmp, 'No such file'),
                       ('nbd:x', 'is no NBD name'), ('nbd+unix:///x', 'needs ?socket='), ('nbd+foo://x', 'is no NBD name'), ('nbd://', 'no host'),
                       ('nbd:unix:' + 'x' * 200, 'too long')):
        out = img('info', name, ok=1)
        assert text in out and out.count('\n') == 1, (name, out)
    out = img('info', '--image-opts', 'driver=nbd', ok=1)
    assert 'one of path and host' in out
    out = img('info', '--image-opts', 'driver=nbd,host=127.0.0.1,port=%d,tls-creds=x' % s.port, ok=1)
    assert 'tls-creds' in out


@case('errors and a broken connection reach the caller')
def _():
    assert 'Input/output error' in img('convert', '-f', 'raw', Server('eio').url(), 'o', ok=1)
    assert 'No space left' in img('convert', '-n', '-f', 'raw', '-O', 'raw', 'disk', Server('nospc').url(), ok=1)
    for how in ('cut', 'liar'):
        out = img('convert', '-f', 'raw', Server(how).url(), 'o', ok=1)
        assert 'is broken' in out or 'Could not read' in out or 'error while' in out, out


if shutil.which('qemu-nbd'):
    @case('qemu-nbd: read and write through a socket file')
    def _():
        sock, pid = tmp + '/s', tmp + '/pid'
        shutil.copy('disk', 'copy')
        subprocess.run(['qemu-nbd', '-f', 'raw', '-x', 'exp', '-e', '3', '-k', sock, '-t', '--fork', '--pid-file=' + pid, 'copy'], check=True)
        try:
            url = 'nbd+unix:///exp?socket=' + sock
            img('compare', '-f', 'raw', '-F', 'raw', url, 'disk')
            img('bench', '-q', '-w', '-c', '200', '-s', '8192', '-S', '12288', '--pattern', '7', '-f', 'raw', url)
            img('convert', '-f', 'raw', '-O', 'raw', 'nbd:unix:%s:exportname=exp' % sock, 'o')
            assert "has no export" in img('info', 'nbd:unix:' + sock + ':exportname=other', ok=1)
        finally:
            os.kill(int(open(pid).read()), 15)
        for _ in range(400):
            if not os.path.exists(pid):
                break
            time.sleep(0.02)
        assert open('copy', 'rb').read() == open('o', 'rb').read() and open('o', 'rb').read()[:9000] == b'\x07' * 8192 + DATA[8192:9000]

end()
