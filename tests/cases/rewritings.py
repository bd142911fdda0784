"""Golds with spellings that keep their value and ones that change it, drawn at random.

The value is known by construction, never by asking a grader.
"""

from fractions import Fraction
from math import gcd


def frac(value):
    sign = "-" if value < 0 else ""
    value = abs(value)
    return sign + (
        str(value.numerator)
        if value.denominator == 1
        else rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
    )


def terms(parts):
    """A sum of signed terms, in this order."""
    text = "".join(
        ("+" if not part.startswith("-") and place else "") + part for place, part in enumerate(parts)
    )
    return text or "0"


def integer(rng):
    n = rng.choice((rng.randint(-99, -1), rng.randint(1, 99), rng.randint(1000, 9_999_999)))
    same = [str(n), f"{n:,}", f"{n}.0", f"x={n}", f"{n - 3}+3", f"{2 * n}/2", f"{n:,}".replace(",", "{,}")]
    if n > 0:
        same += [f"{n}\\text{{ units}}", f"{n} apples", f"\\${n}", f"{n}^\\circ", f"{n}\\%"]
    other = [
        str(-n),
        str(n + 1),
        f"{n}\\sqrt{{2}}",
        f"{n}x",
        f"{n}½",
        f"{n}e",
        f"{n} million",
        f"2x={n}",
        f"{n}\\pi",
    ]
    return (
        str(n),
        same,
        [*other, f"{n}, {n + 1}", f"{n}+\\sqrt{{3}}", f"{n}i", f"{n}^{{n}}", f"{n}!!", f"{n}_7"],
    )


def fraction(rng):
    value = Fraction(rng.randint(1, 60), rng.choice((2, 3, 4, 5, 6, 7, 8, 9, 12))) * rng.choice((1, -1))
    a, b, k = abs(value.numerator), value.denominator, rng.randint(2, 9)
    sign = "-" if value < 0 else ""
    same = [
        f"{sign}{a}/{b}",
        rf"{sign}\dfrac{{{a}}}{{{b}}}",
        rf"{sign}\frac{{{a * k}}}{{{b * k}}}",
        rf"\left({sign}\frac{{{a}}}{{{b}}}\right)",
    ]
    if a > b > 1:
        same += [f"{sign}{a // b} {a % b}/{b}", rf"{sign}{a // b}\tfrac{{{a % b}}}{{{b}}}"]
    other = [
        frac(-value),
        frac(value + 1),
        frac(1 / value) if value * value != 1 else "7",
        f"{a}{b}",
        frac(value) + r"\pi",
        frac(value * 10),
    ]
    return frac(value), same, other


def surd(rng):
    a, b, c = rng.randint(-9, 9), rng.choice((-3, -2, 2, 3, 4)), rng.choice((2, 3, 5, 7, 11))
    gold = terms([str(a), rf"{b}\sqrt{{{c}}}"])
    same = [
        terms([rf"{b}\sqrt{{{c}}}", str(a)]),
        rf"{a}+({b})\sqrt({c})",
        terms([str(a), f"{b}√{c}"]),
        rf"{a}+{b}\cdot {c}^{{1/2}}" if b > 0 else rf"{a}-{-b}\cdot {c}^{{0.5}}",
    ]
    same.append(terms([str(a), ("-" if b < 0 else "") + rf"\sqrt{{{b * b * c}}}"]))
    other = [
        terms([str(a), rf"{-b}\sqrt{{{c}}}"]),
        terms([str(a + 1), rf"{b}\sqrt{{{c}}}"]),
        rf"{b}\sqrt{{{c}}}" if a else str(b),
        terms([str(a), rf"{b}\sqrt{{{c + 1}}}"]),
        str(a),
    ]
    return gold, same, other


def polynomial(rng):
    degree = rng.randint(2, 4)
    factors = {power: rng.choice([n for n in range(-9, 10) if n]) for power in range(degree + 1)}

    def spelled(factors, order):
        return terms([f"{factors[p]}" + ("" if not p else "x" if p == 1 else f"x^{{{p}}}") for p in order])

    down, up = sorted(factors, reverse=True), sorted(factors)
    gold = spelled(factors, down)
    shuffled = rng.sample(up, len(up))
    same = [
        spelled(factors, up),
        spelled(factors, shuffled),
        f"({gold})",
        f"f(x) = {gold}",
        spelled(factors, down).replace("x^{", "x ^ {"),
        rf"2\left({spelled({p: Fraction(n, 2) for p, n in factors.items()}, down)}\right)",
    ]
    changed = rng.choice(down)
    more, less = dict(factors), dict(factors)
    more[changed] += rng.choice((1, -1)) * 10
    del less[changed]
    flipped = factors | {changed: -factors[changed]}
    other = [
        spelled(more, down),
        spelled(less, [p for p in down if p != changed]),
        spelled(flipped, down),
        spelled(factors, down).replace("x", "y"),
        f"{gold}+x",
        f"2({gold})",
        str(factors[degree]),
    ]
    return gold, same, other


