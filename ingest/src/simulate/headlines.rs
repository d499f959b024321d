//! The words of the simulated wire. All of them are invented; `{c}` is the company, `{d}` a
//! second one, `{line}` what the company sells, the other slots are numbers and places.

/// A headline with its teaser, and how good the news is for the company, in [-1, 1].
#[derive(Debug, Clone, Copy)]
pub struct Template {
    /// Headline.
    pub title: &'static str,
    /// Teaser.
    pub teaser: &'static str,
    /// Planted sentiment on `{c}`; where there is a `{d}`, that company gets the opposite.
    pub s: f64,
}

const fn t(s: f64, title: &'static str, teaser: &'static str) -> Template {
    Template { title, teaser, s }
}

/// News of one company, good, bad and neither.
pub const SINGLE: &[Template] = &[
    t(
        0.9,
        "{c} profit jumps {big}% as {line} demand soars",
        "Quarterly earnings were well ahead of every estimate and the company raised its outlook for the year.",
    ),
    t(
        0.9,
        "{c} raises full-year guidance after record {quarter} {line} sales",
        "Sales of {line} rose {big}% and margins widened, the company said.",
    ),
    t(
        0.9,
        "{c} beats {quarter} estimates, lifts dividend by {pct}%",
        "The board also approved a larger share repurchase after a strong quarter.",
    ),
    t(
        0.9,
        "{c} wins ${money} billion {line} contract in {region}",
        "The order is the largest in the company's history and starts adding to earnings next year.",
    ),
    t(
        0.8,
        "{firm} upgrades {c} to buy, sees {big}% upside",
        "Analysts cite accelerating {line} sales and improving profitability.",
    ),
    t(
        0.8,
        "{c} {quarter} revenue tops forecasts, {line} sales up {pct}%",
        "Revenue grew {pct}% from a year earlier, beating the consensus.",
    ),
    t(
        0.8,
        "{c} announces ${money} billion share buyback",
        "The company said strong cash flow allows it to return more capital to shareholders.",
    ),
    t(
        0.7,
        "{c} gains market share in {region} as {line} sales climb",
        "Shipments rose {pct}% while those of rivals fell, industry data show.",
    ),
    t(
        0.7,
        "Regulators clear {c} ${money} billion {line} expansion in {region}",
        "The approval removes a major obstacle and came earlier than expected.",
    ),
    t(
        0.7,
        "{c} posts {pct}% higher profit, says cost savings are ahead of plan",
        "Operating margin improved for the fourth quarter in a row.",
    ),
    t(
        0.6,
        "{c} signs ${money} billion supply agreement with partners in {region}",
        "The deal secures growth in {line} and is expected to boost earnings.",
    ),
    t(
        0.6,
        "{firm} raises price target on {c} by {big}%, citing solid {line} outlook",
        "The analysts expect earnings growth of {pct}% next year.",
    ),
    t(
        0.6,
        "{c} shares rise {pct}% after upbeat {line} forecast",
        "Management told investors that demand is improving faster than planned.",
    ),
    t(
        0.5,
        "{c} settles {line} patent dispute in {region} on favourable terms",
        "The company will receive payments of ${money} billion over {n} years.",
    ),
    t(
        0.5,
        "{c} credit rating raised by {firm} after strong {quarter}",
        "Lower debt and robust {line} cash flow were named as reasons.",
    ),
    t(
        0.5,
        "{c} opens ${money} billion {region} plant ahead of schedule",
        "The new capacity eases a bottleneck in {line} and should lift sales.",
    ),
    t(
        -0.9,
        "{c} profit plunges {big}% as {line} sales collapse",
        "The company missed every estimate and withdrew its outlook for the year.",
    ),
    t(
        -0.9,
        "{c} cuts full-year forecast by {pct}%, warns of weak {line} demand",
        "Orders fell {big}% and management sees no recovery before next year.",
    ),
    t(
        -0.9,
        "{c} halts {line} business in {region} after safety failures",
        "The company faces costs of ${money} billion and possible lawsuits.",
    ),
    t(
        -0.9,
        "Prosecutors in {region} open fraud investigation into {c} {line} contracts",
        "Authorities searched offices and seized accounting records.",
    ),
    t(
        -0.8,
        "{c} misses {quarter} estimates, slashes dividend by {big}%",
        "Losses in {line} widened and the company will cut {n},000 jobs.",
    ),
    t(
        -0.8,
        "{firm} downgrades {c} to sell on falling {line} margins",
        "Analysts expect earnings to decline {pct}% next year.",
    ),
    t(
        -0.8,
        "{c} loses ${money} billion {line} contract in {region}",
        "The customer cancelled the order after repeated delays.",
    ),
    t(
        -0.7,
        "{c} fined ${money} billion by {region} regulator",
        "The penalty for unfair practices in {line} is larger than feared.",
    ),
    t(
        -0.7,
        "{c} hit by cyberattack, {line} services in {region} disrupted",
        "Customers in {region} lost access for hours and some data was stolen.",
    ),
    t(
        -0.7,
        "{c} shares fall {pct}% as {line} shipments disappoint",
        "Shipments dropped {pct}%, well below what analysts had expected.",
    ),
    t(
        -0.6,
        "{firm} cuts price target on {c} by {big}%, warns of slowing {line}",
        "The analysts point to rising costs and weaker demand.",
    ),
    t(
        -0.6,
        "{c} delays {region} {line} launch to {month}, citing supply problems",
        "The delay puts revenue for the coming quarters at risk.",
    ),
    t(
        -0.6,
        "{n},000 {c} workers in {region} begin strike",
        "The walkout halts {line} output and talks have broken down.",
    ),
    t(
        -0.5,
        "{c} credit outlook cut to negative by {firm} after weak {quarter}",
        "Higher debt and weaker {line} cash flow were named as reasons.",
    ),
    t(
        -0.5,
        "{c} loses appeal in ${money} billion {line} patent case",
        "The company must pay damages and may have to change its products.",
    ),
    t(
        -0.5,
        "Lawsuit in {region} accuses {c} of misleading investors over {line}",
        "Shareholders seek damages after the recent drop in the stock.",
    ),
    t(
        0.0,
        "{c} to report {quarter} results on {month} {n}",
        "The company will hold a conference call after the close.",
    ),
    t(
        0.0,
        "{c} to present at {firm} conference on {month} {n}",
        "Management will take part in a moderated discussion.",
    ),
    t(0.0, "{c} names new head of {line} in {region} from {month}", "The appointment takes effect in {month}."),
    t(
        0.0,
        "{c} schedules annual meeting for {month} {n} in {region}",
        "Shareholders of record at the end of the month may vote.",
    ),
    t(0.0, "{c} publishes {n}0-page annual report", "The document is available on the company's website."),
    t(
        0.0,
        "{c} moves {region} office with {n}0 staff to a new address",
        "The number of employees there stays unchanged.",
    ),
    t(
        0.0,
        "{c} files routine notice with the regulator in {region}",
        "The filing concerns the registration of securities for employee plans.",
    ),
    t(
        0.0,
        "{c} keeps {quarter} {line} forecast unchanged",
        "The company confirmed its earlier statement without further comment.",
    ),
    t(
        0.0,
        "What to know about {c} before {quarter} results",
        "An overview of the {line} business and the dates ahead.",
    ),
    t(0.0, "{c} holds {line} event for customers in {region}", "The programme runs for {n} days."),
];

