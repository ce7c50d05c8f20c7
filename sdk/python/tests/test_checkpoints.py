"""What is said of checkpoints, whatever they are made of."""

import decimal
import math
import os
import pathlib
import unittest
import zipfile

from contract import violations
from frameworks import SHAPES
from support import WorkerCase, resus

TRAINER = """
import os, sys
sys.path.insert(0, {tests!r})
from frameworks import SHAPES

shape = next(shape for shape in SHAPES if shape.__name__ == sys.argv[1])
folder = sys.argv[2]
weights = shape.read(resus.resume_from()) if resus.resume_from() else [0.0]
os.makedirs(folder, exist_ok=True)
with resus.run() as run:
    for step in run.steps(20, first=len(weights) - 1):
        weights.append(weights[-1] / 2 + step)
        if len(weights) == 14 and resus.attempt() == 1:
            os._exit(9)  # As if killed: nothing more is said.
        if len(weights) % 5 == 0:
            path = os.path.join(folder, "step-{{}}{{}}".format(len(weights) - 1, shape.ending))
            shape.write(os.path.join(folder, "new"), weights)
            os.rename(os.path.join(folder, "new"), path)
            run.checkpoint(path, len(weights) - 1, loss=1 / len(weights))
    resus.complete(metrics={{"weight": weights[-1]}})
"""


class Shapes(WorkerCase):
    """Files and folders of other frameworks, announced and handed back."""

    def attempt(self, shape, number, folder, resume_from=""):
        script = TRAINER.format(tests=os.path.dirname(os.path.abspath(__file__)))
        environ = {"PULSE_ATTEMPT": str(number), "PULSE_RESUME_FROM": resume_from}
        return self.run_script(script, shape.__name__, folder, **environ)

    def told(self, event_type):
        """What the attempts said; this process itself says nothing, for one of both only may speak."""
        return [line["payload"] for line in self.lines() if line["event_type"] == event_type]

    def end(self):
        metrics = self.told("run_complete")[-1]["metrics"]
        os.remove(self.events)
        return metrics

    def test_a_run_that_is_killed_goes_on_from_what_it_announced_to_the_same_end(self):
        for shape in SHAPES:
            with self.subTest(shape.__name__):
                self.assertEqual(self.attempt(shape, 2, "quiet" + shape.__name__), 0)
                expected = self.end()
                self.assertEqual(self.attempt(shape, 1, shape.__name__), 9)
                said = self.told("checkpoint")
                self.assertEqual(
                    [(one["step"], one["health"]) for one in said], [(4, "finite"), (9, "finite")]
                )
                self.assertEqual([violations(line) for line in self.lines()], [[]] * len(self.lines()))
                self.assertEqual(len(shape.read(said[-1]["path"])), 10)
                self.assertEqual(self.attempt(shape, 2, shape.__name__, said[-1]["path"]), 0)
                self.assertEqual(self.told("progress")[-1]["session_start"], 9.0)
                self.assertEqual(self.end(), expected)

    def test_a_writer_that_is_cut_off_leaves_nothing_that_reads_as_whole(self):
        for shape in SHAPES:
            path = os.path.join(self.folder, "cut" + shape.__name__)
            shape.write(path, [0.5] * 50)
            torn = path if os.path.isfile(path) else os.path.join(path, "model.safetensors")
            os.truncate(torn, os.path.getsize(torn) - 8)
            with self.assertRaises((ValueError, zipfile.BadZipFile), msg=shape.__name__):
                shape.read(path)


