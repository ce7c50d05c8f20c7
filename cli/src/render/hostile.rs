//! Every text that a stranger can set, with everything a terminal would obey, through every
//! rendering: nothing of it may be left, and no line may be more than there would be without it.

use crate::console::gate;
use crate::error::Told;
use crate::output::terminal::Decoder;
use crate::render::live::{self, Shown};
use crate::render::page::Page;
use crate::render::sample::{RUN_ID, page, view};
use crate::render::{bus, checkpoints, header, ps, pulse, status, story, summary};
use crate::text::columns::width;
use crate::text::paint::Paint;
use resus_core::api::bus::BusView;
use resus_core::api::{CheckpointList, StoryLine};
use resus_core::text::is_hidden;
use serde_json::json;
use std::collections::BTreeMap;

/// What people have been attacked with, and what is only odd.
const PICKED: &str = include_str!("../../../core/testdata/hostile.json");
/// Strings made of pieces of those, and of any characters.
const GENERATED: usize = 10_000;

/// Phases with a rendering of their own.
const PHASES: [&str; 6] = ["running", "waiting", "paused", "failed", "done", "cancelled"];

/// A generator without a crate: splitmix64.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((z ^ (z >> 31)) >> 8).unwrap()
}

fn picked() -> Vec<String> {
    serde_json::from_str(PICKED).unwrap()
}

fn hostile() -> Vec<String> {
    let mut all = picked();
    assert!(all.len() >= 200, "{}", all.len());
    let short: Vec<String> = all.iter().filter(|text| text.len() < 40).cloned().collect();
    let mut seed = 42;
    for _ in 0..GENERATED {
        let mut text = String::new();
        for _ in 0..1 + next(&mut seed) % 5 {
            match next(&mut seed) % 4 {
                0 => text.push_str(&short[next(&mut seed) % short.len()]),
                1 => text.extend(char::from_u32(u32::try_from(next(&mut seed) % 0x11_0000).unwrap())),
                2 => text.extend(char::from_u32(u32::try_from(next(&mut seed) % 0x100).unwrap())),
                _ => text.push_str(
                    ["\x1b[", "\x1b]", "m", "31", ";", "\u{9b}", "\r", "\n", "\x07", "8"]
                        [next(&mut seed) % 10],
                ),
            }
        }
        all.push(text);
    }
    all
}

/// Every rendering, with `text` wherever a stranger has a say.
fn rendered(text: &str, page: &Page, phases: &[&str]) -> Vec<(&'static str, String)> {
    let failure = json!({"code": text, "message": text, "retried": false, "was_healthy": false});
    let checkpoint = json!({"checkpoint_id": text, "path": format!("/c/{text}"), "step": 7.0});
    let view_in = |phase: &str| {
        view(json!({
            "phase": phase, "message": text, "progress": {"unit": text, "done": 3.0, "rate": 2.0, "stage": text},
            "metrics": {text: 1.0, format!("{text}_low"): 0.5, format!("{text}_high"): 2.0, "auc": 0.5},
            "last_failure": failure, "checkpoint": checkpoint, "resumed_from": checkpoint, "accepted_at": text,
            "ended_at": text, "pause": {"step": "held", "cause": "user", "requested_by": text},
            "ended_why": text, "argv": ["python", text, format!("--x={text}")],
        }))
    };
    let event = json!({
        "v": 2, "seq": 3, "training_id": text, "attempt": 1, "event_type": "progress", "timestamp": text, "source": text,
        "payload": {"unit": text, "done": 2.0, "stage": text, "current_target": text, "message": text, "metrics": {text: 1.0}},
    });
    let line = StoryLine {
        what: text.to_owned(),
        why: text.to_owned(),
        sentence: text.to_owned(),
        event: event.clone(),
    };
    let list: CheckpointList = serde_json::from_value(json!({"checkpoints": [
        {"checkpoint": checkpoint, "state": "damaged", "is_resume_point": false, "reason": text, "moved_to": text},
    ]}))
    .unwrap();
    let listing = checkpoints::Listing { list: &list, unit: text, in_use: None, now_ms: 0 };
    let bus_view = BusView {
        url: text.to_owned(),
        reason: Some(text.to_owned()),
        since: text.to_owned(),
        alarms: vec![text.to_owned()],
        lacking: vec![text.to_owned()],
        server_version: Some(text.to_owned()),
        ..BusView::default()
    };
    let told = Told { what: text.to_owned(), why: vec![text.to_owned()], next: Some(text.to_owned()) };
    let mut all = vec![
        ("story", story::event(&line, page) + &story::brief(&line, page)),
        ("pulse", pulse::place(&event, page) + &pulse::telemetry(&event).unwrap()),
        ("checkpoints", checkpoints::text(&listing, page)),
        ("bus", bus::rows(&bus_view, page).into_iter().map(|(_, value)| value + "\n").collect()),
        ("error", told.text(page)),
    ];
    for phase in phases {
        let view = view_in(phase);
        let shown = Shown { printed: Some(text), notice: None, ..Shown::of(&view) };
        all.extend([
            ("live", live::line(shown, page.columns, page.paint)),
            ("plain", live::plain(&view)),
            ("status", status::block(&view, page)),
            ("summary", summary::summary(&view, page)),
            ("told", summary::told(&view).map(|told| told.text(page)).unwrap_or_default()),
            ("header", header::header(&view, page)),
            ("ps", ps::table(&[view], &ps::Look::Plain, page.columns, true, page.paint)),
        ]);
    }
    all
}