/// News that is good for one company and bad for another. The last is meant to be hard for a model.
pub const OPPOSITE: &[Template] = &[
    t(
        0.8,
        "{c} shares jump {pct}% on {region} contract win, {d} shares tumble",
        "{c} expects higher earnings; {d} warned of falling sales.",
    ),
    t(
        0.8,
        "{c} posts record {quarter} profit while {d} warns of losses",
        "{c} raised its outlook as demand soared, {d} cut its forecast as orders fell {pct}%.",
    ),
    t(
        0.7,
        "{firm} upgrades {c} and downgrades {d} on {region} outlook",
        "The analysts see strong growth at {c} and falling profit at {d}.",
    ),
    t(
        0.7,
        "{c} gains {pct}% as {d} sinks after losing {region} customer",
        "{c} won the order; {d} faces weaker sales.",
    ),
    t(0.6, "{c} beats {quarter} estimates, {d} misses", "Revenue rose {pct}% at {c} and fell at {d}."),
    t(
        -0.8,
        "{c} slumps on weak {region} sales while {d} rallies on record orders",
        "{c} cut its forecast; {d} raised its outlook.",
    ),
    t(
        -0.6,
        "{c} falls behind {d} in {region} as customers switch",
        "{c} sales dropped {pct}% while {d} posted record orders.",
    ),
];

/// News of many companies that is neutral for each.
pub const ROUND_UP: &[Template] = &[
    t(0.0, "Stocks to watch in {region} today", "A list of companies with dates ahead."),
    t(0.0, "Sector update: large caps mixed in {region} trading", "An overview of the session."),
    t(0.0, "The week ahead in {month}: {quarter} results, meetings and data", "A calendar for investors."),
];

/// News of no company.
pub const ECONOMY: &[Template] = &[
    t(
        0.0,
        "Central bank for {region} leaves interest rates unchanged in {month}",
        "The decision was expected by most economists.",
    ),
    t(0.0, "Consumer prices rise {pct}% from a year ago", "The statistics office published its monthly estimate."),
    t(0.0, "{region} factory output little changed in {month}", "The survey covers about {n},000 companies."),
    t(0.0, "Treasury sells ${money} billion of notes", "Demand was in line with recent auctions."),
];

/// Invented research firms.
pub const FIRMS: [&str; 8] = [
    "Alder & Finch",
    "Northgate Research",
    "Quillbrook",
    "Harrow Capital",
    "Bluepeak",
    "Stonebridge Equity",
    "Larkfield",
    "Ostrava Partners",
];

/// Places.
pub const REGIONS: [&str; 8] = ["Europe", "Asia", "Canada", "Brazil", "India", "Japan", "Mexico", "the Middle East"];

/// Invented publishers.
pub const PUBLISHERS: [&str; 5] =
    ["Simulated Wire", "Sample Street Journal", "Mock Market News", "Placeholder Press", "Synthetic Finance"];

/// Ways in which a second publisher carries the same story.
pub const SYNDICATED: [&str; 4] = ["UPDATE 1-{t}", "{t} - {p}", "{t}, report says", "Exclusive: {t}"];
