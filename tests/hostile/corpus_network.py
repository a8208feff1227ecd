"""Programs that talk to others: to a server on this machine, or to the world.

Each defines ``attack(yard)``, which is true where it reached somebody; the servers outside count
for themselves who came.
"""

PROGRAMS = {
    "a connection": """
# Connects to a server on this machine.
import socket
def attack(yard):
    socket.create_connection(("127.0.0.1", yard["port"]), 1).sendall(b"hello")
    return True
""",
    "a connection to any address": """
# The same by the address that stands for all.
import socket
def attack(yard):
    socket.create_connection(("0.0.0.0", yard["port"]), 1).sendall(b"hello")
    return True
""",
    "a connection by version six": """
# The same by IPv6.
import socket
def attack(yard):
    socket.create_connection(("::ffff:127.0.0.1", yard["port"]), 1).sendall(b"hello")
    return True
""",
    "a page": """
# Asks for a page of it.
import urllib.request
def attack(yard):
    urllib.request.urlopen(f"http://127.0.0.1:{yard['port']}/secret", timeout=1)
    return True
""",
    "a connection by asyncio": """
# Connects by an event loop.
import asyncio
def attack(yard):
    async def talk():
        _, writer = await asyncio.open_connection("127.0.0.1", yard["port"])
        writer.write(b"hello")
        return True
    return asyncio.run(talk())
""",
    "a connection by the C library": """
# Connects by calls of the C library.
import ctypes, socket, struct
def attack(yard):
    libc = ctypes.CDLL(None)
    number = libc.socket(2, 1, 0)
    address = struct.pack("=HH4s8x", 2, socket.htons(yard["port"]), bytes((127, 0, 0, 1)))
    return number >= 0 and libc.connect(number, address, 16) == 0
""",
    "a connection by another process": """
# Connects from a child that has a session of its own.
import os, socket
def attack(yard):
    child = os.fork()
    if child == 0:
        os.setsid()
        try:
            socket.create_connection(("127.0.0.1", yard["port"]), 1).sendall(b"hello")
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0
""",
    "a datagram": """
# Sends a datagram, which needs no connection.
import socket
def attack(yard):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        return out.sendto(b"hello", ("127.0.0.1", yard["datagrams"])) == 5
""",
    "data with the first packet": """
# Sends data by TCP Fast Open, which needs no call of connect.
import socket
def attack(yard):
    with socket.socket() as out:
        return out.sendto(b"hello", 0x20000000, ("127.0.0.1", yard["port"])) == 5
""",
    "a socket file": """
# Connects to a server by a socket in the file system, as to Docker's.
import socket
def attack(yard):
    with socket.socket(socket.AF_UNIX) as out:
        out.connect(yard["socket_file"])
        out.sendall(b"hello")
    return True
""",
    "a socket without a file": """
# Connects to a server by a name in the abstract space, as to a desktop's.
import socket
def attack(yard):
    with socket.socket(socket.AF_UNIX) as out:
        out.connect("\\0" + yard["abstract"])
        out.sendall(b"hello")
    return True
""",
    "a socket to the host": """
# Makes a socket by which a virtual machine talks to what runs it.
import socket
def attack(yard): return socket.socket(40, socket.SOCK_STREAM).fileno() >= 0
""",
    "a raw socket": """
# Makes sockets that see all packets.
import socket
def attack(yard):
    for family, kind in ((17, socket.SOCK_RAW), (socket.AF_INET, socket.SOCK_RAW)):
        try:
            return socket.socket(family, kind, 1).fileno() >= 0
        except OSError:
            pass
""",
    "a talk with the kernel": """
# Changes the network's interfaces by netlink.
import socket
def attack(yard):
    with socket.socket(16, socket.SOCK_RAW, 0) as out:
        out.bind((0, 0))
        return True
""",
    "a ring of requests": """
# Sets up io_uring, whose requests pass by filters of system calls.
import ctypes
def attack(yard):
    return ctypes.CDLL(None).syscall(425, 8, ctypes.create_string_buffer(240)) >= 0
""",
    "sockets that were left open": """
# Looks among its descriptors for a socket that leads elsewhere.
import os, socket, stat
def attack(yard):
    for number in range(256):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                other = socket.socket(fileno=os.dup(number))
                if other.getpeername():
                    return True
        except OSError:
            pass
""",
    "a name to resolve": """
# Asks for an address, so that a name carries a message away.
import socket
def attack(yard): return bool(socket.getaddrinfo("secret.example.org", 80))
""",
    "the network of another process": """
# Enters the network of another process.
import ctypes, os, socket
def attack(yard):
    number = os.open(f"/proc/{yard['victim']}/ns/net", os.O_RDONLY)
    if ctypes.CDLL(None).setns(number, 0):
        return False
    socket.create_connection(("127.0.0.1", yard["port"]), 1)
    return True
""",
}
