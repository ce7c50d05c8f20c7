"""A full disk, a missing folder, a reader that never comes: nothing raises, hangs or is felt."""

import json
import os
import socket
import stat
import threading
import unittest

from contract import violations
from support import WorkerCase, resus, wait_until
from test_words import say_everything


def line(text):
    return resus._Line("status", {"status": "running", "message": text}, 0.0)


class Trouble(WorkerCase):
    def use(self, path):
        self.events = os.environ["PULSE_EVENTS"] = path

    def test_telemetry_that_meets_a_full_disk_is_dropped_and_counted(self):
        self.use("/dev/full")
        resus.progress(step=1)
        resus.flush(60)
        self.assertEqual(resus.lost(), 1)

    def test_what_must_not_be_lost_waits_for_the_disk_and_the_newest_telemetry_behind_it(self):
        self.use("/dev/full")
        say_everything()
        self.assertTrue(resus._voice().emitter._pending)
        backlog = resus._voice().emitter._backlog
        self.assertEqual(backlog[-1].event_type, "run_complete")
        self.assertNotIn("metric", [waiting.event_type for waiting in backlog])

    def test_what_waited_for_the_disk_is_written_in_its_order(self):
        missing = os.path.join(self.folder, "later")
        self.use(os.path.join(missing, "events.jsonl"))
        for n in range(100):
            resus.status("running", str(n))
        self.assertEqual(resus.lost(), 0)
        os.mkdir(missing)
        resus.flush(60)
        self.assertEqual([line["payload"]["message"] for line in self.lines()], [str(n) for n in range(100)])
        self.assertEqual([line["n"] for line in self.lines()], list(range(1, 101)))

    def test_the_disk_is_tried_again_without_a_further_word(self):
        missing = os.path.join(self.folder, "later")
        self.use(os.path.join(missing, "events.jsonl"))
        resus.status("running")
        os.mkdir(missing)
        wait_until(self.lines, "the line that waited")

    def test_no_more_than_the_bound_waits_for_the_disk(self):
        self.use("/dev/full")
        for n in range(resus._BACKLOG_MAX + 10):
            resus.status("running", str(n))
        emitter = resus._voice().emitter
        self.assertLessEqual(len(emitter._backlog), resus._BACKLOG_MAX)
        self.assertEqual(emitter._backlog[-1].payload["message"], str(resus._BACKLOG_MAX + 9))
        self.assertGreaterEqual(resus.lost(), 9)

    def test_a_pipe_that_nobody_reads_is_not_waited_for(self):
        path = os.path.join(self.folder, "pipe")
        os.mkfifo(path)
        self.use(path)
        say_everything()
        self.assertGreater(len(resus._voice().emitter._backlog), 0)

    def test_a_pipe_that_is_full_is_not_waited_for_and_no_line_is_lost_to_a_cut(self):
        path = os.path.join(self.folder, "pipe")
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.use(path)
        for n in range(900):
            resus.status("running", "{} {}".format(n, "x" * 200))
        emitter = resus._voice().emitter
        self.assertGreater(len(emitter._backlog), 0)
        found = []

        def read():
            try:
                found.append(os.read(reader, 1 << 20))
            except BlockingIOError:
                pass
            resus.flush(60)
            return not emitter._backlog

        wait_until(read, "the backlog to be read")
        read()
        seen = []
        for data in b"".join(found).split(b"\n"):
            try:
                seen.append(json.loads(data.decode("utf-8"))["payload"]["message"].split()[0])
            except ValueError:
                pass  # The half line that filled the pipe; it was said again.
        self.assertEqual(seen, [str(n) for n in range(900)])

    def test_a_removed_folder_is_survived(self):
        folder = os.path.join(self.folder, "gone")
        os.mkdir(folder)
        self.use(os.path.join(folder, "events.jsonl"))
        resus.status("running")
        os.remove(self.events)
        os.rmdir(folder)
        say_everything()
        self.assertFalse(os.path.exists(folder))
        os.mkdir(folder)
        resus.flush(60)
        self.assertIn("run_complete", [line["event_type"] for line in self.lines()])

    def test_a_folder_in_place_of_the_file_is_survived(self):
        self.use(self.folder)
        say_everything()
        self.assertGreater(len(resus._voice().emitter._backlog), 0)

    def test_a_descriptor_closed_by_somebody_else_never_becomes_their_file(self):
        resus.status("running", "first")
        fd = resus._voice().emitter._outlet._fd
        theirs = os.path.join(self.folder, "theirs")
        opened = os.open(theirs, os.O_WRONLY | os.O_CREAT)
        os.dup2(opened, fd)  # Closes ours, and gives its number to theirs.
        self.addCleanup(os.close, opened)
        self.addCleanup(os.close, fd)
        resus.status("running", "second")
        self.assertEqual([payload["message"] for payload in self.said("status")], ["first", "second"])
        self.assertEqual(os.path.getsize(theirs), 0)

    def test_a_line_cut_off_by_the_disk_costs_nothing_but_itself(self):
        for cut in range(1, 120):
            path = os.path.join(self.folder, "cut-{}".format(cut))
            outlet = resus._Outlet(path, numbered=True)
            whole, real = outlet._render(line("a")), os.write
            cut = min(cut, len(whole))
            # The disk takes `cut` bytes of the first write.
            resus.os = type("Cut", (), {"__getattr__": lambda _, name: getattr(os, name)})()
            resus.os.write = lambda fd, data, cut=cut: real(fd, data[:cut])
            try:
                said = outlet.write(line("a"))
            finally:
                resus.os = os
            self.assertEqual(said, cut >= len(whole) - 1)
            if not said:
                self.assertTrue(outlet.write(line("a")))
            self.assertTrue(outlet.write(line("b")))
            outlet.close()
            with open(path, "rb") as file:
                text = file.read()
            found = []
            for piece in text.split(b"\n"):
                try:
                    found.append(json.loads(piece.decode("utf-8")))
                except ValueError:
                    pass
            self.assertEqual([f["n"] for f in found], [1, 2], cut)
            self.assertEqual([f["payload"]["message"] for f in found], ["a", "b"], cut)

    def test_a_line_that_lacks_only_its_end_gets_it_without_a_further_word(self):
        emitter, real = resus._voice().emitter, os.write
        taken = []

        def all_but_the_end(fd, data):
            taken.append(data)
            return real(fd, data[:-1] if len(taken) == 1 else data)

        resus.os = type("Cut", (), {"__getattr__": lambda _, name: getattr(os, name)})()
        resus.os.write = all_but_the_end
        self.addCleanup(setattr, resus, "os", os)
        resus.status("running")
        wait_until(self.lines, "the end of the line")
        self.assertEqual((len(self.lines()), emitter.lost, taken[1:]), (1, 0, [b"\n"]))

    def test_a_writer_that_hangs_is_not_waited_for(self):
        emitter = resus._voice().emitter
        emitter._writing.acquire()  # As a write to a disk that does not answer.
        try:
            say_everything_but_flush()
            resus.flush(0.01)
        finally:
            emitter._writing.release()
        kinds = {line["event_type"] for line in self.lines_after_flush()}
        self.assertLessEqual({"status", "progress", "run_complete"}, kinds)

    def lines_after_flush(self):
        resus.flush(60)
        for said in self.lines():
            self.assertEqual(violations(said), [])
        return self.lines()

    def test_without_threads_telemetry_is_said_with_the_next_word(self):
        start = threading.Thread.start
        threading.Thread.start = self.no_thread
        try:
            resus.progress(step=7)
            resus.status("running")
            resus.metric(loss=1)
            resus.flush(60)
        finally:
            threading.Thread.start = start
        self.assertEqual([said["event_type"] for said in self.lines()], ["progress", "status", "metric"])

    @staticmethod
    def no_thread(thread):
        raise RuntimeError("can't start new thread")

    def test_the_file_is_for_its_owner_only(self):
        resus.status("running")
        self.assertEqual(stat.S_IMODE(os.stat(self.events).st_mode), 0o600)

    def test_heartbeats_are_said_without_a_word_of_the_trainer_unless_switched_off(self):
        emitter = resus._voice().emitter
        emitter._beat_last -= resus._HEARTBEAT_S
        emitter._wake.put(None)
        wait_until(lambda: self.said("heartbeat"), "a heartbeat")
        resus.configure(heartbeat=False)
        count = len(self.said("heartbeat"))
        emitter._beat_last -= resus._HEARTBEAT_S
        self.assertEqual(len(self.said("heartbeat")), count)


