"""A yardstick of bench_proxy.py: a relay in the manner of the system that nitro-signer replaces, a thread for each direction of a
connection, which copies 1,024 bytes at a time. python_relay.py LISTEN-PORT TARGET-PORT, both on loopback."""
import resource
import socket
import sys
import threading

PART = 1024


def copy(source, sink):
    try:
        while part := source.recv(PART):
            sink.sendall(part)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for stream in (source, sink):
            stream.close()


def main(port, target):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    threading.stack_size(256 * 1024)
    with socket.create_server(("127.0.0.1", port), backlog=1024) as listener:
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", target))
            for ends in ((client, server), (server, client)):
                threading.Thread(target=copy, args=ends, daemon=True).start()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
