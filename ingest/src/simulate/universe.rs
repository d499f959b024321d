//! The companies of the simulated market. Names and tickers are real so that dashboards look as
//! with real data; every number and every word about them is invented.

/// One instrument and the parameters of its simulated price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Company {
    /// Ticker.
    pub symbol: &'static str,
    /// Name as headlines write it.
    pub name: &'static str,
    /// What it sells, for headlines.
    pub line: &'static str,
    /// Price at the start of the history, US dollars.
    pub price: f64,
    /// Sensitivity to the market factor.
    pub beta: f64,
    /// Standard deviation of its own return over a session, without market and news.
    pub volatility: f64,
    /// Shares traded in a session, on average.
    pub volume: f64,
    /// Whether minutes without a trade, hence without a bar, happen.
    pub thin: bool,
}

/// The benchmark: a fund that follows the market factor and is never in the news.
pub const BENCHMARK: Company = company("SPY", "SPDR S&P 500 ETF", "index units", 590.0, 1.0, 0.0005, 60e6, false);

/// The companies in the news.
pub const COMPANIES: [Company; 20] = [
    company("AAPL", "Apple", "smartphones", 200.0, 1.15, 0.013, 50e6, false),
    company("MSFT", "Microsoft", "cloud software", 460.0, 1.05, 0.011, 20e6, false),
    company("NVDA", "Nvidia", "accelerator chips", 137.0, 1.75, 0.020, 200e6, false),
    company("GOOGL", "Alphabet", "search advertising", 171.0, 1.10, 0.014, 30e6, false),
    company("AMZN", "Amazon", "web services", 206.0, 1.25, 0.014, 40e6, false),
    company("META", "Meta Platforms", "social advertising", 647.0, 1.30, 0.016, 12e6, false),
    company("TSLA", "Tesla", "electric cars", 342.0, 1.95, 0.025, 100e6, false),
    company("BRK.A", "Berkshire Hathaway", "insurance", 755_000.0, 0.70, 0.009, 9e3, true),
    company("JPM", "JPMorgan Chase", "lending", 264.0, 1.05, 0.011, 9e6, false),
    company("V", "Visa", "card payments", 365.0, 0.90, 0.010, 6e6, false),
    company("UNH", "UnitedHealth", "health plans", 302.0, 0.65, 0.017, 15e6, false),
    company("XOM", "Exxon Mobil", "oil and gas", 102.0, 0.75, 0.012, 15e6, false),
    company("JNJ", "Johnson & Johnson", "medicines", 155.0, 0.50, 0.010, 8e6, false),
    company("WMT", "Walmart", "groceries", 98.0, 0.65, 0.011, 16e6, false),
    company("PG", "Procter & Gamble", "household goods", 169.0, 0.45, 0.009, 7e6, false),
    company("HD", "Home Depot", "home improvement", 368.0, 1.00, 0.011, 4e6, false),
    company("KO", "Coca-Cola", "soft drinks", 72.0, 0.45, 0.009, 14e6, false),
    company("BA", "Boeing", "airliners", 207.0, 1.30, 0.018, 8e6, false),
    company("INTC", "Intel", "processors", 20.0, 1.25, 0.021, 70e6, false),
    company("DIS", "Walt Disney", "streaming", 112.0, 1.10, 0.013, 10e6, false),
];

#[allow(clippy::too_many_arguments, reason = "a row of the table above")]
const fn company(
    symbol: &'static str,
    name: &'static str,
    line: &'static str,
    price: f64,
    beta: f64,
    volatility: f64,
    volume: f64,
    thin: bool,
) -> Company {
    Company { symbol, name, line, price, beta, volatility, volume, thin }
}
