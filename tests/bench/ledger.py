#!/usr/bin/env python3
"""Hold the ledger of `load` against the ledger of `sink`.

usage: ledger.py TOLD HAVE [HAVE ...]

TOLD has lines "told ID CODE" and "lost ID", HAVE has lines "have ID"; several
next hops may be given. One line is printed:

    lost=0 doubled=1 told=5000 have=5000 doubled_lost=1 doubled_retry=0 doubled_bare=0

lost: messages that were told 250 and that no next hop has. doubled: ids that
the next hops have more than once; doubled_lost of them were answered by
silence once, doubled_retry by a code other than 250, doubled_bare have no such
excuse. told and have count ids. Exit status: 0, 1 when anything is lost, 2 when
a ledger cannot be read.
"""

import collections
import sys


def lines(path, fields):
    """The split lines of a ledger; a last line cut by a kill is left out."""
    with open(path, encoding="ascii") as ledger:
        for number, line in enumerate(ledger, 1):
            words = line.split()
            if not line.endswith("\n"):
                print(f"{path}:{number}: line cut short", file=sys.stderr)
            elif words and len(words) == fields.get(words[0]):
                yield words
            else:
                raise ValueError(f"{path}:{number}: not a ledger line")


def compare(told_path, have_paths):
    """Compare the ledgers, print the line; True when nothing is lost."""
    told, retried, silent = set(), set(), set()
    have = collections.Counter()
    for words in lines(told_path, {"told": 3, "lost": 2}):
        if words[0] == "lost":
            silent.add(words[1])
        elif words[2] == "250":
            told.add(words[1])
        else:
            retried.add(words[1])
    for path in have_paths:
        have.update(words[1] for words in lines(path, {"have": 2}))

    lost = sorted(told - set(have))
    doubled = {key for key, count in have.items() if count > 1}
    bare = sorted(doubled - silent - retried)
    for key in lost[:10]:
        print(f"lost: {key}", file=sys.stderr)
    for key in bare[:10]:
        print(f"doubled though never unsure: {key}", file=sys.stderr)
    print(
        f"lost={len(lost)} doubled={len(doubled)} told={len(told)} "
        f"have={len(have)} doubled_lost={len(doubled & silent)} "
        f"doubled_retry={len((doubled & retried) - silent)} "
        f"doubled_bare={len(bare)}"
    )
    return not lost


def main():
    if len(sys.argv) < 3 or sys.argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        return 0 if compare(sys.argv[1], sys.argv[2:]) else 1
    except (OSError, ValueError) as trouble:
        print(f"ledger.py: {trouble}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
