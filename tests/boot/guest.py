"""guest.py - what the boot tests share: run vireo, watch its serial line, speak TAP.

A test is a function; run(tests) runs each with a fresh temporary folder and prints TAP. Guests come from
Debian packages, fetched once into BUILD/guests with apt-get download."""
import glob
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

BUILD = os.path.abspath(os.environ.get('BUILD', 'build'))
VIREO = os.path.join(BUILD, 'vireo')
GUESTS = os.path.join(BUILD, 'guests')
VERBOSE = os.environ.get('V') == '1'


class Fail(Exception):
    pass


class Vireo:
    """One run; its serial line is on a pipe unless args say otherwise. Limits are hang guards, not speed tests."""

    def __init__(self, *args, limit=300):
        self.cmd = [VIREO, *map(str, args)]
        self.err = tempfile.TemporaryFile()
        self.buf, self.pos = b'', 0
        self.deadline = time.time() + limit
        self.p = subprocess.Popen(self.cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.err)
        os.set_blocking(self.p.stdout.fileno(), False)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.p.poll() is None:
            self.p.terminate()
            try:
                self.p.wait(5)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()

    def _pump(self):
        r, _, _ = select.select([self.p.stdout], [], [], 1)
        if not r:
            return True
        data = self.p.stdout.read(65536)
        if data:
            self.buf += data
            if VERBOSE:
                sys.stderr.buffer.write(data)
        return data is None or bool(data)

    def expect(self, pattern):
        rx = re.compile(pattern.encode('latin1'), re.S)
        while True:
            m = rx.search(self.buf, self.pos)
            if m:
                self.pos = m.end()
                return m
            if time.time() > self.deadline:
                raise Fail('no %r; last: %r' % (pattern, self.buf[-400:]))
            if not self._pump() and not rx.search(self.buf, self.pos):
                raise Fail('vireo ended (%s) before %r; last: %r; stderr: %s' % (
                    self.p.wait(), pattern, self.buf[-400:], self.stderr()))

    def send(self, text):
        self.p.stdin.write(text.encode('latin1'))
        self.p.stdin.flush()

    def wait(self, status=0):
        while self.p.poll() is None:
            if time.time() > self.deadline:
                raise Fail('vireo goes on; last: %r' % self.buf[-400:])
            self._pump()
        while rest := self.p.stdout.read(65536):  # written between the last look and the end
            self.buf += rest
        if self.p.returncode != status:
            raise Fail('status %s, not %s; stderr: %s' % (self.p.returncode, status, self.stderr()))

    def stderr(self):
        self.err.seek(0)
        return self.err.read().decode('latin1')


class Monitor:
    """The monitor on a unix socket."""

    def __init__(self, path):
        end = time.time() + 20
        while True:
            self.s = socket.socket(socket.AF_UNIX)
            try:
                self.s.connect(path)
                break
            except OSError:
                self.s.close()
                if time.time() > end:
                    raise Fail('no monitor on ' + path)
                time.sleep(0.05)
        self.s.settimeout(60)
        self._reply()

    def _reply(self):
        out = b''
        while not re.search(rb'(^|\n)\(\w+\) $', out):
            d = self.s.recv(65536)
            if not d:
                raise Fail('the monitor closed: %r' % out[-200:])
            out += d
        return re.sub(r'\x1b\[[0-9;]*[A-Za-z]', '', out.decode('latin1')).replace('\r', '')

    def cmd(self, line):
        self.s.sendall(line.encode() + b'\n')
        out = self._reply().split('\n', 1)[1]
        return out[:out.rfind('(')]


def need(cond, what):
    if not cond:
        raise Fail(what)


def package(name):
    """The unpacked tree of a Debian package; downloaded once."""
    tree = os.path.join(GUESTS, name)
    if os.path.isdir(tree):
        return tree
    os.makedirs(GUESTS, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=GUESTS) as t:
        os.chmod(t, 0o755)
        r = subprocess.run(['apt-get', 'download', '-q', name], cwd=t, capture_output=True, text=True)
        if r.returncode:
            raise Fail('apt-get download %s: %s' % (name, r.stderr.strip()[-300:]))
        subprocess.run(['dpkg-deb', '-x', glob.glob(t + '/*.deb')[0], t + '/tree'], check=True)
        try:
            os.rename(t + '/tree', tree)
        except OSError:                     # another test was faster
            if not os.path.isdir(tree):
                raise
    return tree


def kernel(flavour):
    """Path of Debian's kernel image: flavour "cloud-amd64" or "686-pae"."""
    r = subprocess.run(['apt-cache', 'search', '--names-only', r'^linux-image-6\.1\.[0-9.-]+-%s-unsigned$' % flavour],
                       capture_output=True, text=True)
    names = sorted((l.split()[0] for l in r.stdout.splitlines()),
                   key=lambda name: [int(n) for n in re.findall(r'\d+', name.rsplit('-' + flavour, 1)[0])])
    if not names:
        raise Fail('no kernel package for %s in the apt lists (apt-get update fetches them)' % flavour)
    return glob.glob(package(names[-1]) + '/boot/vmlinuz-*')[0]


def cpio(files):
    """A newc archive: [(name, mode, bytes)]"""
    out = bytearray()
    for ino, (name, mode, data) in enumerate(list(files) + [('TRAILER!!!', 0, b'')]):
        rdev = (5, 1) if name == 'dev/console' else (0, 0)
        head = '070701' + ''.join('%08x' % v for v in (
            ino, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(name) + 1, 0))
        out += head.encode() + name.encode() + b'\0'
        out += b'\0' * (-len(out) % 4)
        out += data
        out += b'\0' * (-len(out) % 4)
    return bytes(out)


def initrd(path, script, files=()):
    """Busybox, an init script, and more files as for cpio()."""
    busybox = open(package('busybox-static') + '/bin/busybox', 'rb').read()
    with open(path, 'wb') as f:
        f.write(cpio([('bin', 0o40755, b''), ('dev', 0o40755, b''), ('proc', 0o40755, b''), ('sys', 0o40755, b''),
                      ('tmp', 0o40755, b''), ('dev/console', 0o20600, b''), ('bin/busybox', 0o100755, busybox),
                      ('bin/sh', 0o120777, b'busybox'), ('init', 0o100755, script.encode()), *files]))
    return path


def run(tests):
    print('1..%d' % len(tests))
    bad = 0
    for n, fn in enumerate(tests, 1):
        tmp = tempfile.mkdtemp(prefix='vireo-test-')
        name = fn.__name__.replace('_', ' ')
        try:
            fn(tmp)
            print('ok %d - %s' % (n, name))
        except Exception as e:
            bad += 1
            print('not ok %d - %s' % (n, name))
            why = str(e) if isinstance(e, Fail) else traceback.format_exc()
            print('\n'.join('# ' + l for l in why.splitlines()))
        finally:
            shutil.rmtree(tmp, ignore_errors=True)
        sys.stdout.flush()
    sys.exit(bad != 0)
