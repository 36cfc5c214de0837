"""NEAT with gradient steps inside the fitness function, and what is learnt goes back into the genomes (Lamarck).

Beside plain evolution of the same populations, on 569 tumours: python neat_lamarckian.py [seeds] [generations]
"""

import sys
import warnings
from pathlib import Path

import neat
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import edgewise as ew

SEEDS, GENERATIONS = (int(word) for word in (sys.argv[1:] + ["2", "6"][len(sys.argv) - 1 :]))

CONFIG = """
[NEAT]
fitness_criterion = max
fitness_threshold = 0
no_fitness_termination = True
pop_size = 50
reset_on_extinction = True
[DefaultStagnation]
species_fitness_func = max
max_stagnation = 15
species_elitism = 2
[DefaultReproduction]
elitism = 2
survival_threshold = 0.3
min_species_size = 2
[DefaultSpeciesSet]
compatibility_threshold = 3.0
[DefaultGenome]
num_inputs = 10
num_outputs = 1
num_hidden = 0
feed_forward = True
compatibility_disjoint_coefficient = 1.0
compatibility_excess_coefficient = auto
compatibility_weight_coefficient = 0.4
compatibility_enable_penalty = 1.0
compatibility_include_node_genes = True
conn_add_prob = 0.3
conn_delete_prob = 0.1
node_add_prob = 0.2
node_delete_prob = 0.05
single_structural_mutation = False
structural_mutation_surer = default
initial_connection = partial_direct 0.3
activation_default = sigmoid
activation_options = sigmoid tanh
activation_mutate_rate = 0.0
aggregation_default = sum
aggregation_options = sum
aggregation_mutate_rate = 0.0
bias_init_mean = 0.0
bias_init_stdev = 0.5
bias_init_type = gaussian
bias_replace_rate = 0.05
bias_mutate_rate = 0.5
bias_mutate_power = 0.3
bias_max_value = 8.0
bias_min_value = -8.0
response_init_mean = 1.0
response_init_stdev = 0.0
response_init_type = gaussian
response_replace_rate = 0.0
response_mutate_rate = 0.0
response_mutate_power = 0.0
response_max_value = 8.0
response_min_value = -8.0
weight_init_mean = 0.0
weight_init_stdev = 0.5
weight_init_type = gaussian
weight_replace_rate = 0.05
weight_mutate_rate = 0.6
weight_mutate_power = 0.3
weight_max_value = 8
weight_min_value = -8
enabled_default = True
enabled_mutate_rate = 0.02
enabled_rate_to_true_add = 0.0
enabled_rate_to_false_add = 0.0
"""

x, y = load_breast_cancer(return_X_y=True)
x = x[:, :10]  # the means of the ten measures of a nucleus
x_train, x_test, y_train, y_test = train_test_split(x, y[:, None].astype(float), test_size=0.3, random_state=0)
mean, scale = x_train.mean(axis=0), x_train.std(axis=0)
x_train, x_test = (x_train - mean) / scale, (x_test - mean) / scale


def evolve(seed, gradient_steps):
    """The mean squared error over the generations, and the best genome's accuracy on what it has not seen."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Path("neat.ini").write_text(CONFIG)
        config = neat.Config(
            neat.DefaultGenome, neat.DefaultReproduction, neat.DefaultSpeciesSet, neat.DefaultStagnation, "neat.ini"
        )
    errors = []

    def evaluate(genomes, config):
        networks = [ew.from_neat(genome, config) for _, genome in genomes]
        if gradient_steps:
            ew.fit_many(
                networks, x_train, y_train, optimizer=ew.Adam(0.05), epochs=gradient_steps, batch_size=len(x_train)
            )
            for network, (_, genome) in zip(networks, genomes, strict=True):
                ew.to_neat(network, genome, config)
        error = ((ew.forward_many(networks, x_train) - y_train) ** 2).mean(axis=(1, 2))
        for (_, genome), e in zip(genomes, error, strict=True):
            genome.fitness = -float(e)
        errors.append(error.min())

    best = neat.Population(config, seed=seed).run(evaluate, GENERATIONS)
    right = (ew.from_neat(best, config).forward(x_test).output > 0.5) == y_test
    return errors, right.mean()


for name, steps in (("evolution alone", 0), ("with 10 gradient steps in each fitness", 10)):
    runs = [evolve(seed, steps) for seed in range(SEEDS)]
    last = np.mean([errors[-1] for errors, _ in runs])
    accuracy = np.mean([right for _, right in runs])
    print(f"{name}: error {last:.4f} after {GENERATIONS} generations, accuracy {accuracy:.3f} on unseen samples")
