"""A convolutional network of PyTorch that does not learn, watched: where, and because of what."""

import torch
from sklearn.datasets import load_digits
from torch import nn

from edgewise.torch import watch

images, labels = load_digits(return_X_y=True)
x = torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
y = torch.tensor(labels)

for activation in (nn.Sigmoid, nn.ReLU):
    torch.manual_seed(0)
    layers = [part for n_in, n_out in ((1, 8), (8, 8), (8, 8)) for part in (nn.Conv2d(n_in, n_out, 3), activation())]
    dense = [part for n_in in (32, 32, 32) for part in (nn.Linear(n_in, 32), activation())]
    model = nn.Sequential(*layers, nn.Flatten(), *dense, nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    with watch(model, every=50) as watching:
        for step in range(200):
            rows = torch.randint(0, len(x), (64,), generator=torch.Generator().manual_seed(step))
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    accuracy = (model(x).argmax(dim=1) == y).float().mean()
    print(f"{activation.__name__}: accuracy {accuracy:.2f} after 200 steps\n{watching.report()}\n")
