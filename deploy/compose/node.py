"""A simulated EC2 node: keeps one instance at moto and exports what node_exporter would on a machine of its type.

The work doesn't change with the machine: it wants DEMAND_VCPU on average (1.2), in a slow wave. One vCPU (t2.small) is
saturated by that; two (t2.medium) are comfortable. Try `DEMAND_VCPU=0.3 docker compose up -d node` to see a way down.
"""

import http.server
import math
import os
import random
import sys
import threading
import time
import urllib.request

import boto3

INSTANCE_ID = os.environ["INSTANCE_ID"]
FIRST_TYPE = "t2.small"
DEMAND_VCPU = float(os.environ.get("DEMAND_VCPU", "1.2"))
WAVE_SECONDS = 1200
USED_MEMORY_BYTES = 900 * 2**20
PORT = 9100

ec2 = boto3.client("ec2")


def find_instance():
    """The instance as EC2 describes it, or None when it isn't there."""
    described = ec2.describe_instances(Filters=[{"Name": "instance-id", "Values": [INSTANCE_ID]}])
    found = [instance for reservation in described["Reservations"] for instance in reservation["Instances"]]
    return found[0] if found and found[0]["State"]["Name"] != "terminated" else None


def create_instance():
    """Runs the instance at moto. Its id follows from the seed, so that the configuration can name it beforehand."""
    images = ec2.describe_images(
        Filters=[{"Name": "architecture", "Values": ["x86_64"]}, {"Name": "root-device-type", "Values": ["ebs"]}]
    )
    for _ in range(5):
        seed = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"] + "/moto-api/seed?a=42", method="POST")
        urllib.request.urlopen(seed, timeout=10).close()
        instance = ec2.run_instances(
            ImageId=images["Images"][0]["ImageId"],
            InstanceType=FIRST_TYPE,
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "autoscaler", "Value": "enabled"}]}],
        )["Instances"][0]
        if instance["InstanceId"] == INSTANCE_ID:
            return
        # Another call drew a random number in between, or moto's version counts differently.
        ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    sys.exit(f"this moto names the instance {instance['InstanceId']}: write that where {INSTANCE_ID} stands")


class Machine:
    """Counters of one boot on one instance type."""

    def __init__(self, instance_type):
        described = ec2.describe_instance_types(InstanceTypes=[instance_type])["InstanceTypes"][0]
        self.instance_type = instance_type
        self.vcpus = described["VCpuInfo"]["DefaultVCpus"]
        self.memory_bytes = described["MemoryInfo"]["SizeInMiB"] * 2**20
        self.seconds = {mode: 0.0 for mode in ("idle", "user", "system", "iowait")}
        self.read_bytes = 0.0
        self.written_bytes = 0.0
        self.load = 0.0
        self.boot_time = time.time()

    def advance(self, now, seconds):
        wave = 1 + 0.12 * math.sin(2 * math.pi * now / WAVE_SECONDS) + random.gauss(0, 0.02)
        demand = max(DEMAND_VCPU * wave, 0.0)
        busy = min(demand, self.vcpus)
        for mode, vcpus in (
            ("idle", (self.vcpus - busy) * 0.99),
            ("iowait", (self.vcpus - busy) * 0.01),
            ("user", busy * 0.85),
            ("system", busy * 0.15),
        ):
            self.seconds[mode] += vcpus * seconds
        self.read_bytes += busy * 200e3 * seconds
        self.written_bytes += busy * 400e3 * seconds
        self.load += (demand - self.load) * min(seconds / 60, 1)

    def exposition(self):
        lines = ["# TYPE node_cpu_seconds_total counter"]
        for cpu in range(self.vcpus):
            for mode, total in self.seconds.items():
                lines.append(f'node_cpu_seconds_total{{cpu="{cpu}",mode="{mode}"}} {total / self.vcpus:.3f}')
        for name, kind, value in (
            ("node_memory_MemTotal_bytes", "gauge", self.memory_bytes),
            ("node_memory_MemAvailable_bytes", "gauge", self.memory_bytes - USED_MEMORY_BYTES),
            ('node_disk_read_bytes_total{device="xvda"}', "counter", self.read_bytes),
            ('node_disk_written_bytes_total{device="xvda"}', "counter", self.written_bytes),
            ("node_load1", "gauge", self.load),
            ("node_boot_time_seconds", "gauge", self.boot_time),
        ):
            lines += [f"# TYPE {name.partition('{')[0]} {kind}", f"{name} {value:.3f}"]
        return "\n".join(lines) + "\n"


class Node:
    """Follows the instance at moto: another type is another machine, a stopped one exports nothing."""

    def __init__(self):
        self.lock = threading.Lock()
        self.machine = None

    def follow(self):
        before = time.monotonic()
        while True:
            instance = find_instance()
            if instance is None:
                create_instance()
                continue
            running = instance["State"]["Name"] == "running"
            with self.lock:
                machine = self.machine if running else None
            if running and (machine is None or machine.instance_type != instance["InstanceType"]):
                machine = Machine(instance["InstanceType"])
                print(f"booted as {machine.instance_type} with {machine.vcpus} vCPU", flush=True)
            now = time.monotonic()
            with self.lock:
                self.machine = machine
                if machine:
                    machine.advance(time.time(), now - before)
            before = now
            time.sleep(1)

    def exposition(self):
        with self.lock:
            return self.machine.exposition() if self.machine else None


def main():
    node = Node()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            text = node.exposition() if self.path == "/metrics" else None
            self.send_response(200 if text else 503)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write((text or "").encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("", PORT), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    node.follow()


if __name__ == "__main__":
    main()
