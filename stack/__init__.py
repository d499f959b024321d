"""Local servers of tapewire without containers: Apache Kafka and ClickHouse on loopback.

settings    folder and ports, from the environment
downloads   pinned artifacts, fetched once, checked against downloads.json
process     detached servers: started, recognised again, stopped; who holds a port or a file
kafka       Apache Kafka from its own jars
kafka_wire  the few bytes of Kafka's protocol that tell whether a broker answers
clickhouse  ClickHouse out of libchdb.so; clickhouse_server.py is the process itself
cli         up, down, status, kill, env, tool
pin         writes downloads.json again
"""
