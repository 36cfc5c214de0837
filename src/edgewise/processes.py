"""Processes that train one network together, each on its share of the samples, on one machine or several.

They are started by torchrun, which tells each its number and how to find the others, and speak through
torch.distributed (gloo). All they exchange are sums of arrays, of which every process has the same bits.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from threading import Thread
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import DataError, EdgewiseError, MissingDependencyError

Result = TypeVar("Result")

SECONDS_TO_WAIT = 60.0
"""How long a process that does not answer is waited for."""
SECONDS_BETWEEN = 0.2
"""About how often processes that train agree on what no step decides."""
SECONDS_APART = 1.0
"""How often processes that work each for itself hear of each other."""
ELSEWHERE = "another process could not read the data; its own message says why"


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among those that train together."""

    rank: int
    size: int
    on_this_machine: int
    distributed: Any
    """torch.distributed, with the group begun"""
    restarted: bool
    """whether torchrun has started them again after losing some"""

    @property
    def is_first(self) -> bool:
        """The one that writes files and speaks."""
        return self.rank == 0

    @property
    def threads(self) -> int:
        """This process's share of the machine's processors."""
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, count // self.on_this_machine)

    def add_up(self, array: NDArray[Any]) -> NDArray[Any]:
        """The sum of every process's array, of numbers, in place. EdgewiseError if one is lost."""
        import torch

        try:
            self.distributed.all_reduce(torch.from_numpy(array))
        except RuntimeError as error:
            raise EdgewiseError(
                f"process {self.rank} of {self.size} lost another one, or waited for it too long: "
                f"{str(error).splitlines()[0]}. Start all of them again to go on from the last checkpoint"
            ) from None
        return array

    def any(self, truth: bool) -> bool:
        """Whether it is so in any process."""
        return bool(self.add_up(np.array([truth], np.float64))[0])

    def of_each(self, array: NDArray[Any]) -> NDArray[Any]:
        """(size, …) every process's array, all of the same shape and dtype, by rank."""
        given = np.zeros((self.size, *array.shape), array.dtype)
        given[self.rank] = array
        return self.add_up(given)

    def text_of_each(self, text: str) -> list[str]:
        """Every process's text, by rank."""
        content = np.frombuffer(text.encode(), np.uint8)
        sizes = self.of_each(np.array([len(content)], np.float64))[:, 0].astype(int)
        given = np.zeros(max(sizes), np.uint8)
        given[: len(content)] = content
        return [row[:size].tobytes().decode() for row, size in zip(self.of_each(given), sizes, strict=True)]

    def each(self, work: Callable[[], Result]) -> Result:
        """What each process does by itself, however long that takes one of them. An error in one is raised there, and a
        DataError in the others."""
        from concurrent.futures import Future, wait  # at first use: most imports of the package never come here

        doing: Future[Result] = Future()

        def do() -> None:
            try:
                doing.set_result(work())
            except BaseException as error:
                doing.set_exception(error)

        Thread(target=do, daemon=True).start()
        n_done = n_failed = 0
        while n_done < self.size and not n_failed:
            wait([doing], SECONDS_APART)
            done = doing.done()  # once: what is told of it must be of one moment
            failed = done and doing.exception() is not None
            n_done, n_failed = self.add_up(np.array([done, failed], np.float64)).astype(int).tolist()
        if n_failed and not failed:
            raise DataError(ELSEWHERE)
        return doing.result()

    def check_alike(self, number: int, what: str, remedy: str = "give all the same data, network and settings") -> None:
        """EdgewiseError in every process if `number`, of 32 bits, is not the same in all."""
        if len(set(self.of_each(np.array([number], np.float64)).flat)) > 1:
            raise EdgewiseError(f"{what} differ between the {self.size} processes; {remedy}")


class Meetings:
    """Where processes that take steps together agree on what no step decides: an interrupt, or that it is time to save.

    They meet every SECONDS_BETWEEN or so, all at the same step: how many steps that is, they work out together.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._next, self._last, self._at = 0, 0, time.monotonic()

    def any(self, step: int, *truths: bool) -> tuple[bool, ...]:
        """Called by all after the same step: which is true in any of them; none is between two meetings."""
        if step < self._next:
            return (False,) * len(truths)
        now = time.monotonic()
        *found, seconds = self._processes.add_up(np.array([*truths, now - self._at])).tolist()
        a_step = seconds / self._processes.size / max(1, step - self._last)
        self._next = step + max(1, int(SECONDS_BETWEEN / max(a_step, 1e-6)))
        self._last, self._at = step, now
        return tuple(bool(truth) for truth in found)


@contextmanager
def join(seconds: float = SECONDS_TO_WAIT) -> Iterator[Processes]:
    """Among the others that torchrun has started. EdgewiseError if it has not, or if they are not there in time."""
    try:
        from torch import distributed
    except ImportError:
        raise MissingDependencyError("PyTorch", "torch", "training in several processes") from None
    wanted = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    missing = [name for name in wanted if name not in os.environ]
    if missing:
        raise EdgewiseError(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set: start the processes with torchrun, "
            "such as torchrun --nproc-per-node 2 --no-python edgewise train digits --distributed"
        )
    from torch.distributed.rendezvous import rendezvous

    wait = timedelta(seconds=seconds)
    try:
        store, rank, size = next(rendezvous("env://", timeout=wait))
        store, restarted = _meet(store, rank, size, seconds)
        distributed.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=wait)
    except (RuntimeError, ValueError) as error:
        raise EdgewiseError(f"the other processes were not found: {str(error).splitlines()[0]}") from None
    try:
        yield Processes(rank, size, int(os.environ.get("LOCAL_WORLD_SIZE", "1")), distributed, restarted)
    finally:  # which waits for no other process; else gloo's threads may meet an interpreter that is gone, and abort
        distributed.destroy_process_group()


def _meet(store: Any, rank: int, size: int, seconds: float) -> tuple[Any, bool]:
    """A part of the store for those alone that start now, and whether torchrun has started any of them again.

    torchrun keeps its store when it starts processes again, and in it what the lost ones have left; and each machine's
    torchrun counts only the restarts that its own processes caused. So the first process calls a meeting under a name
    that was never used, and begins it when all others have answered; these know by their own answers that it is no
    earlier one. RuntimeError if they are not there in time.
    """
    from torch.distributed import PrefixStore  # type: ignore[attr-defined]

    again = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"
    me, until = f"{secrets.token_hex(8)}:{int(again)}", time.monotonic() + seconds
    if rank == 0:
        store.set("meeting", me)
        answers = [f"{me} {other}" for other in range(1, size)]
        store.wait(answers, timedelta(seconds=seconds))
        there = [me, *(store.get(answer).decode() for answer in answers)]
        store.set(f"{me} begins", " ".join(there))
        return PrefixStore(me, store), any(each.endswith("1") for each in there)
    while time.monotonic() < until:
        meeting = store.get("meeting").decode()
        store.set(f"{meeting} {rank}", me)
        if store.check([f"{meeting} begins"]):
            there = store.get(f"{meeting} begins").decode().split()
            if me in there:
                return PrefixStore(meeting, store), any(each.endswith("1") for each in there)
        time.sleep(0.02)
    raise RuntimeError(f"the first process has not begun within {seconds:g} s")
