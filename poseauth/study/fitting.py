"""Teaching a network of the study and asking it: one loop for windows of movement and for faces."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

from poseauth.arrays import Float64Array, Int64Array
from poseauth.study.examples import Examples
from poseauth.study.presets import Optimiser, Training

_MAX_TIMED = 20
"""Clips on which the time of an answer is measured."""


@dataclass(frozen=True)
class StudyEpoch:
    """One pass over the training examples: mean loss and accuracy, 0 to 1, of examples.

    The training's are as they came about during the pass, dropout on; the validation's after it.
    """

    number: int
    n_epochs: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float


@dataclass(frozen=True)
class TaughtDetector:
    """How a network came about; it has the weights of the epoch with the least validation loss.

    Attributes
    ----------
    curve : tuple of StudyEpoch
        Every epoch.
    best_loss_epoch, best_accuracy_epoch : int
        Numbers of the first epochs with the least validation loss and the highest validation accuracy.
    seconds : float
        Wall time of the training, validation included, reading the first batch included.
    """

    curve: tuple[StudyEpoch, ...]
    best_loss_epoch: int
    best_accuracy_epoch: int
    seconds: float


class _AsDataset(Dataset[tuple[torch.Tensor, int, float]]):
    """Examples as torch's DataLoader takes them, in whatever process it reads them."""

    def __init__(self, examples: Examples) -> None:
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int, float]:
        array = self._examples.array(number)
        return torch.from_numpy(array), len(array), float(self._examples.is_authentic[number])


def teach(
    network: nn.Module,
    train: Examples,
    validation: Examples,
    training: Training,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    n_workers: int = 0,
    on_epoch: Callable[[StudyEpoch], None] | None = None,
) -> TaughtDetector:
    """Teach by binary cross-entropy, authentic = 1; the network is left in evaluation mode with its best weights.

    Parameters
    ----------
    network : nn.Module
        Called with a batch and the number of frames that count in each of its rows; gives a logit a row, above 0 =
        authentic.
    train, validation : Examples
        Of different clips.
    training : Training
        Optimiser, batch, epochs.
    seed : int
        Decides order and dropout; torch's own generator is left as it was.
    device : torch.device or str
        Where to compute.
    n_workers : int
        Processes that read examples ahead; 0: this one reads.
    on_epoch : callable
        Told of every epoch as it ends.

    Raises
    ------
    FloatingPointError
        If a loss is no longer a number.
    """
    started = time.perf_counter()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        network.to(device)
        optimiser = _optimiser(network, training.optimiser)
        batches = _loader(train, training.batch, n_workers, order=torch.Generator().manual_seed(seed))
        held_out = _loader(validation, training.batch, n_workers)
        curve: list[StudyEpoch] = []
        best: dict[str, torch.Tensor] = {}
        for number in range(1, training.epochs + 1):
            _set_rate(optimiser, training.optimiser, number)
            train_loss, train_accuracy = _one_pass(network, batches, len(train), optimiser, training, device)
            logits = _answers(network, held_out, device)
            loss, accuracy = loss_and_accuracy(logits, validation.is_authentic)
            if not math.isfinite(loss):
                raise FloatingPointError(f"the validation loss of epoch {number} is {loss}. Try a lower rate")
            curve.append(StudyEpoch(number, training.epochs, train_loss, train_accuracy, loss, accuracy))
            if number == 1 or loss < min(epoch.validation_loss for epoch in curve[:-1]):
                best = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
            if on_epoch:
                on_epoch(curve[-1])
        network.load_state_dict(best)
    network.eval()
    by_loss = min(curve, key=lambda epoch: epoch.validation_loss)
    by_accuracy = max(curve, key=lambda epoch: epoch.validation_accuracy)
    return TaughtDetector(tuple(curve), by_loss.number, by_accuracy.number, time.perf_counter() - started)


def logits_of(
    network: nn.Module, examples: Examples, *, batch: int, device: torch.device | str = "cpu", n_workers: int = 0
) -> Float64Array:
    """What the network says of each example, in evaluation mode: [shape=(N,)], float64, above 0 = authentic."""
    return _answers(network, _loader(examples, batch, n_workers), device)


def _answers(network: nn.Module, batches: DataLoader[Any], device: torch.device | str) -> Float64Array:
    network.eval()
    found = [np.zeros(0)]
    with torch.inference_mode():
        for inputs, n_frames, _ in batches:
            logits = network(inputs.to(device), n_frames.to(device))
            found.append(logits.reshape(-1).double().cpu().numpy())
    return np.concatenate(found)


def loss_and_accuracy(logits: Float64Array, is_authentic: Sequence[bool] | np.ndarray) -> tuple[float, float]:
    """Mean binary cross-entropy and share of examples told right; of at least one example."""
    real = np.asarray(is_authentic, dtype=bool)
    losses = np.logaddexp(0.0, np.where(real, -logits, logits))
    return float(losses.mean()), float(((logits > 0) == real).mean())


