use super::*;

const ROWS: [&str; 2] = ["1 id=1 symbols=[\"MKR\"]", "2 id=1.50 title=T \"x\""];

#[test]
fn every_layout_gives_the_same_rows() {
    let (a, b) = ("{\"id\":1,\"symbols\":[\"MKR\"]}", "{ \"id\" : 1.50,\n\"title\" : \"T \\\"x\\\"\" }");
    let flat = b.replace('\n', " ");
    for file in [
        format!("{a}\n{flat}\n"),
        format!("\n{a}\r\n\n{flat}").replacen('\n', "", 1),
        format!("{a}{flat}"),
        format!("{a} {flat}"),
        format!("[{a},{b}]"),
        format!("[\n  {a},\n  {b}\n]\n"),
        format!("[{a}]\n[{b}]"),
        format!("{{\"results\":[{a},{b}],\"status\":\"OK\",\"count\":2}}"),
        format!("{{\n \"status\": \"OK\",\n \"feed\": [\n {a},\n {b}\n]\n}}"),
        format!("{{\"whatever\":[{a},{b}]}}"),
        format!("{{\"news\":[{a}]}}\n{{\"news\":[],\"next\":null}}\n{{\"news\":[{b}]}}\n"),
        format!("{{\"status\":\"OK\",\"results\":[{a},{b}],\"other\":[1,[2],\"]\"]}}\n"),
    ] {
        let rows: Vec<String> = rows(file.as_bytes());
        let values = |row: &str| row.split_once(' ').unwrap().1.to_owned();
        assert_eq!(rows.iter().map(|row| values(row)).collect::<Vec<_>>(), ROWS.map(values), "{file}");
    }
}

#[test]
fn rows_of_lists_are_counted_and_others_have_the_number_of_their_line() {
    for (file, numbers_lines) in [
        ("{\"a\":1}\n{\"a\":2}\n", true),
        ("{\n\"a\":1\n}\n{\n\"a\":2\n}\n", true),
        ("a,b\n1,2\n", true),
        ("[{\"a\":1},\n{\"a\":2}]", false),
        ("{\"results\":[{\"a\":1},\n{\"a\":2}],\"count\":2}", false),
    ] {
        let reader = Reader::from_read(file.as_bytes(), "-", &Options::default()).unwrap();
        assert_eq!(reader.numbers_lines(), numbers_lines, "{file}");
    }
}

#[test]
fn pretty_printed_objects_follow_each_other() {
    let file =
        b"{\n  \"id\": 1,\n  \"list\": [\n    {\"a\": 1}\n  ]\n}\n{\n  \"id\": 2,\n  broken\n}\n{\n  \"id\": 3\n}\n";
    let rows = rows(file);
    assert_eq!((rows[0].as_str(), rows[2].as_str()), ("1 id=1 list=[{\"a\":1}]", "11 id=3"));
    assert!(rows[1].starts_with("7 !not a JSON object"), "{rows:?}");
}

#[test]
fn a_row_with_a_list_of_objects_is_a_row() {
    let row = br#"{"id":"a","title":"T","insights":[{"ticker":"MKR","mood":"good"}],"tickers":["MKR"]}"#;
    let pretty = "{\n \"insights\": [\n  {\"ticker\": \"MKR\"}\n ],\n \"title\": \"T\"\n}\n";
    assert_eq!(rows(row).len(), 1);
    assert!(rows(row)[0].contains("title=T"));
    assert!(rows(pretty.as_bytes())[0].contains("title=T"));
}

