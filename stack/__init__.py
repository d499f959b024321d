"""Local servers of tapewire without containers: Apache Kafka, ClickHouse and, where it is wanted, a schema registry on
loopback.

`service.Service` is what they have in common; `cli` has the commands. Each module's first line says what it is for.
"""
