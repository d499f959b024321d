//! Massive's lists of splits and dividends.

use super::messages::{Dividend, Split, TickerOnly};
use super::parse::{answer, equity};
use crate::providers::items::read_object;
use crate::providers::{ActionList, ActionsRequest, Cursor, Page, ProviderError};
use jiff::Timestamp;
use serde_json::value::RawValue;
use tapewire_core::tape::ActionKind;
use tapewire_core::{CorporateAction, Symbol};

/// Reads a page of `GET /v3/reference/splits` or `…/dividends`.
///
/// The list may be that of all tickers. What can't be read of a ticker that is not asked for is left out, and is not
/// among the rejects.
///
/// # Errors
/// As [`answer`].
pub fn actions_page(
    provider: &str,
    path: &str,
    body: &[u8],
    request: &ActionsRequest,
    received_at: Timestamp,
) -> Result<Page<CorporateAction>, ProviderError> {
    let text = String::from_utf8_lossy(body);
    let answer = answer(provider, path, &text)?;
    let (next, items) = (answer.next_url.map(Cursor), answer.results.unwrap_or_default());
    let action = |raw: &str| match request.list {
        ActionList::Splits => split(raw, received_at),
        ActionList::Dividends => dividend(raw, received_at),
    };
    let is_of_another = |raw: &str| {
        let symbol = read_object::<TickerOnly>(raw).ok().and_then(|item| Symbol::new(&item.ticker).ok());
        symbol.is_some_and(|symbol| !request.symbols.contains(&symbol))
    };
    let counts = |raw: &&RawValue| action(raw.get()).is_ok() || !is_of_another(raw.get());
    Ok(Page::read(path, next, items.into_iter().filter(counts), |raw| Ok((action(raw)?, None))))
}

/// An id is made of what the split is, because the provider lists one split under several ids of its own, or, in older
/// answers, without any.
fn split(raw: &str, received_at: Timestamp) -> Result<CorporateAction, String> {
    let item: Split = read_object(raw)?;
    let (from, to) = (item.split_from.0, item.split_to.0);
    without_fault(CorporateAction {
        symbol: equity(&item.ticker)?,
        ex_date: item.execution_date,
        id: format!("{from}:{to}"),
        kind: ActionKind::Split { from, to },
        received_at,
    })
}

/// The id as that of a split: a regular and a special dividend of one day are two.
fn dividend(raw: &str, received_at: Timestamp) -> Result<CorporateAction, String> {
    let item: Dividend = read_object(raw)?;
    let amount = item.cash_amount.0;
    if amount == 0.0 {
        return Err("a dividend needs an amount greater than 0".into());
    }
    let currency = item.currency.unwrap_or_default().trim().to_ascii_uppercase();
    let parts = [item.dividend_type.unwrap_or_default(), amount.to_string(), currency.clone()];
    let parts: Vec<&str> = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
    without_fault(CorporateAction {
        symbol: equity(&item.ticker)?,
        ex_date: item.ex_dividend_date,
        id: parts.join(" "),
        kind: ActionKind::Dividend { amount, currency },
        received_at,
    })
}

