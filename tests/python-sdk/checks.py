"""Runs checks one by one: `ok NAME` or `FAIL NAME:` and why, then how many passed and failed."""

import sys
import traceback


def run(checks, *arguments, before=lambda: None):
    """What the process is to end with."""
    failed = 0
    for check in checks:
        before()
        try:
            check(*arguments)
            print(f"ok {check.__name__}")
        except Exception:
            failed += 1
            print(f"FAIL {check.__name__}:")
            traceback.print_exc(file=sys.stdout)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return min(failed, 1)
