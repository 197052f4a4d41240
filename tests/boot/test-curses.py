#!/usr/bin/env python3
"""-display curses in a terminal: the demo guest's text, keys, graphics named by size, leaving by Alt-0; the terminal
is left as it was found."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from guest import BUILD, Fail, VIREO, Monitor, need, run


class Screen:
    """A terminal with the program in it; text: everything written so far, without escape sequences."""

    def __init__(self, *args):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 30, 100, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        env = dict(os.environ, TERM='xterm', LC_ALL='C.UTF-8')
        self.p = subprocess.Popen([VIREO, *args], stdin=slave, stdout=slave, stderr=subprocess.PIPE, env=env,
                                  start_new_session=True)
        self.raw = b''

    def text(self):
        return re.sub(rb'\x1b[\[(][0-9;?]*[A-Za-z]', b' ', self.raw).decode('utf8', 'replace')

    def read(self):
        if select.select([self.master], [], [], 0.2)[0]:
            try:
                self.raw += os.read(self.master, 65536)
            except OSError:
                pass

    def expect(self, rx):
        """Only what changed on the screen is written, so rx must be something that no line before had in its place."""
        end = time.time() + 90
        while not re.search(rx, self.text(), re.S):
            gone = self.p.poll() is not None
            self.read()
            if (gone or time.time() > end) and not re.search(rx, self.text(), re.S):
                raise Fail('no %r; last: %r' % (rx, self.text()[-600:]))

    def wait(self):
        """Its status; reads on meanwhile, since leaving writes to the terminal, which holds only so much."""
        end = time.time() + 60
        while self.p.poll() is None:
            need(time.time() < end, 'it does not end')
            self.read()
        return self.p.returncode

    def send(self, data):
        self.raw = b''
        os.write(self.master, data)

    def close(self):
        if self.p.poll() is None:
            self.p.kill()
        self.p.wait()
        os.close(self.master)
        os.close(self.slave)


def text_keys_and_leaving(tmp):
    s = Screen('-display', 'curses', '-nic', 'none', '-drive', 'format=raw,snapshot=on,file=' + os.path.join(BUILD, 'roms/demo.img'))
    try:
        s.expect(r'demo>')
        s.send(b'help\r')
        s.expect(r'poweroff')
        s.send(b'nosuch\r')
        s.expect(r"nosuch'")
        s.send(b'x\x7fmem\r')           # Backspace
        s.expect(r'reserved')
        s.send(b'\x1b0')
        s.expect(r'Quit Vireo\?')
        s.send(b'n')
        time.sleep(0.3)
        s.send(b'other\r')              # it goes on
        s.expect(r"other'")
        s.send(b'\x1b0')
        s.expect(r'Quit Vireo\?')
        os.write(s.master, b'y')
        need(s.wait() == 0, 'status %s' % s.p.returncode)
        need(termios.tcgetattr(s.slave) == s.before, 'the terminal is not as before')
    finally:
        s.close()


def graphics(tmp):
    s = Screen('-display', 'curses', '-nic', 'none', '-monitor', 'unix:%s/m,server=on,wait=off' % tmp, '-S')
    try:
        m = Monitor(tmp + '/m')
        for index, val in ((1, 800), (2, 600), (3, 32), (4, 1)):
            m.cmd('o/h 0x1ce %d' % index)
            m.cmd('o/h 0x1cf %d' % val)
        m.cmd('o/b 0x3c0 0x20')
        s.expect(r'80.*6')              # of 800 x 600 what differs from 720 x 400, if that was there before
        m.cmd('quit')
        s.wait()
    finally:
        s.close()


def refused(tmp):
    r = subprocess.run([VIREO, '-display', 'curses'], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    need(r.returncode == 1 and 'terminal' in r.stderr and r.stderr.count('\n') == 1, r.stderr)


run([text_keys_and_leaving, graphics, refused])
