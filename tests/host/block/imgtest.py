"""What the scripts of this folder share: the tool under test, a folder of their own, TAP cases, the end."""
import os, shutil, struct, subprocess, sys, tempfile

build = os.path.realpath(os.environ.get('BUILD') or os.path.join(os.path.dirname(os.path.realpath(__file__)), '../../../build'))
IMG = os.path.join(build, 'vireo-img')
number, failed = 0, 0


def begin(name, *needed):
    """A fresh working folder, whose path is returned; what is needed and not there skips the script."""
    missing = [x for x in (IMG,) if not os.path.exists(x)] + [x for x in needed if not shutil.which(x)]
    if missing:
        print('1..0 # SKIP missing: ' + ' '.join(missing))
        sys.exit(0)
    global tmp
    tmp = tempfile.mkdtemp(prefix='vireo-%s-' % name)
    os.chdir(tmp)
    return tmp


def result(good, name, detail=''):
    global number, failed
    number += 1
    failed += not good
    print('%sok %d %s' % ('' if good else 'not ', number, name))
    if not good and detail:
        print('# ' + str(detail).rstrip('\n').replace('\n', '\n# '))
    sys.stdout.flush()


def case(name, empty=False):
    """Runs the function that follows; `empty`: in a folder without files."""
    def wrap(f):
        for x in os.listdir('.') if empty else ():
            os.unlink(x)
        try:
            f()
            result(True, name)
        except (AssertionError, OSError, subprocess.SubprocessError, struct.error, IndexError) as e:
            result(False, name, e if str(e) else repr(e))
    return wrap


def run(*args, ok=(0,), **kw):
    """Standard output and error of a program that ends with such a status within a minute."""
    p = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, **kw)
    if p.returncode not in (ok if isinstance(ok, tuple) else (ok,)):
        raise AssertionError('%s: status %d: %s' % (' '.join(args), p.returncode, p.stdout))
    return p.stdout


def end():
    os.chdir('/')
    shutil.rmtree(tmp)
    print('1..%d' % number)
    sys.stdout.flush()
    os._exit(failed != 0)  # threads of servers may still wait
