use super::*;

#[test]
fn every_separator_is_found_and_can_be_said() {
    for separator in [",", ";", "\t", "|"] {
        let csv = "a,b\n1,\"x: \"\"y\"\",\"\r\n\n2,\n".replace(',', separator);
        let expected = [format!("2 a=1 b=x: \"y\"{separator}"), "4 a=2 b=".into()];
        assert_eq!(rows(csv.as_bytes()), expected);
    }
    assert_eq!(rows(b"sep=;\na,b;c\n1;2\n"), ["3 a,b=1 c=2"]);
    assert_eq!(rows(b"sep=;\r\na,b;c\r\n1;2\r\n"), ["3 a,b=1 c=2"]);
    assert_eq!(rows(b"sep=;\ra,b;c\r1;2\r"), ["1 a,b=1 c=2"], "line ends of old Macs");
    let said = Options { separator: Some(b':'), ..Options::default() };
    assert_eq!(rows_of(b"a:b,c\n1:2\n", &said), ["2 a=1 b,c=2"]);
    for wrong in [&b"sep=\"\na,b\n1,2\n"[..], b"sep=\r\na,b\r\n1,2\r\n"] {
        assert!(error_of(wrong, &Options::default()).contains("`sep=`, but the separator has to be"));
        let said = Options { separator: Some(b','), ..Options::default() };
        assert_eq!(rows_of(wrong, &said), ["3 a=1 b=2"]);
    }
    assert_eq!(rows(b"a,b\r1,2\r3,4"), ["1 a=1 b=2", "1 a=3 b=4"], "line ends of old Macs");
}

#[test]
fn a_file_without_header_has_the_names_that_are_given() {
    let without = Options { header: false, ..Options::default() };
    assert_eq!(
        rows_of(b"x;1\ny;2\nz\n", &without),
        ["1 c1=x c2=1", "2 c1=y c2=2", "3 !1 field where the first row has 2"]
    );
    let named = Options { columns: Some(vec!["text".into(), "mood".into()]), ..without.clone() };
    assert_eq!(rows_of(b"x;1\n;;\n", &named), ["1 text=x mood=1", "2 !3 fields where names were given for 2"]);
    // A name for each column of the header.
    let renamed = Options { columns: Some(vec!["text".into(), "mood".into()]), ..Options::default() };
    assert_eq!(rows_of(b"a,b\nx,1\n", &renamed), ["2 text=x mood=1"]);
    assert!(error_of(b"a\nx\n", &renamed).contains("its header has 1 columns, and 2 names were given"));
    let twice = Options { columns: Some(vec!["a".into(), "a".into()]), ..without };
    assert!(error_of(b"x,1\n", &twice).contains("columns 1 and 2 are both called a"));
}

#[test]
fn columns_that_are_called_the_same_are_refused_and_those_without_a_name_are_not() {
    assert!(error_of(b"id,title,id\n1,2,3\n", &Options::default()).contains("columns 1 and 3 are both called id"));
    assert_eq!(rows(b"a,,\n1,2,3\n"), ["2 a=1 =2 =3"]);
}

#[test]
fn a_row_with_too_many_or_too_few_fields_costs_only_itself() {
    let csv = b"a,b\n1,2\n3\n4,5,6\n7,8\n";
    assert_eq!(
        rows(csv),
        ["2 a=1 b=2", "3 !1 field where the header has 2", "4 !3 fields where the header has 2", "5 a=7 b=8"]
    );
}

#[test]
fn a_stray_quote_costs_its_line_and_swallows_no_other() {
    // The stray quote never closes, or closes where the next quoted value opens, or is within a quoted value.
    for (csv, reason) in [
        (&b"id,title\n1,\"Maker lifts\n2,Loss\n3,Gain\n"[..], "a quote opens in it and never closes"),
        (b"id,title\n1,\"Maker lifts\n2,\"Loss\"\n3,Gain\n", "a quote in it does not end a value"),
        (b"id,title\n1,\"Maker \"lifts\" it\"\n2,Loss\n3,Gain\n", "a quote in it does not end a value"),
    ] {
        let rows = rows(csv);
        assert!(rows[0].starts_with(&format!("2 !{reason}")), "{rows:?}");
        assert_eq!(rows[1..], ["3 id=2 title=Loss", "4 id=3 title=Gain"]);
    }
    // The mark for inches is not a quote, and several lines within quotes are one value.
    assert_eq!(rows(b"a,b\n5\" pipe,x\n\"two\nlines\",y\n"), ["2 a=5\" pipe b=x", "3 a=two\nlines b=y"]);
}

#[test]
fn a_quote_that_closes_too_late_is_taken_for_a_stray_one() {
    let many = "line\n".repeat(10_001);
    let csv = format!("a,b\n1,\"{many}\"\n2,x\n");
    let rows = rows(csv.as_bytes());
    assert_eq!(rows[0], "2 !a quote opens in it and does not close within 10000 lines, the most that a row may have");
    assert_eq!(rows.last().unwrap(), "10004 a=2 b=x");
}

#[test]
fn a_stray_quote_costs_one_line_whatever_ends_lines() {
    for end in ["\n", "\r\n", "\r"] {
        let found = rows(["a,b", "\"x\"y,1", "2,3", ""].join(end).as_bytes());
        assert_eq!(found.len(), 2, "{end:?} {found:?}");
        assert!(found[1].ends_with(" a=2 b=3"), "{end:?} {found:?}");
    }
}

#[test]
fn a_row_without_end_does_not_fill_the_memory_and_the_next_is_read() {
    for (quote, reason) in [("", "the row is longer than 4 MiB"), ("\"", "the row is longer than 4 MiB")] {
        let csv = format!("a,b\n1,{quote}{}\n2,x\n", "x".repeat(5 << 20));
        let (items, error) = all(csv.as_bytes(), &Options::default());
        assert!(error.is_none());
        let unreadable = items[0].as_ref().unwrap_err();
        assert_eq!((unreadable.number, unreadable.reason.as_str()), (2, reason));
        assert!(unreadable.raw.len() <= 64 << 10 && unreadable.raw.starts_with(b"1,"));
        assert_eq!(shown(&items[1]), "3 a=2 b=x");
    }
}
