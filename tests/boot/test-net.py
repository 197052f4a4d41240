#!/usr/bin/env python3
"""Networks with traffic, seen from Linux guests with virtio-net: what the user network's options promise, forwarded ports in
both directions, a capture that is read back, and two emulators on one socket network."""
import glob
import hashlib
import os
import re
import socket
import struct
import time

from guest import Fail, Monitor, Vireo, initrd, kernel, need, run

MODULES = ('failover', 'net_failover', 'virtio_ring', 'virtio', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci',
           'virtio_net')
SCRIPT = '''#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
stty -echo
for m in %s; do insmod /$m.ko; done
ifconfig lo 127.0.0.1 up
echo shell $((40+2)) up
PS1= exec sh
''' % ' '.join(MODULES)
DHCP = '''#!/bin/sh
[ "$1" = bound ] || exit 0
ifconfig $interface $ip netmask $subnet up
route add default gw $router
echo "lease ip=$ip mask=$subnet router=$router dns=$dns boot=$boot_file host=$hostname domain=$domain"
'''


def boot(tmp, *args):
    image = kernel('cloud-amd64')
    tree = os.path.dirname(os.path.dirname(image))
    path = tmp + '/initrd'
    if not os.path.exists(path):
        mods = []
        for m in MODULES:
            found = glob.glob('%s/lib/modules/*/kernel/**/%s.ko' % (tree, m), recursive=True)
            need(found, 'no module %s in %s' % (m, tree))
            mods.append((m + '.ko', 0o100644, open(found[0], 'rb').read()))
        initrd(path, SCRIPT, [*mods, ('dhcp', 0o100755, DHCP.encode())])
    vm = Vireo('-m', '192', '-display', 'none', '-serial', 'stdio', '-no-reboot', '-kernel', image, '-initrd', path,
               '-append', 'console=ttyS0 quiet panic=-1', *args, limit=300)
    return vm


def ask(vm, command, pattern):
    vm.send(command + '\n')
    return vm.expect(pattern)


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def off(vm):
    vm.send('poweroff -f\n')
    vm.wait(0)


def retry(fn, what):
    """What fn returns once it gets through to the guest: its server may not listen yet."""
    end = time.time() + 60
    while True:
        try:
            got = fn()
            if got:
                return got
        except OSError:
            pass
        if time.time() > end:
            raise Fail(what)
        time.sleep(0.1)


def from_tcp(port):
    with socket.create_connection(('127.0.0.1', port), 10) as s:
        return s.recv(100)


def frames(path):
    """The frames of a capture file; anything odd about it fails."""
    data = open(path, 'rb').read()
    magic, major, minor, _, _, snap, link = struct.unpack_from('<IHHiIII', data)
    need((magic, major, minor, snap, link) == (0xa1b2c3d4, 2, 4, 65536, 1), 'pcap header %r' % data[:24])
    pos, out, last = 24, [], 0
    while pos < len(data):
        sec, usec, kept, length = struct.unpack_from('<IIII', data, pos)
        need(usec < 1000000 and 14 <= kept == length and pos + 16 + kept <= len(data), 'pcap record at %d' % pos)
        need(sec + usec / 1e6 >= last, 'time runs backwards at %d' % pos)
        last = sec + usec / 1e6
        out.append(data[pos + 16:pos + 16 + kept])
        pos += 16 + kept
    need(abs(last - time.time()) < 600, 'the capture is not of today')
    return out


