//! The SEC's list of tickers.

use super::INPUTS;
use tapewire_core::Symbol;
use tapewire_fuzzkit::json::{Json, fields, items, message};
use tapewire_fuzzkit::{Dice, bounded, fuzz};
use tapewire_ingest::instruments::{read_sec, to_csv};

const LIST: &str = r#"{"fields":["cik","name","ticker","exchange"],"data":[[320193,"Apple Inc.","AAPL","Nasdaq"],
    [14930,"BRUNSWICK CORP","BC-PC","NYSE"],[1067983,"BERKSHIRE \"HATHAWAY\", INC","BRK-B",null]]}"#;

#[test]
fn lists_of_the_sec() {
    let seeds = [Json::of(LIST)];
    fuzz!(INPUTS, |bytes: &[u8]| {
        let body = message(&mut Dice::new(bytes), &seeds);
        let Ok(listing) = bounded(body.len(), || read_sec(&body)) else { return };
        let Some(plain) = fields(&String::from_utf8_lossy(&body)) else { return };
        let names: Vec<String> = items(plain.raw("fields").unwrap())
            .unwrap()
            .iter()
            .map(|name| serde_json::from_str(name).unwrap())
            .collect();
        let column = |name: &str| names.iter().position(|other| other == name).unwrap();
        let (mut instruments, mut rejects) = (listing.instruments.iter(), listing.rejects.iter().peekable());
        for row in items(plain.raw("data").unwrap()).unwrap() {
            if rejects.next_if(|reject| reject.bytes == row.as_bytes()).is_some() {
                continue;
            }
            let instrument = instruments.next().unwrap();
            let cells = items(&row).unwrap();
            let text = |name: &str| {
                let cell: Option<String> = serde_json::from_str(cells.get(column(name))?).ok()?;
                cell.map(|text| text.trim().to_owned())
            };
            assert_eq!(instrument.symbol, Symbol::new(&text("ticker").unwrap()).unwrap());
            assert_eq!(Some(&instrument.name), text("name").as_ref());
            assert_eq!(instrument.exchange, text("exchange").unwrap_or_default());
            let cik = cells.get(column("cik")).and_then(|cell| cell.parse::<u64>().ok());
            assert_eq!(instrument.cik, cik);
        }
        assert_eq!((instruments.count(), rejects.count()), (0, 0));
        // The file that is made of the list has a row for each instrument, with the same name.
        let csv = to_csv(&listing.instruments).unwrap();
        let rows: Vec<csv::StringRecord> = csv::Reader::from_reader(&csv[..]).records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), listing.instruments.len());
        for (row, instrument) in rows.iter().zip(&listing.instruments) {
            assert_eq!((&row[0], &row[1]), (instrument.symbol.as_str(), &*instrument.name));
        }
    });
}
