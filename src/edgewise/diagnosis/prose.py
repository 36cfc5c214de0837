"""The words of findings: what each says, and what may help."""

from edgewise.diagnosis.findings import Finding

SAYS = {
    "not_finite_value": "a value is no number; this is the first such node in forward order",
    "not_finite_sensitivity": "a sensitivity is no number; this is the first such node on the way back",
    "vanishing_gradient": "from the loss to the first level the gradient changes by {total_db:+.0f} dB: weights "
    "{weights_db:+.0f}, gates {gates_db:+.0f}, interference {interference_db:+.0f}",
    "exploding_gradient": "from the loss to the first level the gradient changes by {total_db:+.0f} dB: weights "
    "{weights_db:+.0f}, gates {gates_db:+.0f}, interference {interference_db:+.0f}",
    "dead_units": "{units:.0f} units ({share:.0%}) have a gate of 0 on all {samples:.0f} samples: nothing before "
    "them learns through them",
    "saturated_units": "{units:.0f} units ({share:.0%}) have a gate that is nearly closed on {closed:.0%} of the "
    "samples",
    "symmetric_units": "{units:.0f} units are only {different:.0f} different ones: equal values and equal "
    "sensitivities, so their weights stay equal",
    "constant_inputs": "{inputs:.0f} inputs are the same in every sample",
    "constant_units": "{units:.0f} units have the same value on every sample",
    "input_scales": "inputs spread from {smallest:.3g} to {largest:.3g}",
    "no_path_to_target": "from {units:.0f} neurons no path leads to the target",
    "no_path_from_inputs": "to {units:.0f} neurons no path leads from an input",
}

HELPS = {
    (
        "vanishing_gradient",
        "gates",
    ): "an activation whose gate is 1 where it is open (relu, leaky_relu), or smaller "
    "weights and standardised inputs, where gates are closed because pre-activations are large",
    (
        "vanishing_gradient",
        "weights",
    ): "weights of a larger variance: 1/n for identity and tanh, 2/n for relu, n being the in-arcs of a neuron",
    ("vanishing_gradient", "interference"): "paths cancel: draw the weights anew, with mean 0",
    ("exploding_gradient", "weights"): "weights of a smaller variance: 1/n for identity and tanh, 2/n for relu",
    ("exploding_gradient", "gates"): "an activation whose gate is at most 1",
    ("exploding_gradient", "interference"): "paths agree in sign: draw the weights anew, with mean 0",
    ("dead_units", "gates"): "smaller learning rate, biases of 0 or above, or leaky_relu",
    ("saturated_units", "gates"): "smaller weights, or standardised inputs",
    ("symmetric_units", "weights"): "draw the weights at random instead of setting them equal",
    ("constant_inputs", "data"): "leave these inputs out",
    ("constant_units", "weights"): "see whether their in-arcs have weights of 0",
    ("input_scales", "data"): "standardise the inputs",
    ("no_path_to_target", "structure"): "they cost time and learn nothing: add arcs, or leave them out",
    ("no_path_from_inputs", "structure"): "they are constants: add arcs, or make biases of them",
}


def says(finding: Finding) -> str:
    """One sentence with the finding's own numbers."""
    return SAYS[finding.code].format(**finding.evidence)


def remedy(finding: Finding) -> str:
    """What may help; nothing is promised."""
    return HELPS.get((finding.code, finding.cause), "not known from these numbers")
