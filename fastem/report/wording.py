"""Numbers and facts as they are written for people."""

import math

from fastem.report.memberships import Certainty


def number(value: float) -> str:
    """Four significant digits: 1,297 or 45.2 or 3.1e-07."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if not 1e-4 <= abs(value) < 1e9:
        return f"{value:.3g}"
    decimals = max(
        0, (2 if abs(value) < 1000 else 3) - math.floor(math.log10(abs(value)))
    )
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def counted(n: float, what: str) -> str:
    """So many of something: 1 row, 1,204 rows."""
    return f"{n:,.0f} {what}{'' if n == 1 else 's'}"


def sentence_of(certainty: Certainty) -> str:
    """How sure rows are of their component."""
    mean, sure, unsure = certainty.overall()
    return (
        f"Memberships: {sure:.1%} of the rows are sure (their component has a "
        f"probability above 0.9), {unsure:.1%} are in doubt (0.5 at most); on average "
        f"the likeliest component has {mean:.3f}."
    )


def percent(share: float) -> str:
    """A share as 45%, or 4.5% where it is small; little does not round to none."""
    if not math.isfinite(share):
        return "-"
    if min(share, 1 - share) < 1e-6:
        return f"{share:.0%}"
    if share < 0.001:
        return "<0.1%"
    if share > 0.999:
        return ">99.9%"
    return f"{share:.0%}" if 0.0995 <= share < 0.995 else f"{share:.1%}"
