"""How good denoisers are: methods beside one another on data whose truth is known.

``cases`` makes the data, ``contest`` runs the methods, ``measure`` judges a slice, ``table`` and
``picture`` write what was found.
"""
