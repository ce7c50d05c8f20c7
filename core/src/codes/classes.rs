//! Every failure class, with what `resus explain` tells about it.

use super::{Class, Rule};

const fn class(code: &'static str, rule: Rule, advice: &'static str) -> Class {
    Class { code, rule, advice, cause: "", remedy: "", response: None, commands: &[] }
}

impl Class {
    const fn caused(mut self, cause: &'static str) -> Self {
        self.cause = cause;
        self
    }

    const fn answered(mut self, response: &'static str) -> Self {
        self.response = Some(response);
        self
    }

    const fn cured(mut self, remedy: &'static str, commands: &'static [&'static str]) -> Self {
        self.remedy = remedy;
        self.commands = commands;
        self
    }
}

const WHY: &str = "resus why RUN";
const LOGS: &str = "resus logs RUN";
const STATUS: &str = "resus status RUN";
const RETRY: &str = "resus retry RUN";
const CHECKPOINTS: &str = "resus checkpoints RUN";
const VERIFY: &str = "resus checkpoints verify RUN";
const DAEMON_LOGS: &str = "resus daemon logs";
const DOCTOR: &str = "resus doctor";

/// Every class we know, in the order of the protocol page.
pub const CLASSES: &[Class] = &[
    class(
        "CONFIG_INVALID",
        Rule::Never,
        "The workload refused its parameters. Correct them and start again.",
    )
    .caused("A parameter out of range, a misspelt name, or two that contradict each other.")
    .cured("Read what the worker printed, and start a new run with better parameters.", &[LOGS, STATUS]),
    class("DATASET_NOT_FOUND", Rule::Never, "The data is not where the workload looks for it.")
        .caused(
            "A path that is relative to another folder, a disk that is not mounted, or a download \
             that failed.",
        )
        .cured("Put the data where the worker looks for it, then retry.", &[LOGS, RETRY]),
    class("COMMAND_NOT_FOUND", Rule::Never, "The program to run does not exist or is not on the PATH.")
        .caused(
            "A typing error, a virtual environment that was not active when the run was started, or a \
             program that was removed.",
        )
        .cured("Give the whole path of the program, or start the run from a shell that finds it.", &[STATUS]),
    class("COMMAND_NOT_EXECUTABLE", Rule::Never, "The program exists but may not be executed.")
        .caused(
            "The file is not marked as executable, is a folder, is built for another machine, or has \
             no interpreter.",
        )
        .cured(
            "Make it executable (chmod +x) or name its interpreter: resus run -- python train.py. \
             Then retry.",
            &[STATUS, RETRY],
        ),
    class("CWD_NOT_FOUND", Rule::Never, "The working folder of the run does not exist any more.")
        .caused("The folder from which the run was started was moved, renamed or deleted.")
        .cured("Put the folder back and retry, or start a new run from where it is now.", &[STATUS, RETRY]),
    class("IMPORT_FAILED", Rule::Never, "The program could not load one of its modules.")
        .caused("A package that is not installed in the environment the run was started from.")
        .cured("Install what is missing into the environment that the run uses, then retry.", &[LOGS, RETRY]),
    class("PERMISSION_DENIED", Rule::Never, "The program was refused access to something it needs.")
        .caused("A file or device that belongs to somebody else.")
        .cured("The end of the output names what was refused. Allow it, then retry.", &[LOGS, RETRY]),
    class("CHECKPOINT_NOT_FOUND", Rule::Never, "The checkpoint to resume from does not exist.")
        .caused("It was deleted or moved, or its path was mistyped.")
        .cured(
            "See which checkpoints there are, and choose one of them.",
            &[CHECKPOINTS, "resus restore RUN CHECKPOINT"],
        ),
    class(
        "CHECKPOINT_VERSION_MISMATCH",
        Rule::Never,
        "The checkpoint was written for other settings or by another version.",
    )
    .caused("The program or the model's shape was changed since the checkpoint was saved.")
    .cured(
        "Use the version that wrote it, or choose another checkpoint.",
        &[CHECKPOINTS, "resus restore RUN CHECKPOINT"],
    ),
    class("RESOURCE_UNAVAILABLE", Rule::Budget, "Something the run needs is busy or missing just now.")
        .caused(
            "A port, device or file that another process holds, or a checkpoint folder that can't be \
             read for the moment.",
        )
        .cured("Usually nothing: it is tried again. If it stays so, see who holds it.", &[WHY, LOGS]),
    class("CUDA_OOM", Rule::Never, "The GPU's memory did not suffice. Lower the batch size.")
        .caused(
            "A batch or model too large, memory that grows over time, or another process on the same \
             GPU (nvidia-smi shows it).",
        )
        .cured(
            "Lower the batch size, accumulate gradients, or free the GPU; then retry.",
            &[LOGS, STATUS, RETRY],
        ),
    class("HOST_OOM", Rule::AtMost(1), "The machine's memory did not suffice.")
        .caused(
            "Data loaders with too many workers, a leak, or other programs on the machine (free -h, \
             dmesg).",
        )
        .cured("Use less memory, or make room; then retry.", &[LOGS, RETRY]),
    class(
        "NAN_LOSS",
        Rule::AtMost(2),
        "The loss became NaN or infinite. The run goes back to a checkpoint from before that.",
    )
    .caused(
        "A learning rate too high, a division by zero, half precision that overflows, or a broken \
             sample in the data.",
    )
    .cured(
        "If it comes back: lower the learning rate, clip gradients, or look at the data near that \
             step.",
        &[WHY, CHECKPOINTS, "resus restore RUN CHECKPOINT"],
    ),
    class("LOSS_DIVERGED", Rule::Never, "The loss grows without bound. Lower the learning rate.")
        .caused("A learning rate too high, or none that warms up.")
        .cured(
            "Go on from a checkpoint before it grew, with a lower learning rate.",
            &[CHECKPOINTS, "resus restore RUN CHECKPOINT"],
        ),
    class("HUNG", Rule::Budget, "The worker lived but got nowhere.")
        .caused(
            "A deadlock, a collective operation that waits for a lost peer, storage that does not \
             answer, or a limit shorter than one step takes.",
        )
        .cured(
            "What the worker was doing was written down before it was killed; why names the file. If \
             it was only slow, allow more time.",
            &[WHY, "resus configure RUN --progress-timeout 2h"],
        ),
    class("WORKER_CRASHED", Rule::Budget, "The worker was ended by a signal.")
        .caused(
            "SIGSEGV or SIGABRT: a bug in native code. SIGKILL: somebody's kill -9, or the kernel for \
             want of memory (dmesg).",
        )
        .cured(
            "Once is bad luck. If it comes back, the end of the output and the signal say where to \
             look.",
            &[WHY, LOGS],
        ),
    class("EXIT_NONZERO", Rule::Budget, "The worker ended with an error code.")
        .caused("An exception that nobody caught: the end of its output has the traceback.")
        .cured(
            "Correct the program if it is its fault, then retry. A worker that exits with 125 is not \
             tried again and with 75 asks for it.",
            &[LOGS, RETRY],
        ),
    class(
        "EXIT_WITHOUT_DONE",
        Rule::Budget,
        "The worker ended with code 0 but never said that the training was complete.",
    )
    .caused(
        "It left early: an empty data set, a sys.exit in a handler, or a script that forgets to \
             say it is done.",
    )
    .cured("See whether it had finished. A worker that speaks PULSE says `done` at its end.", &[LOGS, WHY]),
    class("EXIT_PERMANENT", Rule::Never, "The worker asked not to be tried again (exit code 125).")
        .caused("The worker knows that another attempt would fail the same way.")
        .cured("Its output says why. Correct that, then retry.", &[LOGS, RETRY]),
    class(
        "STARTUP_FAILED",
        Rule::AtMost(1),
        "The worker failed soon after its start, before any progress. The end of its log says why.",
    )
    .caused("A typing error, a missing module or file, or a GPU that is taken.")
    .cured("Read the end of the output and correct what it says, then retry.", &[LOGS, RETRY]),
    class(
        "CRASH_LOOP",
        Rule::Never,
        "The same failure came back at the same step every time, and going back did not help.",
    )
    .caused("A sample in the data or a state of the model that the program can't digest.")
    .cured(
        "Look at what happens at that step; skip it or correct it, then go on from an older \
             checkpoint.",
        &[WHY, CHECKPOINTS, "resus restore RUN CHECKPOINT"],
    ),
    class("NCCL_TIMEOUT", Rule::Budget, "A collective operation between GPUs timed out.")
        .caused(
            "One rank died, hung or was slower than the others; a network between them that lost its \
             link.",
        )
        .cured(
            "Usually nothing: all ranks begin again. If it stays so, see which rank was last.",
            &[LOGS, WHY],
        ),
    class("GPU_LOST", Rule::Budget, "A GPU stopped answering.")
        .caused("A driver or hardware error (Xid in dmesg), or power and heat.")
        .cured(
            "If it comes back on the same GPU, take that one out of use and have the machine looked \
             at.",
            &[WHY, LOGS],
        ),
    class("DISK_FULL", Rule::Never, "The disk is full. Free some space, then retry.")
        .caused("Checkpoints, logs or data of this or another program.")
        .cured(
            "See what takes the space, delete what no rule keeps, then retry.",
            &["resus checkpoints prune RUN", RETRY],
        ),
    class("TIMEOUT", Rule::Never, "The run took longer than it was allowed to.")
        .caused("The time that the worker itself was given is over.")
        .cured("Start it again with more time; it goes on from its newest checkpoint.", &[STATUS, RETRY]),
    class(
        "ERROR_RATE_EXCEEDED",
        Rule::Never,
        "Too large a share of the units failed: the run pauses. See what failed, then resume it.",
    )
    .answered("The run is paused and keeps its work: whether to go on is for a user to say.")
    .caused("Broken samples, a service that refuses, or a program that fails for one kind of work.")
    .cured(
        "why shows the pattern of the errors. Correct it and resume, or allow a larger share.",
        &[WHY, "resus resume RUN", "resus configure RUN --max-error-share 5%"],
    ),
    class("CHECKPOINT_SAVE_FAILED", Rule::Budget, "A checkpoint could not be written.")
        .caused("A full disk, a folder that may not be written, or storage that is away.")
        .cured(
            "Make room or correct the folder; the next save is tried at its time.",
            &[WHY, CHECKPOINTS, DOCTOR],
        ),
    class(
        "CHECKPOINT_CORRUPT",
        Rule::Budget,
        "A checkpoint failed verification. An older one is used if there is one; else a user decides.",
    )
    .caused(
        "A machine that lost power while saving, a disk that errs, or a file that another program \
             changed.",
    )
    .cured(
        "See what is wrong and where; restore an older one, or begin anew if none is whole.",
        &[VERIFY, "resus restore RUN CHECKPOINT"],
    ),
    class("PREEMPTED", Rule::Free, "The machine was needed for something else.")
        .caused("A scheduler, or the worker itself, gave the machine back.")
        .cured("Nothing: the run goes on from its newest checkpoint.", &[STATUS]),
    class("NODE_LOST", Rule::Free, "The machine went away or was restarted.")
        .caused("A reboot, a power cut, or a kernel panic.")
        .cured(
            "Nothing: the run goes on when the daemon is there again. `resus daemon install` starts \
             it at boot.",
            &["resus daemon install", STATUS],
        ),
    class("LEASE_LOST", Rule::Free, "Another node took over the run.")
        .caused("This machine could not be reached for longer than its lease.")
        .cured("Nothing: the run goes on there.", &[STATUS]),
    class("TRAINING_LOST", Rule::Budget, "The worker is gone and nobody saw how it ended.")
        .caused(
            "Its shim was killed together with it: kill -9 by hand, or the kernel for want of memory \
             (dmesg).",
        )
        .cured(
            "Usually nothing: it is tried again. If it comes back, see who kills it.",
            &[WHY, DAEMON_LOGS],
        ),
    class(
        "BUS_UNAVAILABLE",
        Rule::Free,
        "The message bus could not be reached. The training is not affected.",
    )
    .answered("The training goes on, facts wait in the ledger, and of telemetry the newest is kept.")
    .caused("The NATS server is down, or its address or credentials are wrong.")
    .cured(
        "Events wait in the ledger and are sent later. The doctor says what is wrong.",
        &[DOCTOR, "resus nats info"],
    ),
    class("SPAWN_FAILED", Rule::Budget, "The system refused to start the worker process.")
        .caused("Too many processes or open files, no memory, or a state folder that can't be written.")
        .cured("Free what is used up, then retry if it has given up.", &[WHY, DAEMON_LOGS, RETRY]),
    class("RUN_LOCKED", Rule::Budget, "Something of an earlier attempt still holds the run's lock.")
        .caused(
            "A process that an earlier worker started and that outlived it. Two workers never write \
             one run.",
        )
        .cured(
            "Find and end the process that is left; why names the lock. It is tried again by itself.",
            &[WHY, "resus kill RUN"],
        ),
    class("UNKNOWN", Rule::Budget, "No class fits this failure.")
        .caused("The worker gave a code without the form of one, or none at all.")
        .cured(
            "The end of the output is the best witness. A worker may name its own: APP_ and capitals.",
            &[LOGS, WHY],
        ),
];
