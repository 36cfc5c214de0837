"""LSTMs that are to remember the first of many steps, watched: how far back the gradient reaches, and why."""

import torch
from torch import nn

from edgewise.torch import watch

STEPS = 20


class Remember(nn.Module):
    """Says after the last step what the first one was."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.out = nn.LSTM(8, 16, batch_first=True), nn.Linear(16, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.out(self.rnn(x)[0][:, -1])
        return made


def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    drawn = torch.randint(0, 8, (32, STEPS), generator=torch.Generator().manual_seed(step))
    return nn.functional.one_hot(drawn, 8).float(), drawn[:, 0]


for forget_bias in (0.0, 4.0):
    torch.manual_seed(0)
    model = Remember()
    with torch.no_grad():
        model.rnn.bias_ih_l0[16:32] += forget_bias
    optimizer = torch.optim.Adam(model.parameters(), 2e-2)
    with watch(model, every=50) as watching:
        for step in range(150):
            x, y = batch(step)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    x, y = batch(1000)
    accuracy = (model(x).argmax(dim=1) == y).float().mean()
    print(f"forget bias {forget_bias}: accuracy {accuracy:.2f}; at the first step\n{watching.first}\n")
