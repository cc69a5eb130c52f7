"""Nodes on this machine, for the scripts beside this file."""

import os
import subprocess
import sys
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("QUORATE", os.path.join(ROOT, "target/release/quorate"))
PORT = int(os.environ.get("PORT", "15430"))


class Node:
    def __init__(self, number, directory):
        self.number = number
        self.data = os.path.join(directory, f"node{number}")
        self.port, self.admin, self.cluster = PORT + number, PORT + 10 + number, PORT + 20 + number
        self.process = None

    def start(self, nodes, *options):
        """Starts it among those that found the cluster."""
        local = "127.0.0.1:{}".format
        join = ",".join(local(node.cluster) for node in nodes)
        self.log = open(self.data + ".log", "a")
        self.process = subprocess.Popen(
            [BINARY, "serve", "--data", self.data, "--listen", local(self.port), "--admin", local(self.admin),
             "--cluster-listen", local(self.cluster), "--join", join, "--expect", str(len(nodes)), "--node-id", str(self.number), *options],
            stdout=subprocess.PIPE, stderr=self.log, text=True)

    def wait(self):
        while "is ready" not in self.process.stdout.readline():
            if self.process.poll() is not None:
                sys.exit(f"node {self.number} has ended: see {self.data}.log")

    def status(self):
        """Its status page, empty if there is none."""
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/status", timeout=2).read().decode()
        except OSError:
            return ""

    def leads(self):
        return "role\tleader" in self.status()

    def memory_mb(self, field="VmRSS"):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(field)) // 1024

    def psql(self, sql):
        command = ["psql", "-XqAt", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-c", sql, "postgres"]
        return subprocess.run(command, capture_output=True, text=True)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
