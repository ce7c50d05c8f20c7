"""The trainer: what it learns, and that no interruption changes it."""

import contextlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SDK = os.path.join(HERE, "..", "..", "sdk", "python")
sys.path[:0] = [HERE, SDK]

import checkpoint  # noqa: E402
import data  # noqa: E402
import resus  # noqa: E402
import train  # noqa: E402
from model import Model  # noqa: E402

# Longer than any machine needs; only a test that fails waits for it.
PATIENCE_S = 60
EPOCHS = 5
SMALL = ["--epochs", str(EPOCHS), "--hidden", "4"]


class ZonesCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.checkpoints = os.path.join(self.folder, "checkpoints")
        self.out = io.StringIO()
        before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PULSE_")}
        self.addCleanup(os.environ.update, before)

    def play(self, *arguments):
        with contextlib.redirect_stdout(self.out):
            return train.main([*SMALL, *arguments])

    def result(self, *arguments):
        training = self.play(*arguments)
        return training.digest(), training.loss, training.accuracy()


class Learning(ZonesCase):
    def test_it_learns_far_more_than_the_majority_class(self):
        for seed in ("1", "2"):
            training = self.play("--epochs", "25", "--hidden", "16", "--seed", seed)
            majority = data.majority_accuracy(training.train, training.held_out)
            self.assertGreater(training.accuracy(), majority + 0.3)
            self.assertLess(majority, 0.5)

    def test_no_place_is_both_trained_on_and_held_out(self):
        places = data.load()
        learned, held_out = data.split(places, 1)
        self.assertEqual(sorted(learned + held_out), sorted(places))
        self.assertEqual((len(places), len(held_out)), (418, 84))

    def test_a_place_lies_where_its_row_says(self):
        x, y, z = data.place(["XX", "+0000+09000", "Asia/Nowhere"]).position
        self.assertAlmostEqual(x, 0)
        self.assertAlmostEqual(y, 1)
        self.assertAlmostEqual(data.place(["XX", "-900000+0000000", "Antarctica/Pole"]).position[2], -1)
        self.assertAlmostEqual(data.degrees(("-", "12", "30", "36")), -12.51)
        for row in ([], ["XX", "0000", "Asia/X"], ["XX", "+0000+00000", "Moon/X"]):
            with self.assertRaises(ValueError):
                data.place(row)

    def test_the_gradient_is_that_of_the_loss(self):
        model, position, label, tiny = Model(3, 4, seed=1), (0.3, -0.5, 0.8), 2, 1e-6
        slopes = [[[0.0] * len(row) for row in matrix] for matrix in (model.w1, model.w2)]
        model._backward(position, label, *slopes)
        for matrix, slope in zip((model.w1, model.w2), slopes):
            for row, slope_row in zip(matrix, slope):
                for index in range(len(row)):
                    kept = row[index]
                    row[index] = kept + tiny
                    above = model.loss(position, label)
                    row[index] = kept - tiny
                    below = model.loss(position, label)
                    row[index] = kept
                    self.assertAlmostEqual(slope_row[index], (above - below) / (2 * tiny), places=6)

    def test_the_seed_decides_everything(self):
        self.assertEqual(self.result("--seed", "3"), self.result("--seed", "3"))
        self.assertNotEqual(self.result("--seed", "3")[0], self.result("--seed", "4")[0])


class Interruptions(ZonesCase):
    def test_a_crash_in_any_epoch_changes_no_bit(self):
        for extra in ((), ("--error-every", "7")):
            expected = self.result(*extra)
            for epoch in range(1, EPOCHS + 1):
                folder = os.path.join(self.folder, "{}-{}".format(epoch, len(extra)))
                where = ("--checkpoint-dir", folder, *extra)
                with self.assertRaisesRegex(RuntimeError, "epoch {}".format(epoch)):
                    self.play("--crash-at-epoch", str(epoch), *where)
                self.assertEqual(self.result(*where), expected, epoch)

    def test_a_stop_between_any_two_steps_changes_no_bit(self):
        expected, real = self.result(), resus.point
        self.addCleanup(setattr, resus, "point", real)
        stopped = 0
        for stop_at in range(0, train.Training(train.flags(SMALL)).steps, 17):
            folder = os.path.join(self.folder, str(stop_at))

            def stop(save, step, stop_at=stop_at):
                if step == stop_at:
                    save()
                    raise resus.Stop(0)

            resus.point = stop
            with self.assertRaises(resus.Stop):
                self.play("--checkpoint-dir", folder)
            resus.point = real
            self.assertEqual(self.result("--checkpoint-dir", folder), expected, stop_at)
            stopped += 1
        self.assertGreater(stopped, 5)

    def test_a_finished_training_has_nothing_left_to_do(self):
        first = self.result("--checkpoint-dir", self.checkpoints)
        self.assertEqual(self.result("--checkpoint-dir", self.checkpoints), first)


