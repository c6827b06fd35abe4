# SPDX-License-Identifier: ISC
"""runner.py - builds and runs the tests, counts TAP lines; see t/run.

A test is a program that prints TAP and exits 0: unit tests and fuzz targets
(built by CMake), t/lint/*.sh, t/flow/*_test.py. A program that fails without
a "not ok", or prints no "ok", counts as one failure.
"""
import concurrent.futures
import glob
import os
import re
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEV = os.path.join(ROOT, 'build-dev')
RELEASE = os.path.join(ROOT, 'build')
JOBS = os.cpu_count() or 2
# Longest a single test program may take, in seconds.
TIMEOUT = {'unit': 180, 'fuzz': 180, 'lint': 120, 'flow': 420}
# These look at the machine as a whole or kill what they find: nothing runs beside them.
ALONE = re.compile(r'flow/(priv|root|power|kill|bench)')


def build(preset, directory, more=()):
    start = time.time()
    launcher = ['-DCMAKE_C_COMPILER_LAUNCHER=ccache'] if subprocess.run(['which', 'ccache'], stdout=subprocess.DEVNULL).returncode == 0 else []
    log = os.path.join('/tmp', 'postern-build-%s.%d.log' % (preset, os.getuid()))
    with open(log, 'w') as out:
        for argv in (['cmake', '--preset', preset, *launcher, *more], ['cmake', '--build', directory, '-j%d' % JOBS]):
            if subprocess.run(argv, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT).returncode != 0:
                out.flush()
                print(open(log, errors='replace').read()[-6000:])
                print('0 passed, 1 failed')
                sys.exit(1)
    print('# built %s in %.0f s' % (preset, time.time() - start), flush=True)


def tests():
    """All tests: name -> argv."""
    found = {}
    for source in sorted(glob.glob(ROOT + '/t/unit/*/*_test.c')):
        layer, name = source.split('/')[-2], os.path.basename(source)[:-2]
        found['unit/%s/%s' % (layer, name[:-5])] = [os.path.join(DEV, 't', '%s_%s' % (layer, name))]
    for source in sorted(glob.glob(ROOT + '/t/fuzz/*/*_fuzz.c')):
        layer, name = source.split('/')[-2], os.path.basename(source)[:-2]
        found['fuzz/%s/%s' % (layer, name[:-5])] = [os.path.join(DEV, 'fuzz', '%s_%s' % (layer, name)), 't/fuzz/corpus/' + name]
    for script in sorted(glob.glob(ROOT + '/t/lint/*.sh')):
        found['lint/' + os.path.basename(script)[:-3]] = ['sh', script, ROOT]
    for script in sorted(glob.glob(ROOT + '/t/flow/*_test.py')):
        found['flow/' + os.path.basename(script)[:-8]] = [sys.executable, script]
    return found


def run_one(name, argv, slot):
    env = dict(os.environ, POSTERN_ROOT=ROOT, POSTERN_DEV=DEV, POSTERN_RELEASE=RELEASE, POSTERN_PORT=str(21000 + 1500 * slot),
               ASAN_OPTIONS='detect_leaks=0:abort_on_error=1', UBSAN_OPTIONS='print_stacktrace=1', PYTHONDONTWRITEBYTECODE='1')
    start = time.time()
    p = subprocess.Popen(argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         start_new_session=True)
    try:
        out, _ = p.communicate(timeout=TIMEOUT[name.split('/')[0]])
        status = p.returncode
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGTERM)
        try:
            out, _ = p.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            out, _ = p.communicate()
        out += b'\n# timed out\n'
        status = -1
    text = out.decode(errors='replace')
    good = len(re.findall(r'^ok\b', text, re.M))
    bad = len(re.findall(r'^not ok\b', text, re.M))
    if name.startswith('fuzz/') and status == 0:
        good = 1
    if bad == 0 and (status != 0 or good == 0):
        bad = 1
    return name, good, bad, text, time.time() - start


def show(result):
    name, good, bad, text, seconds = result
    print('%s %s: %d passed, %d failed (%.1f s)' % ('ok  ' if bad == 0 else 'FAIL', name, good, bad, seconds), flush=True)
    if bad:
        print('    | ' + '\n    | '.join(text.splitlines()[-60:]), flush=True)


def complaints(result):
    """What failed, and what the test says of it."""
    name, _, _, text, _ = result
    lines = text.splitlines()
    found = [i for i, line in enumerate(lines) if line.startswith('not ok')]
    for i in found:
        said = [line for line in lines[i + 1:i + 12] if line.startswith('#')]
        yield '\n    '.join(line[:400] for line in [name + ': ' + lines[i], *said])
    if not found:
        yield '\n    '.join(line[:400] for line in [name + ': ended badly', *lines[-5:]])


def run_all(chosen):
    results = []
    together = [(n, a) for n, a in chosen if not ALONE.match(n)]
    alone = [(n, a) for n, a in chosen if ALONE.match(n)]
    slots = list(range(JOBS))

    def in_slot(item):
        slot = slots.pop()
        try:
            return run_one(item[0], item[1], slot)
        finally:
            slots.append(slot)

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for result in pool.map(in_slot, together):
            show(result)
            results.append(result)
    for name, argv in alone:
        result = run_one(name, argv, 0)
        show(result)
        results.append(result)
    return results


def main():
    args = sys.argv[1:]
    all_tests = tests()
    if args == ['--list']:
        print('\n'.join(all_tests))
        return 0
    if args[:1] == ['--mutate']:
        import mutate
        return mutate.main(ROOT, args[1:])
    chosen = [(n, a) for n, a in all_tests.items()
              if not args or any(n == w or n.startswith(w.rstrip('/') + '/') or n.startswith(w) for w in args)]
    if not chosen:
        print('no such test: %s' % ' '.join(args))
        print('0 passed, 1 failed')
        return 1
    if any(not n.startswith('lint/') for n, _ in chosen):
        build('dev', DEV)
    if any(n.startswith(('flow/', 'lint/')) for n, _ in chosen):
        build('release', RELEASE)
    results = run_all(chosen)
    good, bad = sum(r[1] for r in results), sum(r[2] for r in results)
    failed = [r[0] for r in results if r[2]]
    for r in results:
        if r[2]:
            print('\n'.join(complaints(r)))
    if failed:
        print('failed: ' + ' '.join(failed))
    print('%d passed, %d failed' % (good, bad))
    return 1 if bad or good == 0 else 0


if __name__ == '__main__':
    sys.exit(main())
