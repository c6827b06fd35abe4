# SPDX-License-Identifier: ISC
"""postmap, postalias and newaliases, as scripts call them."""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from tap import case, done, ok      # noqa: E402
from tools import Conf              # noqa: E402

TABLE = 'User@Example.org  value one\n"two words" v\nlong a,\n  b\nUser@example.org dup\nbad\n'


def building():
    with Conf() as c:
        c.write('t', TABLE)
        os.chmod(c.path('t'), 0o640)
        code, out, err = c.run('postmap', 'hash:' + c.path('t'))
        ok(code == 0 and out == '' and os.path.exists(c.path('t.lmdb')), 'postmap hash:t makes t.lmdb', err)
        ok('line 5: duplicate entry: "user@example.org"' in err and 'line 6: expected format: key whitespace value' in err,
           'duplicates and bad lines are warnings with file and line', err)
        ok(os.stat(c.path('t.lmdb')).st_mode & 0o777 == 0o640, 'the table has the mode of its source')
        ok(c.run('postmap', '-q', 'user@EXAMPLE.org', 'hash:t')[:2] == (0, 'value one\n'), '-q finds without regard to case')
        ok(c.run('postmap', '-q', 'nobody', 'hash:t')[:2] == (1, ''), '-q of what is not there is exit status 1, silently')
        ok(c.run('postmap', '-s', 'lmdb:t')[1] == '"two words"\tv\nlong\ta,  b\nuser@example.org\tvalue one\n', '-s lists')
        ok(c.run('postmap', '-q', '-', 'hash:t', stdin='nobody\nlong\n')[:2] == (0, 'long\ta,  b\n'), '-q - asks for each line')
        ok(c.run('postmap', '-i', 't', stdin='extra 1\n')[0] == 0 and c.run('postmap', '-q', 'extra', 't')[1] == '1\n', '-i adds')
        ok('duplicate' in c.run('postmap', '-i', 't', stdin='extra 2\n')[2], '-i of what is there is a warning')
        ok(c.run('postmap', '-iw', 't', stdin='extra 2\n')[1:] == ('', '') and c.run('postmap', '-q', 'extra', 't')[1] == '1\n', '-w leaves it alone')
        ok(c.run('postmap', '-ir', 't', stdin='extra 2\n')[1:] == ('', '') and c.run('postmap', '-q', 'extra', 't')[1] == '2\n', '-r replaces')
        ok(c.run('postmap', '-d', 'extra', 't')[0] == 0 and c.run('postmap', '-d', 'extra', 't')[0] == 1, '-d deletes once')
        c.write('case', 'Key v\n')
        c.run('postmap', '-f', 'case')
        ok(c.run('postmap', '-fq', 'Key', 'case')[1] == 'v\n' and c.run('postmap', '-q', 'Key', 'case')[0] == 1, '-f keeps upper case')
        c.write('nul', 'k v\n')
        ok(c.run('postmap', '-n', 'nul')[0] == 0 and c.run('postmap', '-q', 'k', 'nul')[1] == 'v\n', '-n: a table without NULs is read too')
        c.write('one', 'first')
        c.write('two', 'second')
        c.write('files', 'k %s,%s\n' % (c.path('one'), c.path('two')))
        ok(c.run('postmap', '-F', 'files')[0] == 0 and c.run('postmap', '-Fq', 'k', 'files')[1] == 'first\nsecond\n', '-F stores what is in files')


def other_types():
    with Conf() as c:
        c.write('re', '/^Subject: (.*)/ SUBJECT $1\n/^body (.*)/ BODY $1\n')
        message = 'Subject: x\n y\nFrom: z\n\nbody line\n'
        ok(c.run('postmap', '-hq', '-', 'regexp:re', stdin=message)[1] == 'Subject: x\n y\tSUBJECT x\n y\n', '-h: header lines of a message')
        ok(c.run('postmap', '-bq', '-', 'regexp:re', stdin=message)[1] == 'body line\tBODY line\n', '-b: body lines of a message')
        ok(c.run('postmap', '-q', '192.0.2.9', 'cidr:{ {192.0.2.0/24 net} }')[1] == 'net\n', 'any type can be asked')
        ok(c.run('postmap', '-q', 'k', 'inline:{ x=1 }', 'inline:{ k=2 }')[1] == '2\n', 'several tables: the first that has it')


def refused():
    with Conf() as c:
        c.write('t', 'a b\n')
        for args, word in ((['cdb:t'], 'cdb'), (['/no/such/file'], '/no/such/file'), (['-q', 'x', 'mysql:/x'], 'no module'),
                           (['-q', 'x', 'nosuch:/x'], 'unsupported dictionary type'), (['-q', 'x', 'hash:/no/such'], 'postmap'),
                           ([], 'usage'), (['-q', 'a', '-d', 'a', 't'], 'usage'), (['-d', 'a', 'regexp:t'], 'regexp'), (['-q', 'a', 'fail:x'], 'fail')):
            code, out, err = c.run('postmap', *args)
            ok(code == 1 and word in err, 'refused with exit status 1: %r' % args, err)
        c.write('long', 'x' * 600 + ' v\n')
        code, out, err = c.run('postmap', 'long')
        ok(code == 1 and 'too long' in err and not os.path.exists(c.path('long.lmdb')), 'a key that is too long is refused and leaves no table', err)
        ok(not [f for f in os.listdir(c.dir) if '.tmp' in f], 'no temporary file stays')


def aliases():
    with Conf() as c:
        c.write('aliases', 'root: a, b\n"x y": "|cmd -a"\nlist: :include:/x,\n   other\nfoo@bar: x\nno colon\n')
        c.write('main.cf', 'alias_database = hash:%s\n' % c.path('aliases'))
        code, out, err = c.run('postalias', 'hash:aliases')
        ok(code == 0 and 'name must be local' in err and 'need name:value pair' in err, 'postalias warns of bad lines', err)
        ok(c.run('postalias', '-s', 'aliases')[1] == '@:\t@\nlist:\t:include:/x,   other\nroot:\ta, b\nx y:\t"|cmd -a"\n', 'its table has names and values')
        ok(c.run('postalias', '-q', 'ROOT', 'aliases')[1] == 'a, b\n', 'and answers without regard to case')
        os.unlink(c.path('aliases.lmdb'))
        ok(c.run('newaliases')[0] == 0 and os.path.exists(c.path('aliases.lmdb')), 'newaliases makes what alias_database names')


def owner():
    if os.geteuid() != 0:
        ok(True, 'the owner of the source writes the table (needs root)')
        return
    with Conf() as c:
        os.chmod(c.dir, 0o755)
        os.mkdir(c.path('d'))
        c.write('d/t', 'a b\n')
        for name in ('d', 'd/t'):
            os.chown(c.path(name), 1, 1)
        code, out, err = c.run('postmap', c.path('d/t'))
        ok(code == 0 and os.stat(c.path('d/t.lmdb')).st_uid == 1, 'as root, the owner of the source writes the table', err)


for what, fn in (('building', building), ('other types', other_types), ('refused', refused), ('aliases', aliases), ('owner', owner)):
    case('%s: no exception' % what, fn)
done()
