"""What holds for all tests."""

import re

# What differs from one run to the next, or in time.
FLEETING = re.compile(r" at 0x[0-9a-f]+|/tmp/[\w./-]+|sha256:[0-9a-f]+"
                      r"|\d\d:\d\d:\d\d|\d{9,}")


def pytest_make_parametrize_id(config, val):
    """The same name for a row in every process that shares the tests."""
    if isinstance(val, (str, dict, list, tuple)):
        text = FLEETING.sub("", val if isinstance(val, str) else repr(val))
        return text.encode("unicode_escape").decode("ascii")
    return None
