//! The names by which the columns of a bar are known.

use crate::replay::names::{Index, Role};
use crate::replay::zones;
use std::sync::LazyLock;

/// The roles of a bar's columns, with the names that Massive, Alpaca, Yahoo, Stooq, Tiingo, Alpha Vantage, Nasdaq and
/// pandas give them. Columns of adjusted prices are not read: they do not belong to the open, high and low beside them.
const ROLES: &[Role] = &[
    Role { name: "symbol", others: &["ticker", "sym", "instrument", "stock", "stock_symbol", "act_symbol", "S", "T"] },
    Role {
        name: "start",
        others: &[
            "start_time",
            "window_start",
            "ts_event",
            "bar_start",
            "period_start",
            "open_time",
            "timestamp",
            "datetime",
            "t",
            "begin",
            "ts",
            "s",
            "date",
            "trade_date",
            "trading_day",
            "time",
            "unnamed0",
            "index",
            "",
        ],
    },
    Role { name: zones::ROLE, others: zones::NAMES },
    Role { name: "open", others: &["o", "1open", "open_price", "price_open"] },
    Role { name: "high", others: &["h", "2high", "high_price", "price_high"] },
    Role { name: "low", others: &["l", "3low", "low_price", "price_low"] },
    Role { name: "close", others: &["c", "4close", "close_price", "price_close", "close_last"] },
    Role { name: "volume", others: &["v", "vol", "5volume", "6volume", "share_volume", "total_volume"] },
    Role { name: "vwap", others: &["vw", "volume_weighted_average_price"] },
    Role { name: "trades", others: &["n", "transactions", "trade_count", "number_of_trades", "num_trades"] },
    Role { name: "width", others: &["width_s", "timeframe", "interval", "per", "resolution", "granularity"] },
    Role {
        name: "exchange",
        others: &[
            "mic",
            "exchange_code",
            "exchange_mic",
            "exchange_name",
            "primary_exchange",
            "listing_exchange",
            "listed_exchange",
        ],
    },
];

pub(super) static INDEX: LazyLock<Index> = LazyLock::new(|| Index::new(ROLES));
