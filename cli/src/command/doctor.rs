//! `resus doctor`: is everything as it should be, and if not, what to type.

use crate::bundle;
use crate::command::Around;
use crate::doctor::examine::examine;
use crate::doctor::{Check, Mark, count, exit};
use crate::error::CliError;
use crate::render::page::Page;
use crate::text::columns::{hang, pad};
use crate::text::paint::Colour;
use clap::Args;
use resus_core::exit::ExitCode;
use resus_core::text::one_line;
use serde_json::json;
use std::path::PathBuf;

/// Columns of what was looked at.
const WHAT_WIDTH: usize = 12;
/// Most bytes shown of a check.
const SAID_BYTES_MAX: usize = 4096;

/// Arguments of `resus doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "✓ good, ! works but, ✗ does not work; exit code 0 if nothing is ✗.

Examples:
  resus doctor
  resus doctor --json | jq -r '.checks[] | select(.mark != \"good\") | .what'
  resus doctor --bundle
  resus doctor --bundle report.tar.gz --run nightly --with-output",
    after_long_help = "It changes nothing and starts no daemon; it writes, syncs and removes a small
file in the state folder, if there is one. ✓ good, ! works but, ✗ does not work:
the worst comes first. Nothing is waited for longer than a few seconds.

The exit code is 0 if nothing is ✗, else that of the first ✗: 13 settings and
bus; 12, 17 or 18 daemon (not there, silent, of another build); 12 folders, disk
and limits. With --bundle it is 0 if the file was
written.

A bundle is one .tar.gz for a bug report: what doctor found, versions, settings,
the end of the daemon's log, runs and their stories. Secrets, host and user
names, and the home folder are masked in it, as far as they are known or look
like it: look at it before you send it. Of the environment it holds names only.
A file that is there is not written over (exit code 11).

Examples:
  resus doctor
  resus doctor --json | jq -r '.checks[] | select(.mark != \"good\") | .what'
  resus doctor --bundle
  resus doctor --bundle report.tar.gz --run nightly --with-output"
)]
pub(crate) struct DoctorArgs {
    /// Write what a bug report needs into a file
    ///
    /// Without FILE it is resus-bundle-TIME.tar.gz, here.
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub bundle: Option<Option<PathBuf>>,
    /// With --bundle: tell of this run only
    #[arg(long, value_name = "RUN", requires = "bundle")]
    pub run: Option<String>,
    /// With --bundle: also the end of what workers printed
    #[arg(long, requires = "bundle")]
    pub with_output: bool,
}

/// Carries out `resus doctor`.
///
/// # Errors
/// [`CliError::Output`], and what a bundle can fail by; whatever else is wrong is what it is there
/// to tell.
pub(crate) async fn doctor(args: DoctorArgs, around: &Around) -> Result<ExitCode, CliError> {
    let findings = examine(around.here()?).await;
    if let Some(file) = args.bundle {
        let wish = bundle::Wish { file, run: args.run, with_output: args.with_output };
        bundle::write(&findings, wish, around.console).await?;
        return Ok(ExitCode::Ok);
    }
    let checks = &findings.checks;
    if around.console.json {
        around.console.out_json(&document(checks))?;
    } else {
        around.console.out(&text(checks, &around.console.out_page()))?;
    }
    Ok(exit(checks))
}

/// The findings for programs.
pub(crate) fn document(checks: &[Check]) -> serde_json::Value {
    json!({
        "checks": checks,
        "bad": count(checks, Mark::Bad),
        "warnings": count(checks, Mark::Warning),
        "exit_code": exit(checks).code(),
    })
}

fn text(checks: &[Check], page: &Page) -> String {
    let lines: String = checks.iter().map(|check| line(check, page)).collect();
    format!("{lines}{}\n", summary(checks))
}

/// `2 wrong, 1 warning`
fn summary(checks: &[Check]) -> String {
    let warnings = |count| if count == 1 { "1 warning".to_owned() } else { format!("{count} warnings") };
    match (count(checks, Mark::Bad), count(checks, Mark::Warning)) {
        (0, 0) => "all is well".to_owned(),
        (0, count) => format!("{}, nothing wrong", warnings(count)),
        (bad, 0) => format!("{bad} wrong"),
        (bad, count) => format!("{bad} wrong, {}", warnings(count)),
    }
}

/// One check: a mark, what, how it is, and behind it what to do.
fn line(check: &Check, page: &Page) -> String {
    let mark = match check.mark {
        Mark::Good => page.paint.on(Colour::Green, "✓"),
        Mark::Warning => page.paint.on(Colour::Yellow, "!"),
        Mark::Bad => page.paint.on(Colour::Red, "✗"),
    };
    let indent = WHAT_WIDTH + 2;
    let hung = |text: &str, indent| hang(&one_line(text, SAID_BYTES_MAX), indent, page.columns);
    let mut text = format!("{mark} {}{}\n", pad(check.what, WHAT_WIDTH), hung(&check.said, indent));
    if let Some(fix) = &check.fix {
        let arrow = page.paint.on(Colour::Dim, "→");
        text.push_str(&format!("{}{arrow} {}\n", " ".repeat(indent), hung(fix, indent + 2)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::page;

    #[test]
    fn a_check_is_a_line_and_its_fix_another() {
        let page = page(80);
        assert_eq!(line(&Check::good("daemon", "running"), &page), "✓ daemon      running\n");
        let bad = Check::bad("server", "away\u{1b}[2J", "start it", ExitCode::ConfigInvalid);
        assert_eq!(line(&bad, &page), "✗ server      away\\u{1b}[2J\n              → start it\n");
    }

    #[test]
    fn the_end_says_how_many_things_are_wrong() {
        let warning = Check::warning("a", "", "");
        let bad = Check::bad("b", "", "", ExitCode::ConfigInvalid);
        assert_eq!(summary(&[Check::good("a", "")]), "all is well");
        assert_eq!(summary(&[bad.clone(), bad.clone(), warning.clone()]), "2 wrong, 1 warning");
        assert_eq!(
            [summary(&[warning]), summary(std::slice::from_ref(&bad))],
            ["1 warning, nothing wrong", "1 wrong"]
        );
        let document = document(&[bad, Check::good("c", "fine")]);
        assert_eq!((&document["bad"], &document["exit_code"]), (&json!(1), &json!(13)));
        assert_eq!(document["checks"][1], json!({"what": "c", "mark": "good", "said": "fine", "fix": null}));
    }
}
