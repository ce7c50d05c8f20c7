"""What is found in the file."""

import decimal
import math
import os
import threading
import unittest

from contract import EVENTS, violations
from support import WorkerCase, forget, resus


class Scalar:
    """A number the way numpy and torch have them: not a `float`, but with one in it."""

    def __init__(self, value):
        self.value = value

    def __float__(self):
        return self.value


class Hostile:
    """An object of which nothing can be had."""

    def __float__(self):
        raise RuntimeError("no number")

    __str__ = __repr__ = __len__ = __float__


class Beat(unittest.TestCase):
    def test_a_sign_of_life_is_due_twice_within_the_limit_and_at_least_every_ten_seconds(self):
        limits = ["2000000", "60000000", "1", "0", "-5", "soon", "", None]
        self.assertEqual([resus._beat_s(limit) for limit in limits], [1, 10, 0.1, 10, 10, 10, 10, 10])


def say_everything():
    resus.status("preparing", "loading")
    resus.stage("training")
    resus.stage("evaluation")
    resus.progress(
        1.5,
        total_epochs=3,
        step=15,
        total_steps=30,
        done=7,
        total=9,
        unit="game",
        session_start=2,
        loss=0.25,
        stage="training",
        current_target="a",
        message="fine",
    )
    resus.metric({"val/loss": 0.5}, step=15, lr=0.1)
    resus.heartbeat()
    resus.target_start("a", 0, 2)
    resus.target_complete(
        "a",
        "failed",
        index=0,
        total=2,
        best_auc=0.9,
        models_trained=4,
        duration_seconds=1.5,
        metrics={"auc": 0.9, "worst": math.nan},
    )
    resus.error("skipped", "APP_SAMPLE", retryable=True, target="a", details={"index": 7, "deep": [{"x": 1}]})
    resus.error(ValueError("bad"), fatal=True)
    resus.checkpoint(
        "ck/7.pt",
        7,
        loss=0.25,
        metrics={"auc": 0.9, "worst": math.nan},
        health="finite",
        epoch=0.5,
        checkpoint_id="seven",
        size_bytes=9,
        duration_s=0.1,
        digest="crc32:00",
    )
    resus.complete(
        final_loss=0.1, epochs_completed=3, duration_seconds=9, metrics={"acc": 0.9}, message="well"
    )
    resus.flush(60)


