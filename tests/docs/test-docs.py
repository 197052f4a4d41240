#!/usr/bin/env python3
"""Are the documents true? Files and functions that docs/*.md name exist, and the logs that docs/tour.md quotes
are what the program prints when it runs the tour's guest (tests/docs/tour.S), but for host addresses.

A quoted log is a fenced block whose first line says how it was made:
    ```log ITEMS tb PC PART      PART: IN, OP, OPT or OUT of the translation at PC, with -d ITEMS;
                                "singlestep" among the items is the option of that name
    ```log ITEMS grep REGEX      the lines that match
`test-docs.py --update` runs the guest and writes the blocks anew."""
import difflib
import glob
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, os.environ.get('BUILD', 'build'))
VIREO = os.environ.get('VIREO', os.path.join(BUILD, 'vireo'))
FILTER = '0x7d00+0x100'
STATUS = 11  # tour.S: (3 passes + 2) * 2 + 1

# ---- names ----


def read(path):
    with open(path, encoding='utf-8', errors='replace') as f:
        return f.read()


def sources():
    try:
        out = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], cwd=TOP, capture_output=True, text=True)
        if out.returncode == 0:
            return out.stdout.split('\n')[:-1]
    except FileNotFoundError:       # a bare system that got the sources as an archive
        pass
    skip = {os.path.join(TOP, '.git'), os.path.join(TOP, 'build'), os.path.abspath(os.environ.get('BUILD', 'build'))}
    return [os.path.relpath(os.path.join(d, f), TOP) for d, ds, fs in os.walk(TOP)
            if not any(d == s or d.startswith(s + '/') for s in skip) for f in fs]


def strip_blocks(text):
    return re.sub(r'^```.*?^```', '', text, flags=re.S | re.M)


def bad_names(text, files, code):
    """Backquoted paths, functions and types that are nowhere in the tree."""
    base = {os.path.basename(f) for f in files}
    bad = []
    text = strip_blocks(text)
    headings = ' '.join(re.findall(r'^#.*', text, re.M))
    for tok in re.findall(r'`([^`\n]+)`', text) + re.findall(r'[\w/-]+\.(?:c|def)\b', headings):
        tok = tok.strip()
        if re.search(r'\bDIR\b|\bX\b|^config\.(mk|h)$', tok):  # stand for any name; made by configure
            continue
        if re.fullmatch(r'[A-Za-z_]\w*\(\)', tok):
            name = tok[:-2]
            if 'NAME' not in name and not re.search(r'\b%s\s*\(' % name, code):
                bad.append(tok)
        elif re.fullmatch(r'[\w.*-]+(/[\w.*-]+)+/?', tok) and '..' not in tok:
            if not (glob.glob(os.path.join(TOP, tok)) or glob.glob(os.path.join(TOP, tok) + '.c')):
                # inside a folder that the text has named; words such as "test-x/case" are no paths
                if os.path.isdir(os.path.join(TOP, tok.split('/')[0])) or \
                   (re.search(r'\.(c|h|def|S|py)$', tok) and not any(f.endswith('/' + tok) for f in files)):
                    bad.append(tok)
        elif re.fullmatch(r'[\w-]+\.(c|h|def|S|py|sh|mk|md)', tok):
            if tok not in base:
                bad.append(tok)
        elif re.fullmatch(r'[A-Z]\w*[a-z]\w*[A-Z]\w*', tok):
            if not re.search(r'\b%s\b' % tok, code):
                bad.append(tok)
    return bad


# ---- logs ----


def assemble(tmp):
    obj, img = tmp + '/tour.o', tmp + '/tour.img'
    subprocess.run([os.environ.get('CC', 'cc'), '-m64', '-c', '-o', obj, os.path.join(TOP, 'tests/docs/tour.S')], check=True)
    subprocess.run(['ld', '-m', 'elf_x86_64', '-Ttext', '0x7c00', '--oformat', 'binary', '-o', img, obj], check=True)
    return img