#[test]
fn an_empty_list_under_a_known_key_is_a_field_if_it_is_empty_in_every_object() {
    let empty = r#"{"title":"A","items":[]}"#;
    assert_eq!(rows(format!("{empty}\n{empty}\n").as_bytes()), ["1 title=A items=[]", "2 title=A items=[]"]);
    assert_eq!(rows(format!("{empty}{empty}").as_bytes()), ["1 title=A items=[]"; 2]);
    let answers = [empty, empty, r#"{"title":"A","items":[{"id":1}]}"#].join("\n");
    assert_eq!(rows(answers.as_bytes()), ["1 id=1"], "days without rows, and one with a row");
}

#[test]
fn a_broken_row_costs_only_itself() {
    let lines = rows(b"{\"id\":1}\n{torn\n[2]\n\"x\"\n{\"id\":3}\n{\"id\":4");
    assert_eq!((lines[0].as_str(), lines[4].as_str()), ("1 id=1", "5 id=3"));
    for (at, reason) in
        [(1, "2 !not a JSON object"), (2, "3 !not a JSON object"), (3, "4 !not"), (5, "6 !not a JSON object: EOF")]
    {
        assert!(lines[at].starts_with(reason), "{lines:?}");
    }
    let list = rows(
        b"[\n  {\"id\": 1},\n  {\"id\": torn, \"x\": {\n    \"y\" 1 } },\n  {\"id\": 3},\n  7,\n  {\"id\": 5}\n]\n",
    );
    assert_eq!((list[0].as_str(), list[2].as_str(), list[4].as_str()), ("1 id=1", "3 id=3", "5 id=5"), "{list:?}");
    assert!(list[1].starts_with("2 !not a JSON object") && list[3].starts_with("4 !not a JSON object"), "{list:?}");
    assert_eq!(list.len(), 5);
}

/// As some programs write lists: the first row beside the bracket, each further row on its own line, or the comma first.
#[test]
fn a_broken_row_costs_only_itself_however_the_list_begins() {
    for file in [
        "[{\"id\":1},\n{\"id\": torn},\n{\"id\":3}]",
        "[ {\"id\":1},\n  {\"id\": torn},\n  {\"id\":3}\n]\n",
        "[{\"id\":1}\n,{\"id\": torn}\n,{\"id\":3}\n]\n",
        "[\n{\"id\":1}\n,{\"id\": torn}\n,{\"id\":3}\n]\n",
        "{\"results\":[{\"id\":1},\n {\"id\": torn},\n {\"id\":3}],\"status\":\"OK\"}",
    ] {
        let list = rows(file.as_bytes());
        assert_eq!((list[0].as_str(), list[2].as_str()), ("1 id=1", "3 id=3"), "{file}: {list:?}");
        assert!(list[1].starts_with("2 !not a JSON object"), "{list:?}");
    }
    let list = rows(b"[{\"id\": torn},\n {\"id\":2},\n {\"id\":3}]");
    assert!(list[0].starts_with("1 !") && list[1..] == ["2 id=2", "3 id=3"], "{list:?}");
}

#[test]
fn a_list_on_one_line_ends_where_it_breaks_and_says_so() {
    let (items, error) = all(b"[{\"id\":1},{\"id\":2,},{\"id\":3}]", &Options::default());
    assert_eq!(items.len(), 1);
    let error = error.unwrap().to_string();
    assert!(error.starts_with("file is damaged after row 1: row 2 is not a JSON object"), "{error}");
}

#[test]
fn what_is_cut_off_is_an_error_after_the_whole_rows() {
    let (items, error) = all(b"{\n  \"id\": 1,\n  \"title\": \"cut", &Options::default());
    assert!(items.is_empty() && matches!(error, Some(FormatError::CutOff { rows: 0, .. })), "{error:?}");
    for file in
        ["[{\"id\":1},{\"id\":2}", "[{\"id\":1},{\"id\":2},{\"id", "{\"results\":[{\"id\":1},{\"id\":2}],\"next\":"]
    {
        let (items, error) = all(file.as_bytes(), &Options::default());
        assert_eq!(items.iter().map(shown).collect::<Vec<_>>(), ["1 id=1", "2 id=2"], "{file}");
        let error = error.unwrap();
        assert!(matches!(error, FormatError::CutOff { rows: 2, .. }), "{file}: {error}");
    }
}

#[test]
fn one_odd_value_does_not_cost_the_row() {
    let file = b"{\"id\":1,\"title\":\"half \\ud83d of it\",\"pair\":\"\\ud83d\\ude00\"}\n\
        {\"id\":2,\"title\":\"nul \\u0000 and \x00, bell \x07\"}\n\
        {\"id\":3,\"close\":NaN,\"high\":-Infinity,\"title\":\"NaN \\\"-Infinity\"}\n\
        {\"id\":4,\"\\udc00\":\"cut \xf0\x9f\x98\"}\n\
        {\"id\":5,\"title\":\"\xed\xa0\xbd\"}\n\
        {\"id\":123456789012345678901234567890.1e400}\n";
    assert_eq!(
        rows(file),
        [
            "1 id=1 title=half \u{fffd} of it pair=\u{1f600}",
            "2 id=2 title=nul \0 and \0, bell \x07",
            "3 id=3 close=null high=-Infinity title=NaN \"-Infinity",
            "4 id=4 \u{fffd}=cut \u{fffd}",
            "5 id=5 title=\u{fffd}",
            "6 id=123456789012345678901234567890.1e400",
        ]
    );
}

#[test]
fn rows_too_long_or_too_deep_are_refused_and_the_next_is_read() {
    let long = format!("{{\"id\":2,\"x\":\"{}\"}}", "y".repeat(5 << 20));
    for file in [format!("{{\"id\":1}}\n{long}\n{{\"id\":3}}\n"), format!("[{{\"id\":1}},{long},{{\"id\":3}}]")] {
        let (items, error) = all(file.as_bytes(), &Options::default());
        assert!(error.is_none());
        let unreadable = items[1].as_ref().unwrap_err();
        assert_eq!((unreadable.number, unreadable.reason.as_str()), (2, "the row is longer than 4 MiB"));
        assert!(unreadable.raw.len() <= 64 << 10);
        assert_eq!(shown(&items[2]), "3 id=3");
    }
    let deep = format!("{{\"id\":1}}\n{{\"x\":{}1{}}}\n{{\"id\":3}}\n", "[".repeat(1 << 20), "]".repeat(1 << 20));
    let rows = rows(deep.as_bytes());
    assert_eq!(rows.len(), 3);
    assert!(rows[1].contains("nested more than 128 deep") && rows[2] == "3 id=3", "{rows:?}");
}

#[test]
fn a_list_longer_than_a_row_under_a_key_is_read_row_by_row() {
    let rows: Vec<String> = (0..60_000).map(|id| format!("{{\"id\":{id},\"pad\":\"{}\"}}", "x".repeat(80))).collect();
    let file = format!("{{\"about\":\"me\",\"mine\":[{}],\"after\":1}}", rows.join(","));
    assert!(file.len() > 5 << 20);
    let (items, error) = all(file.as_bytes(), &Options::default());
    assert!(error.is_none() && items.len() == 60_000 && items.iter().all(Result::is_ok));
}

/// As Binance, Coinbase and Bitfinex answer. On one line it would be a header of CSV.
#[test]
fn a_list_of_lists_is_refused_with_the_remedy() {
    for file in [
        &b"[[1746451800000, \"100.1\", \"101\"], [1746451860000, \"100.1\", \"101\"]]"[..],
        b"\n[\n  [\n    \"2025-05-05\",\n    100.5\n  ]\n]\n",
        b"[[-1.5e3,2]]",
    ] {
        let error = error_of(file, &Options::default());
        for part in ["file is a list of lists", "jq -r '.[] | @csv' file", "--no-bar-header", "--bar-columns"] {
            assert!(error.contains(part), "{error}");
        }
    }
    // What is said to be CSV is CSV, and so is a text that begins with brackets.
    let csv = Options { format: Some(Format::Csv), header: false, ..Options::default() };
    assert_eq!(rows_of(b"[[1,2]]\n", &csv), ["1 c1=[[1 c2=2]]"]);
    for header in ["[[Desk, id", "[Desk] a, b", "[1, 2", "[[", "[[1]]"] {
        let (items, error) = all(format!("{header}\nx,y\n").as_bytes(), &Options::default());
        let is_refused = matches!(error, Some(FormatError::Refused { .. }));
        assert!(!is_refused, "{header}: {} rows, {error:?}", items.len());
    }
}

/// What `to_json` of pandas writes for a table of two rows.
#[test]
fn a_table_of_pandas_is_read_or_refused_by_its_orient() {
    let remedy = "orient=\"records\", lines=True";
    let refused = [
        (r#"{"id":{"0":1,"1":2},"title":{"0":"A","1":"B"}}"#, "orient=\"columns\""),
        (r#"{"id":{"2025-05-12T14:00:00.000":1},"title":{"2025-05-12T14:00:00.000":"A"}}"#, "orient=\"columns\""),
        (r#"{"0":{"id":1,"title":"A"},"1":{"id":2,"title":"B"}}"#, "orient=\"index\""),
        (r#"{"0":{"id":1,"title":"A"}}"#, "orient=\"index\""),
        ("{\n \"0\":{\n  \"id\":1\n },\n \"1\":{\n  \"id\":2\n }\n}", "orient=\"index\""),
        (r#"{"a1":{"id":1,"title":"A"},"a2":{"id":2,"title":"B"}}"#, "or \"index\""),
        (r#"{"columns":["id","title"],"index":[0,1],"data":[[1,"A"],[2,"B"]]}"#, "orient=\"split\""),
        (r#"[[1,"A"],[2,"B"]]"#, "orient=\"values\""),
    ];
    for (file, orient) in refused {
        for format in [None, Some(Format::Json)] {
            let error = error_of(file.as_bytes(), &Options { format, ..Options::default() });
            assert!(["file is a ", orient, remedy].iter().all(|part| error.contains(part)), "{file}: {error}");
        }
        let text = Options { otherwise: Format::Text, ..Options::default() };
        let error = error_of(file.as_bytes(), &text);
        assert!(error.contains(remedy), "{file}: {error}");
        assert_eq!(error.contains("--input-format text"), file.starts_with('['), "{error}");
    }
    for file in [
        r#"[{"id":1,"title":"A"},{"id":2,"title":"B"}]"#,
        "{\"id\":1,\"title\":\"A\"}\n{\"id\":2,\"title\":\"B\"}\n",
        r#"{"schema":{"fields":[{"name":"id","type":"integer"}]},"data":[{"id":1,"title":"A"},{"id":2,"title":"B"}]}"#,
    ] {
        let titles: Vec<bool> = rows(file.as_bytes()).iter().map(|row| row.contains("id=")).collect();
        assert_eq!(titles, [true; 2], "{file}");
    }
}

#[test]
fn a_table_of_pandas_that_is_longer_than_a_row_is_refused_by_its_beginning() {
    let title = "x".repeat(1000);
    let column = |name: &str| {
        let values: Vec<String> = (0..5000).map(|at| format!("\"{at}\":\"{title}\"")).collect();
        format!("\"{name}\":{{{}}}", values.join(","))
    };
    let columns = format!("{{{},{}}}", column("title"), column("text"));
    let rows: Vec<String> = (0..5000).map(|at| format!("\"{at}\":{{\"title\":\"{title}\"}}")).collect();
    let lists = vec![format!("[\"{title}\"]"); 5000].join(",");
    for (file, orient) in [
        (columns, "orient=\"columns\""),
        (format!("{{{}}}", rows.join(",")), "orient=\"index\""),
        (format!("{{\"columns\":[\"title\"],\"index\":[0],\"data\":[{lists}]}}"), "orient=\"split\""),
    ] {
        for tables in [false, true] {
            let error = error_of(file.as_bytes(), &Options { tables, ..Options::default() });
            assert!(error.contains(orient) && error.contains("lines=True"), "{error}");
        }
    }
}

#[test]
fn a_row_of_objects_is_not_taken_for_a_table_of_pandas() {
    for row in [
        r#"{"content":{"id":"a","title":"A"}}"#,
        r#"{"content":{"title":"A"},"provider":{"name":"Desk"}}"#,
        r#"{"source":{"name":"Desk"},"publisher":{"name":"Desk"}}"#,
        r#"{"0":"A","1":{"title":"B"}}"#,
        r#"{"columns":["a"],"data":["b"]}"#,
        "{}",
    ] {
        assert_eq!(rows(format!("{row}\n{row}\n").as_bytes()).len(), 2, "{row}");
    }
    // The caller takes the table apart.
    let tables = Options { tables: true, ..Options::default() };
    for table in [r#"{"open":{"0":1,"1":2},"close":{"0":1,"1":2}}"#, r#"{"columns":["open"],"index":[0],"data":[[1]]}"#]
    {
        assert_eq!(rows_of(table.as_bytes(), &tables).len(), 1, "{table}");
    }
    let error = error_of(br#"{"0":{"open":1,"close":1},"1":{"open":2,"close":2}}"#, &tables);
    assert!(error.contains("orient=\"index\""), "{error}");
}

#[test]
fn a_file_without_rows_says_what_it_has() {
    for (file, error) in [
        (&b""[..], "file is empty"),
        (b"[]", "file has no rows, only an empty list"),
        (b"{\"results\":[],\"status\":\"OK\"}", "file has no rows, only an empty list"),
        (b"a,b\n", "file has no rows, only a header"),
        (b"\n\n", "file is empty"),
    ] {
        assert_eq!(error_of(file, &Options::default()), error);
    }
}