def say_everything_but_flush():
    flush, resus.flush = resus.flush, lambda patience_s: None
    try:
        say_everything()
    finally:
        resus.flush = flush


class ControlTrouble(WorkerCase):
    def test_a_missing_socket_is_survived_and_found_later(self):
        self.assertFalse(resus.should_stop())
        self.shim().send({"cmd": "stop"})
        wait_until(resus.should_stop, "the stop")

    def test_a_dead_socket_is_survived(self):
        dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        dead.bind(self.control)
        dead.close()
        say_everything()
        self.assertFalse(resus.should_stop())

    def test_a_path_too_long_for_a_socket_is_survived(self):
        os.environ["PULSE_CONTROL"] = "/" + "x" * 300
        say_everything()
        self.assertFalse(resus.should_stop())

    def test_garbage_is_counted_and_the_next_command_is_heard(self):
        shim = self.shim()
        resus.status("running")
        shim.send(
            b"\xff\xfe\n",
            b"[]\n",
            b"{}\n",
            b"null\n",
            b'"stop"\n',
            b'{"cmd":7}\n',
            b'{"cmd":["stop"]}\n',
            b'{"cmd":"dance"}\n',
            b"[" * 30_000 + b"\n",
            b"x" * 200_000 + b"\n",
            {"cmd": "stop"},
        )
        wait_until(resus.should_stop, "the stop")
        self.assertEqual(resus._voice().control.ignored, 10)

    def test_half_a_command_is_none_and_a_supervisor_that_comes_back_is_heard(self):
        shim = self.shim()
        resus.status("running")
        shim.send(b'{"cmd":"stop"}')
        shim.hang_up()
        shim.send({"cmd": "pause"})
        wait_until(resus.should_pause, "the pause")
        self.assertFalse(resus.should_stop())

    def test_the_rest_of_a_line_that_is_too_long_is_no_command(self):
        control, pieces = resus._Control(), [b"x" * 70_000, b'{"cmd":"stop"}\n', b'{"cmd":"pause"}\n', b""]
        self.assertEqual(control.read(lambda size: pieces.pop(0)), 2)
        self.assertEqual((control.ignored, control.stop, control.paused), (1, False, True))

    def test_lines_are_read_however_they_are_cut(self):
        data = b'{"cmd":"pause"}\n\n{"cmd":"resume"}\r\n{"cmd":"checkpoint"}\n{"cmd":"stop"}'
        for cut in range(1, len(data)):
            control = resus._Control()
            pieces = [data[start : start + cut] for start in range(0, len(data), cut)] + [b""]
            self.assertEqual(control.read(lambda size, pieces=pieces: pieces.pop(0)), 4)
            self.assertEqual((control.ignored, control.paused, control.stop), (1, False, False))
            self.assertTrue(control.take_checkpoint())


if __name__ == "__main__":
    unittest.main()
