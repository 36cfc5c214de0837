"""A PyTorch model pruned by torch.nn.utils.prune, its sparse layers then run by Edgewise where that is faster."""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn.utils import prune

from edgewise.torch import sparsify_

torch.manual_seed(0)
pixels, digit = load_digits(return_X_y=True)
x, x_test, y, y_test = train_test_split(
    torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(digit), random_state=0, stratify=digit
)


def train(model, epochs, learning_rate):
    optimizer = torch.optim.Adam(model.parameters(), learning_rate)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()


def accuracy(model):
    with torch.no_grad():
        return (model(x_test).argmax(dim=1) == y_test).float().mean().item()


model = nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
train(model, 5, 1e-3)
print(f"dense   accuracy {accuracy(model):.3f}")
for layer in (model[0], model[2]):
    prune.l1_unstructured(layer, "weight", 0.95)
print(f"pruned  accuracy {accuracy(model):.3f}")

print(sparsify_(model, x[:64]))
train(model, 5, 1e-3)  # the arcs that are left
print(f"tuned   accuracy {accuracy(model):.3f}")
