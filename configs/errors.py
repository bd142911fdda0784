"""The one exception whose message is written for the person at the terminal."""


class UserError(Exception):
    """Something a person can mend: the message names the thing, its value and the next step.

    The command line prints the message alone and exits with 2; anything else that escapes is a
    defect and keeps its traceback.
    """
