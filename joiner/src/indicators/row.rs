//! Points as rows of the table, and back.

use super::Key;
use jiff::Timestamp;
use tapewire_indicators::{Carried, Indicators, Point};
use tapewire_store::indicators::IndicatorRow;

/// The row of a point of a series.
pub(super) fn row((run, width_s, symbol): &Key, point: &Point) -> IndicatorRow {
    let (carried, found) = (point.carried, point.indicators);
    IndicatorRow {
        run: run.as_str().to_owned(),
        symbol: symbol.as_str().to_owned(),
        width_s: *width_s,
        start: point.start.as_microsecond(),
        version: point.version,
        open: point.open,
        close: point.close,
        price: point.price,
        volume: point.volume,
        received_at: point.received_at.as_microsecond(),
        missing_bars: found.missing_bars,
        session_missing_bars: found.session_missing_bars,
        sma_20: found.sma,
        ema_20: found.ema,
        bollinger_upper_20: found.bollinger_upper,
        bollinger_lower_20: found.bollinger_lower,
        rsi_14: found.rsi,
        macd: found.macd,
        macd_signal: found.macd_signal,
        macd_histogram: found.macd_histogram,
        vwap: found.vwap,
        momentum_10: found.momentum,
        log_return: found.log_return,
        realized_volatility_30: found.realized_volatility,
        robust_z_60: found.robust_z,
        is_anomaly: found.is_anomaly,
        number: carried.number,
        macd_fast: carried.fast,
        macd_slow: carried.slow,
        rises: carried.rises,
        falls: carried.falls,
        session_value: carried.session_value,
        session_volume: carried.session_volume,
    }
}

/// The point of a row; `None` if one of its times is outside the range of timestamps.
pub(super) fn point(row: &IndicatorRow) -> Option<Point> {
    Some(Point {
        start: Timestamp::from_microsecond(row.start).ok()?,
        open: row.open,
        close: row.close,
        price: row.price,
        volume: row.volume,
        received_at: Timestamp::from_microsecond(row.received_at).ok()?,
        version: row.version,
        carried: Carried {
            number: row.number,
            fast: row.macd_fast,
            slow: row.macd_slow,
            rises: row.rises,
            falls: row.falls,
            session_value: row.session_value,
            session_volume: row.session_volume,
        },
        indicators: Indicators {
            missing_bars: row.missing_bars,
            session_missing_bars: row.session_missing_bars,
            sma: row.sma_20,
            ema: row.ema_20,
            bollinger_upper: row.bollinger_upper_20,
            bollinger_lower: row.bollinger_lower_20,
            rsi: row.rsi_14,
            macd: row.macd,
            macd_signal: row.macd_signal,
            macd_histogram: row.macd_histogram,
            vwap: row.vwap,
            momentum: row.momentum_10,
            log_return: row.log_return,
            realized_volatility: row.realized_volatility_30,
            robust_z: row.robust_z_60,
            is_anomaly: row.is_anomaly,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapewire_core::Run;
    use tapewire_core::exchange::Market;
    use tapewire_indicators::Series;
    use tapewire_testkit::{at, bar, symbol};

    #[test]
    fn a_row_has_all_of_its_point() {
        let mut series = Series::new(Market::NewYork.calendar(), 60);
        for minute in 0..80 {
            let start = at("2024-07-01T13:31:00Z") + jiff::SignedDuration::from_mins(minute);
            series.put(&bar("AAPL", start, 100.0 + f64::from((minute as i32 * 7) % 11)), minute as u64);
        }
        for expected in series.take_changed() {
            let row = row(&(Run::live(), 60, symbol("AAPL")), &expected);
            assert_eq!(point(&row), Some(expected));
        }
    }
}
