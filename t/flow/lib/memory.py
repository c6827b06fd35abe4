# SPDX-License-Identifier: ISC
"""What is in the memory of other processes. Needs the right to look: root, or the same user."""


def pages_of(pid):
    """The memory of a process that is really there, run by run."""
    page = 4096
    with open('/proc/%d/maps' % pid) as maps, open('/proc/%d/mem' % pid, 'rb', 0) as mem, open('/proc/%d/pagemap' % pid, 'rb', 0) as table:
        for line in maps:
            start, end = (int(x, 16) // page for x in line.split()[0].split('-'))
            if 'rw' not in line or end - start > 1 << 17:
                continue
            table.seek(start * 8)
            entries = memoryview(table.read((end - start) * 8)).cast('Q')
            at = 0
            while at < len(entries):
                run = at
                while run < len(entries) and entries[run] >> 63:
                    run += 1
                if run > at:
                    try:
                        mem.seek((start + at) * page)
                        yield mem.read((run - at) * page)
                    except (OSError, ValueError, OverflowError):
                        pass
                at = run + 1


def memory_holds(pid, needles):
    return {name for data in pages_of(pid) for name, wanted in needles.items() if any(n in data for n in wanted)}
