"""What the supervisor asks, and what a trainer's safe points make of it."""

import os
import threading
import unittest

from support import PATIENCE_S, WorkerCase, resus, wait_until


class Asked(WorkerCase):
    def setUp(self):
        super().setUp()
        self.shim_here = self.shim()
        resus.status("running")
        self.saves = []

    def send(self, *commands):
        """Sends, and waits until the last has been heard: commands are heard in their order."""
        self.shim_here.send(*commands, {"cmd": "heard?"})
        before, control = self.heard, resus._voice().control
        self.heard = wait_until(lambda: control.ignored > before and control.ignored, "the commands")

    heard = 0

    def save(self):
        self.saves.append(len(self.saves) + 1)
        return os.path.join(self.folder, "ck-{}.pt".format(self.saves[-1]))

    def statuses(self):
        return [payload["status"] for payload in self.said("status")][1:]

    def test_nothing_asked_nothing_done(self):
        resus.point(self.save)
        self.assertTrue(resus.hold_while_paused(self.save))
        self.assertEqual(self.saves, [])

    def test_a_checkpoint_is_saved_and_announced_once_for_each_time_it_is_asked_for(self):
        self.send({"cmd": "checkpoint"}, {"cmd": "checkpoint"})
        resus.point(self.save, step=7)
        resus.point(self.save, step=8)
        self.send({"cmd": "checkpoint"})
        resus.point(self.save, step=9)
        said = [(payload["checkpoint_id"], payload["step"]) for payload in self.said("checkpoint")]
        self.assertEqual(said, [("ck-1", 7), ("ck-2", 9)])

    def test_a_trainer_may_ask_by_itself(self):
        self.send({"cmd": "checkpoint"})
        resus.point()  # Without a way to save, the wish stays.
        self.assertTrue(resus.checkpoint_wanted())
        self.assertFalse(resus.checkpoint_wanted())

    def test_a_stop_saves_says_so_and_leaves_with_0(self):
        self.send({"cmd": "stop"})
        with self.assertRaises(resus.Stop) as stopped:
            resus.point(self.save)
        self.assertEqual(stopped.exception.code, 0)
        self.assertEqual(self.saves, [1])
        self.assertEqual([payload["status"] for payload in self.said("run_complete")], ["cancelled"])
        self.assertTrue(resus.should_stop())

    def test_a_stop_and_a_checkpoint_together_save_once(self):
        self.send({"cmd": "checkpoint"}, {"cmd": "stop"})
        with self.assertRaises(resus.Stop):
            resus.point(self.save)
        self.assertEqual(self.saves, [1])

    def test_a_save_that_fails_is_reported_and_ends_nothing(self):
        def fail():
            raise OSError(28, "No space left on device")

        self.send({"cmd": "checkpoint"})
        self.quiet(lambda: resus.point(fail))
        self.assertEqual(
            [payload["error_code"] for payload in self.said("error")], ["CHECKPOINT_SAVE_FAILED"]
        )
        self.assertFalse(self.said("error")[0]["fatal"])

    @staticmethod
    def quiet(function):
        shown, resus.traceback.print_exc = resus.traceback.print_exc, lambda: None
        try:
            function()
        finally:
            resus.traceback.print_exc = shown

    def test_a_save_that_announces_nothing_counts_as_saved(self):
        self.send({"cmd": "pause", "release": True})
        with self.assertRaises(resus.Stop) as released:
            resus.point(lambda: None)
        self.assertEqual((released.exception.code, self.said("checkpoint")), (3, []))

    def hold(self, save):
        """Starts a worker that holds in a thread; returns it and where its answer goes."""
        answers = []
        thread = threading.Thread(target=lambda: answers.append(self.point(save)), daemon=True)
        thread.start()
        wait_until(lambda: "paused" in self.statuses(), "the hold")
        return thread, answers

    @staticmethod
    def point(save):
        try:
            resus.point(save)
        except resus.Stop as stop:
            return stop.code
        return "on"

    def test_a_pause_saves_holds_and_goes_on_after_resume(self):
        self.send({"cmd": "pause"})
        thread, answers = self.hold(self.save)
        self.send({"cmd": "checkpoint"})
        wait_until(lambda: len(self.saves) == 2, "the checkpoint while paused")
        self.assertEqual(answers, [])
        self.send({"cmd": "resume"})
        thread.join(PATIENCE_S)
        self.assertEqual((answers, self.statuses()), (["on"], ["paused", "running"]))

    def test_a_stop_ends_a_pause_without_saving_twice(self):
        self.send({"cmd": "pause"})
        thread, answers = self.hold(self.save)
        self.send({"cmd": "stop"})
        thread.join(PATIENCE_S)
        self.assertEqual((answers, self.saves, self.statuses()), ([0], [1], ["paused"]))
        self.assertEqual([payload["status"] for payload in self.said("run_complete")], ["cancelled"])

    def test_a_pause_that_releases_leaves_with_3(self):
        self.send({"cmd": "pause", "release": True})
        with self.assertRaises(resus.Stop) as released:
            resus.point(self.save)
        self.assertEqual((released.exception.code, self.saves), (3, [1]))
        self.assertEqual((self.statuses(), self.said("run_complete")), (["paused"], []))

    def test_a_pause_may_release_later(self):
        self.send({"cmd": "pause"})
        thread, answers = self.hold(self.save)
        self.send({"cmd": "pause", "release": True})
        thread.join(PATIENCE_S)
        self.assertEqual((answers, self.saves), ([3], [1]))

    def test_without_a_checkpoint_a_release_holds_as_there_is_nothing_to_come_back_to(self):
        self.send({"cmd": "pause", "release": True})
        thread, answers = self.hold(lambda: False)
        self.assertEqual(answers, [])
        self.send({"cmd": "resume"})
        thread.join(PATIENCE_S)
        self.assertEqual(answers, ["on"])

    def test_a_pause_that_was_taken_back_is_none(self):
        self.send({"cmd": "pause", "release": True}, {"cmd": "resume"})
        resus.point(self.save)
        self.assertEqual((self.saves, self.statuses()), ([], []))

    def test_a_release_that_was_taken_back_does_not_colour_the_next_pause(self):
        self.send({"cmd": "pause", "release": True}, {"cmd": "resume"}, {"cmd": "pause"})
        thread, answers = self.hold(self.save)
        self.send({"cmd": "resume"})
        thread.join(PATIENCE_S)
        self.assertEqual(answers, ["on"])

    def test_a_loop_of_its_own_is_told_whether_to_go_on(self):
        self.send({"cmd": "pause"}, {"cmd": "stop"})
        self.assertFalse(resus.hold_while_paused(self.save))

    def test_settings_are_taken_once_and_the_newest_wins(self):
        self.send({"cmd": "configure", "lr": 0.1, "x": 1}, {"cmd": "configure", "lr": 0.2})
        self.assertEqual(resus.take_settings(), {"lr": 0.2, "x": 1})
        self.assertEqual(resus.take_settings(), {})

    def test_steps_report_save_and_stop_between_two_of_them(self):
        done = []
        with self.assertRaises(resus.Stop), resus.run() as run:
            for step in run.steps(10, first=4, save=self.save):
                done.append(step)
                if step == 6:
                    self.send({"cmd": "stop"})
        self.assertEqual((done, self.saves), ([4, 5, 6], [1]))
        self.assertEqual([payload["step"] for payload in self.said("checkpoint")], [7])
        progress = self.said("progress")[-1]
        self.assertEqual(progress, {"unit": "step", "step": 7, "total_steps": 10, "session_start": 4.0})
        self.assertEqual([payload["status"] for payload in self.said("run_complete")], ["cancelled"])

    def test_a_stop_after_the_last_step_comes_too_late(self):
        with resus.run() as run:
            for step in run.steps(3, save=self.save):
                if step == 2:
                    self.send({"cmd": "stop"})
        self.assertEqual([payload["status"] for payload in self.said("run_complete")], ["success"])

    def test_a_loop_that_left_because_it_was_told_to_is_cancelled(self):
        self.send({"cmd": "stop"})
        with resus.run():
            self.assertTrue(resus.should_stop())
        self.assertEqual([payload["status"] for payload in self.said("run_complete")], ["cancelled"])


if __name__ == "__main__":
    unittest.main()
