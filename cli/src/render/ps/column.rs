//! The columns a list of runs can have, and what stands in them.

use crate::render::health;
use crate::render::parts::{percent, retries, said, share, short};
use crate::text::bar::bar;
use crate::text::duration::{age_s, eta_s};
use crate::text::number;
use crate::text::paint::phase;
use resus_core::view::RunView;

/// Columns of a bar.
const BAR_WIDTH: usize = 8;

/// A column of the list of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// The short id.
    Run,
    /// What it is called.
    Name,
    /// Glyph and word of its phase.
    Status,
    /// How far it is.
    Progress,
    /// The newest loss.
    Loss,
    /// What is left of its time.
    Eta,
    /// How often it was retried, and may be.
    Retries,
    /// Since it was accepted.
    Age,
    /// Its machine.
    Node,
    /// The whole id.
    Id,
    /// The worker's process.
    Pid,
    /// Kind of training.
    Workload,
    /// The newest checkpoint that verified.
    Checkpoint,
    /// What is run.
    Command,
}

impl Column {
    /// Every column, in the order of the wide table.
    pub(crate) const ALL: [Self; 14] = [
        Self::Run,
        Self::Name,
        Self::Status,
        Self::Progress,
        Self::Loss,
        Self::Eta,
        Self::Retries,
        Self::Age,
        Self::Node,
        Self::Id,
        Self::Pid,
        Self::Workload,
        Self::Checkpoint,
        Self::Command,
    ];
    /// Those of the plain table.
    pub(crate) const PLAIN: [Self; 9] = [
        Self::Run,
        Self::Name,
        Self::Status,
        Self::Progress,
        Self::Loss,
        Self::Eta,
        Self::Retries,
        Self::Age,
        Self::Node,
    ];

    /// As typed.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Name => "name",
            Self::Status => "status",
            Self::Progress => "progress",
            Self::Loss => "loss",
            Self::Eta => "eta",
            Self::Retries => "retries",
            Self::Age => "age",
            Self::Node => "node",
            Self::Id => "id",
            Self::Pid => "pid",
            Self::Workload => "workload",
            Self::Checkpoint => "checkpoint",
            Self::Command => "command",
        }
    }

    /// What stands in it for `run`; with a bar, if `bars`.
    pub(super) fn cell(self, run: &RunView, bars: bool) -> String {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "—".to_owned());
        match self {
            Self::Run => short(&run.run_id).to_owned(),
            Self::Name => run.name.clone(),
            Self::Status => status(run),
            Self::Progress => {
                let known = percent(&run.progress);
                let known = known.map(|percent| match share(&run.progress).filter(|_| bars) {
                    Some(share) => format!("{} {percent:>4}", bar(share, BAR_WIDTH)),
                    None => percent,
                });
                or_dash(known.or_else(|| run.progress.done.map(number::amount)))
            }
            Self::Loss => or_dash(run.progress.loss.map(number::value)),
            Self::Eta => or_dash(run.progress.eta_s.map(eta_s)),
            Self::Retries => retries(run),
            Self::Age => age_s(run.age_s),
            Self::Node => run.node.clone(),
            Self::Id => run.run_id.clone(),
            Self::Pid => or_dash(run.pid.map(|pid| pid.to_string())),
            Self::Workload => run.workload.clone(),
            Self::Checkpoint => or_dash(run.checkpoint.as_ref().map(|newest| said(&newest.checkpoint_id))),
            Self::Command => said(&run.argv.join(" ")),
        }
    }
}

fn status(run: &RunView) -> String {
    let look = phase(&run.phase);
    match health::word(run) {
        Some((word, _)) => format!("{} {} ({word})", look.glyph, look.word),
        None if run.output_pruned_at.is_some() => format!("{} {} (no output)", look.glyph, look.word),
        None => format!("{} {}", look.glyph, look.word),
    }
}