class Words(WorkerCase):
    def test_every_kind_of_line_keeps_the_contract(self):
        say_everything()
        lines = self.lines()
        self.assertEqual({line["event_type"] for line in lines}, set(EVENTS))
        for line in lines:
            self.assertEqual(violations(line), [], line)
        self.assertEqual(resus.lost(), 0)

    def test_the_table_of_the_contract_finds_what_is_wrong(self):
        good = {
            "event_type": "progress",
            "payload": {"unit": "step"},
            "timestamp": "2026-11-22T04:13:46.123Z",
        }
        self.assertEqual(violations(good), [])
        for wrong in (
            {"event_type": "dance"},
            {"payload": {}},
            {"payload": {"unit": "mile"}},
            {"payload": {"unit": "step", "loss": math.nan}},
            {"payload": {"unit": "step", "stage": "x" * 257}},
            {"payload": {"unit": "step", "mood": "good"}},
            {"timestamp": "today"},
            {"n": -1},
            {"seq": 1},
        ):
            self.assertNotEqual(violations(dict(good, **wrong)), [], wrong)

    def test_each_field_arrives_as_it_was_said(self):
        say_everything()
        self.assertEqual(
            self.said("progress"),
            [
                {
                    "unit": "game",
                    "epoch": 1.5,
                    "total_epochs": 3.0,
                    "step": 15,
                    "total_steps": 30,
                    "done": 7.0,
                    "total": 9.0,
                    "session_start": 2.0,
                    "loss": 0.25,
                    "stage": "training",
                    "current_target": "a",
                    "message": "fine",
                }
            ],
        )
        self.assertEqual(self.said("metric"), [{"step": 15, "metrics": {"val/loss": 0.5, "lr": 0.1}}])
        self.assertEqual(
            self.said("stage_change"),
            [{"new_stage": "training"}, {"previous_stage": "training", "new_stage": "evaluation"}],
        )
        target = self.said("target_complete")[0]
        self.assertEqual(
            (target["metrics"], target["nonfinite"]), ({"auc": 0.9, "worst": None}, {"worst": "nan"})
        )
        self.assertEqual(self.said("checkpoint")[0]["path"], os.path.abspath("ck/7.pt"))
        error = self.said("error")[1]
        self.assertEqual((error["error_code"], error["fatal"]), ("APP_VALUE_ERROR", True))
        self.assertIn("ValueError: bad", error["details"]["traceback_tail"])

    def test_lines_are_numbered_in_the_order_of_the_file(self):
        say_everything()
        numbers = [line["n"] for line in self.lines()]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))

    def test_telemetry_stands_before_the_word_said_after_it(self):
        for step in range(50):
            resus.progress(step=step)
            resus.status("running", str(step))
        resus.flush(60)
        newest = -1
        for line in self.lines():
            if line["event_type"] == "progress":
                newest = line["payload"]["step"]
            else:
                self.assertEqual(line["payload"]["message"], str(newest))

    def test_a_word_is_in_the_file_when_the_call_returns(self):
        resus.stage("training")
        self.assertEqual([line["event_type"] for line in self.lines()], ["stage_change"])

    def test_only_the_newest_telemetry_is_said_and_nothing_counts_as_lost(self):
        resus._voice().emitter._writing.acquire()  # The writer cannot come between.
        for step in range(10_000):
            resus.progress(step=step)
            resus.metric(loss=step)
        resus._voice().emitter._writing.release()
        self.assertEqual(self.said("progress")[-1]["step"], 9_999)
        self.assertEqual(self.said("metric")[-1]["metrics"], {"loss": 9_999.0})
        self.assertLess(len(self.lines()), 10)
        self.assertEqual(resus.lost(), 0)

    def test_numbers_that_are_not_finite_are_null_and_named(self):
        resus.progress(step=4, loss=math.nan)
        resus.metric(up=math.inf, down=-math.inf, fine=1)
        merged = {}
        for payload in self.said("metric"):
            merged.update(payload["nonfinite"])
        self.assertEqual(merged, {"loss": "nan", "up": "inf", "down": "-inf"})
        self.assertNotIn("loss", self.said("progress")[-1])

    def test_a_value_that_is_not_finite_is_not_overwritten_unsaid(self):
        telemetry = resus._Telemetry()
        telemetry.metrics({"loss": math.nan}, 1, 0.0)
        telemetry.metrics({"loss": 0.5}, 2, 0.0)
        payload = telemetry.take()[0].payload
        self.assertEqual(payload, {"step": 2, "metrics": {"loss": None}, "nonfinite": {"loss": "nan"}})
        self.assertFalse(telemetry)

    def test_many_names_become_several_lines_and_endless_ones_are_counted(self):
        telemetry = resus._Telemetry()
        names = {"m{}".format(n): 1.0 for n in range(261)}
        self.assertEqual(telemetry.metrics(names, None, 0.0), 5)
        self.assertEqual([len(line.payload["metrics"]) for line in telemetry.take()], [64] * 4)

    def test_numbers_of_other_libraries_are_taken(self):
        resus.progress(Scalar(1.5), step=Scalar(7.0), loss=decimal.Decimal("0.5"))
        resus.metric("loss", Scalar(0.25), step=7)
        self.assertEqual(self.said("progress"), [{"unit": "step", "epoch": 1.5, "step": 7, "loss": 0.5}])
        self.assertEqual(self.said("metric"), [{"step": 7, "metrics": {"loss": 0.25}}])

    def test_long_texts_keep_head_and_tail_within_their_limit(self):
        long = "head" + "é漢🙂" * 50_000 + "tail"
        resus.status("running", long)
        resus.error(long, "APP_X", details={"traceback_tail": long})
        resus.complete(message=long)
        self.assertEqual(resus.lost(), 0)
        for line in self.lines():
            self.assertEqual(violations(line), [])
            message = line["payload"]["message"]
            self.assertTrue(message.startswith("head") and message.endswith("tail"), message)
        tail = self.said("error")[0]["details"]["traceback_tail"]
        self.assertTrue(tail.endswith("tail") and len(tail.encode("utf-8")) <= 8 * 1024)

    def test_no_clipped_text_exceeds_its_limit(self):
        text = "aé漢🙂\ud800" * 9
        for bytes_max in range(8, 120):
            for head in (True, False):
                self.assertLessEqual(len(resus._clip(text, bytes_max, head).encode("utf-8")), bytes_max)

    def test_details_that_break_the_limit_give_way_to_their_size(self):
        resus.error("x", "APP_X", details={str(n): "y" * 8_000 for n in range(30)})
        self.assertEqual(list(self.said("error")[0]["details"]), ["omitted_bytes"])

    def test_nothing_that_is_said_can_raise(self):
        circle = []
        circle.append(circle)
        resus.configure(log=self.fail_loudly)
        for value in (Hostile(), object(), "\ud800", b"\xff", circle, {}, math.nan, 10**400, -1, None):
            resus.progress(value, step=value, done=value, loss=value, message=value, unit=value)
            resus.metric(value, value)
            resus.metric({"x": value}, step=value)
            resus.status(value, value)
            resus.stage(value)
            resus.error(value, value, details={"x": value, "y": circle})
            resus.target_start(value, value, value)
            resus.target_complete(value, value, metrics=value)
            resus.checkpoint(value, value)
            resus.checkpoint("ck", value, loss=value, metrics=value, health=value, checkpoint_id=value)
            resus.checkpoint("ck", metrics={"loss": value})
            resus.complete(value, final_loss=value, metrics={"x": value})
        resus.flush(60)
        self.assertGreater(resus.lost(), 0)
        for line in self.lines():
            self.assertEqual(violations(line), [], line)

    @staticmethod
    def fail_loudly(text):
        raise RuntimeError(text)

    def test_the_log_is_told_what_was_lost_and_may_speak_itself(self):
        told = []

        def log(text):
            told.append(text)
            resus.status("dancing")

        resus.configure(log=log)
        resus.status("dancing")
        self.assertEqual(len(told), 1)
        self.assertIn("dancing", told[0])
        self.assertEqual(resus.lost(), 2)

    def test_an_end_is_said_without_the_fields_that_are_no_numbers(self):
        told = []
        resus.configure(log=told.append)
        resus.complete(
            final_loss="n/a",
            epochs_completed=10**400,
            duration_seconds=2,
            metrics={"auc": None, "f1": "?", "two": [1, 2], "acc": 0.5, "odd": Hostile(), "worst": math.nan},
            message=Hostile(),
        )
        payload = self.said("run_complete")[0]
        self.assertEqual((payload["status"], payload["duration_seconds"]), ("success", 2.0))
        self.assertEqual(payload["metrics"], {"acc": 0.5, "worst": None})
        self.assertFalse({"final_loss", "epochs_completed"} & set(payload))
        # `None` was never there; the other five were, and are counted and told.
        self.assertEqual((resus.lost(), len(told)), (5, 5))
        self.assertEqual([violations(line) for line in self.lines()], [[]])

    def test_metrics_that_are_none_at_all_do_not_cost_the_end(self):
        for metrics in (7, "auc", [1], Hostile()):
            resus.complete(metrics=metrics)
        self.assertEqual(self.said("run_complete"), [{"status": "success"}] * 4)
        self.assertEqual(resus.lost(), 4)

    def test_a_count_that_is_none_does_not_cost_the_word(self):
        resus.target_start("a", index="first", total=[2])
        resus.target_complete("a", best_auc=object(), models_trained=Hostile())
        resus.checkpoint("ck/7.pt", "seven", size_bytes=9)
        self.assertEqual(self.said("target_start"), [{"target": "a"}])
        self.assertEqual(self.said("target_complete"), [{"target": "a", "status": "success"}])
        self.assertEqual(self.said("checkpoint")[0]["size_bytes"], 9)
        self.assertEqual(resus.lost(), 5)

    def test_a_number_among_others_that_are_none_is_said(self):
        resus.metric(loss=0.5, auc="n/a")
        resus.progress(step=3, loss="n/a")
        self.assertEqual(self.said("metric"), [{"metrics": {"loss": 0.5}}])
        self.assertEqual(self.said("progress"), [{"unit": "step", "step": 3}])
        self.assertEqual(resus.lost(), 2)

    def test_an_end_in_an_unknown_word_is_failed_and_tells_the_word(self):
        told = []
        resus.configure(log=told.append)
        for word in ("sucess", None, 0, Hostile()):
            resus.complete(word)
        self.assertEqual([payload["status"] for payload in self.said("run_complete")], ["failed"] * 4)
        self.assertIn("sucess", self.said("run_complete")[0]["message"])
        self.assertIn("sucess", told[0])
        self.assertEqual((resus.lost(), len(told)), (4, 4))
        resus.complete("sucess", message="all well")
        self.assertEqual(self.said("run_complete")[-1]["message"], "all well")

    def test_a_fatal_error_is_said_whatever_its_details_are(self):
        problem = ValueError("bad")
        for details in ({"exception": "mine"}, {0: "first"}, {"batch": Hostile(), Hostile(): 1}):
            resus.error(problem, fatal=True, details=details)
        for details in ("text", [1], 7, Hostile()):
            resus.error(problem, 404, fatal=True, details=details)
        said = [payload["details"] for payload in self.said("error")]
        self.assertEqual(said[0]["exception"], "mine")
        self.assertEqual((said[1]["0"], said[1]["exception"]), ("first", "ValueError"))
        self.assertEqual(said[2]["batch"], "(no text)")
        self.assertEqual([sorted(details) for details in said[3:]], [["exception", "traceback_tail"]] * 4)
        self.assertEqual(self.said("error")[-1]["error_code"], "404")
        self.assertEqual([violations(line) for line in self.lines()], [[]] * 7)
        self.assertEqual(resus.lost(), 4)

    def test_threads_speak_without_tearing_lines(self):
        def speak(name):
            for n in range(200):
                resus.stage("{}-{}".format(name, n))
                resus.metric({name: n})

        threads = [threading.Thread(target=speak, args=(str(n),)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stages = [payload["new_stage"] for payload in self.said("stage_change")]
        self.assertEqual(len(set(stages)), 1600)
        numbers = [line["n"] for line in self.lines()]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        self.assertEqual(resus.lost(), 0)


class Codes(WorkerCase):
    def code(self, problem):
        return resus.code_of(problem)

    def test_exceptions_have_the_class_of_the_protocol(self):
        class OutOfMemoryError(RuntimeError):
            pass

        checkpoint = os.path.join(resus.checkpoint_dir(), "7.pt")
        for problem, code in (
            (RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"), "CUDA_OOM"),
            (OutOfMemoryError("on the GPU"), "CUDA_OOM"),
            (MemoryError(), "HOST_OOM"),
            (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "HOST_OOM"),
            (ModuleNotFoundError("no torch"), "IMPORT_FAILED"),
            (FileNotFoundError(2, "no", "/data/x.csv"), "DATASET_NOT_FOUND"),
            (FileNotFoundError(2, "no", checkpoint), "CHECKPOINT_NOT_FOUND"),
            (PermissionError(13, "no"), "PERMISSION_DENIED"),
            (OSError(28, "No space left on device"), "DISK_FULL"),
            (FloatingPointError("overflow"), "NAN_LOSS"),
            (ConnectionRefusedError(), "RESOURCE_UNAVAILABLE"),
            (RuntimeError("Watchdog caught collective operation timeout"), "NCCL_TIMEOUT"),
            (KeyError("x"), "APP_KEY_ERROR"),
            (type("HTTPÜber", (Exception,), {})(), "APP_HTTP_BER"),
        ):
            self.assertEqual(self.code(problem), code, repr(problem))

    def test_a_cause_is_looked_at_when_the_exception_tells_nothing(self):
        problem = ValueError("while loading")
        problem.__cause__ = MemoryError()
        self.assertEqual(self.code(problem), "HOST_OOM")
        problem.__cause__ = problem
        self.assertEqual(self.code(problem), "APP_VALUE_ERROR")


class Outside(WorkerCase):
    def environ(self):
        return {}

    def test_outside_resus_nothing_happens(self):
        threads = threading.active_count()
        say_everything()
        with resus.run(total_epochs=2) as run:
            run.point(self.fail)
        self.assertEqual(list(resus.track(range(3), total_epochs=2)), [0, 1, 2])
        self.assertEqual(os.listdir(self.folder), [])
        self.assertEqual(threading.active_count(), threads)
        self.assertFalse(resus.enabled() or resus.should_stop() or resus.should_pause())
        self.assertFalse(resus.checkpoint_wanted() or resus.take_settings())
        self.assertTrue(resus.hold_while_paused(self.fail))
        self.assertEqual((resus.attempt(), resus.lost()), (0, 0))
        self.assertEqual((resus.training_id(), resus.checkpoint_dir(), resus.resume_from()), (None,) * 3)

    def test_the_environment_is_told_as_it_is(self):
        os.environ.update(PULSE_ATTEMPT="3", PULSE_RESUME_FROM="/ck/7.pt", PULSE_TRAINING_ID="run-1")
        self.assertEqual((resus.attempt(), resus.resume_from()), (3, "/ck/7.pt"))
        self.assertEqual(resus.training_id(), "run-1")
        os.environ.update(PULSE_ATTEMPT="third", PULSE_RESUME_FROM="")
        self.assertEqual((resus.attempt(), resus.resume_from()), (0, None))
        forget()


if __name__ == "__main__":
    unittest.main()