def ms_a_clip(network: nn.Module, examples: Examples, clips: Int64Array, *, device: torch.device | str) -> float | None:
    """Median milliseconds from a clip's examples in memory to its logits; None where there is no clip.

    Decoding, pose estimation and cutting of faces are not in it.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode.
    examples : Examples
        Of the clips to time.
    clips : np.ndarray [shape=(N,)], int64
        Clip of every example.
    """
    dataset = _AsDataset(examples)

    def asked(clip: int) -> Callable[[], object]:
        inputs, n_frames, _ = _together([dataset[int(row)] for row in np.flatnonzero(clips == clip)])
        # Bringing the answer back waits for the device.
        return lambda: network(inputs.to(device), n_frames.to(device)).cpu()

    with torch.inference_mode():
        return median_ms([asked(int(clip)) for clip in np.unique(clips)[:_MAX_TIMED]])


def median_ms(calls: Sequence[Callable[[], object]]) -> float | None:
    """Median milliseconds of some calls, the first of which is made once more beforehand; None where there is none."""
    spent = []
    for number, call in enumerate(calls[:_MAX_TIMED]):
        if number == 0:  # the first call sets things up
            call()
        started = time.perf_counter()
        call()
        spent.append(1000 * (time.perf_counter() - started))
    return float(np.median(spent)) if spent else None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on the device or here."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    told = str(error).lower()  # the CPU's allocator and cuDNN raise a plain RuntimeError
    return isinstance(error, RuntimeError) and any(
        words in told for words in ("not enough memory", "can't allocate memory", "out of memory", "cudnn_status_alloc")
    )


def _one_pass(
    network: nn.Module,
    batches: DataLoader[Any],
    n_examples: int,
    optimiser: torch.optim.Optimizer,
    training: Training,
    device: torch.device | str,
) -> tuple[float, float]:
    """One epoch; gives mean loss and accuracy over its examples."""
    network.train()
    total, n_right, n_seen, n_waiting = 0.0, 0, 0, 0
    optimiser.zero_grad(set_to_none=True)
    for inputs, n_frames, labels in batches:
        target = labels.to(device)
        logits = network(inputs.to(device), n_frames.to(device)).reshape(-1)
        losses = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="sum")
        if n_waiting == 0:
            # Gradients are added up over so many examples: the last update of an epoch has fewer.
            n_together = min(training.update_every, n_examples - n_seen)
        (losses / n_together).backward()  # type: ignore[no-untyped-call]
        total += float(losses.detach())
        n_right += int(((logits.detach() > 0) == (target > 0.5)).sum())
        n_seen += len(labels)
        n_waiting += len(labels)
        if n_waiting >= training.update_every:
            _update(network, optimiser, training)
            n_waiting = 0
    if n_waiting:
        _update(network, optimiser, training)
    if not math.isfinite(total):
        raise FloatingPointError("the training loss is no longer a number. Try a lower rate")
    return total / n_seen, n_right / n_seen


def _update(network: nn.Module, optimiser: torch.optim.Optimizer, training: Training) -> None:
    if training.optimiser.clip_norm is not None:
        nn.utils.clip_grad_norm_(network.parameters(), training.optimiser.clip_norm)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def _optimiser(network: nn.Module, told: Optimiser) -> torch.optim.Optimizer:
    free = [weight for weight in network.parameters() if weight.requires_grad]
    if told.kind == "sgd":
        return torch.optim.SGD(free, lr=told.rate, momentum=told.momentum, weight_decay=told.weight_decay)
    kind = torch.optim.Adam if told.kind == "adam" else torch.optim.AdamW
    return kind(free, lr=told.rate, betas=(told.betas[0], told.betas[1]), weight_decay=told.weight_decay)


def _set_rate(optimiser: torch.optim.Optimizer, told: Optimiser, epoch: int) -> None:
    halvings = (epoch - 1) // told.halve_every if told.halve_every else 0
    for group in optimiser.param_groups:
        group["lr"] = told.rate * 0.5**halvings


def _loader(examples: Examples, batch: int, n_workers: int, *, order: torch.Generator | None = None) -> DataLoader[Any]:
    """Batches; shuffled by `order` for a training."""
    dataset = _AsDataset(examples)
    return DataLoader(
        dataset,
        batch_size=batch,
        sampler=None if order is None else RandomSampler(dataset, generator=order),
        # The loader draws seeds for its workers: from the order's generator, their number would change the order.
        generator=torch.Generator(),
        num_workers=n_workers,
        collate_fn=_together,
        persistent_workers=n_workers > 0,
    )


def _together(rows: Sequence[tuple[torch.Tensor, int, float]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A batch: shorter rows filled with zeros, and how many frames of each count."""
    arrays, lengths, labels = zip(*rows, strict=True)
    inputs = torch.zeros(len(arrays), max(lengths), *arrays[0].shape[1:], dtype=arrays[0].dtype)
    for place, array in zip(inputs, arrays, strict=True):
        place[: len(array)] = array
    return inputs, torch.tensor(lengths, dtype=torch.int64), torch.tensor(labels, dtype=torch.float32)
