"""Local servers of tapewire without containers: Apache Kafka and ClickHouse on loopback.

`service.Service` is what both have in common; `cli` has the commands. Each module's first line says what it is for.
"""
