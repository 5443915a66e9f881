"""The errors that one room raises and another one catches."""


class PerfError(Exception):
    """An error that a user can understand and fix, shown as a message and never as a traceback.

    `what` says what happened, `subject` names the case, build or file that it happened to, and `next_step` is a command
    to run or a thing to change. A line break in the name of a file starts no line of the message.
    """

    def __init__(self, what: str, *, subject: str | None = None, next_step: str | None = None) -> None:
        self.what = what
        self.subject = subject
        self.next_step = next_step
        name = " ".join(subject.splitlines()) if subject else None
        lines = [f"{name}: {what}" if name else what]
        if next_step:
            lines.append(f"next: {next_step}")
        super().__init__("\n".join(lines))


class UnavailableError(PerfError):
    """An error for what this machine lacks: whatever needs it cannot run here, everything else still can."""


class WorkerError(Exception):
    """A worker or a rank died, hung, or sent a line that is not a reply.

    `what` says what happened; `last_lines` are the last lines that it wrote.
    """

    def __init__(self, what: str, last_lines: str) -> None:
        super().__init__(what)
        self.what = what
        self.last_lines = last_lines
