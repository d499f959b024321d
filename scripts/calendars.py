"""Writes core/src/exchange/calendars.txt: the sessions of stock exchanges, as exceptions from their usual hours.

Run it in the environment of the independent outcome computation, `scripts/outcomes_env.py`:

    "$TAPEWIRE_OUTCOMES/bin/python" scripts/calendars.py

With `--check` it writes nothing, and exits with 1 if the file is not what it would write.
"""

import argparse
import sys
from collections import defaultdict
from datetime import date
from importlib.metadata import version
from pathlib import Path

import exchange_calendars
import pandas

FILE = Path(__file__).resolve().parent.parent / "core" / "src" / "exchange" / "calendars.txt"
EXCHANGES = ("XLON", "XETR", "XPAR", "XTKS", "XHKG", "XTSE")
FIRST, LAST = date(2000, 1, 1), date(2030, 12, 31)

# Lunch breaks that exchange_calendars does not have: it knows only today's. The exchange, the first and the last day,
# and the break. HKEX moved the afternoon forward on 7 March 2011 and 5 March 2012; Tokyo's morning ended at 11:00 until
# 18 November 2011.
EARLIER_BREAKS = (
    ("XHKG", date(2000, 1, 1), date(2011, 3, 6), ("12:30", "14:30")),
    ("XHKG", date(2011, 3, 7), date(2012, 3, 4), ("12:00", "13:30")),
    ("XTKS", date(2000, 1, 1), date(2011, 11, 20), ("11:00", "12:30")),
)

# Closing auctions, which exchange_calendars does not have: of sessions that close at the first time, the minutes from
# the second time to the third are those in which the auction's price is printed. In London, Frankfurt and Paris the
# call lasts five minutes and ends at random within the next 30 seconds; in Hong Kong it ends at random between 16:08
# and 16:10, since 25 July 2016. For half days in Paris exchange_calendars gives the end of
# the call, 14:05, as the close.
AUCTIONS = {
    "XLON": ("2000-05-30", [("16:30", "16:35", "16:35"), ("12:30", "12:35", "12:35")]),
    "XETR": ("2003-11-03", [("17:30", "17:35", "17:35"), ("14:00", "14:05", "14:05")]),
    "XPAR": ("2001-01-01", [("17:30", "17:35", "17:35"), ("14:05", "14:05", "14:10")]),
    "XTKS": ("2000-01-01", [("15:00", "15:00", "15:00"), ("15:30", "15:30", "15:30")]),
    "XHKG": ("2016-07-25", [("16:00", "16:08", "16:10"), ("12:00", "12:08", "12:10")]),
    "XTSE": ("2000-01-01", [("16:00", "16:00", "16:00"), ("13:00", "13:00", "13:00")]),
}

Hours = tuple[str, ...]


def hours(day: date, exchange: str, row: pandas.Series, zone: object) -> Hours:
    """Open and close of a session in local time and, where there is one, the beginning and end of its break."""

    def local(column: str) -> str:
        return str(row[column].tz_convert(zone).strftime("%H:%M"))

    whole = (local("open"), local("close"))
    if pandas.isna(row["break_start"]):
        return whole
    lunch_break = (local("break_start"), local("break_end"))
    for of, first, last, earlier in EARLIER_BREAKS:
        if of == exchange and first <= day <= last:
            lunch_break = earlier
    return whole + lunch_break


def dated(keyword: str, days: list[date]) -> list[str]:
    """Lines with a year and its days: `closed 2000 04-21 04-24`."""
    by_year: dict[int, list[str]] = defaultdict(list)
    for day in days:
        by_year[day.year].append(day.strftime("%m-%d"))
    return [f"{keyword} {year} {' '.join(of_year)}" for year, of_year in sorted(by_year.items())]


def lines(exchange: str) -> list[str]:
    calendar = exchange_calendars.get_calendar(exchange, start=str(FIRST), end=str(LAST))
    schedule = calendar.schedule
    sessions = {at.date(): hours(at.date(), exchange, row, calendar.tz) for at, row in schedule.iterrows()}
    weekdays = [at.date() for at in pandas.bdate_range(str(FIRST), str(LAST))]
    if any(day.weekday() > 4 for day in sessions):
        raise SystemExit(f"{exchange} has sessions at weekends, which the file's format can't express")
    written = [f"exchange {exchange} {calendar.tz.key}"]
    # A change of hours lasts; a half day is followed by a session of the hours before it.
    usual: Hours | None = None
    short: dict[str, list[date]] = defaultdict(list)
    days = sorted(sessions)
    for index, day in enumerate(days):
        own, following = sessions[day], [sessions[later] for later in days[index + 1 : index + 4]]
        if usual is not None and own != usual and (usual in following or len(own) < len(usual) or not following):
            if own[0] != usual[0]:
                raise SystemExit(f"{exchange} opens at {own[0]} on {day}, which the file's format can't express")
            short[own[1]].append(day)
        elif own != usual:
            usual = own
            written.append(f"hours {FIRST if day == days[0] else day} {' '.join(own)}")
    since, auctions = AUCTIONS[exchange]
    written += [f"auction {since} {' '.join(times)}" for times in auctions]
    written += dated("closed", [day for day in weekdays if day not in sessions])
    for close, of_close in sorted(short.items()):
        written += dated(f"short {close}", of_close)
    return written


def text() -> str:
    head = [
        f"# Sessions of stock exchanges on weekdays from {FIRST} to {LAST}, in local time.",
        f"# Written by scripts/calendars.py with exchange_calendars {version('exchange_calendars')}; do not edit.",
        "#",
        "# exchange MIC ZONE                              what follows is about this exchange",
        "# hours FROM OPEN CLOSE [BREAK_START BREAK_END]  the usual hours from this day on",
        "# auction FROM CLOSE FIRST LAST                 "
        "of sessions that end at CLOSE, from this day on: the minutes in",
        "#                                               which the closing auction's price is printed",
        "# closed YEAR MM-DD ...                          weekdays without a session",
        "# short CLOSE YEAR MM-DD ...                     sessions without a break that end earlier",
    ]
    return "\n".join(head + [line for exchange in EXCHANGES for line in lines(exchange)]) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the file is not up to date")
    made = text()
    if parser.parse_args().check:
        if FILE.read_text(encoding="utf-8") == made:
            return 0
        print(f"{FILE} is not what scripts/calendars.py writes")
        return 1
    FILE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
