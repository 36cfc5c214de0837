"""Each kind of equation of a derivation, from the numbers to what is written."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.derivation.equations import Derivation, Equation, Section, abbreviated
from edgewise.derivation.notation import (
    FORMULAS,
    Exact,
    Written,
    argument,
    factor,
    filled,
    in_words,
    joined,
    name_of,
    number,
    product,
)
from edgewise.derivation.quantities import Quantities, decimal
from edgewise.network import Network

MOST_USES = 12
Term = tuple[Written, Written]
"""In symbols, and in numbers."""


class Writer:
    """Numbers the equations as they come and remembers which states what."""

    def __init__(
        self,
        net: Network,
        numbers: Quantities,
        sensitivity: list[Exact],
        seed: dict[int, Exact],
        target: int | None,
        is_exact: bool,
        max_terms: int,
    ) -> None:
        self.net, self.q, self.sensitivity, self.seed = net, numbers, sensitivity, seed
        self.target, self.is_exact, self.max_terms = target, is_exact, max_terms
        self.notes: list[str] = []
        self._stated: dict[tuple[str, int], int] = {}
        self._shares = self._brackets = False
        order = np.lexsort((net.head, net.tail))
        same = (np.diff(net.tail[order]) == 0) & (np.diff(net.head[order]) == 0)
        self._parallel = set(order[:-1][same].tolist()) | set(order[1:][same].tolist())

    # ---- symbols ----

    def _name(self, j: int) -> Written:
        return name_of(self.net.names[j], j)

    def _of(self, letter: str, j: int) -> Written:
        name = self._name(j)
        return Written(f"{letter}({name.latex})", f"{letter}({name.text})")

    def _objective(self) -> Written:
        return Written("J", "J") if self.target is None else self._name(self.target)

    def _differentiated(self) -> Written:
        return Written("J", "J") if self.target is None else self._of("y", self.target)

    def _s_of(self, j: int) -> Written:
        name, end = self._name(j), self._objective()
        return Written(f"S({name.latex},{end.latex})", f"S({name.text},{end.text})")

    def _gate_of(self, j: int) -> Written:
        name = self._name(j)
        return Written(rf"\Phi'(s_{{{name.latex}}})", f"Φ′(s_{name.text})")

    def _response_of(self, j: int) -> Written:
        name = self._name(j)
        return Written(f"r_{{{name.latex}}}", f"r_{name.text}")

    def _ends(self, letter: str, e: int) -> Written:
        i, j = self._name(int(self.net.tail[e])), self._name(int(self.net.head[e]))
        which = e in self._parallel
        return Written(
            f"{letter}{f'^{{({e})}}' if which else ''}_{{{i.latex},\\,{j.latex}}}",
            f"{letter}{f'#{e}' if which else ''}({i.text},{j.text})",
        )

    def _derivative(self, below: Written) -> Written:
        above = self._differentiated()
        return Written(rf"\frac{{\partial {above.latex}}}{{\partial {below.latex}}}", f"∂{above.text}/∂{below.text}")

    # ---- equations ----

    def _equation(
        self,
        kind: str,
        j: int,
        subject: Written,
        terms: Sequence[Term],
        value: Exact,
        uses: Sequence[int],
        remark: str = "",
    ) -> Equation:
        """subject = symbols = numbers = value; a form that would only repeat the one before is left out."""
        forms = [abbreviated([term[k] for term in terms], self.max_terms) for k in (0, 1)]
        forms = [form for form in forms if form] + [(number(value),)]
        distinct = [form for k, form in enumerate(forms) if k == 0 or form != forms[k - 1]]
        if len(distinct) > 1 and len(distinct[-2]) == 1 and distinct[-2][0].text.strip("()") == distinct[-1][0].text:
            del distinct[-2]
        return self._state(kind, j, subject, distinct, uses, remark)

    def _state(
        self,
        kind: str,
        j: int,
        subject: Written,
        forms: Sequence[tuple[Written, ...]],
        uses: Sequence[int],
        remark: str = "",
    ) -> Equation:
        mark = len(self._stated) + 1
        self._stated[kind, j] = mark
        known = sorted(dict.fromkeys(uses))
        if len(known) > MOST_USES:
            remark = "; ".join(filter(None, [remark, f"and {len(known) - MOST_USES} more"]))
        return Equation(mark, subject, tuple(forms), tuple(known[:MOST_USES]), remark)

    def _used(self, *keys: tuple[str, int]) -> list[int]:
        return [self._stated[key] for key in keys if key in self._stated]

    def forward(self, nodes: Sequence[int], gated: set[int]) -> list[Equation]:
        """s(j), y(j) and, where the backward pass asks for it, Φ′(s_j); an input's y(j) is given."""
        found = []
        for j in nodes:
            if self.net.is_input[j]:
                given = [(number(self.q.value[j]),)]
                found.append(self._state("y", j, self._of("y", j), given, (), "given"))
                continue
            found += [self._preactivation(j), self._value(j)]
            if j in gated:
                found.append(self._gate(j))
        return found

    def _in_edges(self, j: int) -> list[int]:
        plan, p = self.net.plan, self.net.plan.position[j]
        return sorted(plan.in_edge[plan.in_start[p] : plan.in_start[p + 1]].tolist())

    def _preactivation(self, j: int) -> Equation:
        q, edges, kind = self.q, self._in_edges(j), self.net.aggregations[j]
        tails = self.net.tail.tolist()
        terms: list[Term] = [
            (
                product([self._ends("w", e), self._of("y", tails[e])]),
                product([factor(q.weight[e]), factor(q.value[tails[e]])]),
            )
            for e in edges
        ]
        if terms and (kind != "sum" or q.response[j] != 1):
            terms = [self._aggregated(j, kind, terms)]
        if q.bias[j] != 0 or not terms:
            bias = Written(f"b_{{{self._name(j).latex}}}", f"b_{self._name(j).text}")
            terms = [*terms, (bias, factor(q.bias[j]))]
        uses = self._used(*(("y", tails[e]) for e in edges))
        return self._equation("s", j, self._of("s", j), terms, q.preactivation[j], uses)

    def _aggregated(self, j: int, kind: str, terms: list[Term]) -> Term:
        """r_j·agg{…} as one term."""
        written = []
        for hand in (0, 1):
            parts = abbreviated([term[hand] for term in terms], self.max_terms)
            if kind == "sum":
                inside = joined(parts, " + ")
                whole = Written(rf"\left({inside.latex}\right)", f"({inside.text})")
            elif kind == "product":
                whole = product([Written(rf"\left({p.latex}\right)", f"({p.text})") for p in parts])
            else:
                inside = joined(parts, ", ")
                whole = Written(rf"\mathrm{{{kind}}}\{{{inside.latex}\}}", f"{kind}{{{inside.text}}}")
            if self.q.response[j] != 1:
                whole = product([(self._response_of(j), factor(self.q.response[j]))[hand], whole])
            written.append(whole)
        return written[0], written[1]

    def _value(self, j: int) -> Equation:
        q, name = self.q, self.net.activations[j]
        formula = FORMULAS.get(name)
        phi = Written(rf"\Phi(s_{{{self._name(j).latex}}})", f"Φ(s_{self._name(j).text})")
        s, y = argument(q.preactivation[j]), argument(q.value[j])
        if formula is None:
            word, bare = in_words(name), number(q.preactivation[j])
            term = (phi, Written(rf"\text{{{word}}}\left({bare.latex}\right)", f"{name}({bare.text})"))
        else:
            term = (phi, filled(formula.value, s, y, number(q.preactivation[j])))
        return self._equation("y", j, self._of("y", j), [term], q.value[j], self._used(("s", j)), f"activation {name}")

    def _gate(self, j: int) -> Equation:
        q, formula = self.q, FORMULAS.get(self.net.activations[j])
        terms: list[Term] = []
        uses = self._used(("s", j))
        if formula is not None and formula.gate.text != "1":
            bare = number(q.preactivation[j])
            symbols = filled(formula.gate, self._of("s", j), self._of("y", j))
            terms = [(symbols, filled(formula.gate, argument(q.preactivation[j]), argument(q.value[j]), bare))]
            self._brackets = self._brackets or "[" in formula.gate.text
            uses = self._used(("y" if "<y>" in formula.gate.text else "s", j))
        elif formula is not None:
            uses = []
        return self._equation("gate", j, self._gate_of(j), terms, q.gate[j], uses)

    def loss(self, name: str, ends: Sequence[int], wanted: NDArray[Any], value: float) -> list[Equation]:
        """J, and ∂J/∂y(o) of every output."""
        known: Exact = value
        if self.is_exact:
            errors = [Fraction(self.q.value[o]) - decimal(w) for o, w in zip(ends, wanted[0], strict=True)]
            known = sum((r * r for r in errors), Fraction(0)) / (2 if name == "squared_error" else len(errors))
        uses = self._used(*(("y", o) for o in ends))
        found = [self._state("J", 0, Written("J", "J"), [(number(known),)], uses, f"loss {name}")]
        for k, o in enumerate(ends):
            below = self._of("y", o)
            subject = self._derivative(below)
            terms: list[Term] = []
            if name in ("squared_error", "mean_squared_error"):
                aim = float(wanted[0, k])
                target = factor(Fraction(str(aim)) if self.is_exact else aim)
                symbol = Written(rf"\hat y({self._name(o).latex})", f"ŷ({self._name(o).text})")
                scale = "" if name == "squared_error" or len(ends) == 2 else f"2/{len(ends)}"
                terms = [(_difference(below, symbol, scale), _difference(factor(self.q.value[o]), target, scale))]
            found.append(self._equation("seed", o, subject, terms, self.seed[o], self._used(("y", o))))
        if name in ("squared_error", "mean_squared_error"):
            self.notes.append("ŷ(o) is what the output o should be.")
        return found

    def backward(self, nodes: Sequence[int], leads: NDArray[np.bool_]) -> list[Equation]:
        """S(i,t) of each node, the target first; arcs that do not lead to the target are no terms."""
        found = []
        for i in nodes:
            if i == self.target:
                one = [(number(self.sensitivity[i]),)]
                found.append(self._state("S", i, self._s_of(i), one, (), "where the recursion starts"))
                continue
            terms: list[Term] = []
            uses: list[int] = []
            if self.target is None and i in self.seed:
                terms.append((self._derivative(self._of("y", i)), factor(self.seed[i])))
                uses += self._used(("seed", i))
            plan, p = self.net.plan, self.net.plan.position[i]
            for e in plan.out_edge[plan.out_start[p] : plan.out_start[p + 1]].tolist():
                j = int(self.net.head[e])
                if leads[j]:
                    terms.append(self._chain(e, (self._ends("w", e), factor(self.q.weight[e]))))
                    uses += self._used(("S", j), ("gate", j))
            found.append(self._equation("S", i, self._s_of(i), terms, self.sensitivity[i], uses))
        return found

    def _chain(self, e: int, last: Term) -> Term:
        """S(j,t)·Φ′(s_j)·last, with the response and the share of the aggregation where they are not 1."""
        j = int(self.net.head[e])
        factors = [(self._s_of(j), factor(self.sensitivity[j])), (self._gate_of(j), factor(self.q.gate[j]))]
        if self.q.response[j] != 1:
            factors.append((self._response_of(j), factor(self.q.response[j])))
        if self.net.aggregations[j] != "sum":
            factors.append((self._ends("a", e), factor(self.q.slope[e])))
            self._shares = True
        factors.append(last)
        return product([f[0] for f in factors]), product([f[1] for f in factors])

    def gradient_of(self, e: int) -> Exact:
        """Of edge e by itself."""
        i, j, q = int(self.net.tail[e]), int(self.net.head[e]), self.q
        numbers = [self.sensitivity[j], q.gate[j], q.response[j], q.slope[e], q.value[i]]
        found: Exact = Fraction(1) if self.is_exact else 1.0
        for one in numbers:
            found = found * one
        return found

    def gradient(self, edges: Sequence[int], value: Exact) -> list[Equation]:
        """∂y(t)/∂w_ij as its three factors; a weight that several edges share has the sum over them."""
        found = []
        for e in edges[: self.max_terms]:
            i, j = int(self.net.tail[e]), int(self.net.head[e])
            term = self._chain(e, (self._of("y", i), factor(self.q.value[i])))
            uses = self._used(("S", j), ("gate", j), ("y", i))
            subject = self._derivative(self._ends("w", e))
            found.append(self._equation("dw", e, subject, [term], self.gradient_of(e), uses))
        if len(edges) > 1:
            terms: list[Term] = [(self._derivative(self._ends("w", e)), factor(self.gradient_of(e))) for e in edges]
            subject = self._derivative(Written("w", "w"))
            remark = f"the weight w is shared by {len(edges)} edges"
            uses = self._used(*(("dw", e) for e in edges))
            found.append(self._equation("dw", -1, subject, terms, value, uses, remark))
        return found

    def derivation(self, edges: Sequence[int], start: int, value: Exact, sections: Sequence[Section]) -> Derivation:
        """All of it, under its title."""
        net = self.net
        of = "J" if self.target is None else f"y({net.names[self.target]})"
        if edges:
            arc = f"{net.names[net.tail[edges[0]]]} -> {net.names[net.head[edges[0]]]}"
            title = f"The derivative of {of} with respect to the weight of {arc}"
        else:
            title = f"The derivative of {of} with respect to y({net.names[start]})"
        if not self.is_exact:
            self.notes.append("Numbers are rounded to six digits; each is computed from unrounded ones.")
        elif isinstance(value, Fraction) and value.denominator != 1:
            self.notes.append(f"Numbers are exact; the derivative, {value}, is about {float(value):.6g}.")
        else:
            self.notes.append("Numbers are exact.")
        if self._brackets:
            self.notes.append("[…] is 1 if what it says is so, else 0.")
        if self._shares:
            self.notes.append("a(i,j) is the derivative of the aggregation at j with respect to its term w(i,j)·y(i).")
        return Derivation(_printable(title), value, self.is_exact, tuple(sections), tuple(map(_printable, self.notes)))


def _difference(a: Written, b: Written, scale: str) -> Written:
    inside = Written(f"{a.latex} - {b.latex}", f"{a.text} - {b.text}")
    if not scale:
        return inside
    above, below = scale.split("/")
    return Written(rf"\frac{{{above}}}{{{below}}}\left({inside.latex}\right)", f"({scale})·({inside.text})")


def _printable(words: str) -> str:
    """Control characters written out, and a long name cut."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in words)
    return shown if len(shown) <= 300 else shown[:299] + "…"
