"""A convolutional network trained in PyTorch on scikit-learn's digits, and what a network shows of it."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from edgewise.torch import from_module

pixels, digit = load_digits(return_X_y=True)
x = torch.tensor(pixels / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
y = torch.tensor(digit)

torch.manual_seed(0)
module = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10)
)
optimizer = torch.optim.Adam(module.parameters(), 0.01)
for _ in range(60):
    optimizer.zero_grad()
    nn.functional.cross_entropy(module(x[:1500]), y[:1500]).backward()
    optimizer.step()

module.eval()
net = from_module(module, x[:1])
output = net.forward(pixels / 16).output
with torch.no_grad():
    print("largest difference below 1e-4:", bool(np.abs(output - module(x).numpy()).max() < 1e-4))
print(f"accuracy on unseen digits: {(output[1500:].argmax(axis=1) == digit[1500:]).mean():.2f}")

passes = net.backprop(pixels[1500:] / 16, y=digit[1500:], loss="cross_entropy")
print(f"{net}; gates closed in the first level: {(passes.gate[:, net.plan.order][:, 64:576] == 0).mean():.0%}")
