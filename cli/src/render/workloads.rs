//! Workloads: their list, one of them, and what a check of one says.

use crate::render::page::Page;
use crate::render::parts::said;
use crate::render::shell;
use crate::text::paint::Colour;
use crate::text::table;
use resus_actors::workload::Checked;
use resus_core::api::{Origin, ParamKind, ParamView, WorkloadList, WorkloadView};
use resus_core::spec::Contract;

/// The table, and below it what is wrong with those that can't be run.
pub(crate) fn list(list: &WorkloadList, page: &Page) -> String {
    let row = |view: &WorkloadView| {
        let what = match view.faults.first() {
            None => said(&view.summary),
            Some(fault) => format!("broken: {}", said(fault)),
        };
        [said(&view.name), origin(view, page), what]
    };
    let rows: Vec<_> = list.workloads.iter().map(row).collect();
    let mut text = table::lines(&["WORKLOAD", "FROM", "WHAT"], &rows, page.paint).concat();
    if list.workloads.iter().any(|view| !view.faults.is_empty()) {
        text.push_str("everything that is wrong with one: resus workload check NAME\n");
    }
    text
}

fn origin(view: &WorkloadView, page: &Page) -> String {
    match (view.origin, &view.folder) {
        (Origin::BuiltIn, _) => "built in".to_owned(),
        (Origin::User | Origin::Path, Some(folder)) => said(&page.path(folder)),
        (Origin::User | Origin::Path, None) => "user".to_owned(),
    }
}

/// One workload, which was asked for as `asked`.
pub(crate) fn show(view: &WorkloadView, asked: &str, page: &Page) -> String {
    let mut rows = vec![("from", origin(view, page)), ("command", shell::command(&view.argv, page.columns))];
    rows.extend(view.cwd.as_ref().map(|cwd| ("folder", said(cwd))));
    rows.extend(view.contract.map(|contract| ("worker", promise(contract).to_owned())));
    let codes = view.exit_codes.iter().map(|(code, class)| format!("{code} {}", said(class)));
    let codes: Vec<_> = codes.collect();
    if !codes.is_empty() {
        rows.push(("exits", codes.join(", ")));
    }
    let rows: Vec<_> = rows.into_iter().map(|(label, value)| (label.to_owned(), value)).collect();
    let head = page.paint.on(Colour::Bold, &said(&view.name));
    let mut text = format!("{head}  {}\n{}", page.sentence(&said(&view.summary)), page.rows(&rows, 0));
    if view.params.is_empty() {
        return text;
    }
    let row = |(name, param): (&String, &ParamView)| {
        [
            said(name),
            values(param),
            param.default.as_deref().map_or_else(|| "—".to_owned(), said),
            said(&param.summary),
        ]
    };
    let rows: Vec<_> = view.params.iter().map(row).collect();
    text.push('\n');
    text.push_str(&table::lines(&["PARAMETER", "VALUES", "DEFAULT", "WHAT"], &rows, page.paint).concat());
    if let Some((name, _)) = view.params.first_key_value() {
        text.push_str(&format!("set one: resus run {asked} --set {}=…\n", said(name)));
    }
    text
}

fn promise(contract: Contract) -> &'static str {
    match contract {
        Contract::Pulse => "speaks PULSE",
        Contract::Opaque => "any program",
    }
}

/// The values that a parameter takes, in few words.
fn values(param: &ParamView) -> String {
    let kind = param.kind.as_str();
    match (param.kind, param.min, param.max) {
        (ParamKind::Text, _, _) if !param.choices.is_empty() => {
            param.choices.iter().map(|choice| said(choice)).collect::<Vec<_>>().join("|")
        }
        (ParamKind::Switch, _, _) => "true|false".to_owned(),
        (_, Some(min), Some(max)) => format!("{kind} {min} to {max}"),
        (_, Some(min), None) => format!("{kind} ≥ {min}"),
        (_, None, Some(max)) => format!("{kind} ≤ {max}"),
        (_, None, None) => kind.to_owned(),
    }
}

/// What a check found, when it found nothing that is wrong.
pub(crate) fn checked(checked: &Checked, asked: &str, page: &Page) -> String {
    let rows = [
        ("command", shell::command(&checked.command, page.columns)),
        ("folder", said(&page.path(&checked.folder_of_worker))),
        ("start it", format!("resus run {asked}")),
    ];
    let rows = rows.map(|(label, value)| (label.to_owned(), value));
    let head = page.paint.on(Colour::Bold, &said(&checked.workload.name));
    let verdict = if checked.warnings.is_empty() { "can be run" } else { "is valid" };
    format!("{head} {verdict}: {}\n{}", page.sentence(&said(&checked.workload.summary)), page.rows(&rows, 0))
}

/// What would probably not go well.
pub(crate) fn warnings(warnings: &[String], page: &Page) -> String {
    let line = |warning: &String| format!("{}\n", page.sentence(&format!("warning: {}", said(warning))));
    warnings.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{self, page};

    #[test]
    fn the_list_says_what_is_broken_and_hides_nothing_else() {
        let mut workloads = sample::workloads();
        workloads.workloads[1].faults = vec!["/w/x.toml:1:1: a\u{1b}[31m".into(), "more".into()];
        let text = list(&workloads, &page(80));
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("WORKLOAD") && lines[1].contains("built in"), "{text}");
        assert!(lines[2].contains("broken: /w/x.toml:1:1: a\\u{1b}[31m") && !text.contains("more"), "{text}");
        assert!(lines[3].contains("resus workload check"), "{text}");
    }

    #[test]
    fn a_workload_is_shown_with_all_that_one_can_set() {
        let workloads = sample::workloads();
        let text = show(&workloads.workloads[1], "./mine", &page(200));
        for part in
            ["fast|slow", "integer 1 to 9", "number ≥ 0.5", "true|false", "--set mode=…", "2 CONFIG_INVALID"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains("python3 '{workload}/a b.py'"), "{text}");
    }
}
