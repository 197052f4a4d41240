"""rfb.py - a small VNC client for the tests (RFC 6143): handshake, raw updates, desktop size, keys, pointer."""
import socket
import struct
import time

RAW, DESKTOP_SIZE, EXT_KEY, POINTER_TYPE = 0, -223, -258, -257
LIMIT = 60      # seconds; against hangs


class RfbError(Exception):
    pass


class Rfb:
    """address: a port of 127.0.0.1 or the path of a unix socket. image: rows of 32-bit pixels as bytes."""

    def __init__(self, address, encodings=(RAW, DESKTOP_SIZE), shared=1):
        if isinstance(address, int):
            self.s = socket.create_connection(('127.0.0.1', address), LIMIT)
        else:
            self.s = socket.socket(socket.AF_UNIX)
            self.s.settimeout(LIMIT)
            self.s.connect(address)
        self.version = self.read(12)
        self.s.sendall(b'RFB 003.008\n')
        n = self.read(1)[0]
        if not n:
            raise RfbError(self.read(struct.unpack('>I', self.read(4))[0]).decode('latin1'))
        self.types = self.read(n)
        if 1 not in self.types:
            raise RfbError('security types %r' % self.types)
        self.s.sendall(b'\1')
        if self.read(4) != b'\0\0\0\0':
            raise RfbError('refused')
        self.s.sendall(bytes([shared]))
        self.width, self.height, self.format, n = struct.unpack('>HH16sI', self.read(24))
        self.name = self.read(n).decode('latin1')
        # 32 bits, 24 deep, little-endian, true colour, 0x00RRGGBB
        self.s.sendall(struct.pack('>B3xBBBBHHHBBB3x', 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        self.s.sendall(struct.pack('>BxH', 2, len(encodings)) + b''.join(struct.pack('>i', e) for e in encodings))
        self.pseudo = []        # (encoding, x, y, w, h) of rectangles that are no picture
        self.rects = []         # of the last update
        self._new_image()

    def _new_image(self):
        self.image = bytearray(self.width * self.height * 4)

    def close(self):
        self.s.close()

    def read(self, n):
        out = b''
        while len(out) < n:
            d = self.s.recv(n - len(out))
            if not d:
                raise RfbError('the server closed the connection')
            out += d
        return out

    def key(self, keysym, down):
        self.s.sendall(struct.pack('>BBxxI', 4, down, keysym))

    def press(self, keysym):
        self.key(keysym, 1)
        self.key(keysym, 0)

    def ext_key(self, keysym, code, down):
        self.s.sendall(struct.pack('>BBHII', 255, 0, down, keysym, code))

    def pointer(self, x, y, mask=0):
        self.s.sendall(struct.pack('>BBHH', 5, mask, x, y))

    def request(self, incremental=1):
        self.s.sendall(struct.pack('>BBHHHH', 3, incremental, 0, 0, self.width, self.height))

    def _rect(self):
        x, y, w, h, enc = struct.unpack('>HHHHi', self.read(12))
        if enc == RAW:
            data = self.read(w * h * 4)
            if x + w > self.width or y + h > self.height:
                raise RfbError('a rectangle outside the screen')
            for i in range(h):
                at = ((y + i) * self.width + x) * 4
                self.image[at:at + w * 4] = data[i * w * 4:(i + 1) * w * 4]
            self.rects.append((x, y, w, h))
        elif enc == DESKTOP_SIZE:
            self.width, self.height = w, h
            self._new_image()
            self.pseudo.append((enc, x, y, w, h))
        elif enc in (EXT_KEY, POINTER_TYPE):
            self.pseudo.append((enc, x, y, w, h))
        else:
            raise RfbError('encoding %d was not asked for' % enc)

    def message(self):
        """One message of the server; True when it was a framebuffer update with a picture or a new size."""
        t = self.read(1)[0]
        if t == 0:
            self.rects = []
            size = self.width, self.height
            for _ in range(struct.unpack('>xH', self.read(3))[0]):
                self._rect()
            return bool(self.rects) or size != (self.width, self.height)
        if t == 3:
            self.read(struct.unpack('>3xI', self.read(7))[0])
        elif t != 2:
            raise RfbError('message %d' % t)
        return False

    def update(self, incremental=1):
        self.request(incremental)
        while not self.message():
            pass

    def pixel(self, x, y):
        return struct.unpack_from('<I', self.image, (y * self.width + x) * 4)[0] & 0xffffff

    def wait(self, what, good):
        """Updates until good(self)."""
        end = time.time() + LIMIT
        self.update(0)
        while not good(self):
            if time.time() > end:
                raise RfbError('never: ' + what)
            self.s.settimeout(2)
            try:
                self.update(1)
            except socket.timeout:
                raise RfbError('no update comes any more; wanted: ' + what)
            finally:
                self.s.settimeout(LIMIT)

    def ppm(self):
        out = bytearray(b'P6\n%d %d\n255\n' % (self.width, self.height))
        px = self.image
        rgb = bytearray(self.width * self.height * 3)
        rgb[0::3], rgb[1::3], rgb[2::3] = px[2::4], px[1::4], px[0::4]
        return bytes(out + rgb)
