# SPDX-License-Identifier: ISC
"""PostgreSQL is killed and restarted while clients log in by IMAP, POP3 and submission."""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import PASSWORD, PORT, Instance      # noqa: E402
from outage import Round, endure, ports_of, same_bytes   # noqa: E402
from servers import Postgres                       # noqa: E402
from sql_users import MAIN, prepare_pgsql, scratch # noqa: E402
from tap import done                               # noqa: E402

WHAT, USER = 'PostgreSQL', 'carol@example.test'

with scratch() as base, Postgres(PORT + 800) as server, Instance(main=MAIN % {'file': prepare_pgsql(base, server)}) as i:
    auth, ports = i.spool() + '/private/auth', ports_of(i)
    same_bytes(WHAT, ports, USER, auth=auth)
    endure(WHAT, ports, i.log, USER, 'carol-secret', [
        Round('killed', server.kill, 3, server.start),
        Round('killed and back at once', server.kill, 0, server.start, False)], bystander=('alice', PASSWORD['alice']))
    server.kill()
    same_bytes(WHAT + ' away', ports, USER, temporary=True, auth=auth, net='127.0.11')
done()
