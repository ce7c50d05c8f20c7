"""A worker's surroundings: a folder, the variables of the contract, and a supervisor's socket."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

SDK = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, SDK)

import resus  # noqa: E402

# Longer than any machine needs; only a test that fails waits for it.
PATIENCE_S = 60
OURS = ("PULSE_", "RESUS_", "RANK", "OMPI_COMM_WORLD_RANK")


def wait_until(condition, what):
    """Waits for `condition` to be true, and returns what it returned."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.002)
    raise AssertionError("waited in vain: " + what)


def forget():
    """Makes the module as it is after its import."""
    if resus._here is not None:
        resus._here.close()
    resus._here, resus._log, resus._heartbeats = None, None, True


def without_ours(environ):
    return {name: value for name, value in environ.items() if not name.startswith(OURS)}


class Shim:
    """The supervisor's end of `PULSE_CONTROL`."""

    def __init__(self, path):
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen(8)
        self._listener.settimeout(PATIENCE_S)
        self._worker = None

    def accept(self):
        self._worker = self._listener.accept()[0]

    def send(self, *lines):
        if self._worker is None:
            self.accept()
        for line in lines:
            data = line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
            self._worker.sendall(data)

    def hang_up(self):
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def close(self):
        self.hang_up()
        self._listener.close()


class WorkerCase(unittest.TestCase):
    """A test within the worker contract: this process is the worker."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.events = os.path.join(self.folder, "events.jsonl")
        self.control = os.path.join(self.folder, "control")
        before = dict(os.environ)
        self.addCleanup(self._restore, before)
        self._restore(without_ours(before))
        os.environ.update(self.environ())
        forget()
        self.addCleanup(forget)

    @staticmethod
    def _restore(environ):
        os.environ.clear()
        os.environ.update(environ)

    def environ(self):
        return {
            "PULSE_TRAINING_ID": "run-1",
            "PULSE_ATTEMPT": "2",
            "PULSE_EVENTS": self.events,
            "PULSE_CONTROL": self.control,
            "PULSE_CHECKPOINT_DIR": os.path.join(self.folder, "checkpoints"),
        }

    def shim(self):
        shim = Shim(self.control)
        self.addCleanup(shim.close)
        return shim

    def lines(self):
        """Every line in the file; a half one at its end is not one."""
        if not os.path.exists(self.events):
            return []
        with open(self.events, "rb") as file:
            whole = file.read().split(b"\n")[:-1]
        return [json.loads(line.decode("utf-8")) for line in whole if line]

    def said(self, event_type=None):
        """The payloads said so far, telemetry included."""
        resus.flush(PATIENCE_S)
        return [line["payload"] for line in self.lines() if event_type in (None, line["event_type"])]

    def script(self, text, *args, **environ):
        """Starts `text` as a worker of its own."""
        given = dict(os.environ, PYTHONPATH=SDK, PYTHONDONTWRITEBYTECODE="1", **environ)
        command = [sys.executable, "-c", "import resus\n" + textwrap.dedent(text), *args]
        process = subprocess.Popen(command, env=given, stderr=subprocess.PIPE, cwd=self.folder)
        self.addCleanup(self._end, process)
        return process

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def run_script(self, text, *args, **environ):
        """Runs `text` to its end; returns the exit code."""
        process = self.script(text, *args, **environ)
        process.communicate(timeout=PATIENCE_S)
        return process.returncode
