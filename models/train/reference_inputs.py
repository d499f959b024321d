"""Invented headlines for the reference logits; none is taken from any data set.

They cover what a wire carries: good, bad and neutral news, several companies in one
headline, tickers and cash tags, links, markup, capitals, other scripts, odd
white space, and texts longer than the model's 512 positions.
"""

LONG = (
    "Meridian Rail said freight volumes slipped in the quarter as two storms closed its northern line, "
    "yet it kept its outlook for the year and named a new head of operations. "
)

PAIRS: list[tuple[str, str | None]] = [
    ("Orchard Micro lifts full-year outlook after record chip orders", "Orchard Micro"),
    ("Orchard Micro lifts full-year outlook after record chip orders", None),
    ("Orchard Micro lifts full-year outlook after record chip orders", "Halden Foods"),
    ("Halden Foods cuts dividend, warns of weaker demand in Europe", "Halden Foods"),
    ("Halden Foods cuts dividend, warns of weaker demand in Europe", None),
    ("Corvane Motors overtakes Altera Auto as sales jump 18%", "Corvane Motors"),
    ("Corvane Motors overtakes Altera Auto as sales jump 18%", "Altera Auto"),
    ("Northgate Bank gains on upgrade while Selby Trust sinks to a five-year low", "Northgate Bank"),
    ("Northgate Bank gains on upgrade while Selby Trust sinks to a five-year low", "Selby Trust"),
    ("Northgate Bank gains on upgrade while Selby Trust sinks to a five-year low", None),
    ("Regulator fines Quillon Energy $240 million over pipeline leak", "Quillon Energy"),
    ("Tessaly Pharma to present phase 3 data at a conference in May", "Tessaly Pharma"),
    ("Tessaly Pharma's trial misses its main goal; shares halted", "Tessaly Pharma"),
    ("$TSLY drops 34% premarket after failed trial", "TSLY"),
    ("$TSLY drops 34% premarket after failed trial", "$TSLY"),
    ("$ORCM $HLDN - Analysts split on what comes next https://example.com/a1B2c3", "ORCM"),
    ("https://example.com/only-a-link", None),
    ("ORCHARD MICRO BEATS ESTIMATES", "orchard micro"),
    ("orchard micro misses estimates", "ORCHARD MICRO INC"),
    ("Oil settles little changed ahead of inventory data", "Crude oil"),
    ("Gold slips as the dollar firms", "Gold"),
    ("Central bank holds rates, as expected", None),
    ("Sector update: consumer stocks mixed in afternoon trading", "Halden Foods"),
    ("Wexley &amp; Sons agrees to be bought for &#163;1.2bn", "Wexley & Sons"),
    ("<b>Breaking:</b> Wexley &lt;WXL&gt; rejects offer", "WXL"),
    ("Société Lumière : bénéfice en hausse de 12 %", "Société Lumière"),
    ("Škoda-like maker Železná says Q2 loss widened to €3.4 mln", "Železná"),
    ("株価は急落した", "東京精機"),
    ("Выручка выросла на 20%", None),
    ("To the moon 🚀🚀🚀 $CRVN", "CRVN"),
    ("  Quillon\tEnergy \n restarts   its refinery\u00a0early  ", " Quillon  Energy "),
    ("Is Altera Auto's dividend safe? 3 things to know", "Altera Auto"),
    ("Altera Auto not expected to report a loss after all", "Altera Auto"),
    ("Fitch affirms Selby Trust at 'BBB+'; outlook stable", "Selby Trust"),
    ("Moody's downgrades Selby Trust to junk", "Moody's"),
    ("Q3 EPS $1.02 vs. $0.97 est.; rev. -4.1% y/y; FY guide 4.10-4.25", "Northgate Bank"),
    ("Up", None),
    (".", "Orchard Micro"),
    ("", None),
    ("", "Orchard Micro"),
    (
        "Superextraordinarilyunbreakablyhyphenlessconglomeratename soars",
        "Superextraordinarilyunbreakablyhyphenlessconglomeratename",
    ),
    (LONG * 2, "Meridian Rail"),
    (LONG * 24, "Meridian Rail"),
    (LONG * 24, None),
]
