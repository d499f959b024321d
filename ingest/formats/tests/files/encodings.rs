use super::*;

fn utf16(text: &str, big: bool, mark: bool) -> Vec<u8> {
    let text = if mark { format!("\u{feff}{text}") } else { text.to_owned() };
    let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn utf8_and_utf16_are_recognised() {
    let csv = "id,title\n1,Überschuß 😀\n";
    let jsonl = "{\"id\":1,\"title\":\"Überschuß 😀\"}\n";
    for text in [csv, jsonl] {
        let expected = rows(text.as_bytes());
        assert!(expected[0].ends_with("title=Überschuß 😀"));
        assert_eq!(rows(format!("\u{feff}{text}").as_bytes()), expected);
        for (big, mark) in [(false, false), (false, true), (true, false), (true, true)] {
            assert_eq!(rows(&utf16(text, big, mark)), expected, "{big} {mark}");
        }
    }
}

#[test]
fn other_encodings_are_refused_with_their_name_and_read_by_it() {
    let (shift_jis, _, _) = encoding_rs::SHIFT_JIS.encode("id,title\n1,株価は決算発表を受けて大きく上昇した\n");
    let (gbk, _, _) = encoding_rs::GBK.encode("id,title\n1,公司公布财报后股价大幅上涨\n");
    let (korean, _, _) = encoding_rs::EUC_KR.encode("id,title\n1,실적 발표 후 주가가 크게 올랐다\n");
    for (bytes, name) in [(shift_jis, "shift_jis"), (gbk, "gbk"), (korean, "euc-kr")] {
        let refused = rows_of(&bytes, &Options::default());
        assert!(refused[0].contains(&format!("--encoding {name}")), "{refused:?}");
        let named = rows_of(&bytes, &Options { encoding: Some(name.into()), ..Options::default() });
        assert!(named[0].starts_with("2 id=1 title=") && !named[0].contains(char::REPLACEMENT_CHARACTER), "{named:?}");
    }
}

#[test]
fn half_a_surrogate_pair_of_utf16_costs_nothing_else() {
    let mut bytes = utf16("id,title\n1,half x\n2,y\n", false, true);
    let at = bytes.windows(2).position(|pair| pair == b"x\0").unwrap();
    bytes.splice(at..at + 2, [0x3d, 0xd8]);
    assert_eq!(rows(&bytes), ["2 id=1 title=half \u{fffd}", "3 id=2 title=y"]);
}

#[test]
fn latin1_is_read_where_it_is_named_and_otherwise_refused_with_the_remedy() {
    let csv = b"sentence@mood\nGewinn w\xe4chst auf 5 \x80.@positive\nplain@neutral\n";
    let options =
        |encoding: &str| Options { encoding: Some(encoding.into()), separator: Some(b'@'), ..Options::default() };
    let rows = rows_of(csv, &options("windows-1252"));
    assert_eq!(rows[0], "2 sentence=Gewinn wächst auf 5 €. mood=positive");
    assert_eq!(rows_of(csv, &options("latin1")), rows);
    let plain = rows_of(csv, &options("utf-8"));
    assert_eq!(
        plain[0],
        "2 !not UTF-8 from byte 9 of the row on; if the file is in another encoding, name it: --encoding windows-1252"
    );
    assert_eq!(plain[1], "3 sentence=plain mood=neutral");
    assert!(error_of(b"t\xeftle\nx\n", &Options::default()).contains("--encoding windows-1252"));
    assert!(error_of(csv, &options("windows-1253x")).contains("there is no encoding windows-1253x"));
    // The byte order mark of the file counts, not the option.
    assert_eq!(rows_of(&utf16("a\nx\n", false, true), &options("latin1")), ["2 a=x"]);
}