fn without_fault(action: CorporateAction) -> Result<CorporateAction, String> {
    action.fault().map_or(Ok(action), |fault| Err(fault.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn request(list: ActionList, tickers: &[&str]) -> ActionsRequest {
        let symbols = tickers.iter().map(|ticker| Symbol::new(ticker).unwrap()).collect();
        ActionsRequest { list, symbols, from: date(2022, 5, 1), to: date(2022, 7, 31) }
    }

    fn page(list: ActionList, tickers: &[&str], body: &str) -> Page<CorporateAction> {
        let received_at = "2022-07-01T00:00:00Z".parse().unwrap();
        actions_page("massive", "/v3/reference", body.as_bytes(), &request(list, tickers), received_at).unwrap()
    }

    fn shown(page: &Page<CorporateAction>) -> Vec<String> {
        page.items
            .iter()
            .map(|action| {
                assert_eq!(action.fault(), None);
                match &action.kind {
                    ActionKind::Split { from, to } => {
                        format!("{} {} {from} to {to} ({})", action.symbol, action.ex_date, action.id)
                    }
                    ActionKind::Dividend { amount, currency } => {
                        format!("{} {} {amount} {currency} ({})", action.symbol, action.ex_date, action.id)
                    }
                }
            })
            .collect()
    }

    #[test]
    fn splits_are_read_with_and_without_an_id_and_in_both_directions() {
        let body = r#"{"results":[
            {"execution_date":"2022-07-18","split_from":1,"split_to":20,"ticker":"GOOGL"},
            {"execution_date":"2022-06-22","split_from":1,"split_to":10,"ticker":"SHOP"},
            {"execution_date":"2022-06-29","split_from":1,"split_to":10,"ticker":"SHOP","id":"E1"},
            {"execution_date":"2022-06-29","split_from":1,"split_to":10,"ticker":"SHOP","id":"E2"},
            {"execution_date":"2022-05-20","split_from":2,"split_to":1,"ticker":"BRW","id":"E3"},
            {"execution_date":"2022-05-02","split_from":"3","split_to":4.5,"ticker":"BRK-B"}],
            "status":"OK","request_id":"x","next_url":"https://api.massive.com/v3/reference/splits?cursor=y"}"#;
        let page = page(ActionList::Splits, &["SHOP"], body);
        assert_eq!(
            shown(&page),
            [
                "GOOGL 2022-07-18 1 to 20 (1:20)",
                "SHOP 2022-06-22 1 to 10 (1:10)",
                "SHOP 2022-06-29 1 to 10 (1:10)",
                "SHOP 2022-06-29 1 to 10 (1:10)",
                "BRW 2022-05-20 2 to 1 (2:1)",
                "BRK.B 2022-05-02 3 to 4.5 (3:4.5)",
            ]
        );
        assert!(page.rejects.is_empty());
        assert_eq!(page.next, Some(Cursor("https://api.massive.com/v3/reference/splits?cursor=y".into())));
    }

    #[test]
    fn dividends_are_read_and_two_of_one_day_are_two() {
        let body = r#"{"results":[
            {"cash_amount":0.22,"currency":"USD","declaration_date":"2021-10-28","dividend_type":"CD",
             "ex_dividend_date":"2021-11-05","frequency":4,"id":"E8e3","pay_date":"2021-11-11",
             "record_date":"2021-11-08","ticker":"AAPL"},
            {"cash_amount":5,"currency":"usd","dividend_type":"SC","ex_dividend_date":"2021-11-05","ticker":"AAPL"},
            {"cash_amount":1.95,"currency":"EUR","ex_dividend_date":"2022-05-19","ticker":"SAP"},
            {"cash_amount":"0.3","currency":null,"dividend_type":null,"ex_dividend_date":"2022-05-19","ticker":"MKR"}],
            "status":"OK"}"#;
        let page = page(ActionList::Dividends, &["AAPL"], body);
        assert_eq!(
            shown(&page),
            [
                "AAPL 2021-11-05 0.22 USD (CD 0.22 USD)",
                "AAPL 2021-11-05 5 USD (SC 5 USD)",
                "SAP 2022-05-19 1.95 EUR (1.95 EUR)",
                "MKR 2022-05-19 0.3  (0.3)",
            ]
        );
        assert!(page.rejects.is_empty() && page.next.is_none());
    }

    #[test]
    fn an_item_that_cannot_be_read_costs_only_itself_and_is_reported_where_it_may_be_ours() {
        let body = r#"{"results":[
            {"execution_date":"2022-06-22","split_from":0,"split_to":10,"ticker":"SHOP"},
            {"execution_date":"2022-06-31","split_from":1,"split_to":10,"ticker":"SHOP"},
            {"execution_date":"2022-06-22","split_from":1,"split_to":null,"ticker":"OTHER"},
            {"execution_date":"2022-06-22","split_from":1,"split_to":2,"ticker":"A B"},
            {"execution_date":"2022-06-22","split_from":1,"split_to":2},
            ["OTHER"],
            17,
            {"execution_date":"2022-06-29","split_from":1,"split_to":10,"ticker":"SHOP"}],"status":"OK"}"#;
        let splits = page(ActionList::Splits, &["SHOP"], body);
        assert_eq!(shown(&splits), ["SHOP 2022-06-29 1 to 10 (1:10)"]);
        let reasons: Vec<&str> = splits.rejects.iter().map(|reject| reject.reason.as_str()).collect();
        assert_eq!(reasons.len(), 6, "{reasons:?}");
        assert!(reasons[0].contains("greater than 0") && reasons[2].contains("`A B`"), "{reasons:?}");

        let body = r#"{"results":[
            {"cash_amount":0,"currency":"USD","ex_dividend_date":"2022-05-19","ticker":"SHOP"},
            {"cash_amount":-1,"currency":"USD","ex_dividend_date":"2022-05-19","ticker":"SHOP"},
            {"cash_amount":null,"currency":"USD","ex_dividend_date":"2022-05-19","ticker":"OTHER"}],"status":"OK"}"#;
        let dividends = page(ActionList::Dividends, &["SHOP"], body);
        assert_eq!((dividends.items.len(), dividends.rejects.len()), (0, 2), "{dividends:?}");
    }

    #[test]
    fn an_error_with_http_200_is_an_error_and_an_answer_without_results_is_empty() {
        let of = request(ActionList::Splits, &["SHOP"]);
        let read = |body: &str| actions_page("massive", "p", body.as_bytes(), &of, Timestamp::UNIX_EPOCH);
        assert!(read(r#"{"status":"ERROR","error":"upstream timed out"}"#).unwrap_err().is_retryable());
        let refused = read(r#"{"status":"NOT_AUTHORIZED","message":"You are not entitled to this data."}"#);
        assert!(!refused.unwrap_err().is_retryable());
        assert_eq!(read(r#"{"status":"OK","request_id":"x"}"#).unwrap().items, []);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for list in ActionList::ALL {
                let _ = actions_page("massive", "p", &bytes, &request(list, &["SHOP"]), Timestamp::UNIX_EPOCH);
            }
        }
    }

    /// The provider's own example, where `TAPEWIRE_FIXTURES` holds it.
    #[test]
    fn the_providers_own_splits() {
        let Some(folder) = std::env::var_os("TAPEWIRE_FIXTURES") else {
            println!("skipped: TAPEWIRE_FIXTURES names no folder with the provider's own examples");
            return;
        };
        let path = std::path::Path::new(&folder).join("massive").join("ref_splits.json");
        let page = page(ActionList::Splits, &["GOOGL"], &std::fs::read_to_string(path).unwrap());
        assert!(page.rejects.is_empty(), "{page:?}");
        assert!(shown(&page).contains(&"GOOGL 2022-07-18 1 to 20 (1:20)".to_owned()));
    }
}