def user_network(tmp):
    os.mkdir(tmp + '/tftp')
    blob = b''.join(hashlib.sha256(b'%d' % i).digest() for i in range(3000))
    with open(tmp + '/tftp/boot.img', 'wb') as f:
        f.write(blob)
    udp = free_port(socket.SOCK_DGRAM)
    with boot(tmp, '-chardev', 'socket,id=gf,path=%s/gf,server=on,wait=off' % tmp, '-netdev',
              'user,id=n0,net=192.168.76.0/24,host=192.168.76.9,dns=192.168.76.10,dhcpstart=192.168.76.40,hostname=guesty,'
              'domainname=example.org,tftp=%s/tftp,bootfile=boot.img,hostfwd=tcp:127.0.0.1:0-:80,'
              'hostfwd=udp:127.0.0.1:%d-192.168.76.40:7,guestfwd=tcp:192.168.76.100:1234-cmd:tr a-z A-Z,'
              'guestfwd=tcp:192.168.76.101:5555-chardev:gf' % (tmp, udp), '-device', 'virtio-net-pci,netdev=n0',
              '-object', 'filter-dump,id=d0,netdev=n0,file=%s/pcap' % tmp,
              '-monitor', 'unix:%s/mon,server=on,wait=off' % tmp) as vm:
        vm.expect('shell 42 up')
        ask(vm, 'ifconfig eth0 up; udhcpc -i eth0 -n -q -f -s /dhcp -O hostname -O domain -O bootfile 2>&1',
            r'lease ip=192\.168\.76\.40 mask=255\.255\.255\.0 router=192\.168\.76\.9 dns=192\.168\.76\.10 boot=boot\.img '
            r'host=guesty domain=example\.org')
        ask(vm, 'ping -c 2 192.168.76.9', '2 packets received')
        ask(vm, 'tftp -g -r boot.img -l /tmp/b 192.168.76.9; md5sum /tmp/b', hashlib.md5(blob).hexdigest())
        ask(vm, 'tftp -g -r ../mon -l /tmp/c 192.168.76.9 || echo refu""sed', 'refused')
        ask(vm, 'echo to a command | nc 192.168.76.100 1234', 'TO A COMMAND')
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(tmp + '/gf')
            vm.send('(echo from the guest; sleep 4) | timeout 5 nc 192.168.76.101 5555\n')
            got = s.recv(100)
            need(got == b'from the guest\n', 'guestfwd to a chardev: %r' % got)
            s.sendall(b'from the host\n')
            vm.expect('from the host')
        m = re.search(r'TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)', Monitor(tmp + '/mon').cmd('info usernet'))
        need(m and int(m[1]), 'the chosen port is not shown')
        vm.send('echo served by tcp | nc -l -p 80\n')
        need(retry(lambda: from_tcp(int(m[1])), 'nothing from hostfwd=tcp') == b'served by tcp\n', 'hostfwd=tcp')
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b'a datagram', ('127.0.0.1', udp))
        retry(lambda: b'a datagram' in open(tmp + '/pcap', 'rb').read(), 'hostfwd=udp: nothing for the guest')
        off(vm)
    seen = frames(tmp + '/pcap')
    need(any(f[12:14] == b'\x08\x06' for f in seen), 'no ARP in the capture')
    need(any(b'guesty' in f and b'\x63\x82\x53\x63' in f for f in seen), 'no DHCP offer in the capture')
    need(any(f.endswith(b'a datagram') and f[30:34] == bytes((192, 168, 76, 40)) and f[36:38] == b'\0\7' for f in seen),
         'hostfwd=udp: no datagram for the guest')
    need(any(blob[:512] in f for f in seen), 'no TFTP data in the capture')


def two_machines_on_a_socket(tmp):
    tcp, u1, u2 = free_port(), free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    host = socket.socket()
    host.bind(('127.0.0.1', 0))
    host.listen(4)
    nics = ['-device', 'virtio-net-pci,netdev=s0,mac=52:54:00:00:%02x:01', '-device',
            'virtio-net-pci,netdev=s1,mac=52:54:00:00:%02x:02']
    with boot(tmp, '-netdev', 'socket,id=s0,listen=127.0.0.1:%d' % tcp, '-netdev',
              'socket,id=s1,udp=127.0.0.1:%d,localaddr=127.0.0.1:%d' % (u1, u2), *(n.replace('%02x', '0a') for n in nics),
              '-netdev', 'user,id=n0,restrict=on', '-device', 'virtio-net-pci,netdev=n0', '-monitor', 'none') as a, \
         boot(tmp, '-netdev', 'socket,id=s0,connect=127.0.0.1:%d' % tcp, '-netdev',
              'socket,id=s1,udp=127.0.0.1:%d,localaddr=127.0.0.1:%d' % (u2, u1), *(n.replace('%02x', '0b') for n in nics),
              '-monitor', 'none') as b:
        for n, vm in enumerate((a, b), 1):
            vm.expect('shell 42 up')
            ask(vm, 'ifconfig eth0 10.1.0.%d netmask 255.255.255.0; ifconfig eth1 10.2.0.%d netmask 255.255.255.0; echo se""t' %
                (n, n), 'set')
        for net in (1, 2):
            ask(b, 'ping -c 2 10.%d.0.1' % net, '2 packets received')
            ask(a, 'ping -c 2 10.%d.0.2' % net, '2 packets received')
        b.send('nc -l -p 99 | md5sum; echo recei""ved\n')
        ask(a, 'dd if=/bin/busybox of=/tmp/x bs=1k count=1500 2>/dev/null; md5sum /tmp/x; '
               'while ! nc 10.1.0.2 99 < /tmp/x; do sleep 1; done; echo se""nt', '([0-9a-f]{32}).*sent')
        sum_a = re.search(rb'([0-9a-f]{32})  /tmp/x', a.buf)[1]
        need(b.expect(r'([0-9a-f]{32})  -\s+received')[1] == sum_a, 'what went through the socket is damaged')
        # restrict=on: a lease, but no way to the host
        ask(a, 'ifconfig eth2 up; udhcpc -i eth2 -n -q -f -s /dhcp 2>&1', r'lease ip=10\.0\.2\.15 ')
        ask(a, 'nc -w 2 10.0.2.2 %d < /dev/null && echo rea""ched || echo bar""red' % host.getsockname()[1], 'barred')
        off(a)
        off(b)
    host.settimeout(0)
    try:
        host.accept()
        raise Fail('restrict=on let a connection through')
    except BlockingIOError:
        pass
    host.close()


run([user_network, two_machines_on_a_socket])
