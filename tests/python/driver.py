"""Runs the cases of one module of CPython's own test suite and appends a line to a file before and after each.

    driver.py MODULE RESULTS not|only CASE-LIST

Started by tests/pysuite.rs, on the host and on fncall. The lines are `start ID`, then `ok ID`, `skip ID REASON` or
`fail ID REASON`; the last line of a run that came to its end is `end`. CASE-LIST is a file of case ids: those to leave
out (they have been run before), or the only ones to run.
"""

import os
import signal
import sys
import traceback
import unittest

from test import support
from test.support import os_helper

MODULE, RESULTS, RELATION, CASE_LIST = sys.argv[1:]
RESULTS = os.path.abspath(RESULTS)

# Cases that would set the clock of the machine, on the host for real.
NEVER = {"test.test_time.TimeTestCase.test_monotonic_settime"}


def note(word, case="", text=""):
    line = " ".join(f"{word} {case} {text}".split())
    # Opened each time: the cases count descriptors.
    with open(RESULTS, "a", encoding="utf-8", errors="replace") as f:
        f.write(line + "\n")


class Result(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        self.verdict = ("ok", "")
        note("start", test.id())

    def stopTest(self, test):
        super().stopTest(test)
        note(self.verdict[0], test.id(), self.verdict[1])

    def failed(self, test, err):
        lines = traceback.format_exception(*err)
        sys.stderr.write("".join(lines))
        reason = lines[-1] if issubclass(err[0], AssertionError) else " ".join(lines[-2:])
        if isinstance(test, unittest.TestCase):
            self.verdict = ("fail", reason)
        else:  # setUpClass and setUpModule are no cases, but must not fail either
            name = str(test).replace(" ", "")
            note("start", name)
            note("fail", name, reason)

    def addError(self, test, err):
        super().addError(test, err)
        self.failed(test, err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.failed(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.failed(test, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if isinstance(test, unittest.TestCase):
            self.verdict = ("skip", reason)

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.verdict = ("skip", "expected failure")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.verdict = ("fail", "unexpected success")


def chosen(suite, cases):
    kept = unittest.TestSuite()
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            kept.addTest(chosen(test, cases))
        elif (test.id() in cases) == (RELATION == "only") and test.id() not in NEVER:
            kept.addTest(test)
    return kept


def main():
    # A shell that starts us in the background leaves SIGINT ignored, which the children would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(CASE_LIST, encoding="utf-8") as f:
        cases = set(f.read().split())
    # The resources that `python3 -m test -u subprocess,cpu,walltime` allows.
    support.use_resources = {"subprocess", "cpu", "walltime"}
    with os_helper.temp_cwd("case"):
        try:
            loaded = unittest.defaultTestLoader.loadTestsFromName("test." + MODULE)
        except unittest.SkipTest as reason:
            note("start", MODULE)
            note("skip", MODULE, str(reason))
        else:
            chosen(loaded, cases).run(Result())
    note("end")


# Children of multiprocessing import this file.
if __name__ == "__main__":
    main()
