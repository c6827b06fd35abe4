# SPDX-License-Identifier: ISC
"""tap.py - ok(condition, 'a sentence') and done() at the end of a flow test."""
import sys
import traceback

_count = 0
_bad = 0


def ok(passed, what, detail=''):
    global _count, _bad
    _count += 1
    print('%sok %d - %s' % ('' if passed else 'not ', _count, what), flush=True)
    if not passed:
        _bad += 1
        if detail:
            print('# ' + str(detail).replace('\n', '\n# '), flush=True)
    return bool(passed)


def case(what, fn):
    """Run fn; an exception is a failure of that case, not of the program."""
    try:
        result = fn()
        ok(result is None or result, what, '' if result is None or result else repr(result))
    except Exception:   # a test reports whatever went wrong
        ok(False, what, traceback.format_exc())


def done():
    print('1..%d' % _count)
    sys.exit(1 if _bad or not _count else 0)


def failed():
    return _bad
