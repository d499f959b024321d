//! Nothing is replaced, or continued, that is something else.

use super::*;

#[test]
fn nothing_is_overwritten_or_continued_that_is_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("in.txt"), "Profit doubled\nLoss").unwrap();
    std::fs::write(at("other.txt"), "Profit doubled\nGain").unwrap();
    std::fs::write(at("shorter.txt"), "Profit doubled").unwrap();
    run(&job(&at("in.txt"), &at("out.jsonl"))).unwrap();
    let whole = std::fs::read(at("out.jsonl")).unwrap();
    let fails = |job: Job, part: &str| {
        let error = run(&job).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(std::fs::read(at("out.jsonl")).unwrap(), whole);
    };
    fails(job(&at("in.txt"), &at("out.jsonl")), "--resume continues");
    fails(job(&at("out.jsonl"), &at("out.jsonl")), "is the input");
    let resumed = |input: &str| Job { resume: true, ..job(&at(input), &at("out.jsonl")) };
    fails(resumed("other.txt"), "row 2 was made from another row");
    fails(resumed("shorter.txt"), "more rows than the input");
    let other_model = String::from_utf8(whole.clone()).unwrap().replace(common::shipped().revision(), "0000");
    std::fs::write(at("out.jsonl"), &other_model).unwrap();
    let error = run(&resumed("in.txt")).unwrap_err().to_string();
    assert!(error.contains("this model would write"), "{error}");
    assert_eq!(std::fs::read_to_string(at("out.jsonl")).unwrap(), other_model);
    run(&Job { overwrite: true, ..job(&at("other.txt"), &at("out.jsonl")) }).unwrap();
    assert_eq!(lines(&at("out.jsonl"))[1]["text"], "Gain");
}
