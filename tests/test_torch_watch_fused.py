"""edgewise.torch.watch inside of nn.RNN, nn.LSTM, nn.GRU, attention and transformers: results unchanged, and numbers
those of the same model written out."""

import copy
import json
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_sequence

from edgewise.torch import watch

torch.manual_seed(0)
STEPS, SAMPLES, READ, UNITS = 7, 5, 3, 4
WORDS = torch.randn(SAMPLES, STEPS, READ, dtype=torch.float64)
CLASSES = torch.randint(0, 3, (SAMPLES,))
LONG = torch.randn(6, 5, 8)
SHORT = torch.randn(6, 4, 8)
LABELS = torch.randint(0, 3, (6,))
PADDED = torch.arange(5)[None] >= torch.tensor([5, 3, 4, 5, 2, 1])[:, None]


class Recurrent(nn.Module):
    """A recurrent operator whose last step is read; packed, or its states given, if asked for."""

    def __init__(self, kind, read="last", given=False, packed=False, **options):
        super().__init__()
        options = {"batch_first": True} | options
        self.rnn = kind(8, 6, **options)
        self.read, self.given, self.packed = read, given, packed
        self.ways = 2 if self.rnn.bidirectional else 1
        width = (self.rnn.proj_size or 6) * self.ways
        self.start = nn.Parameter(torch.randn(self.rnn.num_layers * self.ways, 1, width // self.ways))
        self.out = nn.Linear(width if read != "cell" else 6, 3)

    def forward(self, x):
        if self.packed:
            lengths = (3, 5, 1, 4, 2, 5)
            x = pack_sequence([one[:n] for one, n in zip(x, lengths, strict=True)], enforce_sorted=False)
        elif not self.rnn.batch_first:
            x = x.transpose(0, 1)
        hx = None
        if self.given:
            hx = self.start.expand(-1, 6, -1).contiguous()
            hx = (hx, torch.tanh(hx)) if isinstance(self.rnn, nn.LSTM) else hx
        made, end = self.rnn(x, hx)
        if self.read == "cell":
            return self.out(end[1][-1])
        if self.packed or self.read == "state":
            h = end[0] if isinstance(end, tuple) else end
            return self.out(torch.cat([*h[-self.ways :]], dim=-1))
        if self.read == "all":
            return self.out(made.mean(dim=1 if self.rnn.batch_first else 0))
        return self.out(made[:, -1] if self.rnn.batch_first else made[-1])


class Attending(nn.Module):
    def __init__(self, masks=False, weights=False, **options):
        super().__init__()
        options = {"batch_first": True} | options
        self.attention = nn.MultiheadAttention(8, 2, **options)
        self.out = nn.Linear(8, 3)
        self.cross = "kdim" in options
        self.masks, self.weights = masks, weights

    def forward(self, x):
        query, other = (x, torch.cat([x, x], dim=2)[:, :4, :12].clone()) if self.cross else (x, x)
        key, value = (other, other[:, :, :10]) if self.cross else (other, other)
        padding = PADDED[:, : key.shape[1]] & (torch.arange(key.shape[1]) > 0) if self.masks else None
        mask = torch.triu(torch.ones(5, key.shape[1], dtype=torch.bool), 1) if self.masks else None
        if not self.attention.batch_first:
            query, key, value = (part.transpose(0, 1) for part in (query, key, value))
        made, _ = self.attention(query, key, value, need_weights=self.weights, key_padding_mask=padding, attn_mask=mask)
        return self.out(made.mean(dim=1 if self.attention.batch_first else 0))


class Layers(nn.Module):
    def __init__(self, body, decodes=False):
        super().__init__()
        self.body, self.out, self.decodes = body, nn.Linear(8, 3), decodes

    def forward(self, x):
        made = self.body(x[:, :4], x) if self.decodes else self.body(x)
        return self.out(made.mean(dim=1))


def layer(kind, **options):
    return kind(8, 2, 16, batch_first=True, **options)


MODELS = {
    "rnn": lambda: Recurrent(nn.RNN),
    "relu": lambda: Recurrent(nn.RNN, nonlinearity="relu", num_layers=2, bidirectional=True),
    "lstm": lambda: Recurrent(nn.LSTM, read="all"),
    "lstm without biases": lambda: Recurrent(nn.LSTM, bias=False, num_layers=2, batch_first=False),
    "lstm both ways": lambda: Recurrent(nn.LSTM, read="state", num_layers=2, bidirectional=True, given=True),
    "lstm dropout": lambda: Recurrent(nn.LSTM, num_layers=3, dropout=0.4, bidirectional=True),
    "lstm projected": lambda: Recurrent(nn.LSTM, num_layers=2, proj_size=3, bidirectional=True),
    "lstm packed": lambda: Recurrent(nn.LSTM, num_layers=2, packed=True, bidirectional=True, dropout=0.3),
    "lstm cell": lambda: Recurrent(nn.LSTM, read="cell"),
    "gru": lambda: Recurrent(nn.GRU, num_layers=2, dropout=0.5, batch_first=False),
    "gru both ways": lambda: Recurrent(nn.GRU, read="all", bidirectional=True, given=True),
    "gru packed": lambda: Recurrent(nn.GRU, packed=True, bias=False),
    "attention": lambda: Attending(masks=True),
    "attention with weights": lambda: Attending(masks=True, weights=True, batch_first=False),
    "attention across": lambda: Attending(kdim=12, vdim=10, masks=True, add_bias_kv=True, dropout=0.2),
    "attention without biases": lambda: Attending(bias=False, add_zero_attn=True, weights=True),
    "encoder": lambda: Layers(nn.TransformerEncoder(layer(nn.TransformerEncoderLayer), 2, enable_nested_tensor=False)),
    "encoder, norm first": lambda: Layers(layer(nn.TransformerEncoderLayer, norm_first=True, activation="gelu")),
    "decoder": lambda: Layers(layer(nn.TransformerDecoderLayer), decodes=True),
    "transformer": lambda: Layers(nn.Transformer(8, 2, 1, 1, 16, batch_first=True), decodes=True),
}


def train(model, x, labels, steps=3):
    torch.manual_seed(1)  # dropout
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        functional.cross_entropy(model(x), labels).backward()
        optimizer.step()


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", MODELS)
def test_nothing_changes_and_everything_is_seen(name, dtype):
    torch.manual_seed(2)
    alone = MODELS[name]().to(dtype)
    watched = copy.deepcopy(alone)
    train(alone, LONG.to(dtype), LABELS)
    with watch(watched) as watching:
        train(watched, LONG.to(dtype), LABELS)
    for one, other in zip(alone.state_dict().values(), watched.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert not any(parameter._backward_hooks for parameter in watched.parameters())
    report = watching.report()
    assert report.unseen == ()
    fused = [part for part in watched.modules() if isinstance(part, (nn.RNNBase, nn.MultiheadAttention))]
    layers = [part.num_layers * (2 if part.bidirectional else 1) for part in fused if isinstance(part, nn.RNNBase)]
    assert len(report.recurrences) == sum(layers)
    attentions = [row for row in report.rows if row.name.endswith("attention") and row.gates_db == row.weights_db == 0]
    assert len(attentions) == len(fused) - len(layers)
    assert len(report.rows) == len(report.readers)
    assert all(np.isfinite(row.total_db) for row in report.rows)
    json.dumps(report.to_dict(), allow_nan=False)
    str(report)


# ---- the same, written out ----


def decibels(after, before):
    return 20 * math.log10(after / before)


def rms(tensors):
    values = torch.cat([tensor.flatten() for tensor in tensors])
    return float(values.square().mean().sqrt())


class ByHand:
    """The steps of one operator with every value kept, for gradients by autograd."""

    def __init__(self, rnn):
        self.weights = [part.detach() for part in rnn._flat_weights]
        self.kind = type(rnn)
        self.act = getattr(rnn, "nonlinearity", None)
        self.projected = rnn.proj_size
        self.states, self.gates = [], {}

    def keep(self, name, s, activation):
        y = activation(s)
        for tensor in (s, y):
            tensor.requires_grad_() if tensor.is_leaf else tensor.retain_grad()
        self.gates.setdefault(name, []).append((s, y))
        return y

    def __call__(self, x, h, c=None):
        ih, hh, bias_ih, bias_hh = self.weights[:4]
        made = []
        for t in range(x.shape[1]):
            a, b = functional.linear(x[:, t], ih, bias_ih), functional.linear(h, hh, bias_hh)
            if self.kind is nn.RNN:
                h = self.keep("", a + b, torch.tanh)
            elif self.kind is nn.GRU:
                a, b = a.chunk(3, 1), b.chunk(3, 1)
                r = self.keep("r", a[0] + b[0], torch.sigmoid)
                z = self.keep("z", a[1] + b[1], torch.sigmoid)
                n = self.keep("n", a[2] + r * b[2], torch.tanh)
                h = (1 - z) * n + z * h
            else:
                s = (a + b).chunk(4, 1)
                i, f = self.keep("i", s[0] * 1, torch.sigmoid), self.keep("f", s[1] * 1, torch.sigmoid)
                g, o = self.keep("g", s[2] * 1, torch.tanh), self.keep("o", s[3] * 1, torch.sigmoid)
                c = f * c + i * g
                h = o * self.keep("c", c * 1, torch.tanh)
                c = c * 1  # what the next step reads
                c.retain_grad()
                if self.projected:
                    h = functional.linear(h, self.weights[4])
            if not h.is_leaf:
                h.retain_grad()
            self.states.append((h,) if c is None else (h, c))
            made.append(h)
        return torch.stack(made, dim=1)


@pytest.mark.parametrize("read", ["last", "all"])
@pytest.mark.parametrize(("kind", "options"), [(nn.RNN, {}), (nn.GRU, {}), (nn.LSTM, {}), (nn.LSTM, {"proj_size": 2})])
def test_a_recurrent_layer_has_the_numbers_of_the_same_steps_written_out(kind, options, read):
    torch.manual_seed(3)
    rnn = kind(READ, UNITS, batch_first=True, **options).double()
    width = options.get("proj_size", UNITS)
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.mul_(2)
    head = nn.Linear(width, 3).double()

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = rnn, head

        def forward(self, x):
            made = self.rnn(x)[0]
            return self.head(made[:, -1] if read == "last" else made.mean(dim=1))

    model = Model()
    x = WORDS.clone().requires_grad_()
    with watch(model) as watching:
        functional.cross_entropy(model(x), CLASSES).backward()
    report = watching.report()

    hand, given = ByHand(rnn), WORDS.clone().requires_grad_()
    start = torch.zeros(SAMPLES, width, dtype=torch.float64), torch.zeros(SAMPLES, UNITS, dtype=torch.float64)
    made = hand(given, start[0], start[1] if kind is nn.LSTM else None)
    made.retain_grad()
    read_of_it = made[:, -1] if read == "last" else made.mean(dim=1)
    read_of_it.retain_grad()
    functional.cross_entropy(functional.linear(read_of_it, head.weight, head.bias), CLASSES).backward()
    torch.testing.assert_close(given.grad, x.grad)

    # the level: from what the head reads to what the layer reads
    row = report.rows[2]
    assert row.name == "rnn.l0"
    assert row.total_db == pytest.approx(decibels(rms([given.grad]), rms([read_of_it.grad])), abs=1e-6)
    every = [pair for name, pairs in hand.gates.items() for pair in pairs]
    plus, minus = rms([y.grad for _, y in every]), rms([s.grad for s, _ in every])
    assert row.gates_db == pytest.approx(decibels(minus, plus), abs=1e-6)
    letters = [letter for letter in hand.gates if letter != "c"]
    sums = [torch.cat([hand.gates[letter][t][0].grad for letter in letters], dim=1) for t in range(STEPS)]
    squares = [(part.square() @ rnn.weight_ih_l0.detach().square()).sqrt() for part in sums]
    assert row.weights_db == pytest.approx(decibels(rms(squares), minus), abs=1e-5)

    # each gate
    found = report.recurrences[0]
    assert [gate.name for gate in found.gates] == ["rnn.l0" + (f".{name}" if name else "") for name in hand.gates]
    for gate, pairs in zip(found.gates, hand.gates.values(), strict=True):
        gain = decibels(rms([s.grad for s, _ in pairs]), rms([y.grad for _, y in pairs]))
        assert gate.gain_db == pytest.approx(gain, abs=1e-6)
        assert gate.mean == pytest.approx(float(torch.cat([y for _, y in pairs]).detach().mean()))

    # step by step, of what arrives at the last one alone
    if read == "all":
        hand = ByHand(rnn)
        made = hand(WORDS, start[0], start[1] if kind is nn.LSTM else None)
        (made[:, -1] * made_gradient(model, WORDS)).sum().backward()
    sizes = [math.hypot(*(float(part.grad.norm()) for part in state if part.grad is not None)) for state in hand.states]
    assert len(found.rows) == STEPS - 1
    for back, step in enumerate(found.rows, 1):
        expected = decibels(sizes[-1 - back], sizes[-back])
        assert step.total_db == pytest.approx(expected, abs=1e-6)
        assert step.total_db == pytest.approx(step.weights_db + step.gates_db + step.interference_db)


def made_gradient(model, x):
    """What arrives at the last step of the output."""
    made = model.rnn(x)[0].detach().requires_grad_()
    functional.cross_entropy(model.head(made.mean(dim=1)), CLASSES).backward()
    return made.grad[:, -1]


def test_steps_of_an_rnn_are_the_levels_of_the_same_steps_as_linear_operators():
    """Each step as an operator that reads the state before, with what comes from the input as its bias."""
    torch.manual_seed(4)
    rnn, head = nn.RNN(READ, UNITS, batch_first=True).double(), nn.Linear(UNITS, 3).double()
    with torch.no_grad():
        rnn.weight_hh_l0.mul_(3)

    class Fused(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = rnn, head

        def forward(self, x):
            return self.head(self.rnn(x)[0][:, -1])

    class Unrolled(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = rnn, head

        def forward(self, x):
            read = x @ rnn.weight_ih_l0.T.detach() + rnn.bias_ih_l0.detach() + rnn.bias_hh_l0.detach()
            h = torch.zeros(SAMPLES, UNITS, dtype=torch.float64, requires_grad=True)
            for t in range(STEPS):
                h = torch.tanh(functional.linear(h, rnn.weight_hh_l0, read[:, t]))
            return self.head(h)

    reports = []
    for model in (Fused(), Unrolled()):
        with watch(model) as watching:
            functional.cross_entropy(model(WORDS), CLASSES).backward()
        reports.append(watching.report())
    steps, levels = reports[0].recurrences[0].rows, reports[1].rows[2:]
    assert (len(steps), len(levels)) == (STEPS - 1, STEPS)
    for step, level in zip(steps, levels, strict=False):
        for part in ("weights_db", "gates_db", "interference_db", "total_db"):
            assert getattr(step, part) == pytest.approx(getattr(level, part), abs=1e-4)


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_packed_sequences_have_the_numbers_of_each_alone(kind):
    torch.manual_seed(5)
    rnn, head = kind(READ, UNITS, bidirectional=True).double(), nn.Linear(2 * UNITS, 3).double()
    lengths = (3, 7, 1, 7, 4)

    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = rnn, head

        def forward(self, x):
            parts = [one[:n] for one, n in zip(x, lengths, strict=True)]
            end = self.rnn(pack_sequence(parts, enforce_sorted=False))[1]
            h = end[0] if isinstance(end, tuple) else end
            return self.head(torch.cat([h[0], h[1]], dim=1))

    model = Packed()
    with watch(model) as watching:
        functional.cross_entropy(model(WORDS), CLASSES, reduction="sum").backward()
    together = watching.report().recurrences
    assert [found.read for found in together] == [7, 7]

    class Alone(Packed):
        def forward(self, x):
            end = self.rnn(x)[1]
            h = end[0] if isinstance(end, tuple) else end
            return self.head(torch.cat([h[0], h[1]], dim=-1))

    # of both that have 7 steps, the last row but those of shorter ones
    model = Alone()
    with watch(model) as watching:
        both = WORDS[[1, 3]].transpose(0, 1)
        functional.cross_entropy(model(both), CLASSES[[1, 3]], reduction="sum").backward()
    for found, other in zip(together, watching.report().recurrences, strict=True):
        for row, expected in zip(found.rows[3:], other.rows[3:], strict=True):  # after 4 steps only these are left
            assert row.total_db == pytest.approx(expected.total_db, abs=1e-6)
            assert row.gates_db == pytest.approx(expected.gates_db, abs=1e-6)


@pytest.mark.parametrize("across", [False, True])
def test_attention_has_the_numbers_of_the_same_written_out(across):
    torch.manual_seed(6)
    fused = Attending(kdim=12, vdim=10) if across else Attending()
    fused = fused.double()
    attention = fused.attention

    class ByHand(nn.Module):
        def __init__(self):
            super().__init__()
            if across:
                self.projections = nn.ModuleList(nn.Linear(n, 8) for n in (8, 12, 10))
            else:
                self.projections = nn.ModuleList([nn.Linear(8, 24)])
            self.last, self.out = nn.Linear(8, 8), fused.out
            weights = (
                [attention.q_proj_weight, attention.k_proj_weight, attention.v_proj_weight]
                if across
                else [attention.in_proj_weight]
            )
            biases = attention.in_proj_bias.chunk(3) if across else [attention.in_proj_bias]
            for linear, weight, bias in zip(self.projections, weights, biases, strict=True):
                linear.weight, linear.bias = nn.Parameter(weight.detach()), nn.Parameter(bias.detach().clone())
            self.last.load_state_dict(attention.out_proj.state_dict())

        def forward(self, x):
            if across:
                other = torch.cat([x, x], dim=2)[:, :4, :12].clone()
                q, k, v = (one(read) for one, read in zip(self.projections, (x, other, other[:, :, :10]), strict=True))
            else:
                q, k, v = self.projections[0](x).chunk(3, dim=2)
            q, k, v = (part.unflatten(2, (2, 4)).transpose(1, 2) for part in (q, k, v))
            made = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
            return self.out(self.last(made).mean(dim=1))

    reports = []
    for model in (fused, ByHand().double()):
        with watch(model) as watching:
            x = LONG.double().requires_grad_()
            functional.cross_entropy(model(x), LABELS).backward()
        reports.append(watching.report())
    names = ["v_proj", "k_proj", "q_proj"] if across else ["in_proj"]
    names = [f"attention.{name}" for name in ["out_proj", "attention", *names]]
    assert [row.name for row in reports[0].rows] == ["", "out", *names]
    for row, other in zip(*(report.rows for report in reports), strict=True):
        for part in ("weights_db", "gates_db", "interference_db", "total_db"):
            assert getattr(row, part) == pytest.approx(getattr(other, part), abs=1e-4)


# ---- what is found ----


def found(model, x, labels):
    with watch(model) as watching:
        train(model, x, labels, steps=1)
    report = watching.report()
    return {finding.code: finding for finding in report.findings}, report


def recurrent(kind, **options):
    torch.manual_seed(7)
    return Recurrent(kind, **options)


SEQUENCES = torch.randn(6, 30, 8)


def test_weights_that_are_too_small_let_the_past_fade():
    model = recurrent(nn.RNN)
    with torch.no_grad():
        nn.init.orthogonal_(model.rnn.weight_hh_l0).mul_(0.2)
    codes, report = found(model, SEQUENCES, LABELS)
    finding = codes["vanishing_over_time"]
    assert (finding.cause, report.names(finding)) == ("weights", ["rnn.l0"])
    assert finding.evidence["reach"] <= 3
    assert "rnn.l0" in finding.says
    assert "orthogonal" in finding.remedy


def test_weights_that_are_too_large_let_it_explode():
    model = recurrent(nn.RNN, nonlinearity="relu")
    with torch.no_grad():
        nn.init.orthogonal_(model.rnn.weight_hh_l0).mul_(4)
    codes, _ = found(model, SEQUENCES, LABELS)
    assert codes["exploding_over_time"].cause in ("weights", "interference")
    assert codes["exploding_over_time"].severity == "error"


def test_gates_that_are_closed_let_it_fade():
    model = recurrent(nn.RNN)
    with torch.no_grad():
        nn.init.orthogonal_(model.rnn.weight_hh_l0)
        model.rnn.weight_ih_l0.mul_(30)
    codes, report = found(model, SEQUENCES, LABELS)
    assert codes["vanishing_over_time"].cause == "gates"
    assert report.names(codes["saturated_units"]) == ["rnn.l0"]
    for kind, gate, row in ((nn.LSTM, "f", slice(6, 12)), (nn.GRU, "z", slice(6, 12))):
        model = recurrent(kind)
        with torch.no_grad():
            model.rnn.bias_ih_l0[row] = -8
        codes, report = found(model, SEQUENCES, LABELS)
        assert codes["vanishing_over_time"].cause == "gates"
        assert report.names(codes["saturated_units"]) == [f"rnn.l0.{gate}"]


def test_what_keeps_its_past_is_healthy():
    model = recurrent(nn.RNN)
    with torch.no_grad():
        nn.init.orthogonal_(model.rnn.weight_hh_l0)
        model.rnn.weight_ih_l0.mul_(0.05)
        model.rnn.bias_ih_l0.zero_()
        model.rnn.bias_hh_l0.zero_()
    assert not found(model, SEQUENCES, LABELS)[0]
    for kind in (nn.LSTM, nn.GRU):
        model = recurrent(kind, num_layers=2)
        with torch.no_grad():
            for bias in (model.rnn.bias_ih_l0, model.rnn.bias_ih_l1):
                bias[6:12] = 5
        codes, report = found(model, SEQUENCES, LABELS)
        assert all(finding.severity == "note" for finding in codes.values()), report


def test_a_direction_whose_first_step_alone_is_read():
    codes, report = found(recurrent(nn.GRU, bidirectional=True), LONG, LABELS)
    assert report.names(codes["unread_steps"]) == ["rnn.l0_reverse"]
    codes, _ = found(recurrent(nn.GRU, bidirectional=True, read="state"), LONG, LABELS)
    assert "unread_steps" not in codes


# ---- what is not seen, and what is odd ----


def test_what_cannot_be_computed_anew_is_said_to_be_unseen():
    class Cell(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.out = nn.LSTMCell(8, 6), nn.Linear(6, 3)

        def forward(self, x):
            return self.out(self.cell(x[:, 0])[0])

    assert found(Cell(), LONG, LABELS)[1].unseen == ("cell",)

    class Embedded(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.rnn, self.out = nn.Linear(8, 8), nn.GRU(8, 6, batch_first=True), nn.Linear(6, 3)

        def forward(self, x):
            self.kept = self.first(x)
            return self.out(self.rnn(self.kept)[0][:, -1])

    model = Embedded()
    with watch(model) as watching:
        (functional.cross_entropy(model(LONG), LABELS) + model.kept.square().sum()).backward()
    report = watching.report()
    assert report.unseen[0].startswith("rnn (computed anew, the gradient at what it reads differs by")
    assert not report.recurrences
    assert [row.name for row in report.rows] == ["", "out", "first"]


def test_what_is_read_elsewhere_too():
    class Skipping(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.rnn, self.out = nn.Linear(8, 6), nn.GRU(6, 6, batch_first=True), nn.Linear(6, 3)

        def forward(self, x):
            x = self.first(x)
            return self.out((x + self.rnn(x)[0]).mean(dim=1))

    report = found(Skipping(), LONG, LABELS)[1]
    assert report.unseen == ()
    assert report.signals.passed_over.tolist() == [False, False, True, False]


def test_an_operator_as_the_model_and_frozen_layers():
    rnn = nn.LSTM(8, 6, batch_first=True)
    with watch(rnn) as watching:
        rnn(LONG)[1][0].square().sum().backward()
    report = watching.report()
    assert [row.name for row in report.rows] == ["", "l0"]
    model = recurrent(nn.LSTM)
    model.rnn.requires_grad_(False)
    with watch(model) as watching:
        functional.cross_entropy(model(LONG), LABELS).backward()
    report = watching.report()
    assert "frozen_weights" in {finding.code for finding in report.findings}


def test_numbers_that_are_none_are_found():
    model = recurrent(nn.GRU)
    with torch.no_grad():
        model.rnn.weight_ih_l0[0, 0] = float("nan")
    codes, _ = found(model, LONG, LABELS)
    assert codes["not_finite_value"].cause == "weights"


def test_under_autocast():
    model = Layers(layer(nn.TransformerEncoderLayer))
    with watch(model) as watching, torch.autocast("cpu", torch.bfloat16):
        functional.cross_entropy(model(LONG), LABELS).backward()
    report = watching.report()
    assert report.unseen == ()
    assert all(np.isfinite(row.total_db) for row in report.rows)


def test_under_ddp(tmp_path):
    from torch import distributed

    store = distributed.FileStore(str(tmp_path / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        for make in (MODELS["lstm both ways"], MODELS["encoder"]):
            torch.manual_seed(8)
            inner = make()
            if isinstance(inner, Recurrent):
                inner.given = False
                inner.start.requires_grad_(False)
            alone = nn.parallel.DistributedDataParallel(copy.deepcopy(inner))
            watched = nn.parallel.DistributedDataParallel(inner)
            train(alone, LONG, LABELS)
            with watch(watched) as watching:
                train(watched, LONG, LABELS)
            for one, other in zip(alone.parameters(), watched.parameters(), strict=True):
                assert torch.equal(one, other)
            assert watching.report().unseen == ()
            assert watching.report().rows[-1].name.startswith("module.")
    finally:
        distributed.destroy_process_group()


def test_a_compiled_model_is_named():
    model = Layers(torch.compile(layer(nn.TransformerEncoderLayer), backend="eager"))
    report = found(model, LONG, LABELS)[1]
    assert report.unseen == ("body",)
    assert [row.name for row in report.rows] == ["", "out"]
