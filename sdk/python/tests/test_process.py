"""How processes end, and which of them speak."""

import os
import signal
import unittest

from support import PATIENCE_S, WorkerCase, wait_until


class Endings(WorkerCase):
    def ends(self, text, *args, **environ):
        """The exit code, and what was said of the end: outcomes, and error codes with their fatality."""
        code = self.run_script(text, *args, **environ)
        words = []
        for line in self.lines():
            payload = line["payload"]
            if line["event_type"] == "run_complete":
                words.append(payload["status"])
            elif line["event_type"] == "error":
                words.append(payload["error_code"] + ("!" if payload["fatal"] else ""))
        return code, words

    def test_leaving_a_run_normally_is_success(self):
        text = """
            with resus.run(total_epochs=3) as run:
                run.progress(epoch=1.5, loss=0.5)
                run.progress(epoch=3, loss=0.25)
        """
        self.assertEqual(self.ends(text), (0, ["success"]))
        last = [line["payload"] for line in self.lines() if line["event_type"] == "run_complete"][0]
        self.assertEqual((last["final_loss"], last["epochs_completed"]), (0.25, 3.0))
        progress = [line["payload"] for line in self.lines() if line["event_type"] == "progress"][-1]
        self.assertEqual((progress["epoch"], progress["total_epochs"]), (3.0, 3.0))

    def test_an_exception_is_a_fatal_error_of_its_class_and_goes_on(self):
        for raised, code in (
            ("RuntimeError('CUDA out of memory')", "CUDA_OOM!"),
            ("MemoryError()", "HOST_OOM!"),
            ("ValueError('x')", "APP_VALUE_ERROR!"),
        ):
            self.reset()
            self.assertEqual(self.ends("with resus.run():\n    raise " + raised), (1, [code]))

    def reset(self):
        if os.path.exists(self.events):
            os.remove(self.events)

    def test_an_interrupt_is_cancelled(self):
        code, words = self.ends("with resus.run():\n    raise KeyboardInterrupt")
        self.assertEqual((code in (-signal.SIGINT, 130), words), (True, ["cancelled"]))

    def test_an_exit_with_0_is_success_and_any_other_code_speaks_for_itself(self):
        for text, expected in (
            ("0", (0, ["success"])),
            ("", (0, ["success"])),
            ("75", (75, [])),
            ("3", (3, [])),
        ):
            self.reset()
            self.assertEqual(
                self.ends("import sys\nwith resus.run():\n    sys.exit({})".format(text)), expected
            )

    def test_what_was_said_explicitly_is_not_said_again(self):
        self.assertEqual(self.ends("with resus.run():\n    resus.complete('failed')"), (0, ["failed"]))
        self.reset()
        self.assertEqual(
            self.ends("with resus.run():\n    resus.error('x', 'APP_X', fatal=True)"), (0, ["APP_X!"])
        )

    def test_a_tracked_loop_that_ran_through_is_success_at_the_end_of_the_program(self):
        self.assertEqual(self.ends("for x in resus.track(range(5)): pass"), (0, ["success"]))
        progress = [line["payload"] for line in self.lines() if line["event_type"] == "progress"][-1]
        self.assertEqual((progress["step"], progress["total_steps"]), (5, 5))

    def test_every_tracked_pass_is_one_epoch(self):
        text = """
            import sys
            for epoch in range(int(sys.argv[1])):
                for x in resus.track([1, 2], total_epochs=3):
                    pass
        """
        self.assertEqual(self.ends(text, "3"), (0, ["success"]))
        progress = [line["payload"] for line in self.lines() if line["event_type"] == "progress"][-1]
        self.assertEqual((progress["epoch"], progress["step"], progress["total_steps"]), (3.0, 6, 6))
        self.reset()
        self.assertEqual(self.ends(text, "2"), (0, []))

    def test_a_tracked_loop_that_raises_is_an_error(self):
        self.assertEqual(self.ends("for x in resus.track([1]): raise MemoryError"), (1, ["HOST_OOM!"]))
        self.reset()
        code, words = self.ends("for x in resus.track([1]): raise KeyboardInterrupt")
        self.assertEqual(words, ["cancelled"])

    # Two passes, of which the second is left early in the way that is put in.
    SECOND = """
        import sys
        def train():
            for epoch in range(2):
                for x in resus.track([1, 2]{total}):
                    if epoch == 1:
                        {leave}
        train()
    """

    def test_a_later_pass_that_is_left_early_is_no_success(self):
        for leave in ("break", "return", "sys.exit(0)", "raise SystemExit"):
            for total in ("", ", total_epochs=2", ", total_epochs=1"):
                self.reset()
                text = self.SECOND.format(leave=leave, total=total)
                self.assertEqual(self.ends(text), (0, []), (leave, total))
        self.reset()
        self.assertEqual(self.ends(self.SECOND.format(leave="pass", total="")), (0, ["success"]))

    def test_a_pass_within_one_that_is_left_early_does_not_make_it_whole(self):
        text = """
            import sys
            for x in resus.track([1, 2]{total}):
                for y in resus.track([1, 2]):
                    pass
                {leave}
        """
        for total in ("", ", total_epochs=1"):
            for leave, words in (("break", []), ("sys.exit(0)", []), ("pass", ["success"])):
                self.reset()
                self.assertEqual(self.ends(text.format(total=total, leave=leave)), (0, words), (total, leave))

    def test_a_pass_within_may_be_left_early(self):
        text = """
            for x in resus.track([1, 2]):
                for y in resus.track([1, 2]):
                    break
        """
        self.assertEqual(self.ends(text), (0, ["success"]))

    def test_a_validation_pass_is_no_epoch(self):
        text = """
            import sys
            for epoch in range(int(sys.argv[1])):
                for x in resus.track([1, 2], total_epochs=2): pass
                for y in resus.track([1]): pass
        """
        self.assertEqual(self.ends(text, "1"), (0, []))
        self.reset()
        self.assertEqual(self.ends(text, "2"), (0, ["success"]))

    def test_a_pause_that_releases_in_a_later_pass_is_no_success(self):
        text = """
            for epoch in range(2):
                for x in resus.track([1, 2], save=lambda: None):
                    if epoch == 1:
                        resus._voice().control.hear(b'{"cmd": "pause", "release": true}')
        """
        self.assertEqual(self.ends(text), (3, []))

    def test_a_pause_that_releases_between_passes_is_no_success(self):
        text = """
            for x in resus.track([1, 2]): pass
            resus._voice().control.hear(b'{"cmd": "pause", "release": true}')
            resus.hold_while_paused(lambda: None)
        """
        self.assertEqual(self.ends(text), (3, []))

    def test_an_exit_code_of_a_run_speaks_for_its_tracked_passes_too(self):
        text = "import sys\nwith resus.run():\n    for x in resus.track([1]): pass\n    sys.exit(1)"
        self.assertEqual(self.ends(text), (1, []))

    def test_an_end_of_another_kind_after_the_passes_is_no_success(self):
        text = "for x in resus.track([1]): pass\nraise BaseException('cancelled')"
        self.assertEqual(self.ends(text), (1, []))

    def test_an_error_that_could_not_be_said_is_said_on_leaving_the_run(self):
        text = """
            class NoTruth:
                def __bool__(self): raise RuntimeError("no truth")
            with resus.run():
                try:
                    raise MemoryError
                except MemoryError as problem:
                    resus.error(problem, fatal=True, retryable=NoTruth())
                    raise
        """
        self.assertEqual(self.ends(text), (1, ["HOST_OOM!"]))

    def test_the_last_telemetry_is_said_before_the_process_ends(self):
        self.run_script("for n in range(1000): resus.metric(x=n)")
        self.assertEqual(self.lines()[-1]["payload"]["metrics"], {"x": 999.0})

    def test_a_word_survives_a_kill_at_the_next_instruction(self):
        self.run_script("import os\nresus.stage('a')\nos.kill(os.getpid(), 9)")
        self.assertEqual([line["event_type"] for line in self.lines()], ["stage_change"])

    def test_a_disk_that_is_full_does_not_keep_the_process_from_ending(self):
        self.events = os.environ["PULSE_EVENTS"] = "/dev/full"
        self.assertEqual(self.run_script("with resus.run(): resus.metric(x=1)"), 0)

    def test_a_disk_that_hangs_does_not_keep_the_process_from_ending(self):
        text = """
            with resus.run():
                resus._voice().emitter._writing.acquire()
                resus.metric(x=1)
        """
        self.assertEqual(self.run_script(text), 0)


