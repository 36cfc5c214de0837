"""The words of findings: what each says, and what may help."""

from collections.abc import Mapping

_GRADIENT = (
    "from the loss to the first level the gradient changes by {total_db:+.0f} dB: weights {weights_db:+.0f}, gates "
    "{gates_db:+.0f}, interference {interference_db:+.0f}"
)
_OVER_TIME = (
    "over {steps:.0f} steps back {layer} changes the gradient by {total_db:+.0f} dB, {step_db:+.1f} a step: weights "
    "{weights_db:+.0f}, gates {gates_db:+.0f}, interference {interference_db:+.0f}"
)
SAYS = {
    "not_finite_value": "{node} is the first node, in forward order, whose value is no number, for {samples} samples",
    "not_finite_sensitivity": "{node} is the first node, on the way back, whose sensitivity is no number, for "
    "{samples} samples",
    "vanishing_gradient": _GRADIENT,
    "exploding_gradient": _GRADIENT,
    "vanishing_over_time": _OVER_TIME + "; more than a hundredth is left after {reach:.0f} of them",
    "exploding_over_time": _OVER_TIME,
    "unread_steps": "of {layer} only what it gives after its first step is read: its other {unread:.0f} steps learn "
    "nothing",
    "dead_units": "{units} units, up to {share:.0%} of a level, have a gate of 0 on all {samples} samples: nothing "
    "before them learns through them",
    "units_died": "{units} units, up to {share:.0%} of a level, were open and have had a gate of 0 since steps {first} "
    "to {last}",
    "saturated_units": "{units} units, up to {share:.0%} of a level, have a gate that is nearly closed on {closed:.0%} "
    "of the samples",
    "symmetric_units": "{units} units are only {different} different ones: equal values and equal sensitivities, so "
    "their weights stay equal",
    "zero_weights": "{units} units have no in-arc with a weight other than 0: they hear nothing",
    "frozen_weights": "the weights of {levels} levels take no part in training",
    "constant_inputs": "{inputs} inputs are the same in every sample",
    "constant_units": "{units} units have the same value on every sample",
    "input_scales": "inputs are of size {smallest:.3g} to {largest:.3g}, and up to {offset:.3g} deviations away from 0",
    "output_mismatch": "{why}",
    "loss_far_from_chance": "the loss is {loss:.3g}; outputs that look at nothing have {chance:.3g}",
    "bottleneck": "{share:.0%} of the gradient's path energy passes through one unit",
    "no_path_to_target": "from {units} neurons no path leads to the target",
    "no_path_from_inputs": "to {units} neurons no path leads from an input",
}

_UNKNOWN = "not known from these numbers"
HELPS = {
    ("not_finite_value", "data"): "see what this input holds",
    ("not_finite_value", "gates"): "an activation that is defined for any sum, or inputs that keep the sum where it is",
    ("not_finite_value", "weights"): "smaller weights or inputs: the sum leaves the range of numbers",
    ("not_finite_sensitivity", "gates"): "an activation whose gate is finite everywhere",
    ("not_finite_sensitivity", "weights"): "smaller weights: the product leaves the range of numbers",
    ("vanishing_gradient", "gates"): "an activation whose gate is 1 where it is open (relu, leaky_relu), or smaller "
    "weights and standardised inputs, where gates are closed because pre-activations are large",
    ("vanishing_gradient", "weights"): "weights of a larger variance: 1/n for identity and tanh, 2/n for relu, n being "
    "the in-arcs of a neuron",
    ("vanishing_gradient", "interference"): "paths cancel: draw the weights anew, with mean 0",
    ("vanishing_gradient", "structure"): "an arc past these levels, as others have",
    ("exploding_gradient", "weights"): "weights of a smaller variance: 1/n for identity and tanh, 2/n for relu",
    ("exploding_gradient", "gates"): "an activation whose gate is at most 1",
    ("exploding_gradient", "interference"): "paths agree in sign: draw the weights anew, with mean 0",
    ("exploding_gradient", "structure"): "normalise what comes before these levels, or clip the gradient's norm",
    ("vanishing_over_time", "weights"): "recurrent weights that keep a state's size (nn.init.orthogonal_), or nn.LSTM "
    "or nn.GRU, whose states go past the weights",
    ("vanishing_over_time", "gates"): "in nn.LSTM a bias of 1 and more for the forget gate, in nn.GRU for the update "
    "gate; in nn.RNN smaller weights or inputs, where tanh is saturated",
    ("vanishing_over_time", "interference"): "draw the recurrent weights anew (nn.init.orthogonal_)",
    ("exploding_over_time", "weights"): "recurrent weights that keep a state's size (nn.init.orthogonal_); meanwhile "
    "clip the gradient's norm",
    ("exploding_over_time", "interference"): "recurrent weights that keep a state's size (nn.init.orthogonal_); "
    "meanwhile clip the gradient's norm",
    (
        "unread_steps",
        "structure",
    ): "read the last state h_n: of the reverse direction it is at the first step of output",
    ("dead_units", "gates"): "smaller learning rate, biases of 0 or above, or leaky_relu",
    ("units_died", "gates"): "a smaller learning rate, clip_norm, or leaky_relu",
    ("saturated_units", "gates"): "smaller weights, or standardised inputs",
    ("symmetric_units", "weights"): "draw the weights at random instead of setting them equal",
    ("zero_weights", "weights"): "draw these weights at random",
    ("frozen_weights", "structure"): "let them be trained, if that was not meant",
    ("constant_inputs", "data"): "leave these inputs out",
    ("constant_units", "weights"): "see whether their in-arcs cancel",
    ("input_scales", "data"): "standardise the inputs",
    ("output_mismatch", "data"): "scale the targets, or let the outputs be identity",
    ("output_mismatch", "structure"): "let the outputs be identity: the loss has its own logistic function, or softmax",
    ("loss_far_from_chance", "data"): "standardise the targets",
    ("loss_far_from_chance", "weights"): "smaller weights on the arcs into the outputs",
    ("bottleneck", "structure"): "arcs past this unit, or more units beside it",
    ("no_path_to_target", "structure"): "they cost time and learn nothing: add arcs, or leave them out",
    ("no_path_from_inputs", "structure"): "they are constants: add arcs, or make biases of them",
}


def says(code: str, evidence: Mapping[str, float | str]) -> str:
    """One sentence with a finding's own numbers."""
    return SAYS[code].format(**evidence)


def remedy(code: str, cause: str) -> str:
    """What may help; nothing is promised."""
    return HELPS.get((code, cause), _UNKNOWN)
