"""A GraphModule trained by PyTorch: in one process, or under DistributedDataParallel in each of those that torchrun has
started. See `test_processes`."""

import numpy as np
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

import edgewise as ew
from edgewise.torch import GraphModule


def trained(rank, size, wrap):
    """The weights (n_edges,) after five epochs of minibatches of 16 samples, 16 / size of them in this process."""
    torch.manual_seed(0)
    net = ew.random_dag(20, 80, n_inputs=6, n_outputs=3, activation="tanh", seed=0)
    module = GraphModule(net)
    model = wrap(nn.Sequential(nn.Linear(4, 6), module).double())
    x = torch.tensor(np.random.default_rng(0).normal(size=(96, 4)))
    data = TensorDataset(x, x[:, :3].sin())
    mine = DistributedSampler(data, num_replicas=size, rank=rank, shuffle=False)
    loader = DataLoader(data, batch_size=16 // size, sampler=mine)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(5):
        for some_x, some_y in loader:
            optimizer.zero_grad()
            (model(some_x) - some_y).square().mean().backward()
            optimizer.step()
    return module.weight.detach().numpy()


if __name__ == "__main__":
    distributed.init_process_group("gloo")
    weight = trained(distributed.get_rank(), distributed.get_world_size(), DistributedDataParallel)
    if distributed.get_rank() == 0:
        np.save("weight.npy", weight)
    distributed.destroy_process_group()
