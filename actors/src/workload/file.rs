//! What a `workload.toml` says. `docs/WORKLOADS.md` is its manual.

mod params;

use resus_core::api::ParamKind;
use resus_core::codes::Code;
use resus_core::fault::{Fault, Place};
use resus_core::ids::Slug;
use resus_core::nearest::nearest;
use resus_core::spec::Contract;
use std::collections::BTreeMap;
use std::num::NonZeroU8;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Stands for the workload's folder in its `argv` and `cwd`.
pub(super) const FOLDER: &str = "{workload}";
/// Longest summary in bytes: it is for lists.
const SUMMARY_BYTES_MAX: usize = 300;
const KEYS: [&str; 7] = ["name", "summary", "argv", "contract", "cwd", "exit_codes", "params"];

/// A kind of training that can be launched.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Its name.
    pub name: Slug,
    /// One sentence for lists.
    pub summary: String,
    /// Program and first arguments; `{resus}` is this program, `{workload}` the workload's folder.
    pub argv: Vec<String>,
    /// What its worker promises to say.
    pub contract: Contract,
    /// Working folder of its worker, absolute or below `{workload}`; by default where the user is.
    pub cwd: Option<String>,
    /// What exit codes of its own mean: the class of the failure by code (`2 = "CONFIG_INVALID"`).
    pub exit_codes: BTreeMap<NonZeroU8, Code>,
    /// Its parameters by name.
    pub params: BTreeMap<String, Param>,
}

/// A parameter of a workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// Flag under which the worker takes it, e.g. `--games`.
    pub flag: String,
    /// What values it takes.
    pub kind: ParamKind,
    /// Smallest value of a number.
    pub min: Option<f64>,
    /// Largest value of a number.
    pub max: Option<f64>,
    /// The only texts that it takes; empty = any.
    pub choices: Vec<String>,
    /// The value that is handed in where none is given.
    pub default: Option<String>,
    /// One sentence.
    pub summary: String,
}

/// Reads a `workload.toml`.
///
/// # Errors
/// Everything that is wrong with it, in the order of its text.
pub fn parse(text: &str) -> Result<Workload, Vec<Fault>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut source = Source { text, faults: Vec::new(), is_whole: errors.is_empty() };
    for error in errors {
        source.fault(error.span().unwrap_or(0..0), error.message().to_owned(), None);
    }
    let workload = source.workload(document.get_ref());
    source.faults.sort_by_key(|fault| fault.place);
    match workload {
        Some(workload) if source.faults.is_empty() => Ok(workload),
        Some(_) | None => Err(source.faults),
    }
}

type Item<'t> = Spanned<DeValue<'t>>;

struct Source<'t> {
    text: &'t str,
    faults: Vec<Fault>,
    /// Nothing of it was skipped, so what is not there was not written.
    is_whole: bool,
}

