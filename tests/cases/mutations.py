"""Random sums, rewritten in one way that keeps their value or changed in one way that does not.

Terms are linearly independent, so a changed one is another value; nothing asks a grader what is right.
"""

# ruff: noqa: E501 - one line a rewriting

from fractions import Fraction

FACTORS = (
    "", "x", "y", "x^{2}", "xy", r"\sqrt{2}", r"\sqrt{3}", r"\pi", "a", "e^{x}", r"\sin x", r"\ln 2", r"\frac{1}{x}", "x^{3}y",
    r"\sqrt{x+1}", r"\log_{2} 5", "ab^{2}",
)  # fmt: skip


def drawn_terms(rng):
    """Two to four terms: a number that is not zero, and what it is a factor of."""
    factors = rng.sample(FACTORS, rng.randint(2, 4))
    return [
        (Fraction(rng.choice([n for n in range(-12, 13) if n]), rng.choice((1, 1, 1, 2, 3, 4, 7))), f)
        for f in factors
    ]


def spelled(terms, frac=r"\frac", plus="{}{}", product=""):
    """The sum in LaTeX."""
    text = ""
    for place, (number, factor) in enumerate(terms):
        sign = "-" if number < 0 else "+" if place else ""
        size = abs(number)
        if size.denominator > 1:
            coefficient = (
                rf"{frac}{{{size.numerator}}}{{{size.denominator}}}"
                if frac != "/"
                else f"({size.numerator}/{size.denominator})"
            )
        else:
            coefficient = "" if size == 1 and factor else str(size.numerator)
        joint = product if coefficient and factor else ""
        text += (
            plus.format(sign, coefficient + joint + factor) if place else sign + coefficient + joint + factor
        )
    return text


def shuffled(rng, terms):
    return rng.sample(terms, len(terms))


def changed(rng, terms, change):
    place = rng.randrange(len(terms))
    number, factor = terms[place]
    return [*terms[:place], *change(number, factor), *terms[place + 1 :]]


def another_factor(rng, terms):
    return rng.choice([factor for factor in FACTORS if factor not in {factor for _, factor in terms}])


KEEPING = {
    "order of terms": lambda rng, t: spelled(shuffled(rng, t)),
    "spacing": lambda rng, t: spelled(t, plus=rng.choice((" {} {}", r"\,{}\,{}", r"\ {}\ {}", "~{}~{}", "\n{} {}"))),
    r"\dfrac, \tfrac, \cfrac": lambda rng, t: spelled(t, frac=rng.choice((r"\dfrac", r"\tfrac", r"\cfrac"))),
    "a/b for a fraction": lambda rng, t: spelled(t, frac="/"),
    "explicit products": lambda rng, t: spelled(t, product=rng.choice((r"\cdot ", r"\times ", "*", r" \, "))),
    "decoration": lambda rng, t: rng.choice(
        ("${}$", r"\({}\)", "**{}**", r"\mathbf{{{}}}", r"\boxed{{{}}}", r"\displaystyle {}", "{}.", r"\left({}\right)", r"\text{{}}{}",
         r"{{\color{{blue}}{}}}", r"\[ {} \]", r"{} \\", r"\large {}")
    ).format(spelled(t)),
    "a name": lambda rng, t: rng.choice(("S = {}", "z={}", "{} = S", r"\text{{Answer: }} {}")).format(spelled(t)),
    "Unicode": lambda rng, t: spelled(t).replace("-", "−").replace(r"\pi", "π").replace("^{2}", "²").replace("^{3}", "³").replace(r"\sqrt{2}", "√2"),
    "a common factor": lambda rng, t: rf"{(k := rng.choice((2, 3, 5)))}\left({spelled([(n / k, f) for n, f in t])}\right)",
    "one denominator": lambda rng, t: rf"\frac{{{spelled([(n * 84, f) for n, f in t])}}}{{84}}",
    "a term split in two": lambda rng, t: spelled(changed(rng, t, lambda n, f: [(n - 13, f), (Fraction(13), f)])),
}  # fmt: skip
"""Rewritings that keep the value."""

CHANGING = {
    "a sign": lambda rng, t: spelled(changed(rng, t, lambda n, f: [(-n, f)])),
    "a factor of a term": lambda rng, t: spelled(changed(rng, t, lambda n, f: [(n * rng.choice((2, 10, Fraction(1, 2))), f)])),
    "a number by one": lambda rng, t: spelled(changed(rng, t, lambda n, f: [(n + (1 if n != -1 else -1), f)])),
    "a dropped term": lambda rng, t: spelled(changed(rng, t, lambda n, f: [])),
    "an added term": lambda rng, t: spelled([*t, (Fraction(rng.randint(1, 9)), another_factor(rng, t))]),
    "a term doubled": lambda rng, t: spelled([*t, rng.choice(t)]),
    "another variable": lambda rng, t: spelled([*t[:-1], (t[-1][0], another_factor(rng, t))]),
    "a factor of all": lambda rng, t: rf"{rng.randint(2, 9)}({spelled(t)})",
    "a tail": lambda rng, t: spelled(t) + rng.choice((r"\sqrt{7}", "t", "+1", r"\cdot 3", "^{2}", "i", " million", ", 4", r"\pm 1", ":2")),
    "an inverse": lambda rng, t: rf"\frac{{1}}{{{spelled(t)}}}",
}  # fmt: skip
"""Changes after which it is another value."""


def mutated(rng):
    """Kind of rewriting, gold, answer, and whether the answer has the gold's value."""
    terms = drawn_terms(rng)
    keeps = rng.random() < 0.5
    kind, rewrite = rng.choice(list((KEEPING if keeps else CHANGING).items()))
    return kind, spelled(terms), rewrite(rng, terms), keeps
