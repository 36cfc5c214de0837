"""A random graph between two of PyTorch's own layers, trained on scikit-learn's digits by PyTorch's Adam."""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import edgewise as ew
from edgewise.torch import GraphModule

torch.manual_seed(0)
pixels, digit = load_digits(return_X_y=True)
x, x_test, y, y_test = train_test_split(
    torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(digit), random_state=0, stratify=digit
)

net = ew.random_dag(300, 4000, n_inputs=32, n_outputs=16, activation="relu", seed=0, dtype="float32")
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), GraphModule(net), nn.Linear(16, 10))
optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
for _ in range(15):
    for some_x, some_y in DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(some_x), some_y).backward()
        optimizer.step()

with torch.no_grad():
    accuracy = (model(x_test).argmax(dim=1) == y_test).float().mean().item()
print(f"held-out accuracy {accuracy:.3f}")
print(model[2].network())  # with the trained weights: to save, to look into, to go on with