impl Source<'_> {
    fn workload(&mut self, table: &DeTable<'_>) -> Option<Workload> {
        self.unknown_keys(table, &KEYS, "");
        let name = self.needed(table, "name", 0..0, "").and_then(|item| self.slug(item));
        let summary = self.needed(table, "summary", 0..0, "").and_then(|item| self.summary(item, "summary"));
        let argv = self.needed(table, "argv", 0..0, "").and_then(|item| self.argv(item));
        let contract = self.needed(table, "contract", 0..0, "").and_then(|item| self.contract(item));
        let cwd = get(table, "cwd").and_then(|item| self.cwd(item));
        let exit_codes = get(table, "exit_codes").map(|item| self.exit_codes(item)).unwrap_or_default();
        let params = get(table, "params").map(|item| self.params(item)).unwrap_or_default();
        Some(Workload {
            name: name?,
            summary: summary?,
            argv: argv?,
            contract: contract?,
            cwd,
            exit_codes,
            params,
        })
    }

    fn slug(&mut self, item: &Item<'_>) -> Option<Slug> {
        let text = self.text_of(item, "name")?;
        Slug::new(text).map_err(|error| self.fault(item.span(), format!("name: {error}"), None)).ok()
    }

    fn summary(&mut self, item: &Item<'_>, what: &str) -> Option<String> {
        let text = self.text_of(item, what)?;
        if text.len() > SUMMARY_BYTES_MAX || text.chars().any(char::is_control) {
            let fault = format!("{what} is one line of at most {SUMMARY_BYTES_MAX} bytes");
            self.fault(item.span(), fault, None);
            return None;
        }
        Some(text)
    }

    fn argv(&mut self, item: &Item<'_>) -> Option<Vec<String>> {
        let argv = self.texts(item, "argv")?;
        if argv.first().is_none_or(String::is_empty) {
            self.fault(item.span(), "argv begins with a program; it is empty".to_owned(), None);
            return None;
        }
        Some(argv)
    }

    fn contract(&mut self, item: &Item<'_>) -> Option<Contract> {
        match self.text_of(item, "contract")?.as_str() {
            "pulse" => Some(Contract::Pulse),
            "opaque" => Some(Contract::Opaque),
            other => {
                let near = nearest(other, ["pulse", "opaque"].into_iter()).map(quoted);
                let fault = "contract is \"pulse\" (it says how far it is) or \"opaque\" (any program)";
                self.fault(item.span(), fault.to_owned(), near);
                None
            }
        }
    }

    fn cwd(&mut self, item: &Item<'_>) -> Option<String> {
        let text = self.text_of(item, "cwd")?;
        let below = text.strip_prefix(FOLDER);
        if text.starts_with('/') || below.is_some_and(|below| below.is_empty() || below.starts_with('/')) {
            return Some(text);
        }
        let fault = format!("cwd is {FOLDER:?}, {:?}, or an absolute path", format!("{FOLDER}/…"));
        self.fault(item.span(), fault, None);
        None
    }

    fn exit_codes(&mut self, item: &Item<'_>) -> BTreeMap<NonZeroU8, Code> {
        let mut codes = BTreeMap::new();
        let Some(table) = self.table_of(item, "exit_codes") else { return codes };
        for (key, value) in table {
            let number = key.get_ref().parse::<NonZeroU8>();
            if number.is_err() {
                self.fault(key.span(), format!("exit code {:?} is not from 1 to 255", key.get_ref()), None);
            }
            let Some(text) = self.text_of(value, "the class of an exit code") else { continue };
            let code = Code::new(&text);
            if code.as_str() != text {
                let fault = format!("{text:?} is no class: upper-case letters, digits and _");
                self.fault(value.span(), fault, None);
            } else if let Ok(number) = number {
                codes.insert(number, code);
            }
        }
        codes
    }

    fn texts(&mut self, item: &Item<'_>, what: &str) -> Option<Vec<String>> {
        let DeValue::Array(items) = item.get_ref() else {
            self.fault(item.span(), format!("{what} is a list of texts"), None);
            return None;
        };
        let texts: Vec<_> =
            items.iter().map(|item| self.text_of(item, &format!("a part of {what}"))).collect();
        texts.into_iter().collect()
    }

    fn text_of(&mut self, item: &Item<'_>, what: &str) -> Option<String> {
        let Some(text) = item.get_ref().as_str() else {
            let fault =
                format!("{what} is text in quotes, not a value of type {}", item.get_ref().type_str());
            self.fault(item.span(), fault, None);
            return None;
        };
        if text.contains('\0') {
            self.fault(item.span(), format!("{what} has a NUL byte, which no program can be given"), None);
            return None;
        }
        Some(text.to_owned())
    }

    fn table_of<'i, 't>(&mut self, item: &'i Item<'t>, what: &str) -> Option<&'i DeTable<'t>> {
        if let DeValue::Table(table) = item.get_ref() {
            return Some(table);
        }
        self.fault(item.span(), format!("{what} is a table, e.g. {{ flag = \"--x\", … }}"), None);
        None
    }

    /// The value of a key that has to be there.
    fn needed<'i, 't>(
        &mut self,
        table: &'i DeTable<'t>,
        key: &str,
        whole: Range<usize>,
        of: &str,
    ) -> Option<&'i Item<'t>> {
        let item = get(table, key);
        if item.is_none() && self.is_whole {
            self.fault(whole, format!("the key {of}{key} is missing"), None);
        }
        item
    }

    fn unknown_keys(&mut self, table: &DeTable<'_>, known: &[&str], of: &str) {
        for (key, _) in table {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let near = nearest(name, known.iter().copied()).map(|near| format!("{of}{near}"));
                self.fault(key.span(), format!("unknown key {of}{name}"), near);
            }
        }
    }

    fn fault(&mut self, span: Range<usize>, message: String, nearest: Option<String>) {
        self.faults.push(Fault { place: Some(Place::of(self.text, span.start)), message, nearest });
    }
}

fn get<'i, 't>(table: &'i DeTable<'t>, key: &str) -> Option<&'i Item<'t>> {
    table.iter().find(|(name, _)| name.get_ref().as_ref() == key).map(|(_, item)| item)
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(integer) => {
            i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|number| number as f64)
        }
        DeValue::Float(float) => float.as_str().parse().ok(),
        DeValue::String(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => None,
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}
