//! What is known of a worker's life, where it is not simply well.

use crate::text::duration::age_s;
use crate::text::paint::Colour;
use crate::text::size;
use resus_core::view::RunView;
use resus_core::watch::Health;

/// Unread events below this are read in a moment; above it what is shown is old, in bytes.
const BEHIND_MIN: u64 = 1 << 20;

/// One word for columns, and its colour; `None` where there is nothing to worry about.
pub(crate) fn word(view: &RunView) -> Option<(&'static str, Colour)> {
    match view.health? {
        Health::Stale => Some(("silent", Colour::Yellow)),
        Health::Hung => Some(("hung", Colour::Red)),
        Health::Lost => Some(("link lost", Colour::Yellow)),
        Health::Ok | Health::Unknown => None,
    }
}

/// The same in words.
pub(crate) fn sentence(view: &RunView) -> Option<String> {
    let silent =
        view.progress_age_s.map_or_else(String::new, |age| format!("; no progress for {}", age_s(age)));
    match view.health? {
        Health::Stale => Some(format!("it has been silent for a while{silent}")),
        Health::Hung => Some(format!("it hangs{silent}")),
        Health::Lost => Some("the link to its worker is gone; it is being found again".to_owned()),
        Health::Ok | Health::Unknown => None,
    }
}

/// That what is shown is old because much is still unread.
pub(crate) fn behind(view: &RunView) -> Option<String> {
    (view.behind_bytes >= BEHIND_MIN).then(|| format!("reader is {} behind", size::show(view.behind_bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::view;
    use serde_json::json;

    #[test]
    fn only_what_is_worth_a_word_gets_one() {
        for (health, word_of) in [
            ("ok", None),
            ("unknown", None),
            ("stale", Some("silent")),
            ("hung", Some("hung")),
            ("lost", Some("link lost")),
        ] {
            let view = view(json!({"health": health, "progress_age_s": 2000.0}));
            assert_eq!(word(&view).map(|(word, _)| word), word_of, "{health}");
            assert_eq!(sentence(&view).is_some(), word_of.is_some(), "{health}");
        }
        assert_eq!((word(&view(json!({}))), sentence(&view(json!({})))), (None, None));
    }

    #[test]
    fn a_reader_that_is_far_behind_says_how_far() {
        let at = |bytes: u64| behind(&view(json!({"behind_bytes": bytes})));
        assert_eq!((at(0), at(100_000)), (None, None));
        assert_eq!(at(3 << 20).as_deref(), Some("reader is 3MiB behind"));
    }
}
