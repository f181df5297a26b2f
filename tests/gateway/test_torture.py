"""The faults of torture.py in its short form, and the table that INSTALL has.

make torture plays them at every octet and writes that table.
"""

import os

import pytest

import torture

from conftest import SANITIZED
from torture_storm import HOPS, storm


@pytest.fixture(scope="module")
def short():
    return torture.Torture(long=False).run(torture.TABLES)


def test_the_ledgers_agree(short):
    print(torture.table_text(short.cells))
    print(short.summary())
    assert not short.failures, "\n".join(short.failures[:5])
    cases = sum(sum(c.values()) for c in short.cells.values())
    assert cases > 1500 and short.doubtful > 100 and short.doubled > 100


@pytest.mark.parametrize("name", HOPS)
def test_a_storm(name):
    """Two workers, one of whose connections the other waits for; and servers
    that others wrote."""
    if name in ("Postfix", "Dovecot") and os.geteuid() != 0:
        pytest.skip("it is started by root alone")
    print(storm(name, 2, list(HOPS).index(name)))


def alike(row, outcome):
    """Whether a dot got away before the reset came, is up to the kernel."""
    if row in ("BDAT", "message", "600 kB") and outcome == "451 0 t":
        return "451 0 d"
    return outcome


def normal(cells):
    """A worker that malloc(3) has left enough needs no more memory."""
    return {(table, row, column, alike(row, outcome))
            for table, row, column, outcome in cells
            if column != "no memory" or not outcome.startswith("250 ")}


def test_install_has_this_table(short):
    page = torture.INSTALL.read_text(encoding="ascii")
    have = torture.outcomes(page[page.index(torture.LEGEND):])
    seen = {(*cell, outcome) for cell, outcomes in short.cells.items()
            for outcome in outcomes}
    new = sorted(normal(seen) - normal(have))
    assert not new, "make torture INSTALL=yes"
    if not SANITIZED:  # which has cells of memory less
        cells = {cell[:3] for cell in have if cell[0].startswith("smtp")}
        assert cells <= {cell[:3] for cell in seen}


def test_the_table_is_read_as_it_is_printed(short):
    assert torture.outcomes(torture.table_text(short.cells)) == {
        (*cell, outcome) for cell, outcomes in short.cells.items()
        for outcome in outcomes}
