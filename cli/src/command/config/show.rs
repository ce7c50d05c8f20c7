//! `resus config show`: what applies here, and who says so.

use crate::command::Around;
use crate::command::overrides::SetArgs;
use crate::error::CliError;
use crate::settings::keys::{find, is_section};
use crate::settings::layers::{Below, Layers, Value};
use crate::settings::{SettingsError, nearest};
use clap::Args;
use resus_core::policy::Overrides;
use serde_json::{Map, json};
use std::env;

/// Widest value behind which origins are lined up.
const VALUE_WIDTH_MAX: usize = 40;

/// Arguments of `resus config show`.
#[derive(Debug, Args)]
#[command(
    after_help = "What is shown is TOML that means the same where it is read again; passwords are masked.

Examples:
  resus config show --origin
  resus config show retry stop.grace
  resus config show retry --set retry.max=9"
)]
pub(super) struct ShowArgs {
    /// Only these keys (retry.max) and sections (retry)
    #[arg(value_name = "KEY|SECTION")]
    names: Vec<String>,
    /// Behind each value, where it is from: default, FILE:LINE or --set
    #[arg(long)]
    origin: bool,
    #[command(flatten)]
    set: SetArgs,
}

/// Shows the settings of this folder, as TOML that could be read again.
///
/// # Errors
/// [`CliError`]: they are not valid, or there is no such key.
pub(super) fn show(args: &ShowArgs, around: &Around) -> Result<(), CliError> {
    for name in &args.names {
        known(name)?;
    }
    let folder = env::current_dir().ok();
    let layers = Layers::load(Below::UserFile, folder.as_deref(), &args.set.set, &Overrides::default())?;
    layers.warn(around.console);
    let wanted = |key: &str| {
        let section = key.split('.').next().unwrap_or_default();
        args.names.is_empty() || args.names.iter().any(|name| name == key || name == section)
    };
    let values: Vec<_> = layers.in_order().filter(|(key, _)| wanted(key)).collect();
    match around.console.json {
        true => around.console.out_json(&document(&values, args.origin)),
        false => around.console.out(&text(&values, args.origin)),
    }
}

/// The settings that apply in this folder and where each is from, for programs.
///
/// # Errors
/// [`SettingsError`] with every fault of every layer.
pub(crate) fn applying() -> Result<serde_json::Value, SettingsError> {
    let folder = env::current_dir().ok();
    let layers = Layers::load(Below::UserFile, folder.as_deref(), &[], &Overrides::default())?;
    let values: Vec<_> = layers.in_order().collect();
    Ok(document(&values, true))
}

fn known(name: &str) -> Result<(), CliError> {
    if find(name).is_some() || is_section(name) {
        return Ok(());
    }
    let near = match name.contains('.') {
        true => nearest::key(name),
        false => nearest::section(name).or_else(|| nearest::key(name)),
    };
    Err(CliError::Usage {
        what: format!("there is no key and no section called {name:?}"),
        next: format!("resus config show {}", near.unwrap_or("(every key)")).replace(" (every key)", ""),
    })
}

fn text(values: &[(&'static str, &Value)], origin: bool) -> String {
    let lines: Vec<_> = values
        .iter()
        .map(|(key, value)| {
            let (section, last) = key.split_once('.').unwrap_or(("", key));
            (section, format!("{last} = {}", value.written.toml), value)
        })
        .collect();
    let widths = lines.iter().map(|(_, line, _)| line.chars().count());
    let width = widths.filter(|width| *width <= VALUE_WIDTH_MAX).max().unwrap_or(0);
    let mut text = String::new();
    let mut open = "";
    for (section, line, value) in lines {
        if section != open {
            let gap = if text.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}[{section}]\n"));
            open = section;
        }
        match origin {
            true => {
                let words = value.origin.words(value.written.place);
                text.push_str(&format!("{line:width$}  # {words}\n"));
            }
            false => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

fn document(values: &[(&'static str, &Value)], origin: bool) -> serde_json::Value {
    let mut document = Map::new();
    for (key, value) in values {
        let (section, last) = key.split_once('.').unwrap_or(("", key));
        let said = value.written.json.clone();
        let entry = match origin {
            true => json!({ "value": said, "origin": value.origin.words(value.written.place) }),
            false => said,
        };
        let section = document.entry(section).or_insert_with(|| json!({}));
        section[last] = entry;
    }
    document.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::project::Project;
    use std::path::Path;

    fn layers() -> Layers {
        let mut layers = Layers::defaults();
        let user = "bus = { url = 'nats://ann:s3cret@h' }\n[daemon]\nnode = 'gpu-a1'\n";
        layers.user(user, Path::new("/u.toml"));
        let project = "retry.max = 0x1F\n[stop]\ngrace = '''5m'''\n";
        layers.project(Project::Ours("/p/resus.toml".into(), project.to_owned()));
        layers.set(&[("checkpoint.best_metric".to_owned(), "a\"b".to_owned())]);
        layers.checked().expect("valid")
    }

    #[test]
    fn what_is_shown_is_toml_that_means_the_same_and_holds_no_secret() {
        let layers = layers();
        let values: Vec<_> = layers.in_order().collect();
        for origin in [false, true] {
            let shown = text(&values, origin);
            assert!(!shown.contains("s3cret"), "{shown}");
            let mut again = Layers::defaults();
            again.user(&shown.replace("***@", ""), Path::new("/again"));
            let again = again.checked().expect("valid").settings;
            assert_eq!(again.policy, layers.settings.policy);
            assert_eq!(again.node, layers.settings.node);
        }
        assert!(!document(&values, true).to_string().contains("s3cret"));
    }

    #[test]
    fn every_value_stands_beside_who_said_it() {
        let layers = layers();
        let some = |section: &str| -> Vec<_> {
            layers.in_order().filter(|(key, _)| key.starts_with(section)).collect()
        };
        let expected = "\
[stop]
grace = \"5m\"      # /p/resus.toml:3
ask_wait = \"10s\"  # default
kill_wait = \"5s\"  # default
";
        assert_eq!(text(&some("stop"), true), expected);
        assert_eq!(text(&some("retry.max"), false), "[retry]\nmax = 0x1F\n");
        let json = document(&some("retry.max"), true);
        assert_eq!(json, json!({"retry": {"max": {"value": 31, "origin": "/p/resus.toml:1"}}}));
        assert_eq!(document(&some("bus.url"), false), json!({"bus": {"url": "nats://***@h"}}));
        assert!(text(&some("checkpoint.best"), true).contains("best_metric = \"a\\\"b\"  # --set\n"));
    }

    #[test]
    fn a_slip_is_answered_with_what_was_meant() {
        for (name, next) in [
            ("retry.mx", "resus config show retry.max"),
            ("retyr", "resus config show retry"),
            ("quux.zork", "resus config show"),
        ] {
            let Err(CliError::Usage { next: found, .. }) = known(name) else { panic!("{name}") };
            assert_eq!(found, next);
        }
    }
}
