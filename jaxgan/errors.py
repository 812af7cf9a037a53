"""The one error a person sees as a plain sentence."""


class InputError(ValueError):
    """What the user asked for or supplied cannot be used.

    The message is one short sentence or two: it names the config key, file or value, and says what to do.
    Commands print it on stderr without a traceback and exit with 2.
    """
