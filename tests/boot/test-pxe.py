#!/usr/bin/env python3
"""Each network card boots from the network: the packaged iPXE ROM (which must name the card), DHCP and TFTP of the user
network, and a boot program of a few bytes that says so on the serial line. A second one boots by its place in the order."""
import os
import struct

from guest import Fail, Vireo, need, run

CARDS = ('e1000', 'rtl8139', 'ne2k_pci', 'virtio-net-pci')
ROMS = '/usr/lib/ipxe/qemu/pxe-%s.rom'
TEXT = b'boot program of %s runs\r\n'


def program(card):
    """Real mode at 0000:7c00: prints the text on COM1, then exits through isa-debug-exit."""
    code = bytes.fromhex('0e1f be0000 baf803 ac 84c0 7403 ee ebf8 b007 e6f4 f4 ebfd'.replace(' ', ''))
    at = code.index(b'\xbe') + 1
    code = code[:at] + struct.pack('<H', 0x7c00 + len(code)) + code[at + 2:]
    return (code + TEXT.replace(b'%s', card.encode()) + b'\0').ljust(2048, b'\0')


def check_rom(card):
    if not os.path.exists(ROMS % {'virtio-net-pci': 'virtio'}.get(card, card)):
        raise Fail('no boot ROM: the package ipxe-qemu is not installed')


def boots(card):
    def test(tmp):
        check_rom(card)
        with open(tmp + '/boot.bin', 'wb') as f:
            f.write(program(card))
        with Vireo('-m', '64', '-display', 'none', '-serial', 'stdio', '-monitor', 'none', '-device', 'isa-debug-exit,iobase=0xf4,iosize=4',
                   '-netdev', 'user,id=n,tftp=%s,bootfile=/boot.bin' % tmp, '-device', card + ',netdev=n,bootindex=1') as vm:
            vm.expect('boot program of %s runs' % card)
            vm.wait(15)
    test.__name__ = 'pxe_' + card.replace('-', '_')
    return test


def the_second_card_is_the_one_to_boot(tmp):
    for card in ('e1000', 'rtl8139'):
        check_rom(card)
        os.mkdir(tmp + '/' + card)
        with open('%s/%s/boot.bin' % (tmp, card), 'wb') as f:
            f.write(program(card))
    with Vireo('-m', '64', '-display', 'none', '-serial', 'stdio', '-monitor', 'none', '-device', 'isa-debug-exit,iobase=0xf4,iosize=4',
               '-netdev', 'user,id=a,tftp=%s/e1000,bootfile=/boot.bin' % tmp, '-device', 'e1000,netdev=a,bootindex=2',
               '-netdev', 'user,id=b,tftp=%s/rtl8139,bootfile=/boot.bin' % tmp, '-device', 'rtl8139,netdev=b,bootindex=1') as vm:
        vm.expect('boot program of rtl8139 runs')
        vm.wait(15)
        need(b'e1000 runs' not in vm.buf, 'the other card booted')


run([boots(c) for c in CARDS] + [the_second_card_is_the_one_to_boot])
