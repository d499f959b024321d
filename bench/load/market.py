"""A made-up market on the provider's protocol, as fast as is wanted: `python -m bench.load.market`.

The bar of the last complete minute of each symbol is sent once a second, each time corrected, as exchanges of coins
send the bar of the minute that is under way. Articles are published evenly through each second; each is about one
symbol.

It answers one line at a time on its standard input: `start` begins, `stop` ends the articles and bars, and both print
what was sent until then as a line of JSON.
"""

import argparse
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from bench.texts import generate

BENCHMARK = "SPY"
FRAME = 1000  # bars
PAGE = 1000  # articles
MINUTE_MS = 60_000


def symbol(number: int) -> str:
    """The benchmark, then QAAAA, QAAAB, ... in letters only, as tickers are."""
    if number == 0:
        return BENCHMARK
    letters = ""
    for _ in range(4):
        number, letter = divmod(number, 26)
        letters = chr(ord("A") + letter) + letters
    return "Q" + letters


def close(number: int, minute_ms: int, revision: int) -> float:
    """The last price in quarters of a dollar, so that sums of them are exact."""
    return 100 + ((number * 7 + minute_ms // MINUTE_MS * 13 + revision) % 400) / 4


class Market:
    """What was published so far, and the connections that want bars."""

    def __init__(self, symbols: int, articles_per_second: int, texts: int):
        self.symbols = [symbol(number) for number in range(symbols)]
        self.articles_per_second = articles_per_second
        self.texts = generate(texts)
        self.lock = threading.Lock()
        self.articles: list[dict] = []
        self.connections: set[ServerConnection] = set()
        self.bars_sent = 0
        # By the start of the minute: the last correction that every connection has got.
        self.revisions: dict[int, int] = {}
        self.running = threading.Event()

    def run(self) -> None:
        """Publishes, a second at a time, while `running` is set."""
        while True:
            self.running.wait()
            second = int(time.time())
            self._send_bars(second)
            for part in range(1, self.articles_per_second + 1):
                due = second + part / self.articles_per_second
                time.sleep(max(0.0, due - time.time()))
                if self.running.is_set():
                    self._publish(due)
            time.sleep(max(0.0, second + 1 - time.time()))

    def _publish(self, at: float) -> None:
        number = len(self.articles)
        title = f"{self.texts[number % len(self.texts)][:300]} {number}"
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03d}Z"
        article = {
            "id": f"load-{number}",
            "publisher": {"name": "Load"},
            "title": title,
            "published_utc": stamp,
            "article_url": f"http://127.0.0.1/{number}",
            "tickers": [self.symbols[1 + number * 31 % (len(self.symbols) - 1)]],
        }
        with self.lock:
            self.articles.append(article)

    def _send_bars(self, second: int) -> None:
        start = (second // 60 - 1) * MINUTE_MS
        revision = second % 60
        bars = [
            f'{{"ev":"AM","sym":"{name}","v":{1000 + revision},"vw":{price},"o":{price},"c":{price},"h":{price},'
            f'"l":{price},"z":10,"s":{start},"e":{start + MINUTE_MS}}}'
            for number, name in enumerate(self.symbols)
            for price in (close(number, start, revision),)
        ]
        for first in range(0, len(bars), FRAME):
            frame = "[" + ",".join(bars[first : first + FRAME]) + "]"
            for connection in list(self.connections):
                try:
                    connection.send(frame)
                except ConnectionClosed:
                    self.connections.discard(connection)
        if self.connections:
            self.bars_sent += len(bars)
            self.revisions[start] = revision

    def page(self, since: str, offset: int) -> tuple[list[dict], int]:
        """Articles published at `since` (RFC 3339, UTC) or later, from `offset` of these on; and how many follow."""
        with self.lock:
            # They are in order, and the newest are asked for.
            first = len(self.articles)
            while first > 0 and self.articles[first - 1]["published_utc"] >= since:
                first -= 1
            page = self.articles[first + offset : first + offset + PAGE]
            return page, len(self.articles) - first - offset - len(page)

    def account(self) -> dict:
        """How much was sent, and the sum of the last closes of all bars."""
        with self.lock:
            closes = sum(
                close(number, start, revision)
                for start, revision in self.revisions.items()
                for number in range(len(self.symbols))
            )
            bars = len(self.revisions) * len(self.symbols)
            return {"articles": len(self.articles), "bars": bars, "closes": closes, "bars_sent": self.bars_sent}


def talk(market: Market, connection: ServerConnection) -> None:
    """Logs a client in, confirms its subscriptions, and sends it bars until it goes away."""

    def say(status: str, message: str) -> None:
        connection.send(json.dumps([{"ev": "status", "status": status, "message": message}]))

    say("connected", "Connected Successfully")
    for text in connection:
        message = json.loads(text)
        if message["action"] == "auth":
            say("auth_success", "authenticated")
        elif message["action"] == "subscribe":
            say("success", "subscribed to: " + message["params"])
            market.connections.add(connection)
    market.connections.discard(connection)


def answers(market: Market) -> type[BaseHTTPRequestHandler]:
    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            answer: dict = {"status": "OK", "results": []}
            if url.path == "/v2/reference/news":
                since, offset = query["published_utc.gte"], int(query.get("offset", 0))
                # Whole seconds are asked for without a fraction, which a text of the same second with one follows.
                answer["results"], more = market.page(since.removesuffix("Z"), offset)
                if more > 0:
                    host, next_offset = self.headers["Host"], offset + PAGE
                    answer["next_url"] = f"http://{host}{url.path}?published_utc.gte={since}&offset={next_offset}"
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return Answers


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.load.market")
    parser.add_argument("--symbols", type=int, required=True)
    parser.add_argument("--articles", type=int, required=True)
    parser.add_argument("--texts", type=int, required=True, help="how many different texts; then they repeat")
    options = parser.parse_args()
    market = Market(options.symbols, options.articles, options.texts)
    rest = ThreadingHTTPServer(("127.0.0.1", 0), answers(market))
    stream = serve(lambda connection: talk(market, connection), "127.0.0.1", 0, compression=None, max_size=None)
    for work in (rest.serve_forever, stream.serve_forever, market.run):
        threading.Thread(target=work, daemon=True).start()
    ports = {"rest": rest.server_port, "stream": stream.socket.getsockname()[1]}
    print(json.dumps({"ready": True, "symbols": market.symbols} | ports), flush=True)
    for line in sys.stdin:
        if line.strip() == "start":
            market.running.set()
        elif line.strip() == "stop":
            market.running.clear()
            time.sleep(1.5)
        print(json.dumps(market.account()), flush=True)


if __name__ == "__main__":
    main()
