"""Speaks PULSE from a Python training run, and hears what Resus asks of it.

One file of the standard library, Python 3.8 or newer; copy it or install it. The usual shape:

    import resus

    with resus.run(total_steps=1000) as run:
        for step in run.steps(1000, first=start, save=save):
            loss = train(step)
            run.metric(loss=loss)

Outside Resus (`PULSE_EVENTS` unset) every call does nothing, so that the same script runs by hand. No
call raises, except `resus.Stop` where a safe point is asked to leave; none waits for a disk, a reader or
a supervisor. What could not be said is counted: `resus.lost()`.

Telemetry (progress, metric, heartbeat) is handed to a thread, which says the newest ten times a second.
Everything else is in the file when the call returns, by one append; if it could not be written (a full
disk), the thread tries again. One process speaks for a run: forked and spawned children, ranks other
than 0 and programs started from here are silent, unless they call `configure(speak=True)`.
"""

from __future__ import annotations

import atexit
import collections
import errno
import itertools
import json
import math
import operator
import os
import queue
import re
import signal
import socket
import sys
import threading
import time
import traceback
from typing import (
    Any,
    Callable,
    Deque,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Tuple,
    TypeVar,
    Union,
    cast,
)

__all__ = [
    "Run", "Stop", "attempt", "checkpoint", "checkpoint_dir", "checkpoint_wanted", "complete", "configure",
    "enabled", "error", "flush", "heartbeat", "hold_while_paused", "lost", "metric", "point", "progress",
    "resume_from", "run", "should_pause", "should_stop", "stage", "status", "take_settings",
    "target_complete", "target_start", "track", "training_id",
]  # fmt: skip
__version__ = "0.1.0"

# The limits of the protocol, in bytes where not said otherwise.
LINE_BYTES_MAX = 64 * 1024
NAME_BYTES_MAX = 256
STATUS_MESSAGE_BYTES_MAX = 256
ERROR_MESSAGE_BYTES_MAX = 1024
DETAIL_BYTES_MAX = 8 * 1024
CODE_BYTES_MAX = 64
PATH_BYTES_MAX = 4096
METRICS_MAX = 64
METRIC_NAME_CHARS_MAX = 64

STATUSES = ("idle", "preparing", "running", "paused", "cooling_down", "done", "error", "cancelled")
UNITS = ("epoch", "step", "game", "target", "percent")
OUTCOMES = ("success", "failed", "cancelled")
TARGET_OUTCOMES = ("success", "failed", "skipped")
# Whether the numbers of a state are finite.
HEALTHS = ("finite", "not_finite")

# Exit code: paused at a checkpoint.
EXIT_PAUSED = 3

# Telemetry is said at most so often: more than anyone is shown.
_INTERVAL_S = 0.1
_HEARTBEAT_S = 10.0
# Lines that could not be written are tried again so often.
_RETRY_S = 1.0
# A caller waits at most so long for another thread's write; then its line is left to the writer.
_PATIENCE_S = 0.001
# The end of the process is delayed by at most so much.
_EXIT_PATIENCE_S = 0.5
# A worker that holds looks for a signal so often: a signal wakes no thread.
_HOLD_POLL_S = 0.05
_RECONNECT_MIN_S, _RECONNECT_MAX_S = 0.05, 1.0
# Bounds of what may wait: names of metrics, lines while the disk is full, settings unread.
_PENDING_METRICS_MAX = 4 * METRICS_MAX
_BACKLOG_MAX = 1024
# Lines that a caller writes for others, so that many threads cannot outrun the writer.
_BACKLOG_PER_CALL = 32
_SETTINGS_MAX = 64
_DETAILS_DEPTH_MAX = 4
_DETAILS_ITEMS_MAX = 32
_FRAMES_MAX = 64
_CAUSES_MAX = 8

# Names the process that speaks, for the programs it starts: they inherit `PULSE_EVENTS` as well.
_SPEAKER = "RESUS_SPEAKER"
_RANKS = ("RANK", "OMPI_COMM_WORLD_RANK")
# The name under which a loss may stand among metrics.
_LOSS = "loss"
# What a name may lose: of `epoch-1.5` the dot is part of a number.
_ENDING = re.compile(r"(?<=.)\.[A-Za-z][A-Za-z0-9]*\Z")

_T = TypeVar("_T")
_F = TypeVar("_F", bound=Callable[..., Any])
_Payload = Dict[str, Any]
Save = Callable[[], Union[str, "os.PathLike[str]", bool, None]]


class Stop(SystemExit):
    """Raised at a safe point to end the process: code 0 after a stop, 3 after a pause that releases."""


# Texts and numbers ---------------------------------------------------------------------------------


