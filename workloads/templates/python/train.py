"""Fits a cubic to noisy points by gradient descent. Replace it by your own training.

What makes it one that survives is marked: (1) it goes on from its checkpoint, (2) it saves one whole
file under a new name and announces it, (3) it has a safe point between steps. The same seed learns the
same weights, however often it is killed on the way.
"""

import argparse
import json
import os
import random
import sys
import time

import resus  # The file beside this one: plain Python, does nothing outside Resus.

NOISE = 0.1
TRUTH = (0.5, -1.0, 2.0, -1.5)
EXIT_PERMANENT = 125  # Resus does not try again what is bound to fail.


def flags():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--checkpoint-every", type=int, default=250)
    parser.add_argument("--step-ms", type=int, default=2)
    return parser.parse_args()


def predict(weights, x):
    return sum(weight * x**power for power, weight in enumerate(weights))


def points(seed, count):
    """Points of the true curve with noise on them."""
    source = random.Random(seed)
    xs = [source.uniform(-1, 1) for _ in range(count)]
    return [(x, predict(TRUTH, x) + source.gauss(0, NOISE)) for x in xs]


def error(weights, of):
    """The mean squared error."""
    return sum((predict(weights, x) - y) ** 2 for x, y in of) / len(of)


class Training:
    def __init__(self, asked):
        self.asked = asked
        self.train = points("train {}".format(asked.seed), 400)
        self.held_out = points("held out {}".format(asked.seed), 200)
        self.weights = [0.0] * len(TRUTH)
        self.step = 0
        self.folder = resus.checkpoint_dir() or "checkpoints"

    def settings(self):
        """All that decides the numbers: a checkpoint of other settings is another training's."""
        return {"seed": self.asked.seed, "rate": self.asked.rate}

    def resume(self):
        """(1) Resus hands over the newest checkpoint of which every byte is as it was saved."""
        path = resus.resume_from()
        if path is None:
            return
        with open(path, encoding="ascii") as file:
            saved = json.load(file)
        if saved["settings"] != self.settings():
            print("the checkpoint is of other settings: {}".format(saved["settings"]), file=sys.stderr)
            sys.exit(EXIT_PERMANENT)
        self.step, self.weights = saved["step"], saved["weights"]

    def save(self):
        """(2) Whole or absent: written beside, synced, renamed; then announced."""
        os.makedirs(self.folder, exist_ok=True)
        path = os.path.join(self.folder, "step-{:09d}.json".format(self.step))
        state = {"step": self.step, "weights": self.weights, "settings": self.settings()}
        with open(path + ".tmp", "w", encoding="ascii") as file:
            json.dump(state, file, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(path + ".tmp", path)
        resus.checkpoint(path, self.step, loss=error(self.weights, self.train))

    def one_step(self):
        """One step down the gradient of a few points, the same ones for the same step."""
        batch = random.Random("{} {}".format(self.asked.seed, self.step)).sample(self.train, 16)
        slope = [0.0] * len(self.weights)
        for x, y in batch:
            off = predict(self.weights, x) - y
            for power in range(len(slope)):
                slope[power] += 2 * off * x**power / len(batch)
        self.weights = [weight - self.asked.rate * down for weight, down in zip(self.weights, slope)]
        self.step += 1


def main():
    training = Training(flags())
    with resus.run() as run:
        training.resume()
        # (3) Before each step it is safe to pause, to save and to stop; `steps` asks and says progress.
        for _ in run.steps(training.asked.steps, first=training.step, save=training.save):
            training.one_step()
            if training.step % training.asked.checkpoint_every == 0:
                loss = error(training.weights, training.held_out)
                run.metric(loss=error(training.weights, training.train), held_out=loss, step=training.step)
                print("step {} held-out error {:.4f}".format(training.step, loss), flush=True)
                training.save()
            time.sleep(training.asked.step_ms / 1000)
        loss = error(training.weights, training.held_out)
        message = "held-out error {:.4f}; the noise alone is {:.4f}".format(loss, NOISE**2)
        print(message, flush=True)
        resus.complete(message=message, metrics={"held_out": loss})


if __name__ == "__main__":
    main()
