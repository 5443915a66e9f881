"""The one error this suite raises for what a user can mend, told as what happened, to what, and what to run next."""


class PerfError(Exception):
    """Something a user can understand and act on; shown as a message, never as a traceback.

    `what` says what happened, `subject` names the case, build or file it happened to, `next_step` is a command to run
    or a thing to change.
    """

    def __init__(self, what: str, *, subject: str | None = None, next_step: str | None = None) -> None:
        self.what = what
        self.subject = subject
        self.next_step = next_step
        lines = [f"{subject}: {what}" if subject else what]
        if next_step:
            lines.append(f"next: {next_step}")
        super().__init__("\n".join(lines))


class UnavailableError(PerfError):
    """Something this machine lacks, so that what needs it cannot be run here; what does not need it goes on."""