class Checkpoints(ZonesCase):
    def saved(self):
        self.play("--checkpoint-dir", self.checkpoints)
        return checkpoint._newest_first(self.checkpoints)

    def test_only_the_newest_are_kept_and_no_temporary_file(self):
        paths = self.saved()
        self.assertEqual(sorted(os.listdir(self.checkpoints)), sorted(map(os.path.basename, paths)))
        self.assertEqual(len(paths), checkpoint.KEPT)

    def test_a_damaged_file_is_skipped_for_an_older_one(self):
        settings = train.Training(train.flags(SMALL)).settings
        newest, older, _ = self.saved()
        with open(newest, "rb") as file:
            whole = file.read()
        expected = checkpoint.load(older, settings)["step"]
        for at in range(0, len(whole), 97):
            for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
                with open(newest, "wb") as file:
                    file.write(damaged)
                with contextlib.redirect_stdout(self.out):
                    self.assertEqual(checkpoint.newest(self.checkpoints, settings)["step"], expected, at)

    def test_a_checkpoint_of_other_settings_is_not_taken(self):
        first = self.saved()[0]
        other = train.Training(train.flags([*SMALL, "--seed", "9"])).settings
        with contextlib.redirect_stdout(self.out):
            self.assertIsNone(checkpoint.newest(self.checkpoints, other))
        os.environ["PULSE_RESUME_FROM"] = first
        self.addCleanup(os.environ.pop, "PULSE_RESUME_FROM")
        with self.assertRaises(SystemExit) as left:
            self.play("--seed", "9")
        self.assertEqual(left.exception.code, 125)

    def test_what_resus_says_to_resume_from_goes_first(self):
        oldest = self.saved()[-1]
        os.environ["PULSE_RESUME_FROM"] = oldest
        self.addCleanup(os.environ.pop, "PULSE_RESUME_FROM")
        training = train.Training(train.flags([*SMALL, "--checkpoint-dir", self.checkpoints]))
        training.resume()
        self.assertIn("{:09d}".format(training.step), oldest)

    def test_numbers_that_are_not_finite_end_the_attempt_and_are_in_no_checkpoint(self):
        with self.assertRaises(FloatingPointError):
            self.play("--rate", "1e308", "--checkpoint-dir", self.checkpoints)
        self.assertFalse(os.path.exists(self.checkpoints))
        body = {"step": 7, "model": {"w1": [[float("inf")]]}}
        with self.assertRaises(FloatingPointError):
            checkpoint.save(self.checkpoints, {}, body, prune=True)
        self.assertEqual(os.listdir(self.checkpoints), [])


