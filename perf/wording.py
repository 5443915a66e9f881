"""How messages word what they count: numbers that agree with their nouns."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return the number with its noun: `1 case`, `2 cases`; `plural` is for nouns that take more than an `s`."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
