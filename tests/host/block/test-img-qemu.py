#!/usr/bin/env -S python3 -B
"""The command line of vireo-img beside qemu-img's: the same status and the same standard output for every command below, and
bitmaps made by either, read by qemu. Error texts may differ; there is at least one line of them. TAP."""
import os, re, shlex, shutil, subprocess, time
from imgtest import IMG as V, begin, end, result

tmp = begin('img', 'qemu-img', 'qemu-io')
Q = shutil.which('qemu-img')
COMMANDS = r"""
amend
amend -f raw -o help
amend -f nope -o help
amend -o compat=0.10 a
amend -o compat=1.1 old
amend -f raw -o size=1M r
amend -o foo=bar a
amend -o size=8M a
amend -o backing_file=a,backing_fmt=qcow2 b
amend -o refcount_bits=8 a
amend -p -o lazy_refcounts=on a
amend -t foo -o lazy_refcounts=on a
amend --force -o lazy_refcounts=on a
amend a
bench
bench -c 0 a
bench -c x a
bench -d 2 -c 3 -s 64k -S 128k a
bench -w -c 2 --pattern=3 a
bench -w -c 2 --flush-interval=1 a
bench -c 2 --flush-interval=1 a
bench -i foo -c 2 a
bench -o 1M -c 2 a
bench --no-drain -c 2 -w a
bench -U -c 2 a
bench --pattern=300 -w -c 1 a
bench --image-opts driver=qcow2,file.filename=a -c 2
check
check a
check -q a
check --output=json a
check --output=foo a
check -r all a
check -r foo a
check -T foo a
check r
check -f raw r
check -U a
check --image-opts driver=qcow2,file.filename=a
check a b
commit
commit b
commit -q b
commit -b a b
commit -b nofile b
commit -d b
commit -t foo b
commit -r 1M b
commit a
compare
compare a
compare a b
compare a c
compare -s a r
compare a r
compare -q a b
compare -f raw a c
compare -f qcow2 -F qcow2 a c
compare -f qcow2 -F raw a c
compare -T foo a c
compare -U a c
compare a b c
compare --image-opts driver=qcow2,file.filename=a driver=qcow2,file.filename=c
convert
convert a
convert a o
convert -O qcow2 a o
convert -c -O raw a o
convert -n -O raw a r
convert -l snap1 s o
convert -l snapshot.name=snap1 s o
convert -l snapshot.id=1 s o
convert -S 0 -O qcow2 a o
convert -S 1 -O qcow2 a o
convert -S 64k -O qcow2 a o
convert -m 0 a o
convert -m 20 a o
convert -W a o
convert -q a o
convert -r 10M a o
convert -t foo a o
convert -T foo a o
convert -B a -O qcow2 b o
convert -B a -F qcow2 -O qcow2 b o
convert -B a -F qcow2 -O raw b o
convert -o backing_file=a,backing_fmt=qcow2 -O qcow2 b o
convert --salvage a o
convert --bitmaps -O qcow2 a o
convert --bitmaps -O raw a o
convert --target-is-zero a o
convert --target-is-zero -n a r
convert --target-image-opts a driver=raw,file.filename=o
convert -n --target-image-opts a driver=raw,file.filename=r
convert --image-opts driver=qcow2,file.filename=a o
convert -C a o
convert -C -S 4k a o
convert -O qcow2 r a o
convert -O qcow2 -o foo=1 a o
convert -s a o
create
create o
create o 1M
create -f raw o 1M
create -f qcow2 o 1M
create -f qcow2 o
create -f qcow2 o -1
create -f qcow2 o 0
create -f qcow2 o 1M 2M
create -f nope -o help
create -f qcow2 -o compat=0.10 o 1M
create -f qcow2 -o compat=1.1 o 1M
create -f qcow2 -o compat=v3 o 1M
create -f qcow2 -o extended_l2=on o 1M
create -f qcow2 -o compression_type=zstd o 1M
create -f qcow2 -o preallocation=metadata o 1M
create -f qcow2 -o preallocation=falloc o 1M
create -f raw -o preallocation=falloc o 1M
create -f raw -o preallocation=full o 1M
create -f raw -o nocow=on o 1M
create -f qcow2 -o size=2M o
create -f qcow2 -o size=2M o 1M
create -f qcow2 -b a -F qcow2 o
create -f qcow2 -b a -F qcow2 o 8M
create -f qcow2 -b a -F raw o
create -f qcow2 -b nofile -F qcow2 o
create -f qcow2 -b nofile -F qcow2 o 1M
create -f qcow2 -u -b nofile -F qcow2 o 1M
create -f qcow2 -u -b nofile -F qcow2 o
create -f qcow2 -u -b nofile o 1M
create -f raw -b a o
create -f qcow2 -b o -F qcow2 o
create -q -f qcow2 o 1M
create -f qcow2 o 1.5M
create -f qcow2 o 1000
create -f qcow2 o 10E
create -f raw o 9E
create -z o 1M
dd
dd if=a of=o
dd if=a of=o bs=4k count=2
dd if=a of=o bs=4k skip=2
dd if=a of=o skip=10000
dd -O qcow2 if=a of=o
dd -f raw -O raw if=a of=o
dd if=a
dd of=o
dd if=a of=o foo=1
dd if=a of=o seek=1
dd if=a of=o conv=notrunc
dd if=a of=o count=0
dd a of=o
info
info a
info r
info c
info old
info s
info --output=json a
info --output=human a
info --output=foo a
info --backing-chain b
info --backing-chain --output=json b
info -f qcow2 a
info -f raw a
info -U a
info a b
info --image-opts driver=qcow2,file.filename=a
info t
map
map a
map b
map --output=json a
map --output=json b
map -s 64k -l 64k --output=json b
map --start-offset=64k --max-length=64k b
map r
map c
map -U b
map --output=foo a
measure
measure a
measure --size 1G
measure --size 1G -O qcow2
measure --size 1G -O raw
measure --size 1G -O nope
measure -O qcow2 a
measure -O raw a
measure -O qcow2 --output=json a
measure -O qcow2 -o cluster_size=4k a
measure --size 1G a
measure -O qcow2 -l snap1 s
measure -O qcow2 -o preallocation=full --size 1M
measure --output=json --size 1M
rebase
rebase b
rebase -b '' b
rebase -u -b r -F raw b
rebase -u -b r b
rebase -b r -F raw b
rebase -u -b nofile -F raw b
rebase -q -b c -F qcow2 b
rebase -t foo -b c -F qcow2 b
rebase -T foo -b c -F qcow2 b
rebase -b c b
resize
resize a
resize a 8M
resize a +1M
resize a -1M
resize a 1M
resize --shrink a 1M
resize --shrink a 0
resize -q a 8M
resize -f raw r 2M
resize --preallocation=falloc a 8M
resize --preallocation=full a 8M
resize --preallocation=metadata a 8M
resize --preallocation=falloc --shrink a 1M
resize s 2M
resize --shrink s 512k
resize a 4M
snapshot
snapshot a
snapshot -l s
snapshot -l a
snapshot -c x a
snapshot -a snap1 s
snapshot -d snap1 s
snapshot -d nope s
snapshot -q -l s
snapshot -U -l s
snapshot -l -c x s
snapshot -l r
foo
--foo
amend -o help
amend -o cluster_size=4k a
amend -o preallocation=full a
amend -o lazy_refcounts=on nofile
bench -t foo -c 2 a
check nofile
check -f qcow2 t
commit -r x b
commit r
compare a nofile
convert -O nope a o
convert -n -O qcow2 a nofile
convert -l nosnap s o
convert -S x -O qcow2 a o
convert -B nofile -F qcow2 -O qcow2 b o
convert -O qcow2 -o cluster_size=3 a o
convert nofile o
create -f qcow2 o 1x
create -f nope o 1M
create -f qcow2 -o foo=1 o 1M
create -f raw -o foo=1 o 1M
create -f raw -o cluster_size=4k o 1M
create -f qcow2 -o extended_l2=maybe o 1M
create -f qcow2 -b a o
create -f qcow2 -b a -F nope o
create --foo o 1M
dd if=a of=o bs=0
dd if=a of=o bs=x
dd if=nofile of=o
dd -O nope if=a of=o
info -f nope a
info nofile
info ''
map -s x b
map nofile
measure --size 1G -O vmdk
measure --size x
measure -O qcow2 -o foo=1 --size 1M
measure nofile
rebase -b nofile -F raw b
rebase -b c -F nope b
rebase -b r -F raw r
resize r 2M
resize --preallocation=foo a 8M
resize --preallocation=metadata -f raw r 8M
resize a 8x
resize nofile 8M
snapshot -c x r
snapshot -a nope s
snapshot -l nofile
-T foo info a
""".strip().split('\n')
CHANGING = re.compile(r'(amend|commit|rebase|resize|bitmap|snapshot .*-[acd] |bench .*-w|convert .*-n |dd .*of=|create |convert )')
BITMAPS = """
bitmap --add a b0
bitmap --add -g 4k a b1
bitmap --add a b0
bitmap --disable a b1
bitmap --enable a b1
bitmap --remove a nope
bitmap --clear a b0
bitmap --add -g 3k a bx
bitmap --add -g 256 a bx
bitmap --merge b1 a b0
bitmap --merge sb -b bits -F qcow2 a b1
bitmap --merge b1 a b0
bitmap --merge nope a b0
bitmap --add --merge b1 --disable a b4
bitmap --add --disable a b3
bitmap a b
bitmap --add a
bitmap --clear -g 4k a b1
bitmap --add -b x a b9
bitmap --add -F raw a b9
bitmap --clear a nope
info a
bitmap --remove a b3
bitmap --add old b
bitmap --add r b
check --output=json a
info --output=json a
measure -O qcow2 a
measure --output=json -O qcow2 -o cluster_size=4k a
convert --bitmaps -O qcow2 a c2
info --output=json c2
check c2
bitmap --remove a b0
info a
check a
bitmap --remove --add a b1
bitmap --clear a b4
""".strip().split('\n')


