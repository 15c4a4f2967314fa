# SPDX-License-Identifier: MIT
"""A RabbitMQ broker and what a test asks of it (python3-pika)."""
import subprocess
import time

import pika

from harness import eventually
from service import Service


class Rabbit(Service):
    def __init__(self, folder):
        super().__init__("rabbitmq", folder, 4)

    def control(self, *words):
        subprocess.run([self["RABBITMQ_CTL"], "-q", *words], check=True, capture_output=True, timeout=60)

    def heartbeats(self):
        """Seconds agreed upon with each client that is connected."""
        told = subprocess.run([self["RABBITMQ_CTL"], "-q", "list_connections", "timeout", "--no-table-headers"],
                              check=True, capture_output=True, timeout=60).stdout
        return {int(word) for word in told.split()}

    def connect(self):
        """A connection; a broker that has just been thawed or started may need a moment."""
        parameters = pika.URLParameters(self["AMQP_URL"] + "%2F")
        parameters.socket_timeout = parameters.stack_timeout = 20
        return eventually(lambda: self._try_connect(parameters), 30, "a connection to the broker")

    @staticmethod
    def _try_connect(parameters):
        try:
            return pika.BlockingConnection(parameters)
        except pika.exceptions.AMQPError:
            return None

    def declare(self, queue, exchange=None, key="", arguments=None):
        """A durable queue, bound to a durable topic exchange if one is named."""
        connection = self.connect()
        channel = connection.channel()
        channel.queue_declare(queue, durable=True, arguments=arguments)
        if exchange:
            channel.exchange_declare(exchange, "topic", durable=True)
            channel.queue_bind(queue, exchange, key)
        connection.close()

    def delete(self, queue):
        connection = self.connect()
        connection.channel().queue_delete(queue)
        connection.close()

    def purge(self, queue):
        connection = self.connect()
        connection.channel().queue_purge(queue)
        connection.close()

    def messages(self, queue, taken=None):
        """Takes all that is there: [(body, properties)], appended to taken."""
        connection = self.connect()
        channel = connection.channel()
        taken = [] if taken is None else taken
        while True:
            method, properties, body = channel.basic_get(queue, auto_ack=True)
            if method is None:
                break
            taken.append((body.decode(), properties))
        connection.close()
        return taken


class Consumer:
    """Takes ids from a queue until all that are wanted have come; keeps each with how often it came."""

    def __init__(self, rabbit, queue):
        self.rabbit = rabbit
        self.queue = queue
        self.counts = {}
        self.properties = {}

    def take(self):
        taken = []
        try:
            self.rabbit.messages(self.queue, taken)
        except pika.exceptions.AMQPError:  # a broker that has just been started may end a connection again
            pass
        for body, properties in taken:
            self.counts[body] = self.counts.get(body, 0) + 1
            self.properties[body] = properties

    def wait_for(self, ids, seconds=30):
        end = time.monotonic() + seconds
        while True:
            self.take()
            missing = set(ids) - set(self.counts)
            if not missing:
                return
            assert time.monotonic() < end, f"{len(missing)} of {len(set(ids))} did not arrive: {sorted(missing)[:5]}"
            time.sleep(0.05)
