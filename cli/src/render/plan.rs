//! What a submission would come to: what `resus run --dry-run` shows.

use crate::render::page::Page;
use crate::render::parts::{counted, said};
use crate::render::shell;
use crate::settings::shown;
use resus_core::api::{Plan, PlannedSetting, SettingOrigin};
use resus_core::spec::Resume;
use serde_json::Value;

/// The plan, for people.
pub(crate) fn text(plan: &Plan, page: &Page) -> String {
    let mut rows = vec![
        ("name", said(&plan.name)),
        ("workload", said(&plan.workload)),
        ("command", shell::command(&plan.argv, page.columns)),
        ("folder", said(&page.path(&plan.cwd))),
        ("environment", counted(plan.env_count as u64, "variable")),
        ("begins", begins(&plan.resume, page)),
    ];
    let settings: Vec<_> = plan.settings.iter().map(setting).collect();
    rows.push((
        "settings",
        if settings.is_empty() { "the defaults".to_owned() } else { settings.join("\n") },
    ));
    let rows: Vec<_> = rows.into_iter().map(|(label, value)| (label.to_owned(), value)).collect();
    format!("would be started; nothing was:\n{}", page.rows(&rows, 0))
}

fn begins(resume: &Resume, page: &Page) -> String {
    match resume {
        Resume::Auto => "at the beginning; each retry at its newest healthy checkpoint".to_owned(),
        Resume::Never => "at the beginning, each time".to_owned(),
        Resume::From(checkpoint) => format!("at {}, once it is verified", said(&page.path(&checkpoint.path))),
    }
}

fn setting(setting: &PlannedSetting) -> String {
    let PlannedSetting { key, value, default, origin } = setting;
    let origin = match origin {
        SettingOrigin::Submission => "this command",
        SettingOrigin::Configuration => "the daemon's configuration",
    };
    let [value, default] = [value, default].map(|value| number_or_text(key, value));
    format!("{} = {value} by {origin} (default {default})", said(key))
}

fn number_or_text(key: &str, value: &Value) -> String {
    match (value.as_u64(), value) {
        (Some(number), _) => shown(key, number),
        (None, Value::Null) => "none".to_owned(),
        (None, other) => said(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{self, page};
    use resus_core::api::Submission;
    use serde_json::json;

    #[test]
    fn a_plan_says_what_would_run_and_what_is_not_as_always() {
        let mut plan = sample::plan(Submission::default());
        plan.argv = vec!["python".into(), "a b.py".into(), "--x=\u{1b}[31m".into()];
        let of =
            |key: &str, value, default, origin| PlannedSetting { key: key.into(), value, default, origin };
        plan.settings = vec![
            of("stop.grace", json!(5000), json!(60000), SettingOrigin::Submission),
            of("checkpoint.best_metric", json!("auc:max"), json!(null), SettingOrigin::Configuration),
        ];
        let text = text(&plan, &page(200));
        for part in [
            r"python 'a b.py' $'--x=\033[31m'",
            "stop.grace = \"5s\" by this command (default \"1m\")",
            "checkpoint.best_metric = \"auc:max\" by the daemon's configuration (default none)",
            "nothing was",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