def monomial(rng):
    k, a, b = rng.randint(2, 9), rng.randint(2, 5), rng.randint(2, 5)
    gold = f"{k}x^{{{a}}}y^{{{b}}}"
    same = [
        f"{k}y^{{{b}}}x^{{{a}}}",
        f"{k}x^{a}y^{b}",
        rf"{k}\cdot x^{{{a}}}\cdot y^{{{b}}}",
        rf"\frac{{{2 * k}x^{{{a}}}y^{{{b}}}}}{{2}}",
        f"{k}x·x^{{{a - 1}}}y^{{{b}}}",
    ]
    return (
        gold,
        same,
        [
            f"{k}x^{{{a}}}y^{{{b + 1}}}",
            f"{k + 1}x^{{{a}}}y^{{{b}}}",
            f"{k}x^{{{a}}}",
            f"-{k}x^{{{a}}}y^{{{b}}}",
            f"x^{{{a}}}y^{{{b}}}",
            f"{k}x^{{{a}}}+y^{{{b}}}",
            str(k),
        ],
    )


def angle(rng):
    a, b = rng.randint(1, 11), rng.choice((2, 3, 4, 5, 6, 12))
    divisor = gcd(a, b)
    a, b = a // divisor, b // divisor
    gold = rf"\frac{{{a}\pi}}{{{b}}}" if b > 1 else rf"{a}\pi"
    same = [
        rf"\frac{{{a}}}{{{b}}}\pi",
        rf"{a}\pi/{b}",
        f"{a}π/{b}",
        rf"\pi\cdot\frac{{{a}}}{{{b}}}",
        rf"{a}\pi/{b} \text{{ cm}}^2",
    ]
    return (
        gold,
        same,
        [
            rf"\frac{{{a + b}\pi}}{{{b}}}",
            f"{a}/{b}",
            rf"-{gold}",
            rf"\frac{{{a}\pi}}{{{b + 1}}}",
            rf"\frac{{{a}\pi^2}}{{{b}}}",
            rf"\frac{{{a}e}}{{{b}}}",
        ],
    )


def several(rng):
    items = rng.sample(range(-50, 400), rng.randint(2, 4))
    other_order = rng.sample(items, len(items))
    gold = ", ".join(map(str, items))
    same = [
        ", ".join(map(str, other_order)),
        r"\{" + ", ".join(map(str, other_order)) + r"\}",
        "; ".join(map(str, items)),
        " and ".join(map(str, items)) if len(items) == 2 else gold,
        ", ".join(f"x={n}" for n in items),
    ]
    return (
        gold,
        same,
        [
            ", ".join(map(str, items[1:])),
            ", ".join(map(str, [*items, 401])),
            ", ".join(map(str, [*items[:-1], items[-1] + 1])),
            "".join(map(str, map(abs, items))),
            ", ".join(map(str, [*items, items[0]])),
            str(items[-1]),
            f"({gold})",
        ],
    )


def pair(rng):
    a, b = rng.sample(range(-20, 20), 2)
    gold = f"({a},{b})"
    same = [
        f"({a}, {b})",
        rf"\left({a},{b}\right)",
        f"({a};{b})",
        f"x={a}, y={b}",
        f"y={b}, x={a}",
        f"(x,y)=({a},{b})",
        f"({2 * a}/2,{b})",
    ]
    return (
        gold,
        same,
        [
            f"({b},{a})",
            f"[{a},{b}]",
            rf"\{{{a},{b}\}}",
            f"({a},{b + 1})",
            f"({a},{b},0)",
            f"x={b}, y={a}",
            f"{a},{b}",
            str(a),
        ],
    )


def interval(rng):
    a, b = sorted(rng.sample(range(-20, 20), 2))
    left, right = rng.choice("(["), rng.choice(")]")
    low, high = ("<" if left == "(" else r"\le "), ("<" if right == ")" else r"\leq ")
    gold = rf"x\in{left}{a},{b}{right}"
    same = [
        f"{left}{a}, {b}{right}",
        f"{a}{low}x{high}{b}",
        rf"{b}{'>' if right == ')' else chr(92) + 'ge '}x{'>' if left == '(' else chr(92) + 'ge '}{a}",
        rf"\{{x \mid {a}{low}x{high}{b}\}}",
    ]
    flipped = "[" if left == "(" else "("
    return (
        gold,
        same,
        [
            f"{flipped}{a},{b}{right}",
            f"{left}{a},{b + 1}{right}",
            f"{left}{a - 1},{b}{right}",
            f"x{high}{b}",
            f"x>{a}",
            f"{a}{low}x",
            f"{left}{-b - 50},{a}{right}",
        ],
    )