def run(*a, **k):
    return subprocess.run(a, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, **k)


def images(d):
    """The images that the commands name, in a new folder."""
    shutil.rmtree(d, ignore_errors=True)
    os.mkdir(d)
    os.chdir(d)
    if os.path.exists(tmp + '/first'):
        for f in os.listdir(tmp + '/first'):
            shutil.copy(tmp + '/first/' + f, f)
        return
    for c in ('create -f raw r 1M', 'create -f qcow2 a 4M', 'create -f qcow2 -b a -F qcow2 b', 'create -f qcow2 s 1M', 'snapshot -c snap1 s',
              'create -f qcow2 -o compat=0.10 old 1M', 'create -f qcow2 bits 4M', 'bitmap --add -g 4k bits sb'):
        assert run(Q, *c.split()).returncode == 0, c
    for f, w in (('a', 'write -P 5 0 200k'), ('b', 'write -P 6 64k 64k'), ('bits', 'write 1M 300k')):
        assert run('qemu-io', '-c', w, f).returncode == 0
    assert run(Q, 'convert', '-c', '-O', 'qcow2', 'a', 'c').returncode == 0
    with open('t', 'w') as f:
        f.write('x')
    shutil.copytree('.', tmp + '/first')


def normal(text, prog):
    text = text.replace(prog, 'IMG').replace('vireo-img', 'IMG').replace('qemu-img', 'IMG')
    for a, b in ((r'disk size: .*', 'disk size'), (r'"actual-size": \d+', 'actual'), (r'[\d.]+ seconds', 'N seconds'), (r'"date-n?sec": \d+', 'date'),
                 (r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d', 'DATE'), (r'(Image end offset|"image-end-offset"): \d+', 'end'),
                 (r'(?m)^(    \([\d.]+/100%\)\n?)+', 'progress\n')):
        text = re.sub(a, b, text)
    return text


def both(lines, fresh):
    for c in lines:
        r = []
        for p, d in ((Q, tmp + '/q'), (V, tmp + '/v')):
            if fresh and (CHANGING.match(c) or not os.path.isdir(d)):
                images(d)
            os.chdir(d)
            x = run(p, *shlex.split(c))
            r.append((x.returncode, normal(x.stdout, p), bool(x.stderr)))
        result(r[0][:2] == r[1][:2] and (r[1][2] or r[1][0] == 0 or r[1][1] or ' -q ' in c), c, 'qemu-img: %s\nvireo-img: %s' % (r[0], r[1]))


both(COMMANDS, True)
for d in ('q', 'v'):
    images(os.path.join(tmp, d))
both(BITMAPS[:22], False)


def content(image, bitmap):
    """The bits as qemu-nbd gives them out."""
    sock, pid = tmp + '/s', tmp + '/pid'
    x = run('qemu-nbd', '-r', '-f', 'qcow2', '-B', bitmap, '-k', sock, '-t', '--fork', '--pid-file=' + pid, image)
    assert x.returncode == 0, x.stderr
    x = run(Q, 'map', '--output=json', '--image-opts', 'driver=nbd,server.type=unix,server.path=%s,x-dirty-bitmap=qemu:dirty-bitmap:%s' % (sock, bitmap))
    n = int(open(pid).read())
    os.kill(n, 15)
    for _ in range(400):
        if not os.path.exists('/proc/%d' % n):
            break
        time.sleep(0.02)
    for f in (sock, pid):
        if os.path.exists(f):
            os.unlink(f)
    return x.stdout


if shutil.which('qemu-nbd'):
    for b in ('b0', 'b1', 'b4'):
        q, v = content(tmp + '/q/a', b), content(tmp + '/v/a', b)
        result(q == v and '"present": false' in q, 'bits of %s' % b, q + v)
both(BITMAPS[22:], False)
for t in (Q, V):
    x = run(t, 'check', tmp + '/v/a')
    result(x.returncode == 0, 'clean in the end for ' + os.path.basename(t), x.stdout)
end()
