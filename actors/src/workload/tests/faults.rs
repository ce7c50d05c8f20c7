//! Everything that can be wrong with a `workload.toml`, and where.

use super::file;
use crate::workload::parse;

fn faults(text: &str) -> Vec<String> {
    parse(text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// The faults of a parameter that is `{ flag = "--x", type = KIND, summary = "", MORE }`.
fn of_param(kind: &str, more: &str) -> Vec<String> {
    let more = if more.is_empty() { String::new() } else { format!(", {more}") };
    let line = format!("[params]\np = {{ flag = \"--x\", type = {kind:?}, summary = \"\"{more} }}");
    faults(&file(&line))
}

#[test]
fn everything_is_told_at_once_in_the_order_of_the_text() {
    let text = "nmae = \"x\"
argv = []
contract = \"puls\"
[params]
c = { flag = \"--c\", type = \"integer\", min = 5, max = 1 }
[exit_codes]
0 = \"X\"
";
    assert_eq!(
        faults(text),
        [
            "1:1: unknown key nmae; did you mean name?",
            "1:1: the key name is missing",
            "1:1: the key summary is missing",
            "2:8: argv begins with a program; it is empty",
            "3:12: contract is \"pulse\" (it says how far it is) or \"opaque\" (any program); did you mean \"pulse\"?",
            "5:1: the key c.summary is missing",
            "5:45: c.min is 5, above its max 1",
            "7:1: exit code \"0\" is not from 1 to 255",
        ]
    );
}

#[test]
fn what_is_no_toml_is_told_and_nothing_is_made_up_beside_it() {
    let faults = faults("name = \"w\nsummary = \"s\"\n");
    assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.contains("missing")), "{faults:?}");
    assert!(faults[0].starts_with("1:"), "{faults:?}");
}

#[test]
fn each_key_says_what_it_should_have_been() {
    for (line, fault) in [
        ("name = \"W\"", "name: "),
        ("name = 3", "name is text in quotes, not a value of type integer"),
        ("summary = \"a\\nb\"", "summary is one line"),
        ("argv = \"python3 x.py\"", "argv is a list of texts"),
        ("argv = [\"\"]", "argv begins with a program"),
        ("argv = [\"a\", 1]", "a part of argv is text"),
        ("argv = [\"a\\u0000\"]", "a part of argv has a NUL byte"),
        ("cwd = \"sub\"", "cwd is \"{workload}\""),
        ("cwd = \"{workload}sub\"", "cwd is \"{workload}\""),
        ("exit_codes = 1", "exit_codes is a table"),
        ("exit_codes = { 256 = \"X\" }", "exit code \"256\""),
        ("exit_codes = { two = \"X\" }", "exit code \"two\""),
        ("exit_codes = { 2 = \"config invalid\" }", "\"config invalid\" is no class"),
        ("params = { \"a.b\" = 1 }", "names with a dot are those of settings"),
        ("params = { A = 1 }", "a name has the letters a to z"),
    ] {
        let key = line.split(' ').next().unwrap();
        let kept = file("").lines().filter(|other| !other.starts_with(key)).collect::<Vec<_>>().join("\n");
        let faults = faults(&format!("{kept}\n{line}\n"));
        assert!(faults.iter().any(|told| told.contains(fault)), "{line}: {faults:?}");
    }
    for good in ["cwd = \"{workload}\"", "cwd = \"{workload}/a\"", "cwd = \"/a\""] {
        assert_eq!(faults(&file(good)), [""; 0], "{good}");
    }
}

#[test]
fn each_parameter_says_what_does_not_fit_its_type() {
    for (kind, more, fault) in [
        ("int", "", "p.type is one of integer, number, text, switch"),
        ("integr", "", "did you mean \"integer\"?"),
        ("text", "min = 1", "p.min means nothing for a text"),
        ("switch", "choices = [\"a\"]", "p.choices means nothing for a switch"),
        ("integer", "choices = [\"a\"]", "p.choices means nothing for a integer"),
        ("number", "min = \"1\"", "p.min is a number"),
        ("number", "max = nan", "p.max is a number"),
        ("text", "choices = []", "each once"),
        ("text", "choices = [\"a\", \"a\"]", "each once"),
        ("text", "choices = [\"a\"], default = \"b\"", "p.default: expected one of a"),
        ("integer", "max = 5, default = 6", "p.default: expected a whole number of 5 or less"),
        ("integer", "default = 1.5", "p.default: expected a whole number"),
        ("number", "default = inf", "p.default: expected a number"),
        ("switch", "default = \"true\"", "p.default: expected true or false"),
        ("text", "defalt = \"b\"", "unknown key p.defalt; did you mean p.default?"),
    ] {
        let faults = of_param(kind, more);
        assert!(faults.iter().any(|told| told.contains(fault)), "{kind} {more}: {faults:?}");
    }
    for (kind, more) in [
        ("integer", "min = 1, max = 1e9, default = 7"),
        ("number", "min = -0.5, default = 3"),
        ("text", "choices = [\"a\", \"\"], default = \"\""),
        ("switch", "default = false"),
    ] {
        assert_eq!(of_param(kind, more), [""; 0], "{kind} {more}");
    }
}

#[test]
fn a_flag_is_one_and_belongs_to_one_parameter() {
    let flag = |flag: &str| {
        faults(&file(&format!("[params]\np = {{ flag = {flag:?}, type = \"text\", summary = \"\" }}")))
    };
    for bad in ["x", "", "-", "--", "--a b", "--a=b", "=", "--=", "--a\tb"] {
        assert!(flag(bad).iter().any(|told| told.contains("p.flag is no flag")), "{bad:?}: {:?}", flag(bad));
    }
    for good in ["-x", "--x", "--x=", "-long", "--ä"] {
        assert_eq!(flag(good), [""; 0], "{good}");
    }
    let twice = "[params]
z = { flag = \"--a\", type = \"text\", summary = \"\" }
b = { flag = \"--a=\", type = \"text\", summary = \"\" }";
    assert_eq!(faults(&file(twice)), ["7:1: the flag --a belongs to another parameter already"]);
}
