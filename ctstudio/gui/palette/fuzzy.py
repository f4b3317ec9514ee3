"""How well a few letters fit a name."""

from __future__ import annotations

START, WORD, NEXT, GAP = 4.0, 3.0, 4.0, 0.1
BREAKS = " -_/&.:("


def score(query: str, text: str) -> float | None:
    """How well ``query`` fits ``text``, greater is better; None where it does not.

    The letters of the query stand in the text in their order, not necessarily next to one another;
    spaces do not count. Beginnings of words and neighbouring letters are worth more, gaps and
    letters that are left over cost a little. It is the best of all ways to place the letters.
    """
    wanted = [letter for letter in query.casefold() if not letter.isspace()]
    letters = text.casefold()
    if not wanted:
        return 0.0
    nothing = float("-inf")
    # best[k]: the greatest score of the letters so far with the last of them at k.
    best = [nothing] * len(letters)
    for number, letter in enumerate(wanted):
        before, best = best, [nothing] * len(letters)
        reach = nothing  # the greatest score that ends earlier, less what the gap costs
        for k, there in enumerate(letters):
            if k >= 2:
                reach = max(reach - GAP, before[k - 2] - GAP)
            if there != letter:
                continue
            worth = 1.0
            if k == 0:
                worth += START
            elif letters[k - 1] in BREAKS:
                worth += WORD
            if number == 0:
                best[k] = worth - GAP * k
            else:
                close = before[k - 1] + NEXT if k else nothing
                best[k] = worth + max(close, reach)
    found = max(best, default=nothing)
    return None if found == nothing else found - 0.01 * len(letters)
