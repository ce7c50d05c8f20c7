//! The head over a run that is watched.

use crate::render::page::Page;
use crate::render::parts::{is_command, short};
use crate::text::columns::width;
use crate::text::paint::Colour;
use resus_core::view::RunView;

/// What is watched, what the keys do, and where to see what the worker prints.
pub(crate) fn header(view: &RunView, page: &Page) -> String {
    let id = short(&view.run_id);
    let stops = if is_command(view) { "stop" } else { "stop with a checkpoint" };
    let keys = format!("Ctrl-C: {stops} (twice: kill) · Ctrl-\\: detach");
    let fits = width(&view.name) + width(id) + width(&keys) + "   ".len() < page.columns;
    let keys = if fits { format!("  {keys}") } else { format!("\n  {}", page.sentence(&keys)) };
    let name = page.paint.on(Colour::Bold, &view.name);
    format!("{name} {id}{keys}\n  output: resus logs -f {id}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{page, view};
    use serde_json::json;

    #[test]
    fn the_keys_have_a_line_of_their_own_where_there_is_no_room() {
        let wide = "\
othello 8c1d9e77  Ctrl-C: stop with a checkpoint (twice: kill) · Ctrl-\\: detach
  output: resus logs -f 8c1d9e77
";
        assert_eq!(header(&view(json!({})), &page(100)), wide);
        let narrow = "\
llama-fine-tuning 8c1d9e77
  Ctrl-C: stop with a checkpoint (twice: kill) · Ctrl-\\: detach
  output: resus logs -f 8c1d9e77
";
        assert_eq!(header(&view(json!({"name": "llama-fine-tuning"})), &page(80)), narrow);
    }

    #[test]
    fn nothing_is_promised_of_a_program_that_need_not_save() {
        let shown = header(&view(json!({"workload": "command", "name": "sh"})), &page(80));
        assert!(shown.starts_with("sh 8c1d9e77  Ctrl-C: stop (twice: kill) · "), "{shown}");
    }
}
