"""How the lecture's symbols and numbers are written, as LaTeX and as plain text side by side."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

Exact = Fraction | float
LONGEST_NAME = 24
PLAIN_NAME = re.compile(r"[A-Za-z0-9 _.,:;+\-*/=()\[\]!?@%#&]+")
"""Names that LaTeX's text fonts and MathJax write alike once four of these characters are escaped."""


@dataclass(frozen=True, slots=True)
class Written:
    """One piece of mathematics in both hands."""

    latex: str
    text: str

    def __add__(self, other: "Written") -> "Written":
        return Written(self.latex + other.latex, self.text + other.text)


def name_of(name: str, index: int) -> Written:
    """A node's name; its index where LaTeX could not write the name, or where it is too long for a formula."""
    if len(name) > LONGEST_NAME or not name.isprintable():
        return Written(rf"\text{{node {index}}}", f"node {index}")
    if not PLAIN_NAME.fullmatch(name):
        return Written(rf"\text{{node {index}}}", name)
    if re.fullmatch("[A-Za-z]", name):
        return Written(name, name)
    return Written(r"\text{" + re.sub(r"([_%#&])", r"\\\1", name) + "}", name)


def in_words(words: str) -> str:
    """For LaTeX's text mode and MathJax's: what either might read as markup is a question mark."""
    return re.sub(r"([_%#&])", r"\\\1", re.sub(r"[^A-Za-z0-9 _.,:;+\-*/=()!@%#&]", "?", words))


def number(value: Exact) -> Written:
    """A fraction as it is, a float to six digits."""
    if isinstance(value, Fraction):
        if value.denominator == 1:
            return Written(str(value.numerator), str(value.numerator))
        sign = "-" if value < 0 else ""
        return Written(
            rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}", f"{value.numerator}/{value.denominator}"
        )
    if math.isnan(value):
        return Written(r"\text{NaN}", "NaN")
    if math.isinf(value):
        sign = "-" if value < 0 else ""
        return Written(sign + r"\infty", sign + "∞")
    text = f"{value + 0.0:.6g}"
    mantissa, _, exponent = text.partition("e")
    return Written(rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else text, text)


def factor(value: Exact) -> Written:
    """A number where it stands beside others: in brackets if it would be misread without."""
    found = number(value)
    latex, text = found.latex, found.text
    if latex.startswith("-") or r"\cdot" in latex:
        latex = rf"\left({latex}\right)"
    if not re.fullmatch(r"[0-9.∞]+|NaN", text):
        text = f"({text})"
    return Written(latex, text)


def argument(value: Exact) -> Written:
    """A number where a symbol stood in a formula: in brackets unless it is plain digits."""
    found = number(value)
    if re.fullmatch(r"[0-9.]+", found.text):
        return found
    return Written(rf"\left({found.latex}\right)", f"({found.text})")


def product(factors: Sequence[Written]) -> Written:
    """Factors joined by a dot."""
    return Written(r" \cdot ".join(f.latex for f in factors), "·".join(f.text for f in factors))


def joined(terms: Sequence[Written], separator: str) -> Written:
    """Terms with the same few characters between them in both hands."""
    return Written(separator.join(t.latex for t in terms), separator.join(t.text for t in terms))


# ---- activations: Φ and Φ′ of a number, where they have a short formula ----


@dataclass(frozen=True, slots=True)
class Formula:
    """Templates, in which <s>, <y> and <bare>, an s that needs no brackets, stand for symbols or for numbers."""

    value: Written
    gate: Written


def _formula(value_latex: str, value_text: str, gate_latex: str, gate_text: str) -> Formula:
    return Formula(Written(value_latex, value_text), Written(gate_latex, gate_text))


FORMULAS = {
    "identity": _formula("<s>", "<s>", "1", "1"),
    "sigmoid": _formula(r"\frac{1}{1+e^{-<s>}}", "1/(1 + exp(-<s>))", r"<y> \cdot (1-<y>)", "<y>·(1 - <y>)"),
    "tanh": _formula(r"\tanh\left(<bare>\right)", "tanh(<bare>)", "1-<y>^2", "1 - <y>²"),
    "relu": _formula(r"\max\{<bare>, 0\}", "max{<bare>, 0}", "[<bare> > 0]", "[<bare> > 0]"),
    "hard_tanh": _formula(
        r"\max\{\min\{<bare>, 1\}, -1\}",
        "max{min{<bare>, 1}, -1}",
        r"[-1 \leq <bare> \leq 1]",
        "[-1 ≤ <bare> ≤ 1]",
    ),
    "softplus": _formula(r"\log\left(1+e^{<s>}\right)", "log(1 + exp(<s>))", "1-e^{-<y>}", "1 - exp(-<y>)"),
    "exp": _formula("e^{<s>}", "exp(<s>)", "<y>", "<y>"),
    "log": _formula(r"\log\left(<bare>\right)", "log(<bare>)", r"\frac{1}{<s>}", "1/<s>"),
    "sqrt": _formula(r"\sqrt{<bare>}", "sqrt(<bare>)", r"\frac{1}{2 \cdot <y>}", "1/(2·<y>)"),
    "square": _formula("<s>^2", "<s>²", r"2 \cdot <s>", "2·<s>"),
    "cube": _formula("<s>^3", "<s>³", r"3 \cdot <s>^2", "3·<s>²"),
    "reciprocal": _formula(r"\frac{1}{<s>}", "1/<s>", "-<y>^2", "-<y>²"),
    "abs": _formula(r"\left|<bare>\right|", "|<bare>|", "[<bare> > 0]-[<bare> < 0]", "[<bare> > 0] - [<bare> < 0]"),
    "sin": _formula(r"\sin\left(<bare>\right)", "sin(<bare>)", r"\cos\left(<bare>\right)", "cos(<bare>)"),
    "cos": _formula(r"\cos\left(<bare>\right)", "cos(<bare>)", r"-\sin\left(<bare>\right)", "-sin(<bare>)"),
}
FORMULAS["clamped"] = FORMULAS["hard_tanh"]


def filled(template: Written, s: Written, y: Written, bare: Written | None = None) -> Written:
    """A template with s and y put in; `bare` is s where it needs no brackets."""
    put = {"<s>": s, "<y>": y, "<bare>": bare or s}
    latex, text = template.latex, template.text
    for place, written in put.items():
        latex, text = latex.replace(place, written.latex), text.replace(place, written.text)
    return Written(latex, text)
