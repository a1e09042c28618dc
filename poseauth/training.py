"""Teaching a profile's network: from labelled windows to weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from poseauth.arrays import Float32Array, Int32Array
from poseauth.features import FEATURES
from poseauth.inference import PERSON
from poseauth.models import WindowLSTM, log_odds, window_log_odds
from poseauth.recipes import Recipe


@dataclass(frozen=True, eq=False)
class LabelledWindows:
    """Windows and whose they are.

    Attributes
    ----------
    windows : np.ndarray [shape=(N, 150, P, 2)], float32
        Pixels, NaN where missing.
    classes : np.ndarray [shape=(N,)], int32
        0 = the person to learn; 1, 2, ... = other people.
    """

    windows: Float32Array
    classes: Int32Array

    def __post_init__(self) -> None:
        """Check that both sides are there."""
        if len(self.windows) != len(self.classes):
            raise ValueError(f"{len(self.windows)} windows with {len(self.classes)} labels")

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def has_both_sides(self) -> bool:
        """Whether the person and somebody else are in it."""
        return bool((self.classes == PERSON).any() and (self.classes != PERSON).any())


@dataclass(frozen=True)
class Epoch:
    """What one pass over the windows came to; accuracies of windows, 0 to 1."""

    number: int
    n_epochs: int
    loss: float
    accuracy: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None


@dataclass(frozen=True, eq=False)
class Trained:
    """A taught network and how it came about: `best_epoch` is the one whose weights it has."""

    model: WindowLSTM
    history: tuple[Epoch, ...]
    best_epoch: int


def train(
    examples: LabelledWindows,
    recipe: Recipe,
    *,
    validation: LabelledWindows | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Trained:
    """Teach a network to tell class 0 from all others.

    Where there is `validation`, the weights are those of the epoch with the best accuracy on it (at a tie the lower
    loss); else those of the last. The scaler is fitted on `examples` alone.

    Parameters
    ----------
    examples : LabelledWindows
        What is learnt from; both sides are needed.
    recipe : Recipe
        Architecture and options.
    validation : LabelledWindows
        Windows of other videos.
    seed : int
        Decides first weights, order and dropout; torch's own generator is left as it was.
    device : torch.device or str
        Where to compute.
    on_epoch : callable
        Told of every epoch as it ends.

    Raises
    ------
    ValueError
        If one side is missing.
    FloatingPointError
        If the loss is no longer a number.
    """
    if not examples.has_both_sides:
        raise ValueError("windows of the person and of somebody else are needed")
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        return _train(examples, recipe, validation, seed, torch.device(device), on_epoch)


def count_epochs(n_windows: int, recipe: Recipe) -> int:
    """Epochs that a recipe comes to with so many windows: more where they are few."""
    steps = math.ceil(n_windows / recipe.training.batch_size)
    return max(recipe.training.epochs, math.ceil(recipe.training.min_steps / steps))


def _train(
    examples: LabelledWindows,
    recipe: Recipe,
    validation: LabelledWindows | None,
    seed: int,
    device: torch.device,
    on_epoch: Callable[[Epoch], None] | None,
) -> Trained:
    options, n_classes = recipe.training, int(examples.classes.max()) + 1
    encode = FEATURES[recipe.architecture.features]
    features = torch.from_numpy(encode(examples.windows)).to(device)
    classes = torch.from_numpy(examples.classes.astype(np.int64)).to(device)
    model = WindowLSTM(recipe.architecture, n_classes).to(device)
    if recipe.architecture.features != "zscore":  # z-scores are scaled already, window by window
        _fit_scaler(model, features)
    class_weights = _class_weights(examples.classes, n_classes, balanced=options.balanced).to(device)
    n_epochs = count_epochs(len(examples), recipe)
    optimiser = torch.optim.Adam(model.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _rate(options.halve_every, n_epochs))
    order = np.random.default_rng(seed)
    history: list[Epoch] = []
    best: tuple[float, float] | None = None
    best_epoch, best_state = n_epochs, None
    for number in range(1, n_epochs + 1):
        loss, accuracy = _one_epoch(
            model, optimiser, features, classes, class_weights, _batches(len(examples), options.batch_size, order),
            options.clip_norm,
        )  # fmt: skip
        schedule.step()
        held_out = _validate(model, validation) if validation is not None else (None, None)
        history.append(Epoch(number, n_epochs, loss, accuracy, *held_out))
        if on_epoch:
            on_epoch(history[-1])
        if held_out[0] is None or held_out[1] is None:
            continue
        key = (held_out[1], -held_out[0])
        if best is None or key > best:
            best, best_epoch = key, number
            best_state = {name: value.detach().clone() for name, value in model.state_dict().items()}
    if best_state is not None:
        model.load_state_dict(best_state)
    return Trained(model.eval(), tuple(history), best_epoch)


def _fit_scaler(model: WindowLSTM, features: torch.Tensor) -> None:
    flat = features.reshape(-1, features.shape[-1])
    # Of a hand that nobody shows nothing is known: it counts as 0, whatever it is scaled by.
    mean = torch.nan_to_num(flat.nanmean(dim=0))
    model.feature_mean.copy_(mean)
    n_known = torch.isfinite(flat).sum(dim=0)
    scale = torch.sqrt(torch.nansum((flat - mean) ** 2, dim=0) / (n_known - 1).clamp(min=1))
    model.feature_scale.copy_(torch.where(scale > 1e-6, scale, torch.ones_like(scale)))


def _class_weights(classes: Int32Array, n_classes: int, *, balanced: bool) -> torch.Tensor:
    """Weight of a window of each class: the person weighs as much as all others together, each other alike."""
    if not balanced:
        return torch.ones(n_classes)
    counts = np.bincount(classes, minlength=n_classes).astype(np.float64)
    share = np.full(n_classes, 0.5 / max(int((counts[1:] > 0).sum()), 1))
    share[PERSON] = 0.5
    weights = np.divide(share * len(classes), counts, out=np.zeros(n_classes), where=counts > 0)
    return torch.from_numpy(weights.astype(np.float32))


def _rate(halve_every: int | None, n_epochs: int) -> Callable[[int], float]:
    if halve_every:
        return lambda epoch: 0.5 ** (epoch // halve_every)
    return lambda epoch: 0.5 * (1 + math.cos(math.pi * epoch / n_epochs))


def _batches(n_windows: int, batch_size: int, order: np.random.Generator) -> Iterator[torch.Tensor]:
    shuffled = torch.from_numpy(order.permutation(n_windows))
    yield from torch.split(shuffled, batch_size)


def _one_epoch(
    model: WindowLSTM,
    optimiser: torch.optim.Optimizer,
    features: torch.Tensor,
    classes: torch.Tensor,
    class_weights: torch.Tensor,
    batches: Iterator[torch.Tensor],
    clip_norm: float,
) -> tuple[float, float]:
    """One pass; gives mean loss and accuracy over its windows."""
    model.train()
    total_loss, n_right, n_windows = 0.0, 0, 0
    for rows in batches:
        target = classes[rows]
        logits = model(features[rows])
        losses = _losses(logits, target)
        loss = (losses * class_weights[target]).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        optimiser.step()
        total_loss += float(losses.detach().sum())
        n_right += int(((log_odds(logits.detach()) > 0) == (target == PERSON)).sum())
        n_windows += len(rows)
    if not math.isfinite(total_loss):
        raise FloatingPointError("the training loss is no longer a number; try a lower learning rate")
    return total_loss / n_windows, n_right / n_windows


def _losses(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    if logits.shape[1] == 1:
        return nn.functional.binary_cross_entropy_with_logits(
            logits[:, 0], (target == PERSON).float(), reduction="none"
        )
    return nn.functional.cross_entropy(logits, target, reduction="none")


def _validate(model: WindowLSTM, validation: LabelledWindows) -> tuple[float, float]:
    """Loss and accuracy of person against rest on held-out windows, both sides weighing alike."""
    model.eval()
    is_person = torch.from_numpy(validation.classes == PERSON)
    odds = window_log_odds(model, validation.windows)
    losses = nn.functional.binary_cross_entropy_with_logits(odds, is_person.float(), reduction="none")
    right = (odds > 0) == is_person
    sides = [side for side in (is_person, ~is_person) if bool(side.any())]
    loss = sum(float(losses[side].mean()) for side in sides) / len(sides)
    accuracy = sum(float(right[side].float().mean()) for side in sides) / len(sides)
    return loss, accuracy