class Said(WorkerCase):
    def one(self, *args, **kwargs):
        resus.checkpoint(*args, **kwargs)
        return self.said("checkpoint")[-1]

    def test_any_way_to_name_a_place_is_said_as_an_absolute_path(self):
        expected = os.path.join(os.getcwd(), "ck", "step-7.pt")
        for path in ("ck/step-7.pt", b"ck/step-7.pt", pathlib.Path("ck") / "step-7.pt", "./ck//step-7.pt/"):
            payload = self.one(path)
            self.assertEqual((payload["path"], payload["checkpoint_id"]), (expected, "step-7"))
        self.assertEqual(resus.lost(), 0)

    def test_checkpoints_of_different_names_have_different_ids(self):
        names = ["epoch-1.5", "epoch-1.6", "loss-0.25.ckpt", "loss-0.5.ckpt", "checkpoint-500", ".hidden"]
        said = [self.one("/ck/" + name)["checkpoint_id"] for name in names]
        self.assertEqual(
            said, ["epoch-1.5", "epoch-1.6", "loss-0.25", "loss-0.5", "checkpoint-500", ".hidden"]
        )
        self.assertEqual(self.one("/ck/7.pt", checkpoint_id="seven")["checkpoint_id"], "seven")

    def test_a_place_that_cannot_be_said_is_lost_and_counted(self):
        for path in (b"/ck/\xff", "/ck/\0", "/" + "x" * 5000, 7, None):
            resus.checkpoint(path)
        self.assertEqual((self.said("checkpoint"), resus.lost()), ([], 5))

    def test_a_finite_loss_makes_it_healthy_and_its_figures_are_said(self):
        payload = self.one("/ck/7", 7, loss=decimal.Decimal("0.5"), metrics={"auc": 0.9, "recall": None})
        self.assertEqual(
            (payload["health"], payload["loss"], payload["metrics"]), ("finite", 0.5, {"auc": 0.9})
        )

    def test_a_loss_that_is_not_finite_makes_it_sick_whatever_else_is_said(self):
        for loss in (math.nan, math.inf, -math.inf):
            for health in (None, "finite", "not_finite"):
                payload = self.one("/ck/7", loss=loss, health=health)
                self.assertEqual((payload["health"], payload["loss"]), ("not_finite", None))
                payload = self.one("/ck/7", metrics={"loss": loss}, health=health)
                self.assertEqual((payload["health"], payload["metrics"]), ("not_finite", {"loss": None}))

    def test_who_has_looked_at_the_weights_says_so(self):
        self.assertEqual(self.one("/ck/7", health="not_finite", loss=0.5)["health"], "not_finite")
        self.assertEqual(self.one("/ck/7", health="finite")["health"], "finite")
        self.assertNotIn("health", self.one("/ck/7", health="splendid"))
        self.assertEqual(resus.lost(), 1)

    def test_another_metric_that_is_not_finite_is_no_illness(self):
        payload = self.one("/ck/7", loss=0.5, metrics={"auc": math.nan})
        self.assertEqual((payload["health"], payload["metrics"]), ("finite", {"auc": None}))

    def test_without_a_loss_of_its_own_the_newest_one_can_only_make_it_sick(self):
        self.assertNotIn("health", self.one("/ck/1"))
        resus.progress(step=1, loss=0.5)
        self.assertNotIn("health", self.one("/ck/2"))
        for report in (lambda loss: resus.progress(loss=loss), lambda loss: resus.metric(loss=loss)):
            report(math.nan)
            resus.metric(auc=0.5)
            self.assertEqual(self.one("/ck/3")["health"], "not_finite")
            self.assertEqual(self.one("/ck/4", health="finite")["health"], "finite")
            self.assertEqual(self.one("/ck/5", loss=0.5)["health"], "finite")
            report(0.5)
            self.assertNotIn("health", self.one("/ck/6"))

    def test_a_checkpoint_made_at_a_safe_point_is_announced_the_same_way(self):
        resus.metric(loss=math.inf)
        shim = self.shim()
        resus.status("running")
        shim.send({"cmd": "stop"})
        with self.assertRaises(resus.Stop):
            while True:
                resus.point(lambda: pathlib.Path("ck/9.pt"), step=9)
        payload = self.said("checkpoint")[-1]
        self.assertEqual((payload["step"], payload["health"]), (9, "not_finite"))
        self.assertEqual(payload["path"], os.path.abspath("ck/9.pt"))


if __name__ == "__main__":
    unittest.main()
