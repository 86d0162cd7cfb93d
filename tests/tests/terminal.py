"""Plays somebody at a terminal: runs a program on a pseudo-terminal of the host and types what a script says.

    python3 terminal.py SCRIPT PROGRAM [ARGUMENT ...]

The script has one step a line: `until REGEX` waits for output, `send TEXT` types (Python escapes), `size ROWS COLUMNS`
changes the window, `settings` prints the flags of the terminal, `kill SIGNAL` sends one to the program, `pause SECONDS`
is for what nothing shows: that a job has come to the foreground. At the end everything that showed is printed, and how
the program ended; process numbers of jobs are left out.
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

LIMIT = 20


class Terminal:
    def __init__(self, argv):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # A shell that started the tests in the background has these ignored.
            for number in signal.SIGHUP, signal.SIGINT, signal.SIGQUIT:
                signal.signal(number, signal.SIG_DFL)
            os.environ.update(PS1="$ ", TERM="dumb", HISTFILE="/dev/null", INPUTRC="/dev/null")
            os.execvp(argv[0], argv)
        self.size(24, 80)
        self.out = b""
        self.seen = 0

    def size(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def more(self, seconds):
        """Whether something came, or the end (None)."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.out += data
        return True if data else None

    def until(self, pattern):
        end = time.monotonic() + LIMIT
        while True:
            found = re.compile(pattern.encode()).search(self.out, self.seen)
            if found:
                self.seen = found.end()
                return
            if time.monotonic() > end or self.more(0.1) is None:
                sys.exit(f"no {pattern!r} after {self.out.decode('latin1')!r}")

    def settings(self):
        flags = termios.tcgetattr(self.fd)[:4]
        print("settings", *(f"{word:#x}" for word in flags))

    def end(self):
        stop = time.monotonic() + LIMIT
        while time.monotonic() < stop and self.more(0.1) is not None:
            pass
        text = self.out.decode("latin1").replace("\r\n", "\n")
        print(re.sub(r"(\[\d+\]) \d+", r"\1 PID", text))
        status = os.waitpid(self.pid, 0)[1]
        print("exited" if os.WIFEXITED(status) else "killed", status)


def main():
    terminal = Terminal(sys.argv[2:])
    for line in sys.argv[1].splitlines():
        verb, _, rest = line.strip().partition(" ")
        if verb == "until":
            terminal.until(rest)
        elif verb == "send":
            # As slow as a person: a shell that has shown its answer is about to change the terminal's settings.
            time.sleep(0.3)
            os.write(terminal.fd, rest.encode().decode("unicode_escape").encode("latin1"))
        elif verb == "size":
            terminal.size(*map(int, rest.split()))
        elif verb == "settings":
            terminal.settings()
        elif verb == "pause":
            time.sleep(float(rest))
        elif verb == "kill":
            os.kill(terminal.pid, int(rest))
        elif verb:
            sys.exit(f"what is {line!r}?")
    terminal.end()


main()
