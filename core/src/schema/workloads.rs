//! Workloads as they are listed, and what a submission would come to.

use super::Document;
use super::shape::{either, flag, like, list, map, number, object, optional, required, small, text, words};

pub(super) fn documents() -> Vec<Document> {
    let after = optional("after", text().or_null().about("next of the page before"));
    let trouble = || optional("trouble", text().about("Why some of the user's are not listed"));
    let next = optional("next", text().about("There is more behind this name"));
    let views = || required("workloads", list(like("WorkloadView")).about("By name"));
    vec![
        object([after]).closed().document_of_type("WorkloadsRequest"),
        object([views(), trouble(), next]).document_of_type("WorkloadsReply"),
        view().document_of_type("WorkloadView"),
        plan().document_of_type("Plan"),
    ]
}

fn view() -> super::shape::Shape {
    object([
        required("name", text()),
        required("origin", words(["built_in", "user", "path"])),
        optional("folder", text().about("Absolute path of its folder, if it has one")),
        required("summary", text()),
        required("argv", list(text()).about("Program and first arguments, as the file has them")),
        optional("cwd", text().about("Working folder, as the file has it; by default where the user is")),
        optional("contract", words(["pulse", "opaque"])),
        required("params", map(param())),
        optional("exit_codes", map(text()).about("What exit codes of its own mean")),
        optional("faults", list(text()).about("Why it can't be run: everything that is wrong")),
    ])
}

fn param() -> super::shape::Shape {
    object([
        required("flag", text()),
        required("type", words(["integer", "number", "text", "switch"])),
        optional("min", number()),
        optional("max", number()),
        optional("choices", list(text()).about("The only texts that it takes")),
        optional("default", text().about("Handed in where no value is given")),
        required("summary", text()),
    ])
}

fn plan() -> super::shape::Shape {
    let value = || either([number(), text(), flag()]).or_null();
    let setting = object([
        required("key", text().about("As in the configuration")),
        required("value", value().about("Times in milliseconds, shares in thousandths")),
        required("default", value()),
        required("origin", words(["submission", "configuration"])),
    ]);
    object([
        required("workload", text()),
        required("name", text()),
        required("argv", list(text())),
        required("cwd", text()),
        required("env_count", small().about("Variables of the worker's environment")),
        required("contract", words(["pulse", "opaque"])),
        required("resume", like("Resume")),
        required("settings", list(setting).about("Those that differ from the defaults")),
        optional("warnings", list(text()).about("What would probably not go well")),
    ])
    .about("What a submission would come to; nothing is recorded")
}
