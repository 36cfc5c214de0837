"""A derivation as numbered equations, and its three forms: plain text, Markdown, LaTeX."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgewise.derivation.notation import Exact, Written, in_words

LINE = 64
"""Characters of plain text after which a sum goes on in the next line."""


@dataclass(frozen=True, slots=True)
class Equation:
    """subject = form = form = …, each form a sum of terms: first symbols, then numbers, then the result."""

    number: int
    subject: Written
    forms: tuple[tuple[Written, ...], ...]
    uses: tuple[int, ...] = ()
    """Numbers of the equations whose results are put in here."""
    remark: str = ""

    def lines(self, hand: Literal["latex", "text"]) -> list[tuple[str, str]]:
        """(relation, what follows it) for every line."""
        found = []
        for form in self.forms:
            start, width = 0, 0
            for k, term in enumerate(form):
                width += len(term.text) + 3
                if k + 1 == len(form) or width + len(form[k + 1].text) > LINE:
                    line = " + ".join(getattr(term, hand) for term in form[start : k + 1])
                    found.append(("=" if start == 0 else "+", line))
                    start, width = k + 1, 0
        return found

    @property
    def source(self) -> str:
        """Where its numbers are from."""
        used = ", ".join(f"({n})" for n in self.uses)
        return "; ".join(part for part in (f"by {used}" if used else "", self.remark) if part)


@dataclass(frozen=True, slots=True)
class Section:
    heading: str
    equations: tuple[Equation, ...]


@dataclass(frozen=True, slots=True)
class Derivation:
    """The chain rule written out; `print(derivation)` shows it, `text`, `markdown` and `latex` write it."""

    title: str
    value: Exact
    """The derivative itself: a Fraction if `exact`."""
    exact: bool
    sections: tuple[Section, ...]
    notes: tuple[str, ...]
    """What the symbols mean, and what was left out."""

    def text(self) -> str:
        """For a terminal."""
        out = [self.title, ""]
        for section in self.sections:
            out += [section.heading, ""]
            for equation in section.equations:
                out += _text_lines(equation)
            out.append("")
        return "\n".join([*out, *self.notes]).rstrip()

    def __str__(self) -> str:
        return self.text()

    def markdown(self) -> str:
        """With formulas between dollar signs, as GitHub, Jupyter and MathJax read them."""
        out = [f"**{_escaped(self.title)}**", ""]
        for section in self.sections:
            out += [f"*{section.heading}*", ""]
            for equation in section.equations:
                out += ["$$", _aligned(equation) + rf" \tag{{{equation.number}}}", "$$", ""]
        out += [f"- {_escaped(note)}" for note in self.notes]
        return "\n".join(out).rstrip()

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def latex(self, *, document: bool = False) -> str:
        """LaTeX with amsmath; `document` adds what makes it a file of its own."""
        out = [rf"\noindent\textbf{{{_tex(self.title)}}}"]
        for section in self.sections:
            out += ["", rf"\medskip\noindent\emph{{{_tex(section.heading)}}}", ""]
            for equation in section.equations:
                begin = rf"\begin{{equation}}\tag{{{equation.number}}}"
                out += [begin, _aligned(equation), r"\end{equation}"]
        if self.notes:
            out += ["", r"\begin{itemize}", *(rf"\item {_tex(note)}" for note in self.notes), r"\end{itemize}"]
        body = "\n".join(out)
        if not document:
            return body
        return "\n".join(
            [r"\documentclass{article}", r"\usepackage{amsmath}", r"\begin{document}", body, r"\end{document}", ""]
        )


def _text_lines(equation: Equation) -> list[str]:
    mark = f"({equation.number})"
    begin = f"{mark:>5}  {equation.subject.text} "
    out = []
    for k, (sign, content) in enumerate(equation.lines("text")):
        out.append(f"{begin if k == 0 else ' ' * len(begin)}{sign} {content}")
    if equation.source:
        out[-1] += f"    {equation.source}"
    return out


def _aligned(equation: Equation) -> str:
    rows = []
    for k, (sign, content) in enumerate(equation.lines("latex")):
        left = equation.subject.latex + " " if k == 0 else ""
        rows.append(f"{left}&{'=' if sign == '=' else chr(92) + 'quad +'} {content}")
    if equation.source:
        rows[-1] += rf" \quad \text{{{in_words(equation.source)}}}"
    body = " \\\\\n".join(rows)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


_TEX = {
    "\\": r"\textbackslash{}",
    **{c: "\\" + c for c in "{}$&#_%"},
    "^": r"\^{}",
    "~": r"\~{}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "|": r"\ensuremath{|}",
    "∂": r"\ensuremath{\partial}",
    "Φ": r"\ensuremath{\Phi}",
    "′": r"\ensuremath{'}",
    "⁻": r"\ensuremath{^-}",
    "·": r"\ensuremath{\cdot}",
    "ŷ": r"\ensuremath{\hat y}",
    "∞": r"\ensuremath{\infty}",
    "≈": r"\ensuremath{\approx}",
    "…": r"\ldots{}",
}


def _tex(text: str) -> str:
    """Words for TeX: what it would read as commands is escaped, what its fonts lack is a question mark."""
    return "".join(_TEX.get(c, c if c.isascii() and c.isprintable() else "?") for c in text)


def _escaped(text: str) -> str:
    """Words for Markdown: nothing in them is markup."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|$~&" else c for c in text)


def abbreviated(terms: Sequence[Written], most: int) -> tuple[Written, ...]:
    """The first terms of a long sum, and how many more there are."""
    if len(terms) <= most:
        return tuple(terms)
    more = len(terms) - most + 1
    return (*terms[: most - 1], Written(rf"\cdots \;\text{{({more} more terms)}}", f"… ({more} more terms)"))
