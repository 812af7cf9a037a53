"""Data sets that a generator makes: images by class, scenes with objects to be found, and the card of either."""