class Worker(ZonesCase):
    """The trainer as a process of its own, under the worker contract."""

    def start(self, *arguments, **environ):
        self.events = os.path.join(self.folder, "events.jsonl")
        given = {name: value for name, value in os.environ.items() if not name.startswith(("RESUS_", "RANK"))}
        given.update(
            PULSE_EVENTS=self.events, PULSE_ATTEMPT="1", PULSE_TRAINING_ID="run-1",
            PULSE_CHECKPOINT_DIR=self.checkpoints, PYTHONDONTWRITEBYTECODE="1",
        )  # fmt: skip
        given.update(environ)
        command = [sys.executable, os.path.join(HERE, "train.py"), *SMALL, *arguments]
        process = subprocess.Popen(
            command, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/"
        )
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def finish(self, process):
        out, errors = process.communicate(timeout=PATIENCE_S)
        return process.returncode, out.decode(), errors.decode()

    def said(self, event_type):
        if not os.path.exists(self.events):
            return []
        with open(self.events) as file:
            lines = [json.loads(line) for line in file if line.endswith("\n")]
        return [line["payload"] for line in lines if line["event_type"] == event_type]

    def wait_for(self, condition):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            self.assertLess(time.monotonic(), end, "waited in vain")
            time.sleep(0.002)

    def test_a_whole_training_says_how_it_ended(self):
        code, out, errors = self.finish(self.start())
        self.assertEqual((code, errors), (0, ""))
        complete = self.said("run_complete")
        self.assertEqual([payload["status"] for payload in complete], ["success"])
        self.assertIn(complete[0]["message"], out)
        self.assertEqual(self.said("progress")[-1]["epoch"], EPOCHS)

    def test_every_checkpoint_is_announced_with_its_figures_and_left_for_resus_to_prune(self):
        self.finish(self.start())
        said, steps = self.said("checkpoint"), train.Training(train.flags(SMALL)).steps_per_epoch
        self.assertEqual([payload["step"] for payload in said], [steps * n for n in range(1, EPOCHS + 1)])
        self.assertEqual([payload["epoch"] for payload in said], list(range(1, EPOCHS + 1)))
        for payload in said:
            self.assertEqual(payload["health"], "finite")
            self.assertEqual(set(payload["metrics"]), {"held_out_accuracy", "held_out_loss"})
        self.assertLess(said[-1]["loss"], said[0]["loss"])
        kept = sorted(os.path.join(self.checkpoints, name) for name in os.listdir(self.checkpoints))
        self.assertEqual([payload["path"] for payload in said], kept)

    def test_where_resus_names_no_checkpoint_it_begins_anew(self):
        self.finish(self.start("--crash-at-epoch", "3"))
        self.assertEqual(len(self.said("checkpoint")), 2)
        os.remove(self.events)
        self.assertEqual(self.finish(self.start())[0], 0)
        self.assertEqual({payload["session_start"] for payload in self.said("progress")}, {0.0})

    def test_a_loss_that_is_not_finite_is_told_as_such(self):
        self.assertEqual(self.finish(self.start("--rate", "1e308"))[0], 1)
        self.assertEqual([payload["error_code"] for payload in self.said("error")], ["NAN_LOSS"])
        self.assertEqual(self.said("checkpoint"), [])

    def test_a_killed_worker_goes_on_to_the_same_end(self):
        expected = self.result()[0]
        process = self.start("--step-ms", "2")
        self.wait_for(lambda: self.said("checkpoint"))
        process.kill()
        process.communicate()
        code, out, _ = self.finish(self.start(PULSE_RESUME_FROM=self.said("checkpoint")[-1]["path"]))
        self.assertEqual(code, 0)
        self.assertIn("digest " + expected, out)

    def test_sigterm_saves_and_the_next_attempt_goes_on_from_that_very_step(self):
        expected = self.result()[0]
        process = self.start("--step-ms", "5")
        self.wait_for(lambda: self.said("progress"))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(process)[0], 0)
        self.assertEqual([payload["status"] for payload in self.said("run_complete")], ["cancelled"])
        newest = self.said("checkpoint")[-1]
        saved = newest["step"]
        code, out, _ = self.finish(self.start(PULSE_RESUME_FROM=newest["path"]))
        self.assertIn("digest " + expected, out)
        resumed = [p["session_start"] for p in self.said("progress") if p["session_start"]]
        self.assertEqual(set(resumed), {float(saved)})

    def test_a_supervisor_pauses_resumes_and_releases(self):
        path = os.path.join(self.folder, "control")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(listener.close)
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(PATIENCE_S)
        process = self.start("--step-ms", "5", PULSE_CONTROL=path)
        worker = listener.accept()[0]
        self.addCleanup(worker.close)

        def statuses():
            return [payload["status"] for payload in self.said("status")]

        worker.sendall(b'{"cmd":"checkpoint"}\n')
        self.wait_for(lambda: self.said("checkpoint"))
        worker.sendall(b'{"cmd":"pause"}\n')
        self.wait_for(lambda: statuses()[-1] == "paused")
        worker.sendall(b'{"cmd":"resume"}\n')
        self.wait_for(lambda: statuses()[-1] == "running")
        worker.sendall(b'{"cmd":"pause","release":true}\n')
        self.assertEqual(self.finish(process)[0], 3)
        self.assertEqual(statuses(), ["running", "paused", "running", "paused"])
        self.assertTrue(all(os.path.isabs(payload["path"]) for payload in self.said("checkpoint")))

    def test_errors_crashes_and_bad_flags_are_told(self):
        code, _, errors = self.finish(self.start("--error-every", "50", "--crash-at-epoch", "3"))
        self.assertEqual(code, 1)
        self.assertIn("asked to crash at epoch 3", errors)
        codes = [payload["error_code"] for payload in self.said("error")]
        self.assertEqual(codes, ["APP_BAD_SAMPLE"] * 13 + ["APP_RUNTIME_ERROR"])
        code, _, errors = self.finish(self.start("--epochs", "0"))
        self.assertEqual((code, "expected at least 1" in errors), (125, True))

    def test_only_so_many_attempts_fail(self):
        flags = ("--crash-at-epoch", "2", "--fault-times", "1")
        self.assertEqual(self.finish(self.start(*flags))[0], 1)
        self.assertEqual(self.finish(self.start(*flags, PULSE_ATTEMPT="2"))[0], 0)

    def test_a_hang_is_alive_and_gets_nowhere(self):
        process = self.start("--hang-at-epoch", "2")
        self.wait_for(lambda: any(payload["epoch"] == 1 for payload in self.said("progress")))
        process.terminate()  # A loop that spins does not look at what it is asked.
        self.assertIsNone(process.poll())
        self.assertEqual(self.said("run_complete"), [])


if __name__ == "__main__":
    unittest.main()
