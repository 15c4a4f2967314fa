# SPDX-License-Identifier: MIT
"""A traceback of a thread, with a cause, that ends no process."""
import threading


def parse(text):
    return int(text)


def work():
    try:
        parse("twelve")
    except ValueError as error:
        raise RuntimeError("the order has no amount") from error


thread = threading.Thread(target=work, name="order-worker")
thread.start()
thread.join()
print("goes on")
