//! What can be looked up, and how it may be typed.

use super::*;
use std::collections::BTreeSet;

fn typed(text: &str) -> Found {
    look_up(&text.split(' ').map(str::to_owned).collect::<Vec<_>>())
}

fn one(text: &str) -> Entry {
    let Found::Entries(entries) = typed(text) else { panic!("{text} is not known") };
    let [entry] = entries.as_slice() else { panic!("{text}: {entries:?}") };
    entry.clone()
}

#[test]
fn no_code_stands_twice_in_its_group_and_each_says_something() {
    let mut seen = BTreeSet::new();
    for entry in entries() {
        assert!(seen.insert((entry.group, entry.code.clone())), "{entry:?}");
        let said =
            [Some(&entry.meaning), entry.cause.as_ref(), entry.response.as_ref(), entry.remedy.as_ref()];
        for text in said.into_iter().flatten() {
            assert!(text.ends_with('.') && text.chars().all(|c| !c.is_control()), "{entry:?}");
        }
        assert!(entry.commands.iter().all(|command| command.starts_with("resus ")), "{entry:?}");
    }
    assert!(Group::ALL.iter().all(|group| seen.iter().any(|(of, _)| of == group)));
}

#[test]
fn a_code_may_be_typed_as_people_type() {
    for text in ["CUDA_OOM", "cuda_oom", "cuda-oom", "Cuda OOM", "failure CUDA_OOM"] {
        assert_eq!(one(text).code, "CUDA_OOM", "{text}");
    }
    for text in ["11", "exit 11", "exit code 11", "EXIT 11"] {
        assert_eq!((one(text).group, one(text).code.as_str()), (Group::Exit, "11"), "{text}");
    }
    for text in ["urn:resus:refused", "refused", "problem refused"] {
        assert_eq!(one(text).code, "urn:resus:refused", "{text}");
    }
    assert_eq!(one("cooling_down").group, Group::Phase);
    assert_eq!(one("BUDGET_SPENT").group, Group::Reason);
}

#[test]
fn a_code_of_two_groups_is_told_of_both_unless_one_is_named() {
    let Found::Entries(both) = typed("hung") else { panic!("HUNG is a failure and a reason") };
    assert_eq!(both.iter().map(|entry| entry.group).collect::<Vec<_>>(), [Group::Failure, Group::Reason]);
    assert_eq!(one("reason HUNG").group, Group::Reason);
}

#[test]
fn codes_of_workloads_are_known_as_such_and_inventions_are_not() {
    assert_eq!(typed("APP_TOKENIZER"), Found::OfWorkload("APP_TOKENIZER".to_owned()));
    assert_eq!(typed("app-tokenizer"), Found::OfWorkload("APP_TOKENIZER".to_owned()));
    for text in ["CUDA_OOOM", "exit 99", "phase CUDA_OOM", "", "exit"] {
        assert_eq!(typed(text), Found::Nothing, "{text}");
    }
}

#[test]
fn what_resus_does_follows_from_the_rule() {
    assert!(one("CUDA_OOM").response.unwrap().contains("ends as failed"));
    assert!(one("HOST_OOM").response.unwrap().contains("only once"));
    assert!(one("failure NAN_LOSS").response.unwrap().contains("only twice"));
    assert!(one("PREEMPTED").response.unwrap().contains("budget is not touched"));
    assert!(one("failure ERROR_RATE_EXCEEDED").response.unwrap().contains("paused"));
}
