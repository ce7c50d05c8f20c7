"""Learns in which area of the world a place is filed, from where it lies. See README.md."""

import argparse
import math
import os
import random
import sys
import time
import zlib
from typing import Any, Dict, List, Optional

HERE = os.path.dirname(os.path.abspath(__file__))
try:
    import resus
except ImportError:  # Not installed: the copy of this repository.
    sys.path.append(os.path.join(HERE, "..", "..", "sdk", "python"))
    import resus

import checkpoint  # noqa: E402
import data  # noqa: E402
from model import Model  # noqa: E402

EXIT_FAILED = 1
EXIT_PERMANENT = 125


class Parser(argparse.ArgumentParser):
    """Bad flags are bad at the next attempt as well."""

    def error(self, message: str) -> Any:
        self.exit(EXIT_PERMANENT, "{}: {}\n".format(self.prog, message))


def flags(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    parser = Parser(prog="zones", description=__doc__)
    parser.add_argument("--epochs", type=at_least(1), default=40, help="passes over the data (40)")
    parser.add_argument("--seed", type=int, default=1, help="of split, weights and order (1)")
    parser.add_argument("--hidden", type=at_least(1), default=16, help="hidden units (16)")
    parser.add_argument("--batch", type=at_least(1), default=8, help="places per step (8)")
    parser.add_argument("--rate", type=float, default=0.05, help="learning rate (0.05)")
    parser.add_argument("--momentum", type=float, default=0.9, help="of SGD (0.9)")
    parser.add_argument("--step-ms", type=at_least(0), default=0, help="rest after each step (0)")
    parser.add_argument("--error-every", type=at_least(1), help="skip and report each N-th place (none)")
    parser.add_argument("--crash-at-epoch", type=at_least(1), help="raise when this epoch begins (never)")
    parser.add_argument("--hang-at-epoch", type=at_least(1), help="spin when this epoch begins (never)")
    parser.add_argument("--fault-times", type=at_least(0), help="only so many attempts crash or hang (all)")
    parser.add_argument("--checkpoint-dir", help="folder for checkpoints (PULSE_CHECKPOINT_DIR)")
    return parser.parse_args(arguments)


def at_least(least: int) -> Any:
    def whole(text: str) -> int:
        number = int(text)
        if number < least:
            raise argparse.ArgumentTypeError("expected at least {}".format(least))
        return number

    return whole


class Training:
    """All the state of a training; `step` says how far it is, between two steps."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.folder: Optional[str] = asked.checkpoint_dir or resus.checkpoint_dir()
        self.train, self.held_out = data.split(data.load(), asked.seed)
        self.model = Model(asked.hidden, len(data.AREAS), asked.seed)
        self.steps_per_epoch = -(-len(self.train) // asked.batch)
        self.steps = asked.epochs * self.steps_per_epoch
        self.step = 0
        self.loss_sum = 0.0  # Of the epoch that is under way, …
        self.trained = 0  # … over so many places.
        self.loss: Optional[float] = None  # Of the last whole epoch.
        # What a checkpoint has to agree with: all that decides the numbers, but not how far to go.
        names = ("seed", "hidden", "batch", "rate", "momentum", "error_every")
        self.settings: Dict[str, Any] = {name: getattr(asked, name) for name in names}

    def resume(self) -> None:
        """Goes on from what Resus verified, or begins where it says nothing: then it found none, or is not
        to use any. By hand, from the newest whole file of the folder."""
        path, body = resus.resume_from(), None
        if path is not None:
            body = self.load(path)
        elif self.folder and not resus.enabled():
            body = checkpoint.newest(self.folder, self.settings)
        if body is not None:
            self.model.restore(body["model"])
            self.step, self.loss = body["step"], body["loss"]
            self.loss_sum, self.trained = body["loss_sum"], body["trained"]

    def load(self, path: str) -> Dict[str, Any]:
        """What Resus says to go on from; ends the process, with the reason said, where that can't be."""
        try:
            return checkpoint.load(path, self.settings)
        except checkpoint.Mismatch as problem:
            resus.error(problem, "CHECKPOINT_VERSION_MISMATCH", fatal=True)
            sys.exit(EXIT_PERMANENT)
        except (ValueError, KeyError, TypeError) as problem:
            resus.error(problem, "CHECKPOINT_CORRUPT", fatal=True)
            sys.exit(EXIT_FAILED)

    def save(self, results: Optional[Dict[str, float]] = None) -> Optional[bool]:
        """Saves and announces, for `resus.point` as well: `False` where there is no folder to save in."""
        if not self.folder:
            return False
        body = {
            "step": self.step, "model": self.model.state(), "loss": self.loss,
            "loss_sum": self.loss_sum, "trained": self.trained,
        }  # fmt: skip
        path = checkpoint.save(self.folder, self.settings, body, prune=not resus.enabled())
        loss = self.loss_sum / self.trained if self.trained else self.loss
        resus.checkpoint(
            path, self.step, epoch=self.step / self.steps_per_epoch, loss=loss,
            metrics=self.results() if results is None else results,
        )  # fmt: skip
        return None

    def one_step(self) -> None:
        """Trains on the next batch, and looks at the result where an epoch ends."""
        epoch, within = divmod(self.step, self.steps_per_epoch)
        if within == 0:
            self.misbehave(epoch + 1)
        order = list(range(len(self.train)))
        random.Random("order {} {}".format(self.asked.seed, epoch)).shuffle(order)
        start = within * self.asked.batch
        rows = order[start : start + self.asked.batch]
        seen = epoch * len(order) + start
        batch = [self.train[row] for number, row in enumerate(rows, seen + 1) if not self.is_bad(number, row)]
        if batch:
            self.loss_sum += self.model.train(batch, self.asked.rate, self.asked.momentum)
            self.trained += len(batch)
        if not math.isfinite(self.loss_sum):
            # Nothing of this state is saved: no checkpoint of ours has a number that is not finite.
            raise FloatingPointError("loss is {} at step {}".format(self.loss_sum, self.step))
        self.step += 1
        if within + 1 == self.steps_per_epoch:
            self.end_epoch(epoch + 1)

    def is_bad(self, number: int, row: int) -> bool:
        """Whether the `number`-th place that is looked at is to be skipped; it is reported then."""
        bad = self.asked.error_every is not None and number % self.asked.error_every == 0
        if bad:
            resus.error("place {} skipped, as asked".format(row), "APP_BAD_SAMPLE", retryable=True)
        return bad

    def misbehave(self, epoch: int) -> None:
        if self.asked.fault_times is not None and resus.attempt() > self.asked.fault_times:
            return
        if epoch == self.asked.crash_at_epoch:
            raise RuntimeError("asked to crash at epoch {}".format(epoch))
        while epoch == self.asked.hang_at_epoch:
            pass  # Alive, busy, and getting nowhere: only the heartbeat of the SDK goes on.

    def end_epoch(self, epoch: int) -> None:
        self.loss = self.loss_sum / max(self.trained, 1)
        self.loss_sum, self.trained = 0.0, 0
        results = self.results()
        resus.metric(results, loss=self.loss, step=self.step)
        print(
            "epoch {}/{} loss {:.4f} held-out {:.3f}".format(
                epoch, self.asked.epochs, self.loss, results["held_out_accuracy"]
            ),
            flush=True,
        )
        self.save(results)

    def results(self) -> Dict[str, float]:
        """How the state does on what it has not seen."""
        return {"held_out_accuracy": self.accuracy(), "held_out_loss": self.held_out_loss()}

    def accuracy(self) -> float:
        right = sum(self.model.predict(place.position) == place.area for place in self.held_out)
        return right / len(self.held_out)

    def held_out_loss(self) -> float:
        return sum(self.model.loss(place.position, place.area) for place in self.held_out) / len(
            self.held_out
        )

    def digest(self) -> str:
        """Of every bit of the weights."""
        return "{:08x}".format(zlib.crc32(repr(self.model.state()).encode("ascii")))


def work(training: Training) -> None:
    """All steps that are left, with what Resus asks for done between them."""
    first, rest_ms = training.step, training.asked.step_ms
    while training.step < training.steps:
        resus.point(training.save, step=training.step)
        rest_ms = resus.take_settings().get("step_ms", rest_ms)
        training.one_step()
        resus.progress(
            training.step / training.steps_per_epoch, total_epochs=training.asked.epochs, unit="step",
            step=training.step, total_steps=training.steps, session_start=first, loss=training.loss,
        )  # fmt: skip
        if rest_ms:
            time.sleep(rest_ms / 1000)


def main(arguments: Optional[List[str]] = None) -> Training:
    training = Training(flags(arguments))
    with resus.run(total_epochs=training.asked.epochs):
        training.resume()
        work(training)
        accuracy, majority = training.accuracy(), data.majority_accuracy(training.train, training.held_out)
        message = "held-out accuracy {:.3f}, majority class {:.3f}, digest {}".format(
            accuracy, majority, training.digest()
        )
        print(message, flush=True)
        resus.complete(
            final_loss=training.loss, epochs_completed=training.asked.epochs, message=message,
            metrics={"held_out_accuracy": accuracy, "majority_accuracy": majority},
        )  # fmt: skip
    return training


if __name__ == "__main__":
    main()
