//! Names of companies: built in, of a user's list, and in texts.

use super::*;

fn symbol(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

#[test]
fn finds_names_aliases_and_tickers_as_words() {
    let companies = Companies::load(None).unwrap();
    for (ticker, text, expected) in [
        ("AAPL", "Why Apple's margin fell", Some(4)),
        ("AAPL", "APPLE beats", Some(0)),
        ("AAPL", "Pineapple prices rise", None),
        ("AAPL", "Shares of $AAPL jump", Some(11)),
        ("GOOGL", "Ruling against google", Some(15)),
        ("T", "it is time to sell at the top", None),
        ("C", "C-suite pay at Citi", Some(15)),
        ("V", "A V-shaped rebound", None),
        ("F", "Carmaker (NYSE: F) recalls trucks", Some(16)),
        ("T", "AT&T to cut its dividend", Some(0)),
        ("ZZZZ", "ZZZZ files for bankruptcy", Some(0)),
        // Tickers that are words: some are in the table, some are not.
        ("NOW", "Now or never for all of it, so to speak", None),
        ("ALL", "NOW IS ALL OR NOTHING", None),
        ("ALL", "Allstate (NYSE: ALL) rises", Some(0)),
        ("ALL", "INSURERS FALL <ALL.N>", Some(15)),
        ("IT", "IT budgets: IT, (IT spending) and NYSE", None),
        ("IT", "Gartner (IT.N), Nasdaq:IT", Some(0)),
        ("IT", "Researcher (IT.N), Nasdaq:IT", Some(12)),
        ("SO", "$SO so so", Some(1)),
        ("UPS", "The ups and downs of the ups target", None),
        ("UPS", "The ups and downs of UPS", Some(21)),
        ("UPS", "UNITED PARCEL SERVICE CUTS JOBS", Some(0)),
        ("GM", "GM recalls trucks", Some(0)),
        // Typography of newswires.
        ("MCD", "At McDonald\u{2019}s, prices fall", Some(3)),
        ("KO", "Coca\u{2011}Cola up", Some(0)),
        ("GS", "Goldman\nSachs and Goldman\u{a0}Sachs", Some(0)),
    ] {
        let company = companies.of_symbol(&symbol(ticker), None);
        assert_eq!(company.first_mention(text), expected, "{ticker} in {text}");
    }
    assert_eq!(Company::named("Nestlé").first_mention("Shares of NESTLÉ rise"), Some(10));
    assert_eq!(companies.of_symbol(&symbol("MSFT"), None).name(), "Microsoft");
    assert_eq!(companies.of_symbol(&symbol("ZZZZ"), None).name(), "ZZZZ");
}

#[test]
fn a_company_is_called_what_the_text_calls_it() {
    let companies = Companies::load(None).unwrap();
    for (ticker, text, expected) in [
        ("GOOGL", "Ruling against google, owned by Alphabet", "google"),
        ("WAT", "Agilent climbs as Waters tumbles", "Waters"),
        ("WAT", "Shares fall", "Waters"),
        ("NOW", "Now is the time for all", "ServiceNow"),
        ("LUV", "Delta soars while Southwest slumps", "Southwest"),
        ("EL", "Ulta Beauty jumps; Est\u{e9}e Lauder plunges", "Est\u{e9}e Lauder"),
        ("BCpC", "Balchem soars", "Brunswick"),
        ("ACHR.WS", "Shares fall", "Archer Aviation"),
        ("GOOGL", "$GOOGL: Alphabet rises", "Alphabet"),
        ("GOOGL", "$GOOGL rises", "GOOGL"),
        ("GOOGL", "Search engines", "Alphabet"),
        ("META", "META PLATFORMS and Meta", "META PLATFORMS"),
        ("MCD", "McDonald\u{2019}s\u{2019} prices", "McDonald\u{2019}s"),
    ] {
        assert_eq!(companies.of_symbol(&symbol(ticker), None).name_in(text), Some(expected), "{ticker} in {text}");
    }
    for (ticker, text) in [("ZZZZ", "Shares rise"), ("ZZZZ", "ZZZZ rises"), ("ZZp", "ZZP rises")] {
        assert_eq!(companies.of_symbol(&symbol(ticker), None).name_in(text), None, "{ticker} in {text}");
    }
}

#[test]
fn a_word_that_nobody_knows_counts_where_the_text_has_it() {
    let companies = Companies::load(None).unwrap();
    for (word, text, expected) in [
        ("BMW", "BMW gains while VW sinks", Some("BMW")),
        ("SELBY", "Northgate gains, Selby sinks", Some("Selby")),
        ("ZZZZ", "Shares rise", None),
        ("ZZp", "Shares rise", None),
        ("Zeta Works", "Shares rise", Some("Zeta Works")),
    ] {
        assert_eq!(companies.find(word).name_in(text), expected, "{word} in {text}");
    }
}

#[test]
fn a_word_in_capitals_is_looked_up_as_a_ticker_first_and_other_words_as_a_name_first() {
    let companies = Companies::load(None).unwrap();
    for (word, ticker) in [
        ("NASDAQ:NOW", "NOW"),
        ("Ford", "F"),
        ("NOW", "NOW"),
        ("waters", "WAT"),
        ("Target", "TGT"),
        ("aapl", "AAPL"),
        ("BC-PC", "BCpC"),
        ("BCPC", "BCPC"),
        ("Progressive", "PGR"),
        ("IT", "IT"),
    ] {
        assert_eq!(companies.find(word).symbol(), Some(&symbol(ticker)), "{word}");
    }
}

#[test]
fn text_in_brackets_is_a_ticker_only_if_it_is_that_of_the_name_before_it() {
    let companies = Companies::load(None).unwrap();
    for word in ["Vodafone (UK)", "Ericsson (SE)", "OpenAI (AI)", "TIM (IT)"] {
        let found = companies.find(word);
        let bracket = word.rsplit_once('(').unwrap().1.trim_end_matches(')');
        assert_ne!(found.symbol().map(Symbol::as_str), Some(bracket), "{word}");
    }
    for (word, ticker) in [("Apple Inc (AAPL)", "AAPL"), ("Some Shell (NYSE: F)", "F")] {
        assert_eq!(companies.find(word).symbol(), Some(&symbol(ticker)), "{word}");
    }
}

#[test]
fn accents_may_be_written_by_themselves_and_syllables_are_not_their_first_letter() {
    let name = Company::named("Société Générale");
    assert!(name.first_mention("Socie\u{301}te\u{301} Ge\u{301}ne\u{301}rale rises").is_some());
    assert_eq!(Company::named("현대").first_mention("한독 주가"), None);
    assert!(Company::named("현대").first_mention("현대 주가").is_some());
}

#[test]
fn a_ticker_is_read_as_of_the_day() {
    let companies = Companies::load(None).unwrap();
    let on = |ticker: &str, day: &str| {
        let company = companies.of_symbol(&symbol(ticker), Some(day.parse().unwrap()));
        company.names().next().map(str::to_owned)
    };
    assert_eq!(on("FB", "2020-03-02").as_deref(), Some("Meta Platforms"));
    assert_eq!(on("FB", "2024-03-02"), None, "another company may have it now");
    assert_eq!(on("META", "2024-03-02").as_deref(), Some("Meta Platforms"));
    assert_eq!(on("META", "2021-12-01"), None, "that was a fund");
    assert_eq!(companies.of_symbol(&symbol("FB"), None).name(), "Meta Platforms");
    assert_eq!(companies.find("Facebook").symbol(), Some(&symbol("META")));
}

#[test]
fn a_file_without_aliases_has_legal_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("listed.csv");
    let table = "symbol,name,kind,valid_from,valid_to\nZZZZ,\"ZETA WORKS, INC.\",stock,,2020-01-31\nZZZZ,Omega Corp,stock,2020-02-01,\n";
    std::fs::write(&path, table).unwrap();
    let companies = Companies::with_instruments(None, Some(&path)).unwrap();
    let on = |day: &str| companies.of_symbol(&symbol("ZZZZ"), Some(day.parse().unwrap())).name().to_owned();
    assert_eq!((on("2020-01-31"), on("2020-02-01")), ("Zeta Works".into(), "Omega".into()));
    assert_eq!(companies.of_symbol(&symbol("ZZZZ"), None).name(), "Omega");
    assert_eq!(companies.of_symbol(&symbol("WAT"), None).name_in("x"), None, "the file replaces the list");
    for (text, part) in [
        ("symbol,name,kind\nA,B,car", "line 2: kind is `car`"),
        ("symbol,name,valid_from\nA,B,soon", "line 2: valid_from is `soon`"),
        ("symbol,name,color\nA,B,red", "no column `color`"),
        ("name\nB", "symbol,name"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Companies::with_instruments(None, Some(&path)).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn ticker_name_and_alias_find_the_same_company() {
    let companies = Companies::load(None).unwrap();
    for word in ["AMZN", "Amazon", "amazon.com", " AWS "] {
        assert_eq!(companies.find(word).symbol(), Some(&symbol("AMZN")), "{word}");
    }
    assert_eq!(companies.find("MCDONALD\u{2019}S").symbol(), Some(&symbol("MCD")));
    assert_eq!(*companies.find("Zeta Works"), Company::named("Zeta Works"));
    assert_eq!(companies.find("berkshire hathaway").symbol(), Some(&symbol("BRK.A")), "first in the table");
}

#[test]
fn a_users_table_adds_and_overrides_and_its_errors_name_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.csv");
    let table =
        "\u{feff}symbol,name,aliases\r\nZZZZ,Zeta Works,Zeta\r\n\r\nAAPL,\"Apple, Inc.\",Apple\r\nYYYY,Ypsilon\r\n";
    std::fs::write(&path, table).unwrap();
    let companies = Companies::load(Some(&path)).unwrap();
    assert_eq!(companies.of_symbol(&symbol("ZZZZ"), None).name(), "Zeta Works");
    assert_eq!(companies.find("AAPL").name(), "Apple, Inc.");
    assert_eq!(companies.find("ypsilon").symbol(), Some(&symbol("YYYY")));
    assert_eq!(companies.find("apple").symbol(), Some(&symbol("AAPL")));
    assert_eq!(companies.find("MSFT").name(), "Microsoft");
    for (text, place) in [
        ("symbol,name,aliases\n\nZZZZ\n", "mine.csv, line 3"),
        ("symbol,name,aliases\nZZZZ,Zeta, Inc.,Zeta\n", "mine.csv, line 2: 4 columns"),
        ("ZZZZ,Zeta,\n", "mine.csv, line 1"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Companies::load(Some(&path)).unwrap_err().to_string();
        assert!(error.contains(place), "{error}");
    }
}

#[test]
fn the_built_in_list_has_each_ticker_with_what_the_tables_know_together() {
    let all = built_in().unwrap();
    let of = |ticker: &str| all.iter().filter(|one| one.symbol.as_str() == ticker).collect::<Vec<_>>();
    let [apple] = of("AAPL")[..] else { panic!("{:?}", of("AAPL")) };
    assert_eq!((apple.name.as_str(), apple.cik, apple.exchange.as_str()), ("Apple", Some(320_193), "Nasdaq"));
    let [former] = of("FB")[..] else { panic!("{:?}", of("FB")) };
    assert!(former.valid_to.is_some(), "{former:?}");
    assert!(all.len() > 10_000);
}