def _text_of(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # Code of others, called in the middle of a failure: a tensor of a lost GPU has none.
        return "(no text)"


def _clean(text: Any) -> str:
    """Text that is valid UTF-8: a lone surrogate would make the whole line unreadable."""
    return _text_of(text).encode("utf-8", "replace").decode("utf-8")


def _clip(text: Any, bytes_max: int, head: bool = True) -> str:
    """`text` in at most `bytes_max` bytes: a longer one keeps its head and its tail, or its tail only."""
    gap, text = " … ", _text_of(text)
    if len(text) > 2 * bytes_max:  # Most of it is not looked at, however long it is.
        text = text[:bytes_max] + text[-bytes_max:]
    whole = _clean(text)
    data = whole.encode("utf-8")
    if len(data) <= bytes_max:
        return whole
    room = max(bytes_max - len(gap.encode("utf-8")), 0)
    first = room // 2 if head else 0
    last = data[len(data) - (room - first) :]
    return data[:first].decode("utf-8", "ignore") + gap + last.decode("utf-8", "ignore")


def _lose(why: str) -> None:
    """Counts one thing that is not said, and tells the log."""
    if _here is not None and _here.emitter is not None:
        _here.emitter.lose(1, why)


def _leave_out(value: Any, wanted: str) -> None:
    """One field that cannot be said must not cost the others, of which the last word of a run may be made."""
    _lose("left out: {} is no {}".format(type(value).__name__, wanted))


def _real(value: Any) -> Optional[float]:
    """Anything with a float in it (numpy and torch scalars, `Decimal`), finite or not; else left out."""
    if value is None:
        return None
    try:
        return float(value)
    except Exception:  # `__float__` is code of others: a tensor of two elements raises a RuntimeError.
        _leave_out(value, "number")
        return None


def _finite(value: Any) -> Optional[float]:
    number = _real(value)
    return number if number is not None and math.isfinite(number) else None


def _whole(value: Any) -> Optional[int]:
    """A count: an integer of any type, or a float without a fraction; `None` for what is no count."""
    try:
        number = operator.index(value)
    except Exception:  # As in `_real`, which says whether there is a number in it at all.
        real = _real(value)
        number = int(real) if real is not None and real.is_integer() else -1
    return number if 0 <= number < 1 << 64 else None


def _split_metrics(values: Mapping[str, float]) -> _Payload:
    """`metrics`, with null for what JSON has no number for, and `nonfinite` that says what that was."""
    metrics: Dict[str, Optional[float]] = {}
    nonfinite: Dict[str, str] = {}
    for name, value in values.items():
        metrics[name] = value if math.isfinite(value) else None
        if not math.isfinite(value):
            nonfinite[name] = "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return {"metrics": metrics, "nonfinite": nonfinite} if nonfinite else {"metrics": metrics}


def _metric_name(name: Any) -> str:
    return _clean(name)[:METRIC_NAME_CHARS_MAX]


def _numbers(values: Any) -> Dict[str, float]:
    """What of `values` is a number, finite or not; `None` is one that is not known."""
    try:
        given = {} if values is None else dict(values)
    except Exception:  # Not a mapping, or one whose code fails.
        _leave_out(values, "mapping of metrics")
        return {}
    numbers: Dict[str, float] = {}
    for name, value in given.items():
        number = _real(value)
        if number is not None:
            numbers[_metric_name(name)] = number
    return numbers


def _metrics(values: Optional[Mapping[str, Any]]) -> _Payload:
    first = dict(itertools.islice(_numbers(values).items(), METRICS_MAX))
    return _split_metrics(first) if first else {}


def _details(value: Any, depth: int = 0) -> Any:
    """`value` as JSON can hold it, every text cut to its end: of a traceback the end tells most."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 63 else _clip(value, NAME_BYTES_MAX)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth < _DETAILS_DEPTH_MAX and isinstance(value, Mapping):
        items = itertools.islice(value.items(), _DETAILS_ITEMS_MAX)
        return {_clip(key, NAME_BYTES_MAX): _details(item, depth + 1) for key, item in items}
    if depth < _DETAILS_DEPTH_MAX and isinstance(value, (list, tuple)):
        return [_details(item, depth + 1) for item in value[:_DETAILS_ITEMS_MAX]]
    return _clip(value, DETAIL_BYTES_MAX, head=False)


def _given(**fields: Any) -> _Payload:
    """The fields that are not `None`: an amount that is not known is left out, not guessed."""
    return {name: value for name, value in fields.items() if value is not None}


def _name(value: Any) -> Optional[str]:
    return None if value is None else _clip(value, NAME_BYTES_MAX)


def _required(value: Any) -> str:
    if value is None:
        raise ValueError("a name is missing")
    return _clip(value, NAME_BYTES_MAX)


def _word(value: str, words: Tuple[str, ...]) -> str:
    if value not in words:
        raise ValueError("{!r} is none of {}".format(value, ", ".join(words)))
    return value


def _rfc3339(at: float) -> str:
    millis = int(max(at, 0.0) * 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(millis // 1000)) + ".%03dZ" % (millis % 1000)


# Errors by their class -----------------------------------------------------------------------------

# A code, and texts of which any names it; in the order in which they are looked for.
_TEXTS = (
    ("NCCL_TIMEOUT", ("nccl timeout", "watchdog caught collective operation timeout",
                      "nccl communicator was aborted")),
    ("CUDA_OOM", ("cuda out of memory", "cuda_error_out_of_memory", "cudaerrormemoryallocation",
                  "hip out of memory", "resource_exhausted: out of memory")),
    ("HOST_OOM", ("can't allocate memory", "cannot allocate memory",
                  "not enough memory: you tried to allocate")),
    ("GPU_LOST", ("gpu is lost", "gpu has fallen off the bus", "cuda_error_device_unavailable")),
    ("RESOURCE_UNAVAILABLE", ("device(s) is/are busy or unavailable",)),
)  # fmt: skip
_DISK_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def _own_code(problem: BaseException) -> Optional[str]:
    text = _text_of(problem)[:ERROR_MESSAGE_BYTES_MAX].lower()
    for code, marks in _TEXTS:
        if any(mark in text for mark in marks):
            return code
    if type(problem).__name__ == "OutOfMemoryError":
        return "CUDA_OOM"
    if isinstance(problem, OSError) and problem.errno in _DISK_FULL:
        return "DISK_FULL"
    kinds: Tuple[Tuple[type, str], ...] = (
        (MemoryError, "HOST_OOM"),
        (ImportError, "IMPORT_FAILED"),
        (PermissionError, "PERMISSION_DENIED"),
        (FloatingPointError, "NAN_LOSS"),
        (ConnectionError, "RESOURCE_UNAVAILABLE"),
    )
    if isinstance(problem, FileNotFoundError):
        return "CHECKPOINT_NOT_FOUND" if _is_checkpoint(problem.filename) else "DATASET_NOT_FOUND"
    return next((code for kind, code in kinds if isinstance(problem, kind)), None)


def _is_checkpoint(path: Any) -> bool:
    folder = checkpoint_dir()
    if folder is None or not isinstance(path, str):
        return False
    return os.path.abspath(path).startswith(os.path.abspath(folder) + os.sep) or path == resume_from()


def code_of(problem: BaseException) -> str:
    """The failure class of an exception, or of the one it was raised `from`; else `APP_` and its type."""
    cause: Optional[BaseException] = problem
    for _ in range(_CAUSES_MAX):
        if cause is None:
            break
        code = _own_code(cause)
        if code is not None:
            return code
        cause = cause.__cause__
    name = type(problem).__name__
    words = "".join(
        "_" + c if c.isupper() and i and not name[i - 1].isupper() else c for i, c in enumerate(name)
    )
    return _code("APP_" + words)


def _code(text: Any) -> str:
    kept = (c if c.isascii() and c.isalnum() else "_" for c in _text_of(text).upper())
    return "".join(kept)[:CODE_BYTES_MAX] or "UNKNOWN"


def _traceback_tail(problem: BaseException) -> str:
    """The innermost frames. Without source lines: reading those would touch files."""
    frames = list(traceback.walk_tb(problem.__traceback__))[-_FRAMES_MAX:]
    lines = [
        'File "{}", line {}, in {}'.format(f.f_code.co_filename, line, f.f_code.co_name) for f, line in frames
    ]
    return "\n".join(lines + ["{}: {}".format(type(problem).__name__, _text_of(problem))])


# From a word to the file ---------------------------------------------------------------------------


class _Line(NamedTuple):
    event_type: str
    payload: _Payload
    at: float


class _Unfit(ValueError):
    """A line that no retry can write."""


class _Outlet:
    """The file: one `write(2)` per line, appended, never waiting. Not safe for threads by itself."""

    def __init__(self, path: str, numbered: bool) -> None:
        self._path = path
        self._numbered = numbered
        self._n = 1
        self._fd: Optional[int] = None
        self._identity: Tuple[int, int] = (0, 0)
        # The file ends in the middle of a line.
        self.torn = False

    def write(self, line: _Line) -> bool:
        """Whether the line is in the file. A line that is not keeps its `n` for the next try."""
        data = self._render(line)
        try:
            if self.torn and not self._append(b"\n"):
                return False
            written = self._append(data)
        except OSError:
            self.close()
            return False
        # All but the newline is all that has to be said; whoever writes next ends the line.
        if written < len(data) - 1:
            return False
        self._n += 1
        return True

    def end_line(self) -> bool:
        """Ends a line that was cut off. Whether there is none (any more)."""
        try:
            return not self.torn or self._append(b"\n") == 1
        except OSError:
            self.close()
            return False

    def close(self) -> None:
        fd, self._fd = self._fd, None
        try:
            # Somebody else may have closed ours, and the number may be a file of theirs by now.
            if fd is not None and self._is_ours(fd):
                os.close(fd)
        except OSError:
            pass

    def _append(self, data: bytes) -> int:
        written = os.write(self._opened(), data)
        if written:
            self.torn = data[written - 1 : written] != b"\n"
        return written

    def _opened(self) -> int:
        if self._fd is not None and self._is_ours(self._fd):
            return self._fd
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        for extra in ("O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY"):
            flags |= getattr(os, extra, 0)
        fd = os.open(self._path, flags, 0o600)
        found = os.fstat(fd)
        self._fd, self._identity = fd, (found.st_dev, found.st_ino)
        return fd

    def _is_ours(self, fd: int) -> bool:
        """Whether `fd` is still our file, and the file still has a name."""
        try:
            found = os.fstat(fd)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity and found.st_nlink > 0

    def _render(self, line: _Line) -> bytes:
        data = self._encode(line.event_type, line.payload, line.at)
        if len(data) >= LINE_BYTES_MAX and "details" in line.payload:
            # Every other field is bounded where it is built.
            slim = dict(line.payload, details={"omitted_bytes": len(data)})
            data = self._encode(line.event_type, slim, line.at)
        if len(data) >= LINE_BYTES_MAX:
            raise _Unfit("{} of {} bytes".format(line.event_type, len(data)))
        return data

    def _encode(self, event_type: str, payload: _Payload, at: float) -> bytes:
        event: _Payload = {"event_type": event_type, "payload": payload, "timestamp": _rfc3339(at)}
        if self._numbered:
            event["n"] = self._n
        try:
            text = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError) as problem:
            raise _Unfit("{}: {}".format(event_type, problem)) from problem
        return text.encode("utf-8") + b"\n"


class _Telemetry:
    """The newest unsaid telemetry. Pure: the caller brings the time."""

    def __init__(self) -> None:
        self._values_at = 0.0
        self._clear()

    def _clear(self) -> None:
        self._progress: Optional[_Line] = None
        self._values: Dict[str, float] = {}
        self._step: Optional[int] = None
        self._alive_at: Optional[float] = None

    def __bool__(self) -> bool:
        return self._progress is not None or bool(self._values) or self._alive_at is not None

    def progress(self, payload: _Payload, at: float) -> None:
        self._progress = _Line("progress", payload, at)

    def metrics(self, values: Mapping[str, float], step: Optional[int], at: float) -> int:
        """Returns how many values found no room. One that is not finite stays until it has been said."""
        without_room = 0
        self._values_at = at
        self._step = self._step if step is None else step
        for name, value in values.items():
            older = self._values.get(name)
            if older is None and len(self._values) >= _PENDING_METRICS_MAX:
                without_room += 1
            elif older is None or math.isfinite(older) or not math.isfinite(value):
                self._values[name] = value
        return without_room

    def heartbeat(self, at: float) -> int:
        self._alive_at = at
        return 0

    def take(self) -> List[_Line]:
        lines = [] if self._progress is None else [self._progress]
        values = list(self._values.items())
        for start in range(0, len(values), METRICS_MAX):
            payload = _given(step=self._step)
            payload.update(_split_metrics(dict(values[start : start + METRICS_MAX])))
            lines.append(_Line("metric", payload, self._values_at))
        if self._alive_at is not None:
            lines.append(_Line("heartbeat", {"alive_at": _rfc3339(self._alive_at)}, self._alive_at))
        self._clear()
        return lines


def _beat_s(watchdog_usec: Optional[str]) -> float:
    """Every ten seconds, or twice within the supervisor's limit (sd_watchdog_enabled(3))."""
    try:
        half = int(watchdog_usec or "") / 2e6
    except ValueError:
        return _HEARTBEAT_S
    return min(max(half, 0.1), _HEARTBEAT_S) if half > 0 else _HEARTBEAT_S


class _Emitter:
    """The path of a word to the file.

    `_writing` is held across writes and callers wait for it only `_PATIENCE_S`; `_pending_lock` is never
    held across one, and may be taken again by a signal handler of the same thread.
    """

    def __init__(self, path: str, numbered: bool, heartbeats: bool, beat_s: float = _HEARTBEAT_S) -> None:
        self.heartbeats = heartbeats
        self.beat_s = beat_s
        self._closed = False
        self.problem: Callable[[str], None] = lambda text: None
        self._outlet = _Outlet(path, numbered)
        self._writing = threading.Lock()
        self._pending = _Telemetry()
        self._pending_lock = threading.RLock()
        self._backlog: Deque[_Line] = collections.deque(maxlen=_BACKLOG_MAX)
        self._lost = 0
        # `None`: look again; an event: say everything, then set it. Its `put` may be called anywhere.
        self._wake: queue.SimpleQueue[Optional[threading.Event]] = queue.SimpleQueue()
        now = time.monotonic()
        self._said_last, self._beat_last, self._tried_last = now - _INTERVAL_S, now, now
        self._thread = threading.Thread(target=self._write_when_due, name="pulse-emit", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # No thread can be had: telemetry waits for the next other word.
            pass

    @property
    def lost(self) -> int:
        return self._lost

    def lose(self, words: int, why: str) -> None:
        if words:
            with self._pending_lock:
                self._lost += words
            self.problem(why)

    def say(self, event_type: str, payload: _Payload) -> None:
        """Writes an event that must not be lost, after the telemetry that was reported before it."""
        line = _Line(event_type, payload, time.time())
        if not self._writing.acquire(timeout=_PATIENCE_S):
            # Somebody else writes, and slowly. What was reported before this word waits before it.
            with self._pending_lock:
                earlier = self._pending.take()
            for waiting in (*earlier, line):
                self._defer(waiting)
            return
        try:
            # What waits was said earlier and is written earlier.
            if self._drain_backlog(_BACKLOG_PER_CALL):
                self._say_pending()
                self._say_or_defer(line)
            else:
                self._defer(line)
        finally:
            self._writing.release()

    def report(self, add: Callable[[_Telemetry, float], int]) -> None:
        """Adds to the telemetry; touches no file."""
        at = time.time()
        with self._pending_lock:
            first = not self._pending
            without_room = add(self._pending, at)
        self.lose(without_room, "too many metrics wait to be said")
        if first:
            self._wake.put(None)

    def flush(self, patience_s: float) -> None:
        """Has everything written that can be, and waits for that at most so long."""
        if self._thread.is_alive():
            done = threading.Event()
            self._wake.put(done)
            done.wait(patience_s)
        elif self._writing.acquire(timeout=patience_s):
            try:
                self._drain(everything=True)
            finally:
                self._writing.release()

    def close(self) -> None:
        """Ends the thread and lets go of the file. Takes no lock: in a forked child nobody releases one."""
        self._closed = True
        self._wake.put(None)
        self._outlet.close()

    def _defer(self, line: _Line) -> None:
        if len(self._backlog) == _BACKLOG_MAX:
            self.lose(1, "too many lines wait for the disk")
        self._backlog.append(line)
        if self._wake.empty():
            self._wake.put(None)

    def _say_or_defer(self, line: _Line) -> None:
        try:
            if not self._outlet.write(line):
                self.problem("cannot write {} now".format(line.event_type))
                self._defer(line)
            elif self._outlet.torn:
                self._wake.put(None)
        except _Unfit as problem:
            self.lose(1, str(problem))

    def _say_pending(self) -> None:
        with self._pending_lock:
            lines = self._pending.take()
        for line in lines:
            self._said_last = time.monotonic()
            try:
                if not self._outlet.write(line):
                    self.lose(1, "cannot write {}".format(line.event_type))
            except _Unfit as problem:
                self.lose(1, str(problem))

    def _drain(self, everything: bool) -> None:
        """Says the lines that wait, and the telemetry if it is due. With `_writing` held."""
        self._tried_last = time.monotonic()
        if not self._outlet.end_line() or not self._drain_backlog(_BACKLOG_MAX):
            return
        if everything or time.monotonic() >= self._said_last + _INTERVAL_S:
            self._say_pending()

    def _drain_backlog(self, lines_max: int) -> bool:
        """Says at most so many of the lines that wait; whether none is left."""
        for _ in range(lines_max):
            if not self._backlog:
                break
            line = self._backlog.popleft()
            try:
                if not self._outlet.write(line):
                    self._backlog.appendleft(line)
                    break
            except _Unfit as problem:
                self.lose(1, str(problem))
        return not self._backlog

    def _due_s(self) -> float:
        """Seconds until there is something to do."""
        due = self._beat_last + self.beat_s
        if self._backlog or self._outlet.torn:
            due = min(due, self._tried_last + _RETRY_S)
        elif self._pending:
            due = min(due, self._said_last + _INTERVAL_S)
        return max(due - time.monotonic(), 0.0)

    def _write_when_due(self) -> None:
        while not self._closed:
            asked: Optional[threading.Event] = None
            try:
                asked = self._wake.get(timeout=self._due_s())
            except queue.Empty:
                pass
            try:
                self._beat()
                with self._writing:
                    self._drain(everything=asked is not None)
            except Exception as problem:  # A writer that dies silences the run.
                self.lose(1, "writer: {!r}".format(problem))
            if asked is not None:
                asked.set()

    def _beat(self) -> None:
        now = time.monotonic()
        if now >= self._beat_last + self.beat_s:
            self._beat_last = now
            if self.heartbeats:
                with self._pending_lock:
                    self._pending.heartbeat(time.time())


# What is asked of the worker -----------------------------------------------------------------------


class _Control:
    """What has been asked and not yet done. Fields are set by the listener and by the signal handler,
    each by one assignment: a handler must take no lock that the code it interrupts may hold."""

    def __init__(self) -> None:
        self.stop = False
        self.paused = False
        self.release = False
        self.ignored = 0
        self._checkpoints_asked = 0
        self._checkpoints_taken = 0
        self._settings: Deque[_Payload] = collections.deque(maxlen=_SETTINGS_MAX)
        self._socket: Optional[socket.socket] = None
        self._closed = False

    def hear(self, line: bytes) -> None:
        """One line from the supervisor. What is no command of ours is counted: there may be newer words."""
        try:
            fields = json.loads(line.decode("utf-8"))
            verb = fields.pop("cmd")
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
            verb, fields = None, {}
        if verb == "stop":
            self.stop = True
        elif verb == "checkpoint":
            self._checkpoints_asked += 1
        elif verb == "pause":
            self.release = self.release or fields.get("release") is True
            self.paused = True
        elif verb == "resume":
            self.paused = False
            self.release = False
        elif verb == "configure":
            self._settings.append(fields)
        else:
            self.ignored += 1

    def take_checkpoint(self) -> bool:
        asked = self._checkpoints_asked
        wanted, self._checkpoints_taken = asked != self._checkpoints_taken, asked
        return wanted

    def take_settings(self) -> _Payload:
        merged: _Payload = {}
        while self._settings:
            merged.update(self._settings.popleft())
        return merged

    def listen(self, path: str) -> None:
        thread = threading.Thread(target=self._listen, args=(path,), name="pulse-control", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # Then the worker is asked by signals only, which the contract allows.
            pass

    def close(self) -> None:
        """Ends the listener, at its next line or connection."""
        self._closed = True
        if self._socket is not None:
            self._socket.close()

    def _listen(self, path: str) -> None:
        wait_s = _RECONNECT_MIN_S
        while not self._closed:
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                    self._socket = connection
                    connection.connect(path)
                    if self.read(connection.recv):
                        wait_s = _RECONNECT_MIN_S
            except Exception:  # Whatever it was: the next connection may do better.
                pass
            time.sleep(wait_s)
            wait_s = min(wait_s * 2, _RECONNECT_MAX_S)

    def read(self, receive: Callable[[int], bytes]) -> int:
        """Reads lines until the end. Returns how many; a cut-off last one is not one, and one that is
        too long is skipped without being stored."""
        rest, skipping, lines = b"", False, 0
        while True:
            data = receive(4096)
            if not data:
                return lines
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                self.hear(b"" if skipping else line)
                skipping = False
            lines += len(whole)
            if len(rest) > LINE_BYTES_MAX:
                rest, skipping = b"", True


# The voice of this process -------------------------------------------------------------------------


class _Passes:
    """What is known of the passes of `track`. Pure."""

    def __init__(self) -> None:
        self.any = False
        self.epochs = 0
        self._epochs_wanted = 0
        self._open = 0
        self._last_whole = False

    def begin(self, total_epochs: Optional[int]) -> None:
        self.any, self._last_whole = True, False
        self._open += 1
        if total_epochs is not None:
            self._epochs_wanted = total_epochs

    def end(self, whole: bool, is_epoch: bool) -> None:
        """A pass is over; `whole`: it went to the end of its items."""
        self._open -= 1
        self.epochs += whole and is_epoch
        # A pass within another says nothing of the one around it.
        self._last_whole = whole and self._open == 0

    @property
    def through(self) -> bool:
        """Whether `track` has nothing left to do."""
        return self._last_whole and self.epochs >= self._epochs_wanted


class _Voice:
    """Everything that belongs to this process; silent outside Resus."""

    def __init__(self, environ: Mapping[str, str], speaks: bool, numbered: bool = True) -> None:
        self.environ = environ
        self.emitter: Optional[_Emitter] = None
        self.control = _Control()
        self.started = time.monotonic()
        # The worker said how it ended; nothing says it a second time unasked.
        self.ended = False
        # The trainer was told that it is to stop.
        self.stop_seen = False
        self.stage: Optional[str] = None
        self.loss: Optional[float] = None
        # The newest loss that was reported is NaN or infinite.
        self.loss_broken = False
        self.epoch: Optional[float] = None
        self.passes = _Passes()
        self._handler_before: Any = None
        self._catches = False
        events, control = environ.get("PULSE_EVENTS"), environ.get("PULSE_CONTROL")
        if speaks and events:
            beat_s = _beat_s(environ.get("WATCHDOG_USEC"))
            self.emitter = _Emitter(os.path.abspath(events), numbered, _heartbeats, beat_s)
            self.emitter.problem = _tell
            if control:
                self.control.listen(control)

    def catch_signals(self) -> None:
        """Takes SIGTERM as a request to stop. Done where the trainer begins to ask for one: a program
        that never asks must die of SIGTERM as it always did."""
        if self._catches or self.emitter is None or threading.current_thread() is not threading.main_thread():
            return
        self._catches = True
        try:
            self._handler_before = signal.signal(signal.SIGTERM, self._on_signal)
        except (ValueError, OSError):
            pass

    def _on_signal(self, number: int, frame: Any) -> None:
        self.control.stop = True
        if callable(self._handler_before):
            self._handler_before(number, frame)

    def close(self) -> None:
        """Falls silent for good, and gives back the meaning of SIGTERM. Takes no lock."""
        self.control.close()
        if self.emitter is not None:
            self.emitter.close()
        if self._handler_before is not None:
            try:
                signal.signal(signal.SIGTERM, self._handler_before)
            except (ValueError, OSError):
                pass


_here: Optional[_Voice] = None
_making = threading.Lock()
_heartbeats = True
_log: Optional[Callable[[str], Any]] = None
_telling = threading.local()


def _voice() -> _Voice:
    return _here if _here is not None else _make(None)


def _make(speak: Optional[bool]) -> _Voice:
    """The voice of this process, made at its first word; `speak` overrides who may."""
    global _here
    with _making:
        if _here is not None and speak is None:
            return _here
        if _here is not None:
            _here.close()
        chosen = speak is not False and _may_speak(os.environ)
        if chosen:
            os.environ[_SPEAKER] = _speaker_mark(os.environ)
        # A further speaker does not number its lines: two that count from 1 would deny each other.
        _here = _Voice(dict(os.environ), speaks=bool(speak) or chosen, numbered=chosen)
        return _here


def _speaker_mark(environ: Mapping[str, str]) -> str:
    return "{} {}".format(os.getpid(), environ.get("PULSE_EVENTS", ""))


def _may_speak(environ: Mapping[str, str]) -> bool:
    if not environ.get("PULSE_EVENTS"):
        return False
    if any(environ.get(name, "0") != "0" for name in _RANKS):
        return False
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        return False
    mark = environ.get(_SPEAKER, "").split(" ", 1)
    elsewhere = len(mark) == 2 and mark[1] == environ["PULSE_EVENTS"] and mark[0] != str(os.getpid())
    return not elsewhere


def _in_forked_child() -> None:
    global _here, _making
    _making = threading.Lock()
    if _here is not None:
        _here.close()
        _here = _Voice(_here.environ, speaks=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)


def _tell(text: str) -> None:
    """Passes a problem of ours on to whoever wants to know; `configure(log=…)`."""
    log = _log
    if log is None or getattr(_telling, "now", False):
        return
    _telling.now = True  # A log that itself speaks PULSE must not go round in circles.
    try:
        log("resus: " + text)
    except Exception:  # Telling of a problem must not become one.
        pass
    finally:
        _telling.now = False


def _quiet(function: _F) -> _F:
    """`function`, which then never raises: a training must not fail because of what is said about it."""

    def quiet(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as problem:
            _lose("{}: {!r}".format(function.__name__, problem))
            return None

    quiet.__name__, quiet.__doc__ = function.__name__, function.__doc__
    quiet.__qualname__, quiet.__module__ = function.__qualname__, function.__module__
    quiet.__wrapped__ = function  # type: ignore[attr-defined]
    return cast(_F, quiet)


@_quiet
def _say(event_type: str, build: Callable[[], _Payload]) -> None:
    emitter = _voice().emitter
    if emitter is not None:
        emitter.say(event_type, build())


# What can be said ----------------------------------------------------------------------------------


@_quiet
def progress(
    epoch: Any = None,
    *,
    total_epochs: Any = None,
    step: Any = None,
    total_steps: Any = None,
    done: Any = None,
    total: Any = None,
    unit: Optional[str] = None,
    session_start: Any = None,
    loss: Any = None,
    stage: Optional[str] = None,
    current_target: Optional[str] = None,
    message: Optional[str] = None,
) -> None:
    """Says how far the run is; call it as often as you like.

    `epoch` may have a fraction. `done` of `total` are in `unit` (epoch, step, game, target, percent);
    `session_start` is what was done when this attempt began. A loss that is not finite is said as a metric.
    """
    voice = _voice()
    if voice.emitter is None:
        return
    guess = "epoch" if step is None and done is None and epoch is not None else "step"
    payload = _given(
        unit=_word(unit or guess, UNITS), epoch=_finite(epoch), total_epochs=_finite(total_epochs),
        step=_whole(step), total_steps=_whole(total_steps), done=_finite(done), total=_finite(total),
        session_start=_finite(session_start), stage=_name(stage), current_target=_name(current_target),
        message=None if message is None else _clip(message, STATUS_MESSAGE_BYTES_MAX),
    )  # fmt: skip
    value = _real(loss)
    broken = {} if value is None or math.isfinite(value) else {"loss": value}
    if value is not None:
        voice.loss_broken = bool(broken)
    if value is not None and not broken:
        voice.loss = payload["loss"] = value
    voice.epoch = payload.get("epoch", voice.epoch)

    def add(telemetry: _Telemetry, at: float) -> int:
        telemetry.progress(payload, at)
        return telemetry.metrics(broken, payload.get("step"), at) if broken else 0

    voice.emitter.report(add)


@_quiet
def metric(
    values: Union[Mapping[str, Any], str, None] = None,
    value: Any = None,
    /,
    *,
    step: Any = None,
    **named: Any,
) -> None:
    """Says numbers by name: `metric(loss=0.3)`, `metric("loss", 0.3)` or `metric({"val/loss": 0.3}, step=7)`.

    Numbers of different names are merged until they are said; names are cut at 64 characters.
    """
    voice = _voice()
    emitter = voice.emitter
    if emitter is None:
        return
    given = {values: value} if isinstance(values, str) else dict(values or {})
    given.update(named)
    numbers = _numbers(given)
    at_step = _whole(step)
    if _LOSS in numbers:
        voice.loss_broken = not math.isfinite(numbers[_LOSS])
    if numbers:
        emitter.report(lambda telemetry, at: telemetry.metrics(numbers, at_step, at))


@_quiet
def heartbeat() -> None:
    """Says that the worker lives. Not progress: a worker that only lives is hung to the watchdog."""
    emitter = _voice().emitter
    if emitter is not None:
        emitter.report(_Telemetry.heartbeat)


def status(status: str, message: str = "") -> None:
    """Says where the run is in the worker's view (`preparing`, `running`, …), with a line for people."""
    _say("status", lambda: {
        "status": _word(status, STATUSES), "message": _clip(message, STATUS_MESSAGE_BYTES_MAX),
    })  # fmt: skip


def stage(new_stage: str, previous: Optional[str] = None) -> None:
    """Says that the pipeline went on to `new_stage`; the stage before is remembered if it is not given."""

    def build() -> _Payload:
        voice = _voice()
        before, voice.stage = previous or voice.stage, new_stage
        return _given(previous_stage=_name(before), new_stage=_required(new_stage))

    _say("stage_change", build)


def error(
    problem: Union[BaseException, str],
    code: Optional[str] = None,
    *,
    retryable: Optional[bool] = None,
    fatal: bool = False,
    target: Optional[str] = None,
    details: Optional[Mapping[str, Any]] = None,
) -> None:
    """Says that something went wrong: an exception, whose class is guessed, or a text with its `code`.

    `fatal`: this attempt cannot go on. `retryable` overrides what the class says about another attempt.
    `details` are said beside what is found in the exception, and in its place where the names are the same.
    """

    def build() -> _Payload:
        found: Dict[Any, Any] = {}
        text, guess = problem, "UNKNOWN"
        if isinstance(problem, BaseException):
            kind = type(problem).__name__
            text, guess = "{}: {}".format(kind, _text_of(problem)), code_of(problem)
            found = {"exception": kind, "traceback_tail": _traceback_tail(problem)}
        if isinstance(details, Mapping):
            found = {**found, **details}
        elif details is not None:
            _leave_out(details, "mapping of details")
        payload = _given(
            error_code=_code(code or guess), message=_clip(text, ERROR_MESSAGE_BYTES_MAX),
            is_retryable=None if retryable is None else bool(retryable),
            fatal=bool(fatal), target=_name(target), details=_details(found) if found else None,
        )  # fmt: skip
        # Not before: an error that could not be said is left to whoever says the end.
        _voice().ended = _voice().ended or bool(fatal)
        return payload

    _say("error", build)


def target_start(target: str, index: Optional[int] = None, total: Optional[int] = None) -> None:
    """Says that work on one of several targets begins; `index` counts from 0."""
    _say("target_start", lambda: _given(
        target=_required(target), target_index=_whole(index), total_targets=_whole(total),
    ))  # fmt: skip


def target_complete(
    target: str,
    status: str = "success",
    *,
    index: Optional[int] = None,
    total: Optional[int] = None,
    best_auc: Any = None,
    models_trained: Optional[int] = None,
    duration_seconds: Any = None,
    metrics: Optional[Mapping[str, Any]] = None,
) -> None:
    """Says that a target is finished: `success`, `failed` or `skipped`."""
    _say("target_complete", lambda: _given(
        target=_required(target), status=_word(status, TARGET_OUTCOMES), target_index=_whole(index),
        total_targets=_whole(total), best_auc=_finite(best_auc), models_trained=_whole(models_trained),
        duration_seconds=_finite(duration_seconds), **_metrics(metrics),
    ))  # fmt: skip


def checkpoint(
    path: Union[str, bytes, os.PathLike[str], os.PathLike[bytes]],
    step: Any = None,
    *,
    loss: Any = None,
    metrics: Optional[Mapping[str, Any]] = None,
    health: Optional[str] = None,
    epoch: Any = None,
    checkpoint_id: Optional[str] = None,
    size_bytes: Optional[int] = None,
    duration_s: Any = None,
    digest: Optional[str] = None,
) -> None:
    """Says that a checkpoint lies complete under its final name: a file or a folder, of any format.

    Resus digests every file of it, and hands the path back (`resume_from`) while each byte is the same; so
    write another one rather than over it. `loss` and `metrics` are those of the saved state: by them the
    best ones are kept. A run does not go on from a checkpoint whose `health` is `not_finite`; it is
    `finite` if the loss is, and `not_finite` if the loss given here is not, or, where neither loss nor
    health is given, the newest one that was reported. Say it yourself if you have looked at the weights.
    """

    def build() -> _Payload:
        where = _absolute(path)
        name = checkpoint_id or _ENDING.sub("", os.path.basename(where))
        numbers, value = _metrics(metrics), _real(loss)
        said = _given(
            action="saved", checkpoint_id=_name(name), path=where, step=_whole(step), epoch=_finite(epoch),
            size_bytes=_whole(size_bytes), duration_s=_finite(duration_s), digest=_name(digest),
            health=_health(health, value, numbers), **numbers,
        )  # fmt: skip
        if value is not None:
            said["loss"] = value if math.isfinite(value) else None
        return said

    _say("checkpoint", build)


def _absolute(path: Any) -> str:
    """Where a file or folder lies, for a reader in another folder. Raises where that can't be said."""
    where = os.path.abspath(os.fsdecode(path))
    if "\0" in where or len(where.encode("utf-8")) > PATH_BYTES_MAX:  # `encode` raises if it is not UTF-8.
        raise ValueError("no path of at most {} bytes".format(PATH_BYTES_MAX))
    return where


def _health(said: Any, loss: Optional[float], numbers: _Payload) -> Optional[str]:
    """The worse of what is said and what the loss tells; nothing where nobody knows."""
    if said is not None and not (isinstance(said, str) and said in HEALTHS):
        _leave_out(said, " or ".join(HEALTHS))
        said = None
    if loss is not None:
        is_finite = math.isfinite(loss)
    elif _LOSS in numbers.get("metrics", {}):
        is_finite = numbers["metrics"][_LOSS] is not None
    elif said is None and _voice().loss_broken:
        is_finite = False
    else:
        return cast(Optional[str], said)
    return (said or "finite") if is_finite else "not_finite"


def complete(
    status: str = "success",
    *,
    final_loss: Any = None,
    epochs_completed: Any = None,
    duration_seconds: Any = None,
    metrics: Optional[Mapping[str, Any]] = None,
    message: Optional[str] = None,
) -> None:
    """The worker's last word: `success`, `failed` or `cancelled`. Without it an exit code 0 is a failure.

    Any other word is said as `failed` and counted (`lost`), since a success must not be guessed; the
    message, if there is none, names the word.
    """

    def build() -> _Payload:
        outcome, text = status, message
        if not isinstance(status, str) or status not in OUTCOMES:
            unknown = _unknown_outcome(status)
            outcome, text = "failed", unknown if message is None else message
        payload = _given(
            status=outcome, final_loss=_finite(final_loss),
            epochs_completed=_finite(epochs_completed),
            duration_seconds=_finite(duration_seconds), **_metrics(metrics),
            message=None if text is None else _clip(text, STATUS_MESSAGE_BYTES_MAX),
        )  # fmt: skip
        _voice().ended = True
        return payload

    _say("run_complete", build)


def _unknown_outcome(word: Any) -> str:
    why = "unknown outcome {}, said as failed".format(_clip(word, CODE_BYTES_MAX))
    _lose(why)
    return why


@_quiet
def _complete_once(outcome: str, message: Optional[str] = None) -> None:
    voice = _voice()
    if not voice.ended:
        complete(
            outcome, final_loss=voice.loss, epochs_completed=voice.epoch, message=message,
            duration_seconds=time.monotonic() - voice.started,
        )  # fmt: skip


# What is asked, and how it is done -----------------------------------------------------------------


def should_stop() -> bool:
    """Whether to save and leave; asked for by Resus or by SIGTERM. Once true it stays true."""
    voice = _voice()
    voice.catch_signals()
    voice.stop_seen = voice.stop_seen or voice.control.stop
    return voice.control.stop


def should_pause() -> bool:
    """Whether to hold: call `hold_while_paused`."""
    return _voice().control.paused


def checkpoint_wanted() -> bool:
    """Whether a checkpoint was asked for. True once for every time it was."""
    return _voice().control.take_checkpoint()


def take_settings() -> Dict[str, Any]:
    """What was asked to be configured since the last call; newer settings replace older ones."""
    return _voice().control.take_settings()


def hold_while_paused(save: Optional[Save] = None, *, step: Any = None) -> bool:
    """Holds while a pause is asked for; returns whether to go on (`False`: stop).

    `save` is called first. A pause that releases the machine raises `Stop` with code 3 once there is a
    checkpoint; without one the worker holds, since there would be nothing to come back to.
    """
    voice = _voice()
    voice.catch_signals()
    if voice.control.paused and not voice.control.stop:
        _hold(voice, save, step, saved=False)
    return not should_stop()


def point(save: Optional[Save] = None, *, step: Any = None) -> None:
    """A safe point: does what is asked. Call it between steps, when the state is whole.

    checkpoint: `save`; pause: `save` and hold until resumed; stop: `save`, say so, raise `Stop`.
    `save` returns the path to announce, or `None` to announce nothing, or `False` if it did not save.
    If it raises, that is reported and the training goes on.
    """
    voice = _voice()
    voice.catch_signals()
    control, saved = voice.control, False
    if save is not None and control.take_checkpoint():
        saved = _save(save, step)
    if control.paused and not control.stop:
        saved = _hold(voice, save, step, saved)
    if control.stop:
        if not saved:
            _save(save, step)
        _leave_stopped()


def _leave_stopped() -> None:
    _complete_once("cancelled", "stopped as asked")
    raise Stop(0)


def _save(save: Optional[Save], step: Any) -> bool:
    """Whether there is now a checkpoint of this very state."""
    if save is None:
        return False
    try:
        path = save()
    except Exception as problem:
        traceback.print_exc()
        error(problem, "CHECKPOINT_SAVE_FAILED")
        return False
    if path is not None and not isinstance(path, bool):
        checkpoint(path, step)
    return path is not False


def _hold(voice: _Voice, save: Optional[Save], step: Any, saved: bool) -> bool:
    control = voice.control
    saved = saved or _save(save, step)
    said = False
    while control.paused and not control.stop:
        if control.release and saved:
            status("paused", "released at a checkpoint")
            flush(_EXIT_PATIENCE_S)
            # The code says it all: passes tracked so far must not be announced as the end.
            voice.ended = True
            raise Stop(EXIT_PAUSED)
        if not said:
            status("paused", "holding" if saved else "holding without a checkpoint")
            said = True
        if save is not None and control.take_checkpoint():
            saved = _save(save, step)
        time.sleep(_HOLD_POLL_S)
    if said and not control.stop:
        status("running", "resumed")
    return saved


class Run:
    """A training from its first to its last step; made by `run`."""

    def __init__(self, total_epochs: Any = None, total_steps: Any = None) -> None:
        self._totals = _given(total_epochs=total_epochs, total_steps=total_steps)

    def __enter__(self) -> Run:
        status("running")
        return self

    def __exit__(self, kind: Any, problem: Optional[BaseException], trace: Any) -> None:
        if problem is None:
            self._leave()
        elif isinstance(problem, KeyboardInterrupt):
            _complete_once("cancelled", "interrupted")
        elif isinstance(problem, SystemExit):
            # Any other code speaks for itself, and a `Stop` has said what it is.
            if problem.code in (None, 0) and not isinstance(problem, Stop):
                self._leave()
            else:
                _voice().ended = True
        elif isinstance(problem, Exception) and not _voice().ended:
            error(problem, fatal=True)

    def _leave(self) -> None:
        stopped = _voice().stop_seen
        _complete_once("cancelled" if stopped else "success", "stopped as asked" if stopped else None)

    def steps(self, total_steps: int, *, first: int = 0, save: Optional[Save] = None) -> Iterator[int]:
        """The steps `first` to `total_steps - 1`, with a safe point before and progress after each."""
        self._totals["total_steps"] = total_steps
        for step in range(first, total_steps):
            point(save, step=step)
            yield step
            self.progress(step=step + 1, session_start=first)

    def progress(self, epoch: Any = None, **fields: Any) -> None:
        """`resus.progress`, with the totals of the run."""
        progress(epoch, **dict(self._totals, **fields))

    def metric(self, *values: Any, **named: Any) -> None:
        """`resus.metric`."""
        metric(*values, **named)

    def checkpoint(self, path: Any, step: Any = None, **fields: Any) -> None:
        """`resus.checkpoint`."""
        checkpoint(path, step, **fields)

    def stage(self, new_stage: str) -> None:
        """`resus.stage`."""
        stage(new_stage)

    def point(self, save: Optional[Save] = None, *, step: Any = None) -> None:
        """`resus.point`."""
        point(save, step=step)


def run(total_epochs: Any = None, total_steps: Any = None) -> Run:
    """A context manager around a training, which says how it ended.

    Leaving normally is success, or cancelled if the trainer left because `should_stop` told it to; an
    exception is a fatal error of its class and goes on; `KeyboardInterrupt` is cancelled; `sys.exit`
    with another code than 0 leaves that code to speak.
    """
    return Run(total_epochs, total_steps)


def track(
    iterable: Iterable[_T], total_epochs: Optional[int] = None, *, save: Optional[Save] = None
) -> Iterator[_T]:
    """`iterable`, with progress said and a safe point before each item.

    One call is one pass; with `total_epochs` it is one epoch of so many, and the outer loop stays yours.
    When the last pass and all epochs are through and the program ends without an exception, it is said to
    be complete. A program that leaves a pass earlier on purpose says so itself: `resus.complete()`. Which
    code `sys.exit` was given after the passes cannot be seen here; within `resus.run()` it can, and another
    than 0 is left to speak.
    """
    voice = _voice()
    if voice.emitter is None:
        yield from iterable
        return
    passes, length, whole = voice.passes, _length(iterable), False
    epoch = passes.epochs
    passes.begin(total_epochs)
    try:
        for index, item in enumerate(iterable, 1):
            point(save)
            yield item
            _track_progress(epoch, index, length, total_epochs)
        whole = True
    finally:
        passes.end(whole, total_epochs is not None)


def _track_progress(epoch: int, index: int, length: Optional[int], total_epochs: Optional[int]) -> None:
    if total_epochs is None:
        progress(step=index, total_steps=length)
    elif length is None:
        progress(epoch, total_epochs=total_epochs)
    else:
        progress(
            epoch + index / length, total_epochs=total_epochs, unit="step",
            step=epoch * length + index, total_steps=total_epochs * length,
        )  # fmt: skip


def _length(iterable: Any) -> Optional[int]:
    try:
        return len(iterable)
    except Exception:  # `__len__` of a loader is code of others, and may fail in any way.
        return None


# About this process --------------------------------------------------------------------------------


def enabled() -> bool:
    """Whether this process speaks for a run of Resus."""
    return _voice().emitter is not None


def training_id() -> Optional[str]:
    """The run, or `None` outside Resus."""
    return os.environ.get("PULSE_TRAINING_ID") or None


def attempt() -> int:
    """Which attempt of the run this is, from 1; 0 outside Resus."""
    text = os.environ.get("PULSE_ATTEMPT", "").strip()
    return int(text) if text.isascii() and text.isdigit() else 0


def checkpoint_dir() -> Optional[str]:
    """Where checkpoints belong, the same folder for every attempt; `None` outside Resus."""
    return os.environ.get("PULSE_CHECKPOINT_DIR") or None


def resume_from() -> Optional[str]:
    """The newest verified checkpoint, if there is one to resume from."""
    return os.environ.get("PULSE_RESUME_FROM") or None


def lost() -> int:
    """How many events, fields and metric values could not be said since the start."""
    emitter = _voice().emitter
    return 0 if emitter is None else emitter.lost


@_quiet
def flush(patience_s: float = _EXIT_PATIENCE_S) -> None:
    """Has everything written that waits, and waits for that at most `patience_s`."""
    emitter = _voice().emitter
    if emitter is not None:
        emitter.flush(patience_s)


@_quiet
def configure(
    *,
    log: Optional[Callable[[str], Any]] = None,
    speak: Optional[bool] = None,
    heartbeat: Optional[bool] = None,
) -> None:
    """Settings of this file: `log` is told of what could not be said (`log=print`); `speak` lets this
    process speak, or not, whatever its rank; `heartbeat=False` ends the one said every 10 s."""
    global _log, _heartbeats
    _log = _log if log is None else log
    if heartbeat is not None:
        _heartbeats = heartbeat
        emitter = _voice().emitter
        if emitter is not None:
            emitter.heartbeats = heartbeat
    if speak is not None and (_here is None or speak != enabled()):
        if _here is not None:
            flush()
        _make(speak)


def _end_of_track(voice: _Voice) -> None:
    """Says how a program ended that said no more than `track` did."""
    if not voice.passes.any or voice.ended:
        return
    uncaught = getattr(sys, "last_value", None)
    if isinstance(uncaught, KeyboardInterrupt):
        _complete_once("cancelled", "interrupted")
    elif isinstance(uncaught, Exception):
        error(uncaught, fatal=True)
    elif uncaught is None and voice.passes.through:
        _complete_once("success")


@atexit.register
def _at_exit() -> None:
    if _here is not None and _here.emitter is not None:
        _quiet(_end_of_track)(_here)
        flush(_EXIT_PATIENCE_S)
