"""A network of one hidden layer with hand-written gradients, trained by SGD with momentum."""

import math
import random
from typing import Any, Dict, List, Sequence, Tuple

Matrix = List[List[float]]

INPUTS = 3


class Model:
    """`logits = W2 · [tanh(W1 · [x, 1]), 1]`; the last column of each matrix is its bias."""

    def __init__(self, hidden: int, classes: int, seed: int) -> None:
        draw = random.Random("weights {}".format(seed))
        self.w1 = _drawn(draw, hidden, INPUTS + 1)
        self.w2 = _drawn(draw, classes, hidden + 1)
        self.v1 = _zeros(self.w1)
        self.v2 = _zeros(self.w2)

    def state(self) -> Dict[str, Matrix]:
        """Everything that training changes; JSON keeps every bit of a float."""
        return {"w1": self.w1, "w2": self.w2, "v1": self.v1, "v2": self.v2}

    def restore(self, state: Dict[str, Any]) -> None:
        """Takes over what `state` gave. Raises `ValueError` for matrices of other shapes."""
        for name, mine in self.state().items():
            theirs = state.get(name)
            if not isinstance(theirs, list) or [len(row) for row in theirs] != [len(row) for row in mine]:
                raise ValueError("{} has another shape".format(name))
        self.w1, self.w2, self.v1, self.v2 = (
            [[float(value) for value in row] for row in state[name]] for name in ("w1", "w2", "v1", "v2")
        )

    def train(self, batch: Sequence[Tuple[Sequence[float], int]], rate: float, momentum: float) -> float:
        """One step of SGD on (position, class) pairs. Returns the sum of their losses before it."""
        g1, g2 = _zeros(self.w1), _zeros(self.w2)
        total = sum(self._backward(position, label, g1, g2) for position, label in batch)
        _step(self.w1, self.v1, g1, rate / len(batch), momentum)
        _step(self.w2, self.v2, g2, rate / len(batch), momentum)
        return total

    def predict(self, position: Sequence[float]) -> int:
        """The likeliest class."""
        _, logits = self._forward(position)
        return max(range(len(logits)), key=logits.__getitem__)

    def loss(self, position: Sequence[float], label: int) -> float:
        """Cross entropy, in nats."""
        return -math.log(max(_softmax(self._forward(position)[1])[label], 1e-300))

    def _forward(self, position: Sequence[float]) -> Tuple[List[float], List[float]]:
        inputs = [*position, 1.0]
        hidden = [math.tanh(_dot(row, inputs)) for row in self.w1] + [1.0]
        return hidden, [_dot(row, hidden) for row in self.w2]

    def _backward(self, position: Sequence[float], label: int, g1: Matrix, g2: Matrix) -> float:
        hidden, logits = self._forward(position)
        chances = _softmax(logits)
        inputs, back = [*position, 1.0], [0.0] * len(self.w1)
        for index, chance in enumerate(chances):
            slope = chance - (index == label)
            _add(g2[index], slope, hidden)
            _add(back, slope, self.w2[index])
        for index, slope in enumerate(back):
            _add(g1[index], slope * (1.0 - hidden[index] ** 2), inputs)
        return -math.log(max(chances[label], 1e-300))


def _drawn(draw: random.Random, rows: int, columns: int) -> Matrix:
    spread = 1.0 / math.sqrt(columns)
    return [[draw.uniform(-spread, spread) for _ in range(columns)] for _ in range(rows)]


def _zeros(like: Matrix) -> Matrix:
    return [[0.0] * len(row) for row in like]


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(left, right))


def _add(onto: List[float], factor: float, values: Sequence[float]) -> None:
    """Adds to the first `len(onto)` entries; the bias passes nothing back."""
    for index in range(len(onto)):
        onto[index] += factor * values[index]


def _step(weights: Matrix, speeds: Matrix, slopes: Matrix, rate: float, momentum: float) -> None:
    for row, speed, slope in zip(weights, speeds, slopes):
        for index in range(len(row)):
            speed[index] = momentum * speed[index] - rate * slope[index]
            row[index] += speed[index]


def _softmax(logits: Sequence[float]) -> List[float]:
    highest = max(logits)
    parts = [math.exp(value - highest) for value in logits]
    total = sum(parts)
    return [part / total for part in parts]