def line(rng):
    m, b = rng.choice((-4, -3, -2, 2, 3, 4)), rng.choice((-7, -5, 1, 6))
    gold = f"y={m}x{b:+d}"
    same = [
        f"{m}x{b:+d}",
        f"f(x)={m}x{b:+d}",
        f"y{-m:+d}x={b}",
        f"y={b}{m:+d}x",
        f"2y={2 * m}x{2 * b:+d}",
        f"y{-m:+d}x{-b:+d}=0",
    ]
    return (
        gold,
        same,
        [f"y={-m}x{b:+d}", f"y={m}x{-b:+d}", f"y={m}x", f"y{m:+d}x={b}", str(b), f"{m}", f"x={m}y{b:+d}"],
    )


def complex_number(rng):
    a, b = rng.randint(1, 9), rng.choice((-5, -4, -3, -2, 2, 3, 4, 5))
    gold = f"{a}{b:+d}i"
    return (
        gold,
        [
            f"{b}i+{a}",
            rf"{a}{b:+d}\text{{i}}",
            f"({a}{b:+d}i)",
            f"-i({-b}+{a}i)" if b < 0 else f"i({b}-{a}i)",
        ],
        [f"{a}{-b:+d}i", f"{a}", f"{b}i", f"{a + b}i", f"{-a}{b:+d}i", f"{a}{b:+d}"],
    )


def function(rng):
    k = rng.randint(2, 9)
    gold, same, other = rng.choice(
        (
            (
                rf"\sin {k}x",
                [rf"\sin({k}x)", rf"\sin\left({k} x\right)", rf"-\sin(-{k}x)"],
                [rf"\cos {k}x", r"\sin x", rf"{k}\sin x", rf"\sin^{{{k}}} x", rf"\sin {k + 1}x"],
            ),
            (
                rf"\ln {k}",
                [rf"\ln({k})", rf"2\ln\sqrt{{{k}}}", rf"-\ln\frac{{1}}{{{k}}}", f"ln {k}"],
                [rf"\ln {k + 1}", rf"\log_2 {k}", rf"{k}", rf"-\ln {k}"],
            ),
            (
                rf"e^{{{k}x}}",
                [rf"(e^x)^{{{k}}}", rf"\exp({k}x)", rf"e^{{{k - 1}x}}e^x"],
                [rf"e^{{{k + 1}x}}", rf"e^{k}x", rf"e^{{-{k}x}}", rf"{k}e^x"],
            ),
            (
                rf"\cos^2 {k}",
                [rf"1-\sin^2 {k}", rf"(\cos {k})^2", rf"\frac{{1+\cos {2 * k}}}{{2}}"],
                [rf"\sin^2 {k}", rf"\cos {k}^2", rf"\cos {k}", rf"2\cos {k}"],
            ),
            (
                rf"\binom{{n}}{{2}}+{k}",
                [rf"\frac{{n(n-1)}}{{2}}+{k}", rf"{k}+\frac{{n^2-n}}{{2}}"],
                [rf"\frac{{n(n+1)}}{{2}}+{k}", rf"\binom{{n}}{{3}}+{k}", r"\binom{n}{2}"],
            ),
        )
    )
    return gold, same, other


def matrix(rng):
    a, b, c, d = (rng.randint(-9, 9) for _ in range(4))
    body = rf"{a}&{b}\\{c}&{d}"
    gold = rf"\begin{{pmatrix}}{body}\end{{pmatrix}}"
    same = [
        rf"\begin{{bmatrix}} {a} & {b} \\ {c} & {d} \end{{bmatrix}}",
        gold.replace(r"\\", r"\\[2pt]"),
        rf"\left(\begin{{array}}{{cc}}{body}\end{{array}}\right)",
    ]
    return (
        gold,
        same,
        [
            gold.replace(f"{a}&", f"{a + 1}&", 1),
            rf"\begin{{pmatrix}}{a}&{b}\end{{pmatrix}}",
            str(a),
            rf"\begin{{pmatrix}}{c}&{d + 1}\\{a}&{b}\end{{pmatrix}}",
        ],
    )


KINDS = (
    integer, fraction, surd, polynomial, monomial, angle, several, pair, interval, line, complex_number, function, matrix
)  # fmt: skip
DRESSES = (
    "{}", "{}", "{}", " {} ", "{}.", "${}$", r"\({}\)", r"\displaystyle {}", r"\boxed{{{}}}", r"\mathbf{{{}}}", "**{}**",
    r"\textcolor{{red}}{{{}}}", r"{}\,", r"\large {}", "\ufeff{}",
)  # fmt: skip


def drawn(rng):
    """Kind, gold, an answer and whether it has the gold's value."""
    kind = rng.choice(KINDS)
    gold, same, other = kind(rng)
    keeps = rng.random() < 0.5
    answer = rng.choice(same if keeps else other)
    return kind.__name__, gold, rng.choice(DRESSES).format(answer), keeps