class Signals(WorkerCase):
    LOOP = """
        import sys, time
        with resus.run() as run:
            while True:
                run.point(lambda: open("saved", "w").close())
                resus.stage("looping")
                time.sleep(0.005)
    """

    def stages(self):
        return [line for line in self.lines() if line["event_type"] == "stage_change"]

    def test_sigterm_asks_for_the_same_as_stop(self):
        process = self.script(self.LOOP)
        wait_until(self.stages, "the loop")
        process.terminate()
        self.assertEqual(process.wait(PATIENCE_S), 0)
        self.assertTrue(os.path.exists(os.path.join(self.folder, "saved")))
        self.assertEqual(self.lines()[-1]["payload"]["status"], "cancelled")

    def test_sigterm_ends_a_trainer_that_never_asks(self):
        process = self.script("import time\nresus.stage('on')\ntime.sleep(600)")
        wait_until(self.stages, "the trainer")
        process.terminate()
        self.assertEqual(process.wait(PATIENCE_S), -signal.SIGTERM)

    def test_a_handler_that_was_there_before_is_called_as_well(self):
        text = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: open('theirs', 'w').close())\n"
        process = self.script(text + resus_dedent(self.LOOP))
        wait_until(self.stages, "the loop")
        process.terminate()
        self.assertEqual(process.wait(PATIENCE_S), 0)
        self.assertTrue(os.path.exists(os.path.join(self.folder, "theirs")))

    def test_sigterm_keeps_its_meaning_until_the_main_thread_asks(self):
        text = """
            import signal, threading
            thread = threading.Thread(target=resus.should_stop)
            thread.start()
            thread.join()
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
            resus.should_stop()
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        """
        self.assertEqual(self.run_script(text), 0)

    def test_words_from_a_signal_handler_neither_block_nor_tear(self):
        text = """
            import signal
            def alarm(*_):
                resus.stage("alarm")
                resus.metric(a=1)
                signal.setitimer(signal.ITIMER_REAL, 0.0003)
            signal.signal(signal.SIGALRM, alarm)
            alarm()
            for n in range(3000):
                resus.stage("main")
                resus.metric(b=n)
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            resus.flush(60)
            assert resus.lost() == 0, resus.lost()
        """
        self.assertEqual(self.run_script(text), 0)
        said = [line["payload"]["new_stage"] for line in self.stages()]
        self.assertEqual(said.count("main"), 3000)
        self.assertIn("alarm", said)
        numbers = [line["n"] for line in self.lines()]
        self.assertEqual(len(set(numbers)), len(numbers))


