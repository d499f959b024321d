"""Folder and ports of one stack, taken from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.errors import USAGE, StackError

REPOSITORY = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Settings:
    """Where one stack keeps its data (`folder`), the downloads (`cache`), its ports, ClickHouse's time zone, whether
    clients need TLS and a password, whether there is a schema registry, and to which port Kafka tells its clients to
    connect, where that is not its own."""

    folder: Path
    cache: Path
    kafka_port: int = 19092
    kafka_controller_port: int = 19093
    clickhouse_http_port: int = 18123
    clickhouse_tcp_port: int = 19000
    registry_port: int = 18081
    clickhouse_zone: str = "UTC"
    tls: bool = False
    registry: bool = False
    kafka_advertised_port: int | None = None


def from_environment(env: Mapping[str, str] = os.environ) -> Settings:
    """Reads TAPEWIRE_STACK_DIR, TAPEWIRE_CACHE, TAPEWIRE_CLICKHOUSE_ZONE, TAPEWIRE_STACK_TLS, TAPEWIRE_STACK_REGISTRY
    and the TAPEWIRE_*_PORT variables."""
    user_cache = env.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    advertised = "TAPEWIRE_KAFKA_ADVERTISED_PORT"
    settings = Settings(
        folder=_path(env.get("TAPEWIRE_STACK_DIR") or REPOSITORY / ".stack"),
        cache=_path(env.get("TAPEWIRE_CACHE") or Path(user_cache) / "tapewire"),
        kafka_port=_port(env, "TAPEWIRE_KAFKA_PORT", Settings.kafka_port),
        kafka_controller_port=_port(env, "TAPEWIRE_KAFKA_CONTROLLER_PORT", Settings.kafka_controller_port),
        clickhouse_http_port=_port(env, "TAPEWIRE_CLICKHOUSE_HTTP_PORT", Settings.clickhouse_http_port),
        clickhouse_tcp_port=_port(env, "TAPEWIRE_CLICKHOUSE_TCP_PORT", Settings.clickhouse_tcp_port),
        registry_port=_port(env, "TAPEWIRE_REGISTRY_PORT", Settings.registry_port),
        clickhouse_zone=env.get("TAPEWIRE_CLICKHOUSE_ZONE") or Settings.clickhouse_zone,
        tls=_choice(env, "TAPEWIRE_STACK_TLS"),
        registry=_choice(env, "TAPEWIRE_STACK_REGISTRY"),
        kafka_advertised_port=_port(env, advertised, Settings.kafka_port) if env.get(advertised) else None,
    )
    if "," in str(settings.folder):
        raise StackError(f"TAPEWIRE_STACK_DIR={settings.folder}: Kafka cannot use a path with a comma", USAGE)
    return settings


def _path(value: str | Path) -> Path:
    return Path(value).expanduser().absolute()


def _choice(env: Mapping[str, str], variable: str) -> bool:
    text = env.get(variable) or "0"
    if text not in ("0", "1"):
        raise StackError(f"{variable}={text}: give 1, or 0 for no", USAGE)
    return text == "1"


def _port(env: Mapping[str, str], variable: str, default: int) -> int:
    text = env.get(variable) or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise StackError(f"{variable}={text}: give a port number from 1 to 65535", USAGE)
    return int(text)
