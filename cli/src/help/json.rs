//! What every command writes with `--json`.

/// What is written, and where its form is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// The command's names from the first verb on.
    path: &'static str,
    what: &'static str,
    /// The file in `docs/schemas`, without its ending.
    schema: Option<&'static str>,
}

impl Form {
    /// As it is told in a help text, without a full stop.
    pub(super) fn text(&self) -> String {
        let schema = self.schema().map(|file| format!(" ({file})")).unwrap_or_default();
        format!("{}{schema}", self.what)
    }

    /// The same without where its form is described.
    #[cfg(test)]
    pub(super) fn what(&self) -> &'static str {
        self.what
    }

    /// The schema, from the root of the repository.
    pub(crate) fn schema(&self) -> Option<String> {
        self.schema.map(|name| format!("docs/schemas/{name}.json"))
    }
}

const fn form(path: &'static str, what: &'static str, schema: Option<&'static str>) -> Form {
    Form { path, what, schema }
}

const RUN: Option<&str> = Some("run_view");
const DAEMON: Option<&str> = Some("daemon_view");
const EACH_RUN: &str = "one document per run: the run as it is then";

/// What is written, command by command.
const FORMS: &[Form] = &[
    form("run", "its events, one per line, then the run as it ended; with -d the run", RUN),
    form("attach", "its events, one per line, then the run as it ended; if it has ended, only that", RUN),
    form("ps", "one document with the runs", Some("list_reply")),
    form("status", "the run", RUN),
    form("logs", "one object per piece of output: run_id, attempt, offset, text", None),
    form("why", "one document: the run, its chain of events, what comes next", Some("why_reply")),
    form("events", "one event per line", Some("envelope")),
    form("watch", "one event per line", Some("envelope")),
    form("wait", "the run as it ended", RUN),
    form("pause", EACH_RUN, RUN),
    form("resume", EACH_RUN, RUN),
    form("checkpoint", EACH_RUN, RUN),
    form("checkpoints", "one document with the checkpoints", Some("checkpoint_list")),
    form("checkpoints ls", "one document with the checkpoints", Some("checkpoint_list")),
    form("checkpoints verify", "one document: a verdict for each", None),
    form("checkpoints show", "one document: its head and its sections", None),
    form("checkpoints compare", "one document: what differs", None),
    form("checkpoints convert", "one document: what was written", None),
    form("checkpoints restore", "the run as it is then", RUN),
    form("checkpoints pin", "the run as it is then", RUN),
    form("checkpoints unpin", "the run as it is then", RUN),
    form("checkpoints prune", "one document: what is deleted, and why", Some("prune_reply")),
    form("restore", "the run as it is then", RUN),
    form("configure", EACH_RUN, RUN),
    form("stop", EACH_RUN, RUN),
    form("kill", EACH_RUN, RUN),
    form("retry", EACH_RUN, RUN),
    form(
        "rerun",
        "its events, one per line, then the run as it ended; with -d or -n one document: of, name, what it starts, run",
        Some("rerun_reply"),
    ),
    form("rm", "one document per run: what went, or would go", Some("remove_reply")),
    form("prune", "one document: what went, or would go", Some("sweep_reply")),
    form("adopt", "the run that watches", RUN),
    form("daemon start", "the daemon", DAEMON),
    form("daemon stop", "one document: pid, runs_live", None),
    form("daemon restart", "one document: the daemon before and after", None),
    form("daemon reload", "one document: for_new_runs, at_once, needs_restart, settings", None),
    form("daemon status", "the daemon", DAEMON),
    form("daemon logs", "one object per line of the log", None),
    form("daemon install", "one document: done, and every step with what came of it", None),
    form("daemon uninstall", "one document: done, and every step with what came of it", None),
    form("daemon run", "nothing: what it says is in its log", None),
    form("workload ls", "one document with the workloads", Some("workloads_reply")),
    form("workload show", "the workload", Some("workload_view")),
    form("workload check", "one document: the workload, command, folder_of_worker, warnings", None),
    form("workload new", "one document: name, folder, run", None),
    form(
        "config show",
        "one document: every section, key by key; with --origin value and origin of each",
        None,
    ),
    form("config check", "one document: valid, files, warnings", None),
    form("config schema", "the schema: it is JSON anyway", None),
    form("config init", "one document: path, schema", None),
    form("config defaults", "one string: the file", None),
    form("context add", "nothing", None),
    form("context ls", "one object per context: name, nats, in_use", None),
    form("context use", "nothing", None),
    form("context rm", "nothing", None),
    form("context show", "one document: what the file says", None),
    form("nats info", "one document: kind, addresses, users, subjects", None),
    form("doctor", "one document: checks (name, mark, fix) and exit_code", None),
    form("explain", "one document: entries (group, code, meaning, cause, remedy, commands)", None),
    form("man", "one object per page: file, text", None),
    form("completion", "one string: the script", None),
];

/// What the command at `path` writes.
pub(crate) fn of(path: &str) -> Option<Form> {
    FORMS.iter().copied().find(|form| form.path == path)
}

/// Every path of the table.
#[cfg(test)]
pub(super) fn paths() -> impl Iterator<Item = (&'static str, Option<String>)> {
    FORMS.iter().map(|form| (form.path, form.schema()))
}