def resus_dedent(text):
    import textwrap

    return textwrap.dedent(text)


class Family(WorkerCase):
    def stages(self):
        return [line["payload"]["new_stage"] for line in self.lines() if line["event_type"] == "stage_change"]

    def test_a_forked_child_is_silent_and_dies_of_sigterm(self):
        text = """
            import os, signal, time
            resus.should_stop()
            resus.stage("parent")
            ready, go = os.pipe()
            pid = os.fork()
            if pid == 0:
                resus.stage("child")
                resus.metric(x=1)
                assert not resus.enabled() and not resus.should_stop()
                os.write(go, b"x")
                time.sleep(600)
            os.read(ready, 1)
            os.kill(pid, signal.SIGTERM)
            assert os.waitpid(pid, 0)[1] == signal.SIGTERM
            resus.stage("after")
        """
        self.assertEqual(self.run_script(text), 0)
        self.assertEqual(self.stages(), ["parent", "after"])

    def test_a_fork_amid_the_words_of_threads_leaves_no_lock_held(self):
        text = """
            import os, threading
            on = True
            def speak():
                while on:
                    resus.metric(x=1)
                    resus.stage("thread")
            threads = [threading.Thread(target=speak) for _ in range(4)]
            for thread in threads:
                thread.start()
            for _ in range(100):
                pid = os.fork()
                if pid == 0:
                    resus.stage("child")
                    resus.flush()
                    resus.configure(speak=True)
                    resus.status("running", "opted in")
                    os._exit(0)
                assert os.waitpid(pid, 0)[1] == 0
            on = False
        """
        self.assertEqual(self.run_script(text), 0)
        said = [line for line in self.lines() if line["event_type"] == "status"]
        self.assertEqual(len(said), 100)
        # A further speaker does not number its lines.
        self.assertTrue(all("n" not in line for line in said))
        self.assertNotIn("child", self.stages())

    def test_children_of_multiprocessing_are_silent(self):
        for method in ("fork", "spawn"):
            with open(os.path.join(self.folder, "job.py"), "w") as file:
                file.write(
                    "import multiprocessing as m, resus, sys\n"
                    "def work(): resus.stage('child')\n"
                    "if __name__ == '__main__':\n"
                    "    context = m.get_context(sys.argv[1])\n"
                    "    child = context.Process(target=work)\n"
                    "    child.start(); child.join()\n"
                    "    assert child.exitcode == 0\n"
                    "    resus.stage('parent ' + sys.argv[1])\n"
                )
            code = self.run_script("import runpy, sys\nsys.path.insert(0, '')\n" + RUN_JOB, method)
            self.assertEqual(code, 0)
        self.assertEqual(self.stages(), ["parent fork", "parent spawn"])

    def test_a_program_started_by_the_speaker_is_silent_unless_it_opts_in(self):
        text = """
            import subprocess, sys
            resus.stage("parent")
            for opt in ("None", "True"):
                code = "import resus; resus.configure(speak={}); resus.stage('child {}')".format(opt, opt)
                subprocess.run([sys.executable, "-c", code], check=True)
        """
        self.assertEqual(self.run_script(text), 0)
        self.assertEqual(self.stages(), ["parent", "child True"])

    def test_only_rank_0_speaks(self):
        for rank in ("0", "1", "7"):
            self.run_script("resus.stage('rank {}')".format(rank), RANK=rank)
        self.run_script("resus.configure(speak=False)\nresus.stage('silenced')", RANK="0")
        self.assertEqual(self.stages(), ["rank 0"])

    def test_a_program_silenced_later_stays_silent(self):
        self.run_script("resus.stage('a')\nresus.configure(speak=False)\nresus.stage('b')\nresus.metric(x=1)")
        self.assertEqual([line["event_type"] for line in self.lines()], ["stage_change"])


RUN_JOB = "import subprocess\nsys.exit(subprocess.run([sys.executable, 'job.py', sys.argv[1]]).returncode)"


if __name__ == "__main__":
    unittest.main()