fn drives(c: char) -> bool {
    c != '\n' && c != '\t' && is_hidden(c)
}

/// Without our own colours.
fn bare(text: &str) -> String {
    let mut bare = text.to_owned();
    for code in gate::PAINT {
        bare = bare.replace(code, "");
    }
    bare
}

#[test]
fn nothing_a_stranger_says_drives_the_terminal_or_forges_a_line() {
    let wide = Page { paint: Paint(true), ..page(usize::MAX) };
    let (picked, mut usual) = (picked().len(), BTreeMap::new());
    for (index, text) in hostile().iter().enumerate() {
        // The picked ones in all phases, the others in one.
        let phases = if index < picked { &PHASES[..] } else { &PHASES[index % PHASES.len()..][..1] };
        let usual = usual.entry(phases).or_insert_with(|| rendered("x", &wide, phases));
        for ((what, shown), (_, usual)) in rendered(text, &wide, phases).iter().zip(usual) {
            let bare = bare(shown);
            let left: Vec<char> = bare.chars().filter(|c| *c != '\n' && is_hidden(*c)).collect();
            assert!(left.is_empty(), "{what} of {text:?} leaves {left:?}: {shown:?}");
            let (lines, lines_usual) = (bare.matches('\n').count(), usual.matches('\n').count());
            // A text that is empty once it is made one line has no row.
            if matches!(*what, "error" | "told") {
                let is_part = |line: &&str| !line.starts_with("       ");
                assert!(
                    bare.lines().filter(is_part).count() <= 3,
                    "{what} of {text:?} forges a part:\n{shown}"
                );
                continue;
            }
            assert!(
                lines <= lines_usual,
                "{what} of {text:?} has {lines} lines, not {lines_usual}:\n{shown}"
            );
            assert_eq!(gate::pass(shown), shown.as_str(), "{what} of {text:?} needs the gate");
        }
        if index % 40 == 0 {
            let narrow = page(60);
            let view = view(json!({"message": text, "progress": {"unit": text}}));
            let line = live::line(Shown { printed: Some(text), ..Shown::of(&view) }, 60, Paint(false));
            assert!(width(&line) <= 60 && line.len() < 60 * 8, "{text:?}: {line}");
            let _no_panic = rendered(text, &narrow, &PHASES);
        }
    }
}

#[test]
fn output_and_raw_texts_leave_a_terminal_as_it_was() {
    for text in hostile() {
        let passed = gate::pass(&text).into_owned();
        let inner = passed.trim_start_matches('\r').replace("\x1b[K", "");
        assert!(!bare(&inner).chars().any(drives), "{text:?}: {passed:?}");
        let mut decoder = Decoder::new(true);
        for piece in text.as_bytes().chunks(7) {
            let piece = decoder.decode(piece);
            let last = piece.as_str().rfind("\x1b[").and_then(|at| piece.as_str().get(at..));
            let is_plain = last.is_none_or(|last| last.starts_with("\x1b[0m") || last.starts_with("\x1b[K"));
            assert!(is_plain, "{text:?}: {piece:?}");
            check_output(&text, piece.as_str());
        }
        check_output(&text, decoder.finish().as_str());
    }
}

/// Of sequences there are only plain colours of letters and what takes a line back.
fn check_output(text: &str, shown: &str) {
    let mut rest = shown.replace("\r\x1b[K", "");
    while let Some(at) = rest.find("\x1b[") {
        let behind = rest.split_off(at + 2);
        rest.truncate(at);
        let (codes, tail) = behind.split_once('m').unwrap();
        let harmless = |code: &str| matches!(code.parse(), Ok(0 | 1 | 3 | 4 | 31..=36 | 91..=96));
        assert!(codes.split(';').all(harmless), "{text:?}: {shown:?}");
        rest.push_str(tail);
    }
    assert!(!rest.chars().any(drives), "{text:?}: {shown:?}");
}

#[test]
fn names_of_another_machine_are_believed_in_their_grammar_only() {
    let good = serde_json::to_value(view(json!({}))).unwrap();
    assert_eq!(good["run_id"], RUN_ID);
    for text in picked() {
        for field in ["run_id", "name", "workload", "node"] {
            let mut bad = good.clone();
            bad[field] = json!(text);
            let view = serde_json::from_value::<resus_core::view::RunView>(bad);
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            assert!(view.is_err() || text.chars().all(is_plain), "{field} {text:?}");
        }
    }
}