def run_guest(tmp, img, items):
    log = tmp + '/log'
    single = ['-singlestep'] if 'singlestep' in items.split(',') else []
    items = ','.join(i for i in items.split(',') if i != 'singlestep')
    r = subprocess.run([VIREO, *single, '-nodefaults', '-display', 'none', '-serial', 'none', '-monitor', 'none',
                        '-drive', 'file=%s,format=raw' % img, '-device', 'isa-debug-exit,iobase=0x501',
                        '-d', items, '-dfilter', FILTER, '-D', log],
                       capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    return r.returncode, read(log).split('\n') if os.path.exists(log) else [], r.stderr


START = re.compile(r'IN: |OP:|OP after|OUT: |PROLOGUE: |-----')


def cut_tb(lines, pc, part):
    """One part of the dump of the first TB that begins at pc."""
    heads = {'IN': 'IN: ', 'OP': 'OP:', 'OPT': 'OP after optimization and liveness analysis:', 'OUT': 'OUT: '}
    at = next((i for i, l in enumerate(lines) if l == 'IN: ' and lines[i + 1].startswith('0x%08x:' % pc)), None)
    if at is None:
        return ['(no TB at 0x%x)' % pc]
    while at < len(lines) and not (lines[at].startswith(heads[part]) and (part != 'OP' or lines[at] == 'OP:')):
        at += 1
    end = at + 1
    while end < len(lines) and not START.match(lines[end]):
        end += 1
    return [l.rstrip() for l in lines[at:end] if l.strip()]


def cut(lines, spec):
    how, arg = spec.split(None, 1)
    if how == 'grep':
        return [l.rstrip() for l in lines if re.search(arg, l)]
    pc, part = arg.split()
    return cut_tb(lines, int(pc, 0), part)


def steady_exit(l):
    """What an exit's note says of its TB, which depends on how many there were before, with a TB that is the same in every run."""
    def word(m):
        return '%s%02x 00 10 00%s' % (m.group(1), int(m.group(2), 16) & 7, m.group(3))
    return re.sub(r'^(0x[0-9a-f]{12}: +)([0-9a-f]{2})(?: [0-9a-f]{2}){2} 00((?: [0-9a-f]{2}){4} +\(note\))$', word, l)


def normalise(block):
    """Host addresses out: those in the TB become offsets, pointers a word, and bytes that hold them go."""
    m = next((re.match(r'0x([0-9a-f]{12}):', l) for l in block if re.match(r'0x[0-9a-f]{12}:', l)), None)
    size = next((int(l[11:].rstrip(']')) for l in block if l.startswith('OUT: [size=')), 0)
    start = int(m.group(1), 16) if m else 0

    def word(m):
        v = int(m.group(1), 16)
        return 'TB+0x%x' % (v - start) if size and start <= v <= start + size else 'HOST'

    out = []
    for l in block:
        l = steady_exit(re.sub(r'^ *\d+: v=', 'N: v=', l))
        line = re.match(r'(0x[0-9a-f]{12}):((?: ?[ ][0-9a-f]{2})+)\s*(.*)', l)
        if line:
            if not line.group(3):
                continue
            text = line.group(3)
            if re.search(r'\b0x[0-9a-f]{12}\b', text):
                l = line.group(1) + ': ' + text
            else:
                l = line.group(1) + ':' + line.group(2) + ' ' + text
        out.append(' '.join(re.sub(r'0x([0-9a-f]{12})(?![0-9a-f])', word, l).split()))
    return [l for l in out if l]


def steady(block):
    """What --update writes: host addresses that are the same in every run, so that a change of the code generator does
    not touch (and a merge not fight over) blocks that it left alone."""
    start = next((int(m.group(1), 16) for m in (re.match(r'0x([0-9a-f]{12}):', l) for l in block) if m), 0)
    size = next((int(l[11:].rstrip(']')) for l in block if l.startswith('OUT: [size=')), 0)
    seen = {}

    def word(m):
        v = int(m.group(1), 16)
        if size and start <= v <= start + size:
            return '0x%x' % (0x7f0000100000 + v - start)
        return '0x%x' % (0x7f0000000000 + seen.setdefault(v, 0x100 * len(seen)))

    out, masked = [], False
    for l in block:
        l = steady_exit(re.sub(r'^ *\d+: v=', '   0: v=', l))
        m = re.match(r'(0x[0-9a-f]{12}):((?: ?[ ][0-9a-f]{2})+)(\s*)(.*)', l)
        if m and not m.group(4) and masked:
            continue                # the rest of bytes that hold an address
        masked = bool(m and re.search(r'\b0x[0-9a-f]{12}\b', m.group(4)))
        if masked:
            l = m.group(1) + ':' + ' ' * (len(m.group(2)) + len(m.group(3))) + m.group(4)
        out.append(re.sub(r'0x([0-9a-f]{12})(?![0-9a-f])', word, l))
    return out


BLOCK = re.compile(r'^```log (\S+) (.*)\n((?:.*\n)*?)```$', re.M)


def documents():
    return sorted(glob.glob(os.path.join(TOP, 'docs/*.md')))


class Logs:
    """Runs of the guest, one for each set of items."""

    def __init__(self, tmp):
        self.tmp, self.img, self.runs = tmp, assemble(tmp), {}

    def lines(self, items, fresh=False):
        if fresh or items not in self.runs:
            status, lines, err = run_guest(self.tmp, self.img, items)
            if status != STATUS:
                raise RuntimeError('-d %s: status %d, not %d: %s' % (items, status, STATUS, err.strip()))
            self.runs[items] = lines
        return self.runs[items]


def check_block(logs, items, spec, quoted):
    """A timer tick may show between two TBs: an unequal run is repeated."""
    want = normalise(quoted)
    for attempt in range(3):
        got = cut(logs.lines(items, attempt > 0), spec)
        if normalise(got) == want:
            return None
    return '\n'.join(difflib.unified_diff(want, normalise(got), 'document', 'vireo -d ' + items, lineterm=''))


def update():
    with tempfile.TemporaryDirectory(prefix='vireo-docs-') as tmp:
        logs = Logs(tmp)
        for doc in documents():
            old = read(doc)
            text = BLOCK.sub(lambda m: '```log %s %s\n%s\n```' % (m[1], m[2], '\n'.join(steady(cut(logs.lines(m[1]), m[2])))), old)
            if text != old:
                with open(doc, 'w', encoding='utf-8') as f:
                    f.write(text)


# ---- the test ----

results = []


def tell(ok, name, why=''):
    results.append(ok)
    print('%sok %d - %s' % ('' if ok else 'not ', len(results), name))
    for l in why.splitlines():
        print('# ' + l)
    sys.stdout.flush()


def main():
    files = [f for f in sources() if os.path.isfile(os.path.join(TOP, f))]
    code = '\n'.join(read(os.path.join(TOP, f)) for f in files
                     if f.endswith(('.c', '.h', '.def', '.S', '.py', '.sh')) and f != 'tests/docs/test-docs.py')
    for doc in documents() + [os.path.join(TOP, 'README.md')]:
        bad = bad_names(read(doc), files, code)
        bad += [l for l in re.findall(r'\]\(([^)#:]+)\)', strip_blocks(read(doc))) if not os.path.exists(os.path.join(os.path.dirname(doc), l))]
        tell(not bad, 'names in %s' % os.path.relpath(doc, TOP), '\n'.join('not in the tree: ' + b for b in bad))
    tell(bad_names('`no_such_function()` `accel/none.c` `nothere.def`', files, code) != [] and
         len(bad_names('`no_such_function_x()` `accel/none.c` `nothere.def`', files, code)) == 3, 'a missing name is found')

    with tempfile.TemporaryDirectory(prefix='vireo-docs-') as tmp:
        try:
            logs = Logs(tmp)
            logs.lines('nochain')
        except (RuntimeError, subprocess.CalledProcessError) as e:
            tell(False, "the tour's guest", str(e))
            return finish()
        tell(True, "the tour's guest")
        bmi2 = ' bmi2 ' in read('/proc/cpuinfo') + ' '
        blocks = [(os.path.basename(doc), m) for doc in documents() for m in BLOCK.finditer(read(doc))]
        tell(sum(doc == 'tour.md' for doc, _ in blocks) >= 12, 'the tour quotes logs', '%d blocks' % len(blocks))
        for doc, m in blocks:
            items, spec = m[1], m[2]
            name = '%s: -d %s: %s' % (doc, items, spec.replace('#', ''))
            if spec.endswith('OUT') and not bmi2:
                print('ok %d - %s # SKIP the quoted code was made on a host with BMI2' % (len(results) + 1, name))
                results.append(True)
                continue
            why = check_block(logs, items, spec, m[3].splitlines())
            tell(why is None, name, why or '')
        first = next(m for _, m in blocks if 'movabsq' in m[3])
        tell(check_block(logs, first[1], first[2], first[3].replace('0x1234567890abcdef', '0x1').splitlines()) is not None,
             'a wrong quotation is found')
    return finish()


def finish():
    print('1..%d' % len(results))
    return 0 if all(results) else 1


if __name__ == '__main__':
    sys.exit(update() if sys.argv[1:] == ['--update'] else main())
