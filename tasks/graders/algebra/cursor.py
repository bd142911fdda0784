"""A place in a list of tokens."""

from tasks.graders.algebra.tokens import UnreadError


class Cursor:
    """Reads tokens one after the other."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens, self._place = tokens, 0

    def peek(self, ahead: int = 0) -> str:
        """The token to come; nothing behind the end."""
        place = self._place + ahead
        return self._tokens[place] if place < len(self._tokens) else ""

    def skip(self, count: int) -> None:
        """Go on, or back."""
        self._place += count

    def letters(self) -> list[str]:
        """The tokens of a group in braces, unread."""
        self.expect("{")
        found = []
        while self.peek() not in {"", "}", "{"}:
            found.append(self.next())
        self.expect("}")
        return found

    def expect(self, word: str) -> None:
        """Read this token. Raises UnreadError where another comes."""
        if self.next() != word:
            raise UnreadError(word)

    def next(self) -> str:
        """Read a token. Raises UnreadError at the end."""
        word = self.peek()
        if not word:
            raise UnreadError("the text ends too early")
        self._place += 1
        return word
